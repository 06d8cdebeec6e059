//! What every scene and system is told: where things are, and how much is asked for.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;

use crate::args::Args;

/// Where a run finds and puts things.
#[derive(Debug)]
pub(crate) struct Context {
    /// The checkout of capshare.
    pub(crate) root: PathBuf,
    /// `target/bench`: plots, logs, and below `peers/` what was installed.
    pub(crate) out: PathBuf,
    /// Whether it is only to be seen that everything runs.
    pub(crate) quick: bool,
    pub(crate) rounds: usize,
    /// A part of the names of the lines that are asked for, where a scene can be asked for some only.
    pub(crate) line: Option<String>,
}

impl Context {
    /// # Errors
    ///
    /// The folders cannot be made.
    pub(crate) fn new(args: &Args) -> anyhow::Result<Self> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(3).context("the package has moved")?;
        let out = root.join("target/bench");
        for folder in ["logs", "peers"] {
            std::fs::create_dir_all(out.join(folder)).with_context(|| format!("{} cannot be made", out.display()))?;
        }
        let rounds = if args.quick { args.rounds.min(1) } else { args.rounds };
        Ok(Self { root: root.to_owned(), out, quick: args.quick, rounds, line: args.line.clone() })
    }

    /// One of two: for a run that counts, and for `--quick`.
    pub(crate) fn pick<T>(&self, full: T, quick: T) -> T {
        if self.quick { quick } else { full }
    }

    /// So many seconds, or a tenth of them with `--quick`.
    pub(crate) fn seconds(&self, full: f64) -> Duration {
        Duration::from_secs_f64(self.pick(full, full / 10.0))
    }

    /// Where a peer is installed.
    pub(crate) fn peer_folder(&self, name: &str) -> PathBuf {
        self.out.join("peers").join(name)
    }
}
