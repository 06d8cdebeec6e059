//! The Rust server of Durable Streams, with its defaults: every event is on disk before it is answered.

use std::process::Command;

use tempfile::TempDir;

use crate::context::Context;
use crate::install;
use crate::running::{Running, free_address};
use crate::scene::System;
use crate::versions;

/// A server over a folder of its own.
#[derive(Debug)]
pub(crate) struct DurableStreams(pub(crate) &'static str);

impl System for DurableStreams {
    fn name(&self) -> &str {
        self.0
    }

    fn install(&self, context: &Context) -> anyhow::Result<()> {
        install::cargo(context, versions::DURABLE_STREAMS).map(drop)
    }

    fn start(&self, context: &Context) -> anyhow::Result<Running> {
        let program = install::cargo(context, versions::DURABLE_STREAMS)?;
        // On the disk of the checkout: the folder for temporary files is often in memory.
        let (folder, address) = (TempDir::new_in(&context.out)?, free_address()?);
        let mut command = Command::new(program);
        command.args(["--port", &address.port().to_string(), "--data-dir"]).arg(folder.path());
        Ok(Running::start(context, self.0, &mut command, address)?.with_folder(folder))
    }
}
