//! The `capshare` program: reads the command line and the environment, here and nowhere else, and hands them to [`cli`].

mod cli;

use std::process::ExitCode;

use etcetera::BaseStrategy as _;
use etcetera::base_strategy::Xdg;

use crate::cli::environment::Environment;

/// glibc's allocator grows the heaps of the workers' threads by 4 KiB and a system call at a time, and looks long for room: a
/// third of the processor time of a sync where other work keeps the caches cold. The library leaves the choice to who links it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    // A variable that is not text is not one of ours.
    let variables =
        std::env::vars_os().filter_map(|(name, value)| name.into_string().ok().zip(value.into_string().ok()));
    let folders = Xdg::new().ok();
    let environment = Environment {
        variables: variables.collect(),
        temporary_folder: std::env::temp_dir(),
        home_folder: folders.as_ref().map(|folders| folders.home_dir().to_owned()),
        current_folder: std::env::current_dir().ok(),
        data_folder: folders.as_ref().map(|folders| folders.data_dir().join("capshare")),
        state_folder: folders.and_then(|folders| folders.state_dir()).map(|folder| folder.join("capshare")),
    };
    cli::run(std::env::args_os(), &environment)
}
