//! capshare beside its peers, on one machine, in one run: `cargo bench-peers`.
//!
//! A [scene](scene::Scene) asks one question of several systems. Each round starts every system of a scene once, in turn, in a
//! process of its own, drives it from this process, and ends it; so that what else the machine does falls on all of them.
//! Capshare is always the program `capshare serve`, built from this checkout with its release profile, with the defaults and the
//! flags that any user has. Peers come from the registries, at the versions of [`versions`]; what cannot be had is said
//! in the table and fails nothing.
//!
//! Called by people, and by nobody else: it changes files only under `target/bench/`, and, after a run of all systems that was
//! not `--quick`, the scenes that it ran in `tests/bench/RESULTS.md`.

mod aims;
mod args;
mod context;
mod drive;
mod figure;
mod install;
mod kernel;
mod metrics;
mod publish;
mod report;
mod rounds;
mod running;
mod s3;
mod scene;
mod stats;
mod systems;
mod versions;
mod viewers;

use std::process::ExitCode;

use clap::Parser as _;

fn main() -> ExitCode {
    match run(args::Args::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            report::say(&format!("{error:#}"));
            ExitCode::FAILURE
        }
    }
}

fn run(args: args::Args) -> anyhow::Result<()> {
    if let Some(args::Command::ServePeer { name, address }) = args.command {
        return systems::serve_peer(&name, address);
    }
    let context = context::Context::new(&args)?;
    let scenes = drive::scenes(&context)?;
    let chosen = args.choose(scenes)?;
    let results = rounds::run(&context, &chosen, &args.peers);
    report::all(&context, &args, &chosen, &results)
}
