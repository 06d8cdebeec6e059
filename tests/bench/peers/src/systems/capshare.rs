//! The system this is all about: `capshare serve`, as released.

use std::path::PathBuf;
use std::process::Command;

use crate::context::Context;
use crate::install;
use crate::running::{Running, free_address};
use crate::scene::System;

/// A host. Its store is in memory unless [`flags`](Self::flags) say another.
#[derive(Clone, Debug)]
pub(crate) struct Capshare {
    name: String,
    flags: Vec<String>,
    environment: Vec<(String, String)>,
}

impl Capshare {
    /// A host over memory, with defaults.
    pub(crate) fn new(name: &str) -> Self {
        Self { name: name.to_owned(), flags: Vec::new(), environment: Vec::new() }
    }

    /// Further flags of `capshare serve`.
    pub(crate) fn flags<const N: usize>(mut self, flags: [&str; N]) -> Self {
        self.flags.extend(flags.map(str::to_owned));
        self
    }

    /// A variable of its environment.
    pub(crate) fn variable(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// The program, built.
    pub(crate) fn program(context: &Context) -> PathBuf {
        context.out.join("build/release/capshare")
    }

    /// The command that serves on `address`.
    pub(crate) fn command(&self, context: &Context, address: std::net::SocketAddr) -> Command {
        let mut command = Command::new(Self::program(context));
        command.arg("serve").arg("--listen").arg(address.to_string());
        if !self.flags.iter().any(|flag| flag == "--store") {
            command.args(["--store", "memory:"]);
        }
        command.args(&self.flags).envs(self.environment.iter().cloned());
        command
    }
}

impl System for Capshare {
    fn name(&self) -> &str {
        &self.name
    }

    fn install(&self, context: &Context) -> anyhow::Result<()> {
        // Cargo knows whether anything changed.
        install::run(
            Command::new("cargo")
                .args(["build", "--quiet", "--release", "--features", "bin", "--bin", "capshare", "--target-dir"])
                .arg(context.out.join("build"))
                .current_dir(&context.root),
        )
    }

    fn start(&self, context: &Context) -> anyhow::Result<Running> {
        let address = free_address()?;
        Running::start(context, &self.name, &mut self.command(context, address), address)
    }
}
