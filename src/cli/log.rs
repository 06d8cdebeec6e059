//! The log: `tracing` to stderr, as text or as JSON.

use std::io::IsTerminal as _;

use clap::ValueEnum;
use tracing_subscriber::EnvFilter;

use crate::cli::exit::{Exit, Failure};

/// How a log line looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    /// For people.
    Text,
    /// One object a line.
    Json,
}

/// The filter of a host's log: the audit log is not less wanted because the rest is. Who wants none of it says `audit=off`.
pub(crate) fn with_audit(filter: &str) -> String {
    if filter.contains("audit") { filter.to_owned() } else { format!("{filter},audit=info") }
}

/// Starts the log. With `--json` it is JSON as well, so that each line of stderr can be parsed.
pub(crate) fn start(filter: &str, format: LogFormat, json: bool) -> Result<(), Failure> {
    let filter = EnvFilter::try_new(filter).map_err(|error| {
        let example = "info, or capshare=debug";
        Failure::new(Exit::Usage, format!("the log setting {filter:?} is none ({error}): say {example}"))
    })?;
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let started = match format {
        LogFormat::Text if !json => builder.with_ansi(std::io::stderr().is_terminal()).try_init(),
        LogFormat::Text | LogFormat::Json => builder.json().try_init(),
    };
    started.map_err(|error| Failure::new(Exit::Failed, format!("the log: {error}")))
}
