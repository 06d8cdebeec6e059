//! The viewer door: following a share with JSON, in a browser, a script or with `curl`.
//!
//! `schema/viewer.md` is its contract: [`frame`] is what travels down, [`uplink`] and [`command`] what travels up, and
//! [`manifest`] says all of that to machines. A viewer comes on a WebSocket ([`ws`]) or takes server-sent events ([`sse`]);
//! either way it is one of the [`member`]s, and what it is told next is the same. Nobody who watches can change a share.

use std::time::Duration;

mod channel;
mod code;
pub mod command;
mod form;
pub mod frame;
pub mod life;
pub mod loading;
pub mod manifest;
pub mod member;
pub mod packing;
pub mod page;
pub mod patch;
pub mod render;
pub mod shapes;
mod short;
pub mod socket;
pub mod sse;
pub mod streams;
pub mod typescript;
pub mod uplink;
pub mod ws;

/// Deadlines and limits of viewers.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct ViewerSettings {
    /// Time between two heartbeats. Default 30 s.
    pub heartbeat: Duration,
    /// How long a WebSocket may be silent after the ping that comes with a heartbeat, before it is taken for dead. The next
    /// heartbeat does not put this deadline off. Default 10 s.
    pub pong_within: Duration,
    /// How long a viewer, or any other reader of an answer over HTTP, may take no bytes before it is cut off. Default 30 s.
    pub write_stall: Duration,
    /// How long a command of a viewer may take before it is answered as unavailable. Default 10 s.
    pub command_within: Duration,
    /// How long a WebSocket that came in without a credential, to a share that is not for everybody, may take to show one.
    /// Default 10 s.
    pub authenticate_within: Duration,
    /// Number of server-sent streams that one login session, token or account may have; with one more the oldest is closed. Default
    /// 64: a browser has 6 to a host, so ten browsers.
    pub streams_max: usize,
}

impl Default for ViewerSettings {
    fn default() -> Self {
        Self {
            heartbeat: Duration::from_secs(30),
            pong_within: Duration::from_secs(10),
            write_stall: Duration::from_secs(30),
            command_within: Duration::from_secs(10),
            authenticate_within: Duration::from_secs(10),
            streams_max: 64,
        }
    }
}
