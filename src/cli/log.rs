//! The log: `tracing` to stderr, as text or as JSON.
//!
//! What it says of peers and shares is cleaned of what a [terminal obeys](clean), wherever stderr goes: a log is read by
//! people, if not today, then from its file.

use std::io::{self, IsTerminal as _, Write};

use clap::ValueEnum;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::field::MakeExt as _;
use tracing_subscriber::fmt::format::debug_fn;

use crate::cli::exit::{Exit, Failure};
use crate::cli::output::clean;

/// The form of a log line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    /// Lines for people.
    Text,
    /// One JSON object a line.
    Json,
}

/// The filter of a host's log. The audit log stays on whatever the filter is, unless the filter names it, as in `audit=off`. What NATS'
/// client says for itself of each attempt is left out, unless the filter names it (`async_nats`): the host says it, once.
pub(crate) fn of_host(filter: &str) -> String {
    let parts = [("audit", "audit=info"), ("async_nats", "async_nats=off")];
    let added = parts.iter().filter(|(name, _)| !filter.contains(name)).map(|(_, part)| *part);
    std::iter::once(filter).chain(added).collect::<Vec<_>>().join(",")
}

/// Starts the log. With `--json` it is JSON as well, so that each line of stderr can be parsed.
pub(crate) fn start(filter: &str, format: LogFormat, json: bool) -> Result<(), Failure> {
    let filter = EnvFilter::try_new(filter).map_err(|error| {
        let example = "for example info, or capshare=debug";
        Failure::new(Exit::Usage, format!("invalid log filter {filter:?} ({error}): write {example}"))
    })?;
    let builder = tracing_subscriber::fmt().with_env_filter(filter);
    let started = match format {
        // Value by value: the line around them has the colours of a terminal.
        LogFormat::Text if !json => {
            let fields = debug_fn(|to, field, value| {
                let value = format!("{value:?}");
                let value = clean::word(&value);
                if field.name() == "message" { write!(to, "{value}") } else { write!(to, "{field}={value}") }
            });
            builder
                .fmt_fields(fields.delimited(" "))
                .with_writer(io::stderr)
                .with_ansi(io::stderr().is_terminal())
                .try_init()
        }
        LogFormat::Text | LogFormat::Json => builder.json().with_writer(|| CleanJson(io::stderr())).try_init(),
    };
    started.map_err(|error| Failure::new(Exit::Failed, format!("the log could not be started: {error}")))
}

/// A writer of JSON lines that takes out what a terminal obeys. Each line must come in one write.
struct CleanJson<W>(W);

impl<W: Write> Write for CleanJson<W> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.0.write_all(clean::json(&String::from_utf8_lossy(line)).as_bytes())?;
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}
