//! The systems: how each is had and started. What drives them is in [`drive`](crate::drive).

pub(crate) mod capshare;
pub(crate) mod durable_streams;
pub(crate) mod nats;
pub(crate) mod nchan;
pub(crate) mod socketio;

use std::net::SocketAddr;

/// Serves a peer that is written in this package, in this process, until standard input ends.
///
/// # Errors
///
/// There is no such peer, or it cannot listen.
pub(crate) fn serve_peer(name: &str, address: SocketAddr) -> anyhow::Result<()> {
    anyhow::bail!("no peer is called {name}, to listen on {address}")
}
