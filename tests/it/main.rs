//! Integration tests, in one binary.

mod doors;
mod lifecycle;
mod store;
mod support;
mod viewers;
