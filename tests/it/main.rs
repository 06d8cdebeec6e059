//! Integration tests, in one binary.

mod calls;
mod doors;
mod lifecycle;
mod limits;
mod store;
mod support;
mod viewers;
mod wire;
