//! Cap'n Web: on Node with `ws`, and in a Durable Object with emulated R2, as the original design has it.
//!
//! Both servers are scripts of `node/` beside `src/`; Node and npm must be there.

use std::process::Command;

use anyhow::Context as _;

use crate::context::Context;
use crate::install;
use crate::running::{Running, free_address};
use crate::scene::System;
use crate::versions;

/// A server of Cap'n Web.
#[derive(Clone, Copy, Debug)]
pub(crate) enum CapnWeb {
    /// capnweb on Node with `ws`: a counter in memory.
    Node,
    /// miniflare and workerd: each sync is a get and two puts of R2, and a broadcast.
    DurableObject,
}

impl CapnWeb {
    /// The folder it is installed in, its packages and its script.
    const fn parts(self) -> (&'static str, &'static [&'static str], &'static str) {
        match self {
            Self::Node => ("capnweb", versions::CAPNWEB, "capnweb.mjs"),
            Self::DurableObject => ("miniflare", versions::MINIFLARE, "miniflare.mjs"),
        }
    }
}

impl System for CapnWeb {
    fn name(&self) -> &str {
        match self {
            Self::Node => "capnweb on Node",
            Self::DurableObject => "Durable Object",
        }
    }

    fn install(&self, context: &Context) -> anyhow::Result<()> {
        let (folder, packages, _) = self.parts();
        install::npm(context, folder, packages)?;
        Ok(())
    }

    fn start(&self, context: &Context) -> anyhow::Result<Running> {
        let (folder, _, script) = self.parts();
        let folder = context.peer_folder(folder);
        // A script finds packages only above itself.
        for script in [script, "worker.mjs"] {
            let from = context.root.join("tests/bench/peers/node").join(script);
            std::fs::copy(&from, folder.join(script)).with_context(|| from.display().to_string())?;
        }
        let address = free_address()?;
        let mut command = Command::new("node");
        command.arg(script).arg(address.port().to_string()).current_dir(&folder);
        Running::start(context, self.name(), &mut command, address)
    }
}
