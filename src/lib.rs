//! capshare shares a live agent session: a share-session service on Cap'n Proto RPC over WebSocket, kept in a bucket.
//!
//! A producer creates a share of its session, syncs what changes, and deletes it; viewers follow it live. This crate is
//! three things: the `Client` that other services link (feature `client`, the default), a `host` that serves shares
//! and can be embedded (`server`, with `s3` for S3-compatible buckets), and the `capshare` program (`bin`). `testing`
//! joins host and client in one process; `transcripts` reads what coding agents leave on disk into changes for a share. The
//! contract between them is `schema/share.capnp`; how the parts fit is in `ARCHITECTURE.md`.
//!
//! What is documented here is what is promised. Everything else of the crate is internal: it may change with every version.
//!
//! ```no_run
//! # async fn scene() -> Result<(), Box<dyn std::error::Error>> {
//! use capshare::{Client, client::Items};
//!
//! let client = Client::builder("ws://127.0.0.1:7420").build()?;
//! let share = client.create(&"ses_1".parse()?, None).await?;
//! let mut items = Items::new();
//! items.put("message", r#"{"id": "msg_1", "role": "user"}"#)?;
//! println!("{} holds {} sync", share.url(), share.sync(items).await?.sync_count);
//! share.delete().await?;
//! # Ok(())
//! # }
//! ```
//!
//! What it is not: it does not merge text (the newest value of an item wins), it keeps no history of values, and it is no
//! message broker: a follower that was away is told what changed, not each step of how.
#![forbid(unsafe_code)]
#![cfg_attr(docsrs, feature(doc_cfg))]

#[cfg(feature = "server")]
mod access;
#[cfg(feature = "server")]
mod ambient;
#[cfg(feature = "server")]
mod audit;
#[cfg(feature = "server")]
#[doc(hidden)]
pub mod capnweb;
#[cfg(feature = "client")]
pub mod client;
#[cfg(feature = "server")]
mod connections;
mod contract;
#[cfg(feature = "server")]
mod deployment;
#[cfg(feature = "server")]
mod health;
#[cfg(feature = "server")]
mod hints;
#[cfg(feature = "server")]
pub mod host;
#[cfg(feature = "server")]
mod http;
#[cfg(feature = "server")]
mod hub;
#[cfg(feature = "server")]
mod metrics;
#[cfg(feature = "nats")]
mod nats;
#[cfg(all(feature = "client", feature = "server"))]
mod outbound;
#[cfg(feature = "server")]
mod peers;
#[cfg(feature = "server")]
mod rooms;
#[cfg(feature = "server")]
mod rpc;
pub mod share;
#[cfg(feature = "server")]
mod store;
#[cfg(feature = "testing")]
pub mod testing;
#[cfg(feature = "transcripts")]
pub mod transcripts;
#[cfg(feature = "server")]
mod viewer;
#[cfg(feature = "server")]
mod web;
mod wire;

/// What the program, the tests and the benches of this package reach besides. It is no part of what is promised: every version may
/// change it.
#[doc(hidden)]
pub mod __internal {
    #[cfg(feature = "server")]
    pub mod access {
        pub use crate::access::*;
    }
    #[cfg(feature = "server")]
    pub mod ambient {
        pub use crate::ambient::*;
    }
    #[cfg(feature = "server")]
    pub mod audit {
        pub use crate::audit::*;
    }
    #[cfg(feature = "server")]
    pub mod connections {
        pub use crate::connections::*;
    }
    pub mod contract {
        pub use crate::contract::*;
    }
    #[cfg(feature = "server")]
    pub mod deployment {
        pub use crate::deployment::*;
    }
    #[cfg(feature = "server")]
    pub mod health {
        pub use crate::health::*;
    }
    #[cfg(feature = "server")]
    pub mod hints {
        pub use crate::hints::*;
    }
    #[cfg(feature = "server")]
    pub mod http {
        pub use crate::http::*;
    }
    #[cfg(feature = "server")]
    pub mod hub {
        pub use crate::hub::*;
    }
    #[cfg(feature = "server")]
    pub mod metrics {
        pub use crate::metrics::*;
    }
    #[cfg(feature = "nats")]
    pub mod nats {
        pub use crate::nats::*;
    }
    #[cfg(feature = "server")]
    pub mod peers {
        pub use crate::peers::*;
    }
    #[cfg(feature = "server")]
    pub mod rooms {
        pub use crate::rooms::*;
    }
    #[cfg(feature = "server")]
    pub mod rpc {
        pub use crate::rpc::*;
    }
    #[cfg(feature = "server")]
    pub mod store {
        pub use crate::store::*;
    }
    #[cfg(feature = "server")]
    pub mod viewer {
        pub use crate::viewer::*;
    }
    #[cfg(feature = "server")]
    pub mod web {
        pub use crate::web::*;
    }
    pub mod wire {
        pub use crate::wire::*;
    }
    pub use crate::generated::share_capnp;
}

#[cfg(all(doc, feature = "testing"))]
#[doc = include_str!("ARCHITECTURE.md")]
mod _architecture {}

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
use generated::share_capnp;

#[cfg(feature = "client")]
pub use client::Client;

/// The examples of the README are compiled.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

/// The examples of the chapter about linking are compiled.
#[cfg(doctest)]
#[doc = include_str!("docs/linking.md")]
struct Linking;
