//! The arguments of `capshare admin`.

use std::path::PathBuf;
use std::time::Duration;

use capshare::share::id::{AccountId, BadName};
use clap::{Args, Subcommand};

use crate::cli::args::Host;
use crate::cli::settings::granted;

/// Administers a host.
#[derive(Args)]
pub(crate) struct AdminArguments {
    #[command(subcommand)]
    pub(crate) command: AdminCommand,
}

#[derive(Subcommand)]
pub(crate) enum AdminCommand {
    /// List shares of all accounts, of every host over the bucket
    Shares(AdminShares),
    /// Hide a share from whoever has no more than its link or another account: its visibility becomes grant. Its owner may show
    /// it again
    Hide(AdminHide),
    /// Delete a share for good, or with --account all shares of an account. The account's tokens stay: see `capshare token revoke`
    Rm(AdminRemove),
    /// List the connections of this one host, the oldest first
    Connections(AdminConnections),
    /// Close connections of this one host for good (close code 4001) and say how many they were. Their credentials stay valid
    Close(AdminClose),
    /// Tell every connection that an account has at this one host something, and say how many it reached
    Send(AdminSend),
    /// Tell every connection of this one host something, and say how many it reached
    Broadcast(AdminBroadcast),
    /// Show what this one host counts
    Stats(AdminStats),
    /// Have this one host take no more connections, and tell those there are to come back elsewhere
    Drain(AdminDrain),
}

/// Which host, and as whom. The credential cannot be said here, where `--token` names one to be closed.
#[derive(Args)]
pub(crate) struct AdminHost {
    /// The host [env: CAPSHARE_TO] [default: http://127.0.0.1:7420]
    #[arg(long, value_name = "URL")]
    to: Option<String>,
    /// A file that holds the credential [env: CAPSHARE_TOKEN_FILE, or the credential itself in CAPSHARE_TOKEN]
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// How long a call may take, the wait for a connection included
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = humantime::parse_duration)]
    timeout: Duration,
}

impl From<AdminHost> for Host {
    fn from(AdminHost { to, token_file, timeout }: AdminHost) -> Self {
        Self { to, token: None, token_file, timeout }
    }
}

/// Lists shares.
#[derive(Args)]
pub(crate) struct AdminShares {
    /// Only those of this account
    #[arg(long, value_name = "NAME", value_parser = account)]
    pub(crate) account: Option<AccountId>,
    /// Only those that were created longer ago than this, such as 90d, by the host's clock
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration)]
    pub(crate) older_than: Option<Duration>,
    /// Only those that hold more than this, such as 10MiB
    #[arg(long, value_name = "BYTES", value_parser = bytes)]
    pub(crate) larger_than: Option<u64>,
    /// Only those that have this text in their title, in capitals or not
    #[arg(long, value_name = "TEXT")]
    pub(crate) title: Option<String>,
    #[command(flatten)]
    pub(crate) host: AdminHost,
}

/// Hides a share.
#[derive(Args)]
pub(crate) struct AdminHide {
    /// The share
    #[arg(value_name = "ID|URL")]
    pub(crate) share: String,
    #[command(flatten)]
    pub(crate) host: AdminHost,
}

/// Deletes shares.
#[derive(Args)]
pub(crate) struct AdminRemove {
    /// The share
    #[arg(value_name = "ID|URL", required_unless_present = "account", conflicts_with = "account")]
    pub(crate) share: Option<String>,
    /// All shares of this account, those included that it creates meanwhile. It is said how many there are, and without --yes
    /// nothing is deleted. What was cut off is gone on with by saying it again
    #[arg(long, value_name = "NAME", value_parser = account)]
    pub(crate) account: Option<AccountId>,
    /// With --account: delete them
    #[arg(long)]
    pub(crate) yes: bool,
    #[command(flatten)]
    pub(crate) host: AdminHost,
}

/// Lists connections.
#[derive(Args)]
pub(crate) struct AdminConnections {
    #[command(flatten)]
    pub(crate) host: AdminHost,
    /// Show them anew every second, until Ctrl-C
    #[arg(long)]
    pub(crate) watch: bool,
}

/// Closes connections.
#[derive(Args)]
pub(crate) struct AdminClose {
    #[command(flatten)]
    pub(crate) which: AdminWhich,
    #[command(flatten)]
    pub(crate) host: AdminHost,
}

/// Which connections.
#[derive(Args)]
#[group(required = true, multiple = false)]
pub(crate) struct AdminWhich {
    /// All of an account
    #[arg(long, value_name = "NAME")]
    pub(crate) account: Option<String>,
    /// Those that came with this login session of an account
    #[arg(long, value_name = "ID")]
    pub(crate) session: Option<String>,
    /// Those that came with the token of this id; not the token itself
    #[arg(long, value_name = "ID")]
    pub(crate) token: Option<String>,
    /// The one of this name
    #[arg(long, value_name = "ID")]
    pub(crate) connection: Option<String>,
}

/// Tells an account something.
#[derive(Args)]
pub(crate) struct AdminSend {
    /// Which account
    #[arg(long, value_name = "NAME", value_parser = account)]
    pub(crate) account: AccountId,
    #[command(flatten)]
    pub(crate) what: AdminWhat,
    #[command(flatten)]
    pub(crate) host: AdminHost,
}

/// Tells everybody something.
#[derive(Args)]
pub(crate) struct AdminBroadcast {
    #[command(flatten)]
    pub(crate) what: AdminWhat,
    /// Leave this connection out; may be repeated
    #[arg(long, value_name = "ID")]
    pub(crate) except: Vec<String>,
    /// Only those of which this holds: account=NAME, door=rpc or state=NAME; may be repeated, and then all of it holds
    #[arg(long = "where", value_name = "FACT=NAME", value_parser = fact)]
    pub(crate) filter: Vec<Where>,
    #[command(flatten)]
    pub(crate) host: AdminHost,
}

/// What is told.
#[derive(Args)]
pub(crate) struct AdminWhat {
    /// A text for people
    #[arg(long, value_name = "TEXT", conflicts_with_all = ["name", "data"], required_unless_present = "name")]
    pub(crate) notice: Option<String>,
    /// An action that the clients know by this name
    #[arg(long, value_name = "NAME", requires = "data")]
    pub(crate) name: Option<String>,
    /// What the action carries: JSON
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
        Some((other, _)) => Err(format!("connections are told apart by account, door and state, not by {other}")),
    }
}

fn account(text: &str) -> Result<AccountId, BadName> {
    text.parse()
}

fn bytes(text: &str) -> Result<u64, &'static str> {
    let bytes = granted::amount(text).flatten();
    bytes.ok_or("write a number of bytes, with KiB, MiB, GiB or TiB if you like")
}

/// Shows what a host counts.
#[derive(Args)]
pub(crate) struct AdminStats {
    #[command(flatten)]
    pub(crate) host: AdminHost,
}

/// Drains a host.
#[derive(Args)]
pub(crate) struct AdminDrain {
    #[command(flatten)]
    pub(crate) host: AdminHost,
    /// How long calls that are under way may take, by the host's clock; then their connections are closed all the same
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = humantime::parse_duration)]
    pub(crate) within: Duration,
}
