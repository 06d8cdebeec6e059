//! Integration tests, in one binary.

mod architecture;
mod calls;
mod client;
mod doors;
mod hub;
mod lifecycle;
mod limits;
mod real;
mod schema;
mod share;
mod store;
mod support;
mod viewers;
mod wire;
