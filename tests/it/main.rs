//! Integration tests, in one binary.
#![expect(clippy::unwrap_used, reason = "a scene that meets an error has failed")]

mod store;
mod support;
