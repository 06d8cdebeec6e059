//! What a run says: a table on the terminal, JSON and plots under `target/bench/`, and the page of results.

mod json;
mod page;
mod plot;
mod table;

use crate::args::Args;
use crate::context::Context;
use crate::drive;
use crate::rounds::Results;
use crate::scene::Scene;

/// One line to whoever started the run.
#[expect(clippy::print_stderr, reason = "how a run says where it is")]
pub(crate) fn say(line: &str) {
    eprintln!("{line}");
}

/// Everything, in this order; the page only of a run that counts.
///
/// # Errors
///
/// A file cannot be written.
#[expect(clippy::print_stdout, reason = "the table is what it is for")]
pub(crate) fn all(context: &Context, args: &Args, scenes: &[Scene], results: &Results) -> anyhow::Result<()> {
    let machine = machine(args);
    println!("{machine}\n");
    for scene in scenes {
        let aims = drive::aims().into_iter().filter(|aim| aim.key == scene.key);
        let standings: Vec<_> = aims.map(|aim| aim.standing(results)).collect();
        let body = table::scene(scene, results, &standings);
        println!("## {}: {}\n\n{body}", scene.key, scene.question);
        json::write(context, scene, results, &standings, &machine)?;
        plot::write(context, scene, results)?;
        if !context.quick && args.peers.is_empty() && args.line.is_none() {
            page::refresh(context, scene, &machine, &body)?;
        }
    }
    say(&format!("plots and figures: {}", context.out.display()));
    Ok(())
}

/// The machine and the run, in one line.
fn machine(args: &Args) -> String {
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let cpuinfo = read("/proc/cpuinfo");
    let model = cpuinfo.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let model = model.map_or("unknown", |(_, model)| model).trim();
    let kernel = rustix::system::uname().release().to_string_lossy().into_owned();
    let load = read("/proc/loadavg");
    let load = load.split_whitespace().next().unwrap_or("?");
    let date = args.date.clone().unwrap_or_else(today);
    let rounds = if args.quick { "--quick".to_owned() } else { format!("{} rounds", args.rounds) };
    format!("{date}; {cores} cores of {model}; Linux {kernel}; load at the end {load}; {rounds}")
}

/// The machine's date, as `date` says it.
fn today() -> String {
    let said = std::process::Command::new("date").args(["-u", "+%Y-%m-%d"]).output();
    said.map_or_else(|_| "date unknown".to_owned(), |said| String::from_utf8_lossy(&said.stdout).trim().to_owned())
}
