//! NATS of Debian: publishers over TCP, viewers over WebSocket; plain subjects, nothing kept.

use std::process::Command;

use tempfile::TempDir;

use crate::context::Context;
use crate::install;
use crate::running::{Running, free_address};
use crate::scene::System;
use crate::versions;

/// A server.
#[derive(Debug)]
pub(crate) struct Nats(pub(crate) &'static str);

impl System for Nats {
    fn name(&self) -> &str {
        self.0
    }

    fn install(&self, context: &Context) -> anyhow::Result<()> {
        install::debian(context, "nats-server", versions::NATS).map(drop)
    }

    fn start(&self, context: &Context) -> anyhow::Result<Running> {
        let root = install::debian(context, "nats-server", versions::NATS)?;
        let (folder, address, viewers) = (TempDir::new()?, free_address()?, free_address()?);
        let settings = folder.path().join("nats.conf");
        std::fs::write(
            &settings,
            format!(
                "listen: \"{address}\"\nmax_connections: 20000\nwebsocket {{ listen: \"{viewers}\", no_tls: true }}\n"
            ),
        )?;
        let mut command = Command::new(root.join("usr/sbin/nats-server"));
        command.arg("-c").arg(&settings);
        Running::start(context, self.0, &mut command, address)?.with_folder(folder).with_door("viewers", viewers)
    }
}
