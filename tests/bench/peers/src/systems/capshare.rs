//! The system this is all about: `capshare serve`, as released.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;

use crate::context::Context;
use crate::install;
use crate::running::{Running, free_address};
use crate::s3::{self, S3};
use crate::scene::System;

/// A host. Its store is in memory unless [`flags`](Self::flags) say another, or it is [`over`](Self::over) a bucket.
#[derive(Clone, Debug)]
pub(crate) struct Capshare {
    name: String,
    flags: Vec<String>,
    bucket: Option<Arc<S3>>,
}

impl Capshare {
    /// A host over memory, with defaults.
    pub(crate) fn new(name: &str) -> Self {
        Self { name: name.to_owned(), flags: Vec::new(), bucket: None }
    }

    /// Further flags of `capshare serve`.
    pub(crate) fn flags<const N: usize>(mut self, flags: [&str; N]) -> Self {
        self.flags.extend(flags.map(str::to_owned));
        self
    }

    /// Keeps its shares in a bucket, which each start finds empty.
    pub(crate) fn over(mut self, bucket: Arc<S3>) -> Self {
        self.bucket = Some(bucket);
        self
    }

    /// The program, built.
    pub(crate) fn program(context: &Context) -> PathBuf {
        context.out.join("build/release/capshare")
    }

    /// The command that serves on `address`.
    ///
    /// # Errors
    ///
    /// The bucket cannot listen.
    pub(crate) fn command(&self, context: &Context, address: SocketAddr) -> anyhow::Result<Command> {
        let mut command = Command::new(Self::program(context));
        command.arg("serve").arg("--listen").arg(address.to_string()).args(&self.flags);
        if let Some(bucket) = &self.bucket {
            command.arg("--store").arg(format!("s3://{}/shares", s3::BUCKET));
            command.envs(s3::environment(bucket.address()?));
        } else if !self.flags.iter().any(|flag| flag == "--store") {
            command.args(["--store", "memory:"]);
        }
        Ok(command)
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
        if let Some(bucket) = &self.bucket {
            bucket.restore(s3::Objects::new());
        }
        let address = free_address()?;
        Running::start(context, &self.name, &mut self.command(context, address)?, address)
    }
}
