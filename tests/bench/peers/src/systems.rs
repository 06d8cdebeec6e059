//! The systems: how each is had and started. What drives them is in [`drive`](crate::drive).
//!
//! A peer that is a Rust library has its server here too; it runs in a process of its own, which is this program started with
//! `serve-peer`.

pub(crate) mod capnp_tcp;
pub(crate) mod capnweb;
pub(crate) mod capshare;
pub(crate) mod durable_streams;
pub(crate) mod grpc;
pub(crate) mod jsonrpc;
pub(crate) mod nats;
pub(crate) mod nchan;
pub(crate) mod s2;
pub(crate) mod socketio;

use std::io::Read as _;
use std::net::SocketAddr;
use std::process::Command;

use crate::context::Context;
use crate::running::{Running, free_address};
use crate::scene::System;

/// A peer whose server is written in this package.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Own(pub(crate) &'static str);

impl System for Own {
    fn name(&self) -> &str {
        self.0
    }

    fn start(&self, context: &Context) -> anyhow::Result<Running> {
        let address = free_address()?;
        let mut command = Command::new(std::env::current_exe()?);
        command.args(["serve-peer", self.0, &address.to_string()]);
        Running::start(context, self.0, &mut command, address)
    }
}

/// Serves a peer that is written in this package, in this process, until standard input ends.
///
/// # Errors
///
/// There is no such peer, or it cannot listen.
pub(crate) fn serve_peer(name: &str, address: SocketAddr) -> anyhow::Result<()> {
    std::thread::spawn(|| {
        // Whether it ends or fails, whoever started this has gone.
        let _ended = std::io::stdin().read_to_end(&mut Vec::new());
        std::process::exit(0);
    });
    match name {
        capnp_tcp::NAME => capnp_tcp::serve(address),
        grpc::NAME => grpc::serve(address),
        jsonrpc::NAME => jsonrpc::serve(address),
        unknown => anyhow::bail!("no peer is called {unknown}"),
    }
}
