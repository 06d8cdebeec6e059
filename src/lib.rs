//! capshare shares a live agent session over Cap'n Proto RPC.
#![forbid(unsafe_code)]

#[cfg(feature = "client")]
pub mod client;
pub mod contract;
#[cfg(feature = "server")]
pub mod host;
#[cfg(feature = "server")]
pub mod http;
#[cfg(feature = "server")]
pub mod hub;
#[cfg(feature = "server")]
pub mod rpc;
pub mod share;
#[cfg(feature = "server")]
pub mod store;
#[cfg(feature = "testing")]
pub mod testing;
#[cfg(feature = "server")]
pub mod viewer;
pub mod wire;

// Mounted at the crate root, where generated code looks for itself.
mod generated {
    #![allow(
        missing_docs,
        missing_debug_implementations,
        unreachable_patterns,
        unreachable_pub,
        clippy::all,
        clippy::unimplemented,
        clippy::use_self,
        clippy::unwrap_used,
        clippy::wildcard_enum_match_arm,
        reason = "written by capnpc, not by us"
    )]
    capnp::generated_code!(pub mod share_capnp);
}
pub use generated::share_capnp;

#[cfg(feature = "client")]
pub use client::Client;
