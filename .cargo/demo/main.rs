//! `cargo demo`: says what is about to happen, then builds the program and runs `capshare demo` with the same arguments.
//!
//! To build the program takes minutes the first time, and cargo alone does not say what for. This runner has no dependencies, so
//! it speaks within a second.

use std::process::{Command, ExitCode};

const WHAT: &str = "\
cargo demo: capshare shows a live agent session to others while it goes on. This demo
  1. builds the program, below: some minutes the first time, seconds after that;
  2. starts a host on this machine, and plays a recorded OpenCode session into it: 54 seconds, --speed 10 takes 6;
  3. follows the session with a second client, compares what arrived with what was sent, and serves until Ctrl-C.
It keeps its data in a temporary directory, and installs nothing.
";

fn main() -> ExitCode {
    eprintln!("{WHAT}");
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut run = Command::new(cargo);
    run.args(["run", "--features", "bin", "--", "demo"]).args(std::env::args_os().skip(1));
    end(run)
}

/// Becomes the command, so that Ctrl-C and the exit code are the program's.
#[cfg(unix)]
fn end(mut run: Command) -> ExitCode {
    use std::os::unix::process::CommandExt as _;
    let error = run.exec();
    eprintln!("cargo demo: cargo could not be started: {error}");
    ExitCode::FAILURE
}

#[cfg(not(unix))]
fn end(mut run: Command) -> ExitCode {
    match run.status() {
        Ok(status) => status.code().and_then(|code| u8::try_from(code).ok()).map_or(ExitCode::FAILURE, ExitCode::from),
        Err(error) => {
            eprintln!("cargo demo: cargo could not be started: {error}");
            ExitCode::FAILURE
        }
    }
}
