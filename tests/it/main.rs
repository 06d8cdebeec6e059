//! Integration tests, in one binary.

mod calls;
mod doors;
mod lifecycle;
mod limits;
mod real;
mod schema;
mod store;
mod support;
mod viewers;
mod wire;
