//! Integration tests, in one binary.

mod client;
mod store;
mod support;
mod wire;
