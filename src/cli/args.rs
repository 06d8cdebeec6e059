//! The command line as types. Settings are optional texts here: [`settings`](super::settings) fills in what is not said.

mod admin;
mod host;
mod own;
mod push;
mod serve;
mod share;
mod store;

use clap::{Args, Parser, Subcommand};

pub(crate) use self::admin::{
    AdminArguments, AdminBroadcast, AdminCommand, AdminConnections, AdminHide, AdminRemove, AdminShares, AdminWhat,
    AdminWhich, Hosts, Where,
};
pub(crate) use self::host::Host;
pub(crate) use self::own::{Expire, Link, LinkRight, Own, SetVisibility, Unlink};
pub(crate) use self::push::Push;
pub(crate) use self::serve::{Credentials, Demo, Deployment, Granted, Nats, Serve};
pub(crate) use self::share::{Export, ExportFormat, Info, List, Manifest, Probe, Watch};
pub(crate) use self::store::{
    StoreArguments, StoreCheck, StoreCommand, StoreGc, TokenArguments, TokenCommand, TokenCreate, TokenList,
    TokenRevoke,
};

use crate::cli::exit;
use crate::cli::log::LogFormat;

/// Share a live agent session: others follow it in a browser or a program while it goes on
#[derive(Parser)]
#[command(name = "capshare", version, after_help = exit::HELP, before_long_help = FIRST, max_term_width = 110)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,
    #[command(flatten)]
    pub(crate) common: Common,
}

/// Where a newcomer begins.
const FIRST: &str = "\
To begin: `capshare demo` shows all of it at once. `capshare serve` runs a host; then, in another terminal,
`capshare push FILE` shares a session and prints its URL, which a browser opens.";

/// What every command takes.
#[derive(Args)]
pub(crate) struct Common {
    /// Print results and errors as JSON, one object a line
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// What to log to stderr, such as debug or capshare=debug [env: CAPSHARE_LOG] [default: info for serve, else error]
    #[arg(long, global = true, value_name = "FILTER")]
    pub(crate) log: Option<String>,
    /// The form of the log [env: CAPSHARE_LOG_FORMAT] [default: text]
    #[arg(long, global = true, value_name = "FORMAT")]
    pub(crate) log_format: Option<LogFormat>,
}

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Run a host: it keeps shares and shows them to their viewers
    #[command(after_help = exit::HELP)]
    Serve(Box<Serve>),
    /// See it work: start a host, play a recorded session into it, follow it, and compare what arrived
    #[command(after_help = exit::HELP)]
    Demo(Demo),
    /// Share a file: an OpenCode export, JSON lines of {"type", "data"}, or a transcript of another agent
    #[command(after_help = exit::HELP)]
    Push(Push),
    /// Follow a share: print the frames of the viewer channel, one JSON object a line, until the share is deleted (exit code 3)
    /// or Ctrl-C. The frames are described in schema/viewer.md and by `capshare manifest`
    #[command(after_help = exit::HELP)]
    Watch(Watch),
    /// Write a share as an OpenCode export, as JSON lines of {"type", "data"} (push reads both), or as Markdown
    #[command(after_help = exit::HELP)]
    Export(Export),
    /// Print the manifest of the viewer channel: its commands, events and their JSON schemas. A host has it at /manifest.json
    #[command(after_help = exit::HELP)]
    Manifest(Manifest),
    /// List the shares of your account
    #[command(after_help = exit::HELP)]
    Ls(List),
    /// Delete a share for good
    #[command(after_help = exit::HELP)]
    Rm(Own),
    /// Change when a share expires; an expired share is deleted
    #[command(after_help = exit::HELP)]
    Expire(Expire),
    /// Change who may see a share
    #[command(after_help = exit::HELP)]
    Visibility(SetVisibility),
    /// Make a token with which others read a share, or do more with it, and print it once: it is not kept
    #[command(after_help = exit::HELP)]
    Link(Link),
    /// List the valid tokens of a share
    #[command(after_help = exit::HELP)]
    Links(Own),
    /// Revoke a token of a share. Connections that use it are cut off
    #[command(after_help = exit::HELP)]
    Unlink(Unlink),
    /// Show a share's size, revision, expiry and visibility
    #[command(after_help = exit::HELP)]
    Info(Info),
    /// Check a host: that it can be reached, speaks our contract, returns a value and calls back; print how long each took
    #[command(after_help = exit::HELP)]
    Probe(Probe),
    /// List the hosts over the bucket of the host that is asked, with their versions, clocks and connections. Needs a credential with
    /// the scope admin
    #[command(after_help = exit::HELP)]
    Hosts(Hosts),
    /// Administer hosts. `shares`, `hide` and `rm` work on all shares of the bucket; `drain` on the host that is asked; the others on
    /// the connections of every host over the bucket, by way of the one that is asked, or with --here of that one alone. Needs a
    /// credential with the scope admin
    #[command(after_help = exit::HELP)]
    Admin(AdminArguments),
    /// Check, measure or clean up a store, directly; hosts may run on it meanwhile
    #[command(after_help = exit::HELP)]
    Store(StoreArguments),
    /// Make, list or revoke the tokens of a store's accounts, directly; hosts may run on it meanwhile
    #[command(after_help = exit::HELP)]
    Token(TokenArguments),
}
