//! Integration tests, in one binary.
#![expect(clippy::unwrap_used, reason = "a scene that meets an error has failed")]
#![expect(clippy::wildcard_enum_match_arm, reason = "a scene names what it expects and fails on everything else")]

mod access;
mod admin_shares;
mod architecture;
mod browser;
mod calls;
mod capnweb;
mod chapters;
mod cli;
mod client;
mod crash;
mod damage;
mod documents;
mod doors;
mod expiry;
mod grants;
mod growth;
mod hub;
mod in_process;
mod lifecycle;
mod limits;
mod messages;
mod opencode;
mod own;
mod papers;
mod pauses;
mod pushes;
mod quota;
mod real;
mod redact;
mod registry;
mod schema;
mod segments;
mod share;
mod simulation;
mod sleep;
mod sockets;
mod stalled;
mod store;
mod support;
mod transcripts;
mod viewers;
mod visibility;
mod wire;
mod wrong_clock;
