//! The arguments of `capshare admin`.

use std::path::PathBuf;
use std::time::Duration;

use capshare::share::id::{AccountId, BadName};
use capshare::share::limits::DRAIN_WITHIN_MAX;
use clap::{Args, Subcommand};

use crate::cli::amount::amount;
use crate::cli::args::host::Host;

/// Administers a host.
#[derive(Args)]
pub(crate) struct AdminArguments {
    #[command(subcommand)]
    pub(crate) command: AdminCommand,
}

#[derive(Subcommand)]
pub(crate) enum AdminCommand {
    /// List the shares of all accounts in the bucket
    Shares(AdminShares),
    /// Hide a share: its visibility becomes grant, so that only its owner and those with a token of it see it. Its owner can undo
    /// this
    Hide(AdminHide),
    /// Delete a share for good, or with --account all shares of an account. The account's tokens stay valid: `capshare token revoke`
    /// ends them
    Rm(AdminRemove),
    /// List the connections of every host, of each the oldest first; with --watch, of the host that is asked
    Connections(AdminConnections),
    /// Close connections of every host, and print how many. Their clients do not connect again by themselves (close code 4001), but
    /// their credentials stay valid
    Close(AdminClose),
    /// Send a notice or an action to the connections of one account at every host, and print how many got it
    Send(AdminSend),
    /// Send a notice or an action to all connections of every host, and print how many got it
    Broadcast(AdminBroadcast),
    /// Show the counters of every host
    Stats(AdminStats),
    /// Drain the host that is asked: it takes no more connections but administrators', tells those it has to connect to another
    /// host, evenly over the time, and ends when they are gone
    Drain(AdminDrain),
    /// Take a drain back: the host that is asked takes connections again, and keeps those that it has not closed yet
    Undrain(AdminUndrain),
}

/// Which host, and as whom. There is no argument for the credential itself: `--token` names the token to close by.
#[derive(Args)]
pub(crate) struct AdminHost {
    /// The host's URL. May be repeated for several hosts with the same shares: when one is away, the next is asked at once [env:
    /// CAPSHARE_TO, with spaces between URLs] [default: http://127.0.0.1:7420]
    #[arg(long, value_name = "URL")]
    to: Vec<String>,
    /// A file that holds your credential [env: CAPSHARE_TOKEN_FILE, or the credential itself in CAPSHARE_TOKEN]
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// How long a call may take, including the time to connect
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = humantime::parse_duration)]
    timeout: Duration,
}

impl From<AdminHost> for Host {
    fn from(AdminHost { to, token_file, timeout }: AdminHost) -> Self {
        Self { to, only_these: true, token: None, token_file, timeout }
    }
}

/// Of several hosts, which carry a command out.
#[derive(Args)]
pub(crate) struct Reach {
    /// Only the host that is asked, and not every host over its bucket
    #[arg(long)]
    pub(crate) here: bool,
}

/// Lists the hosts of a deployment.
#[derive(Args)]
pub(crate) struct Hosts {
    #[command(flatten)]
    pub(crate) host: AdminHost,
}

/// Lists shares.
#[derive(Args)]
pub(crate) struct AdminShares {
    /// Only shares of this account
    #[arg(long, value_name = "NAME", value_parser = account)]
    pub(crate) account: Option<AccountId>,
    /// Only shares created longer ago than this, such as 90d, by the host's clock
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration)]
    pub(crate) older_than: Option<Duration>,
    /// Only shares that hold more bytes than this, such as 10MiB
    #[arg(long, value_name = "BYTES", value_parser = bytes)]
    pub(crate) larger_than: Option<u64>,
    /// Only shares with this text in their title; capitals do not matter
    #[arg(long, value_name = "TEXT")]
    pub(crate) title: Option<String>,
    #[command(flatten)]
    pub(crate) host: AdminHost,
}

/// Hides a share.
#[derive(Args)]
pub(crate) struct AdminHide {
    /// The share's id or URL
    #[arg(value_name = "ID|URL")]
    pub(crate) share: String,
    #[command(flatten)]
    pub(crate) host: AdminHost,
}

/// Deletes shares.
#[derive(Args)]
pub(crate) struct AdminRemove {
    /// The share's id or URL
    #[arg(value_name = "ID|URL", required_unless_present = "account", conflicts_with = "account")]
    pub(crate) share: Option<String>,
    /// Delete all shares of this account, also those that it creates meanwhile. Their number is printed first, and without --yes
    /// nothing is deleted. If the command is interrupted, run it again: it deletes the rest
    #[arg(long, value_name = "NAME", value_parser = account)]
    pub(crate) account: Option<AccountId>,
    /// With --account: really delete the shares
    #[arg(long)]
    pub(crate) yes: bool,
    #[command(flatten)]
    pub(crate) host: AdminHost,
}

/// Lists connections.
#[derive(Args)]
pub(crate) struct AdminConnections {
    #[command(flatten)]
    pub(crate) reach: Reach,
    #[command(flatten)]
    pub(crate) host: AdminHost,
    /// Show the list again every second, until Ctrl-C
    #[arg(long)]
    pub(crate) watch: bool,
}

