//! The arguments of the commands that read shares, or ask a host about itself.

use std::path::PathBuf;

use capshare::share::revision::Revision;
use clap::Args;

use crate::cli::args::host::Host;

/// Follows a share.
#[derive(Args)]
pub(crate) struct Watch {
    /// The share's id or URL, or a token of it from `capshare link`
    #[arg(value_name = "ID|URL|TOKEN")]
    pub(crate) share: String,
    #[command(flatten)]
    pub(crate) host: Host,
    /// Print only what came after this revision; 0 begins with the whole state
    #[arg(long, value_name = "REVISION", default_value_t = Revision::EMPTY)]
    pub(crate) since: Revision,
}

/// Writes a share.
#[derive(Args)]
pub(crate) struct Export {
    /// The share's id or URL, or a token of it from `capshare link`
    #[arg(value_name = "ID|URL|TOKEN")]
    pub(crate) share: String,
    #[command(flatten)]
    pub(crate) host: Host,
    /// The form to write
    #[arg(long, value_name = "FORMAT", default_value = "opencode")]
    pub(crate) format: ExportFormat,
    /// Write the session of this subagent instead of the share's own, for `opencode import`
    #[arg(long, value_name = "ID", conflicts_with = "format")]
    pub(crate) session: Option<String>,
    /// The file to write, instead of stdout
    #[arg(long, short, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
}

/// What a share is written as.
#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum ExportFormat {
    /// An OpenCode export, {"info", "messages"}, with the share's other items beside these. What another agent wrote gets ids and members
    /// as OpenCode has them
    Opencode,
    /// JSON lines of {"type", "data"}
    Jsonl,
    /// A document for people
    Markdown,
}

/// Prints the manifest.
#[derive(Args)]
pub(crate) struct Manifest {
    /// Print types of TypeScript instead of JSON
    #[arg(long)]
    pub(crate) typescript: bool,
}

/// Lists shares.
#[derive(Args)]
pub(crate) struct List {
    #[command(flatten)]
    pub(crate) host: Host,
    /// List the shares of all accounts; needs the scope admin
    #[arg(long)]
    pub(crate) every_account: bool,
}

/// Shows a share's facts.
#[derive(Args)]
pub(crate) struct Info {
    /// The share's id or URL, or a token of it from `capshare link`
    #[arg(value_name = "ID|URL|TOKEN")]
    pub(crate) share: String,
    #[command(flatten)]
    pub(crate) host: Host,
}

/// Probes a host.
#[derive(Args)]
pub(crate) struct Probe {
    /// The host's URL; --to says it as well
    #[arg(value_name = "URL", conflicts_with = "to")]
    pub(crate) url: Option<String>,
    #[command(flatten)]
    pub(crate) host: Host,
}
