//! Integration tests, in one binary.
#![expect(clippy::unwrap_used, reason = "a scene that meets an error has failed")]
#![expect(clippy::wildcard_enum_match_arm, reason = "a scene names what it expects and fails on everything else")]

mod architecture;
mod calls;
mod cli;
mod client;
mod crash;
mod doors;
mod expiry;
mod growth;
mod hub;
mod in_process;
mod lifecycle;
mod limits;
mod quota;
mod real;
mod registry;
mod schema;
mod share;
mod simulation;
mod store;
mod support;
mod viewers;
mod wire;