/// Closes connections.
#[derive(Args)]
pub(crate) struct AdminClose {
    #[command(flatten)]
    pub(crate) which: AdminWhich,
    #[command(flatten)]
    pub(crate) reach: Reach,
    #[command(flatten)]
    pub(crate) host: AdminHost,
}

/// Which connections.
#[derive(Args)]
#[group(required = true, multiple = false)]
pub(crate) struct AdminWhich {
    /// All connections of this account
    #[arg(long, value_name = "NAME")]
    pub(crate) account: Option<String>,
    /// Connections made with this login session of an account
    #[arg(long, value_name = "ID")]
    pub(crate) session: Option<String>,
    /// Connections made with the token of this id (the id, not the token itself)
    #[arg(long, value_name = "ID")]
    pub(crate) token: Option<String>,
    /// The connection with this id, as `admin connections` shows it
    #[arg(long, value_name = "ID")]
    pub(crate) connection: Option<String>,
}

/// Sends to the connections of one account.
#[derive(Args)]
pub(crate) struct AdminSend {
    /// The account to send to
    #[arg(long, value_name = "NAME", value_parser = account)]
    pub(crate) account: AccountId,
    #[command(flatten)]
    pub(crate) what: AdminWhat,
    #[command(flatten)]
    pub(crate) reach: Reach,
    #[command(flatten)]
    pub(crate) host: AdminHost,
}

/// Sends to all connections.
#[derive(Args)]
pub(crate) struct AdminBroadcast {
    #[command(flatten)]
    pub(crate) what: AdminWhat,
    /// Do not send to the connection with this id; may be repeated
    #[arg(long, value_name = "ID")]
    pub(crate) except: Vec<String>,
    /// Send only to connections that match: account=NAME, door=rpc|viewer|sse or state=NAME. May be repeated; then all must match
    #[arg(long = "where", value_name = "FACT=NAME", value_parser = fact)]
    pub(crate) filter: Vec<Where>,
    #[command(flatten)]
    pub(crate) reach: Reach,
    #[command(flatten)]
    pub(crate) host: AdminHost,
}

/// What is sent.
#[derive(Args)]
pub(crate) struct AdminWhat {
    /// A notice: a text that clients show to people
    #[arg(long, value_name = "TEXT", conflicts_with_all = ["name", "data"], required_unless_present = "name")]
    pub(crate) notice: Option<String>,
    /// An action: a name that clients know
    #[arg(long, value_name = "NAME", requires = "data")]
    pub(crate) name: Option<String>,
    /// The action's data, as JSON
    #[arg(long, value_name = "JSON", requires = "name")]
    pub(crate) data: Option<String>,
}

/// A fact of a connection.
#[derive(Clone)]
pub(crate) enum Where {
    Account(String),
    Door(String),
    State(String),
}

fn fact(text: &str) -> Result<Where, String> {
    match text.split_once('=') {
        Some((_, "")) | None => Err("write account=NAME, door=NAME or state=NAME".to_owned()),
        Some(("account", name)) => Ok(Where::Account(name.to_owned())),
        Some(("door", name @ ("rpc" | "viewer" | "sse"))) => Ok(Where::Door(name.to_owned())),
        Some(("door", _)) => Err("the doors are rpc, viewer and sse".to_owned()),
        Some(("state", name)) => Ok(Where::State(name.to_owned())),
        Some((other, _)) => {
            Err(format!("{other} is not a fact of a connection: write account=NAME, door=NAME or state=NAME"))
        }
    }
}

fn account(text: &str) -> Result<AccountId, BadName> {
    text.parse()
}

fn bytes(text: &str) -> Result<u64, &'static str> {
    let bytes = amount(text).flatten();
    bytes.ok_or("write a number of bytes, such as 1048576 or 10MiB (KiB, MiB, GiB, TiB)")
}

/// Shows what a host counts.
#[derive(Args)]
pub(crate) struct AdminStats {
    #[command(flatten)]
    pub(crate) reach: Reach,
    #[command(flatten)]
    pub(crate) host: AdminHost,
}

/// Drains a host.
#[derive(Args)]
pub(crate) struct AdminDrain {
    #[command(flatten)]
    pub(crate) host: AdminHost,
    /// The time over which the connections are let go, by the host's clock, such as 30s; at most 24h. What is still connected after
    /// that is closed. With 0s all are closed at once
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = drain_within)]
    pub(crate) within: Duration,
}

fn drain_within(text: &str) -> Result<Duration, String> {
    let within = humantime::parse_duration(text).map_err(|error| error.to_string())?;
    if within <= DRAIN_WITHIN_MAX { Ok(within) } else { Err("write a time of at most 24h, such as 30s".to_owned()) }
}

/// Takes a drain back.
#[derive(Args)]
pub(crate) struct AdminUndrain {
    #[command(flatten)]
    pub(crate) host: AdminHost,
}
