//! Integration tests, in one binary.

mod lifecycle;
mod store;
mod support;
