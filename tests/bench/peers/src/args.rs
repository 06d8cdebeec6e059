//! The command line of the bench.

use std::net::SocketAddr;

use anyhow::bail;

use crate::scene::Scene;

/// Capshare beside its peers: drives each in turn, prints a table, and writes plots under target/bench/.
#[derive(Debug, clap::Parser)]
#[command(name = "cargo bench-peers")]
pub(crate) struct Args {
    /// Seconds instead of minutes for each scene: shows that everything runs, and says nothing of speed.
    #[arg(long)]
    pub(crate) quick: bool,
    /// Only these scenes, such as calls,start.
    #[arg(long, value_delimiter = ',', value_name = "SCENE")]
    pub(crate) only: Vec<String>,
    /// Only these systems: a part of the name is enough, such as capshare,tonic.
    #[arg(long, value_delimiter = ',', value_name = "SYSTEM")]
    pub(crate) peers: Vec<String>,
    /// Only these lines of the scene `calls`, for a profiler: a part of the name is enough.
    #[arg(long, value_name = "LINE")]
    pub(crate) line: Option<String>,
    /// How often each system of a scene has its turn.
    #[arg(long, default_value_t = 5)]
    pub(crate) rounds: usize,
    /// What the report says of when it was made; without it, the machine's own date.
    #[arg(long, value_name = "DATE")]
    pub(crate) date: Option<String>,
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
}

#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    /// A peer that is written in this package, until its standard input ends.
    #[command(hide = true)]
    ServePeer { name: String, address: SocketAddr },
}

impl Args {
    /// The scenes that were asked for: without `--only`, all that run by default.
    ///
    /// # Errors
    ///
    /// A name that no scene has.
    pub(crate) fn choose(&self, scenes: Vec<Scene>) -> anyhow::Result<Vec<Scene>> {
        if let Some(unknown) = self.only.iter().find(|key| scenes.iter().all(|scene| scene.key != **key)) {
            let known: Vec<_> = scenes.iter().map(|scene| scene.key).collect();
            bail!("no scene is called {unknown}: choose among {}", known.join(", "));
        }
        let wanted = |scene: &Scene| {
            if self.only.is_empty() { scene.by_default } else { self.only.iter().any(|key| *key == scene.key) }
        };
        Ok(scenes.into_iter().filter(wanted).collect())
    }

    /// Whether a system is among those asked for.
    pub(crate) fn wants(peers: &[String], name: &str) -> bool {
        let name = name.to_lowercase();
        peers.is_empty() || peers.iter().any(|part| name.contains(&part.to_lowercase()))
    }
}
