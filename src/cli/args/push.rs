//! The arguments of `capshare push`.

use std::path::PathBuf;
use std::time::Duration;

use capshare::share::visibility::Visibility;
use clap::Args;

use crate::cli::agent::Agent;
use crate::cli::args::host::Host;
use crate::cli::args::own::visibility;

/// Shares a file.
#[derive(Args)]
pub(crate) struct Push {
    /// The file: an OpenCode export ({"info", "messages"}), JSON lines of {"type", "data"}, or an agent's transcript, also packed by
    /// gzip or zstd; "-" is standard input. Its form is recognised. Without a file, --latest or --session it is the newest session of the
    /// current folder, of whichever agent: push says which it is, and asks on a terminal before it shares
    #[arg(conflicts_with = "latest")]
    pub(crate) file: Option<PathBuf>,
    /// The agent that wrote the file [default: recognised by the file's beginning]
    #[arg(long)]
    pub(crate) agent: Option<Agent>,
    /// Share the newest session of --agent in the current folder
    #[arg(long, requires = "agent")]
    pub(crate) latest: bool,
    /// With --latest: if the current folder has no session, share the newest of any other folder
    #[arg(long, requires = "latest")]
    pub(crate) any_folder: bool,
    /// Share without asking, where push alone would ask
    #[arg(long)]
    pub(crate) yes: bool,
    #[command(flatten)]
    pub(crate) host: Host,
    /// The session's id [default: the one in the file]. With --agent opencode and no file: which session of its database
    #[arg(long, value_name = "ID")]
    pub(crate) session: Option<String>,
    /// Delete the share after this time, such as 7d or 12h [default: as the host decides; a share that exists keeps its
    /// expiry]
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration)]
    pub(crate) expires: Option<Duration>,
    /// Who may see the share: everybody with the link, everybody with an account at the host, or only its owner and those with
    /// a token of it [default: as the host decides; a share that exists keeps its visibility]
    #[arg(long, value_name = "link|account|grant", value_parser = visibility)]
    pub(crate) visibility: Option<Visibility>,
    /// Send API keys, tokens and private keys as they stand in the file. Without this, those with a known form are masked before
    /// they leave this machine, and counted by kind at the end
    #[arg(long)]
    pub(crate) no_redact: bool,
    /// Share too what an agent's program wrote for its model and for itself: instructions, reminders, notices, tools, settings. It
    /// goes to the share's other lane. Without this it is counted and left out
    #[arg(long)]
    pub(crate) include_context: bool,
    /// Keep sharing what is appended to the file, until Ctrl-C, and what is written to the other files of its session: those of
    /// subagents, and the one in which the session goes on. An export cannot be followed
    #[arg(long)]
    pub(crate) follow: bool,
}
