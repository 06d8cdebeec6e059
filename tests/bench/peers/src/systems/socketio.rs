//! Socket.IO on Node, with its defaults, over WebSockets: a room for each topic, events by an HTTP request to the same server.

use std::process::Command;

use crate::context::Context;
use crate::install;
use crate::running::{Running, free_address};
use crate::scene::System;
use crate::versions;

/// The server's program.
const PROGRAM: &str = include_str!("../../node/socketio.mjs");

/// A server.
#[derive(Debug)]
pub(crate) struct SocketIo(pub(crate) &'static str);

impl System for SocketIo {
    fn name(&self) -> &str {
        self.0
    }

    fn install(&self, context: &Context) -> anyhow::Result<()> {
        install::npm(context, "socket.io", versions::SOCKET_IO).map(drop)
    }

    fn start(&self, context: &Context) -> anyhow::Result<Running> {
        let folder = install::npm(context, "socket.io", versions::SOCKET_IO)?;
        let address = free_address()?;
        // Beside `node_modules`, where Node looks for what it imports.
        let program = folder.join("server.mjs");
        std::fs::write(&program, PROGRAM)?;
        let mut command = Command::new("node");
        command.arg(&program).arg(address.port().to_string()).current_dir(&folder);
        Running::start(context, self.0, &mut command, address)
    }
}
