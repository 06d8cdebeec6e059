//! Integration tests, in one binary.
#![expect(clippy::unwrap_used, reason = "a scene that meets an error has failed")]

mod architecture;
mod calls;
mod doors;
mod hub;
mod lifecycle;
mod limits;
mod share;
mod store;
mod support;
mod viewers;
mod wire;
