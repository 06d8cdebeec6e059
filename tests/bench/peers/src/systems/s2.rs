//! s2-lite: streams that are durable in a bucket before they are acknowledged, in one binary, as shipped.

use std::process::Command;
use std::sync::Arc;

use crate::context::Context;
use crate::install;
use crate::running::{Running, free_address};
use crate::s3::{self, S3};
use crate::scene::System;
use crate::versions;

/// `s2 lite` over a bucket.
#[derive(Debug)]
pub(crate) struct S2(pub(crate) Arc<S3>);

impl System for S2 {
    fn name(&self) -> &str {
        "s2-lite"
    }

    fn install(&self, context: &Context) -> anyhow::Result<()> {
        install::cargo(context, versions::S2)?;
        Ok(())
    }

    fn start(&self, context: &Context) -> anyhow::Result<Running> {
        let (program, package, _) = versions::S2;
        self.0.restore(s3::Objects::new());
        let address = free_address()?;
        let mut command = Command::new(context.peer_folder(package).join("bin").join(program));
        command
            .args(["lite", "--no-dashboard", "--bucket", s3::BUCKET, "--port", &address.port().to_string()])
            .envs(s3::environment(self.0.address()?))
            .env("RUST_LOG", "warn");
        Running::start(context, self.name(), &mut command, address)
    }
}
