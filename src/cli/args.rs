//! The command line as types. Settings are optional texts here: [`settings`](super::settings) fills in what is not said.

mod admin;
mod own;
mod store;

use std::path::PathBuf;
use std::time::Duration;

use capshare::share::visibility::Visibility;
use clap::{Args, Parser, Subcommand};

pub(crate) use self::admin::{
    AdminArguments, AdminBroadcast, AdminCommand, AdminConnections, AdminHide, AdminRemove, AdminShares, AdminWhat,
    AdminWhich, Where,
};
use self::own::visibility;
pub(crate) use self::own::{Expire, Link, LinkRight, Own, SetVisibility, Unlink};
pub(crate) use self::store::{
    StoreArguments, StoreCheck, StoreCommand, StoreGc, TokenArguments, TokenCommand, TokenCreate, TokenList,
    TokenRevoke,
};

use crate::cli::agent::Agent;
use crate::cli::exit;
use crate::cli::log::LogFormat;

/// Share a live agent session.
#[derive(Parser)]
#[command(name = "capshare", version, after_help = exit::HELP, max_term_width = 110)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,
    #[command(flatten)]
    pub(crate) common: Common,
}

/// What every command takes.
#[derive(Args)]
pub(crate) struct Common {
    /// Results and errors as JSON, one object a line
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// What is logged to stderr, such as debug or capshare=debug [env: CAPSHARE_LOG] [default: info for serve, else error]
    #[arg(long, global = true, value_name = "FILTER")]
    pub(crate) log: Option<String>,
    /// How it is logged [env: CAPSHARE_LOG_FORMAT] [default: text]
    #[arg(long, global = true, value_name = "FORMAT")]
    pub(crate) log_format: Option<LogFormat>,
}

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Run a host
    #[command(after_help = exit::HELP)]
    Serve(Box<Serve>),
    /// Play a recorded session into a host of its own, follow it, and compare
    #[command(after_help = exit::HELP)]
    Demo(Demo),
    /// Share a file: an OpenCode export, JSON lines of {"type", "data"}, or what another agent left on disk
    #[command(after_help = exit::HELP)]
    Push(Push),
    /// Follow a share: prints the frames of the viewer channel (schema/viewer.md), one JSON object a line, until it is
    /// deleted (exit code 3) or Ctrl-C
    #[command(after_help = exit::HELP)]
    Watch(Watch),
    /// Write a share as an OpenCode export, as JSON lines of {"type", "data"} (push reads both), or as Markdown
    #[command(after_help = exit::HELP)]
    Export(Export),
    /// Print what is spoken on the viewer channel: commands, events and their JSON schemas, as at GET /manifest.json
    #[command(after_help = exit::HELP)]
    Manifest(Manifest),
    /// List the account's shares
    #[command(after_help = exit::HELP)]
    Ls(List),
    /// Delete a share for good
    #[command(after_help = exit::HELP)]
    Rm(Own),
    /// Give a share another time to live
    #[command(after_help = exit::HELP)]
    Expire(Expire),
    /// Say who may see a share from now on
    #[command(after_help = exit::HELP)]
    Visibility(SetVisibility),
    /// Hand on a share: make a token that lets whoever has it read it, or more, and print it: this once, for it is not kept
    #[command(after_help = exit::HELP)]
    Link(Link),
    /// List the tokens of a share that are good
    #[command(after_help = exit::HELP)]
    Links(Own),
    /// Revoke a token of a share: what came through it ends
    #[command(after_help = exit::HELP)]
    Unlink(Unlink),
    /// Show a share's facts
    #[command(after_help = exit::HELP)]
    Info(Info),
    /// Check that a host can be reached, speaks our contract, gives back a value and calls back; with the time of each
    #[command(after_help = exit::HELP)]
    Probe(Probe),
    /// List, hide and delete anybody's shares; and of the one host that is asked, see who is connected, tell them something, close
    /// connections, drain it. Needs a credential with the scope admin
    #[command(after_help = exit::HELP)]
    Admin(AdminArguments),
    /// Check, count or clear a store, directly and while hosts run on it
    #[command(after_help = exit::HELP)]
    Store(StoreArguments),
    /// Make, list or revoke the tokens of a store, directly and while hosts run on it
    #[command(after_help = exit::HELP)]
    Token(TokenArguments),
}

/// A flag wins over its variable, that over the file, that over the default.
#[derive(Args, Default)]
pub(crate) struct Serve {
    /// The address to listen on [env: CAPSHARE_LISTEN] [default: 127.0.0.1:7420]
    #[arg(long, value_name = "IP:PORT")]
    pub(crate) listen: Option<String>,
    /// Where shares are kept: a directory, memory:, or s3://BUCKET/PREFIX [env: CAPSHARE_STORE] [default: a directory in
    /// the user's data folder]
    #[arg(long, value_name = "STORE")]
    pub(crate) store: Option<String>,
    /// A TOML file with the same settings [env: CAPSHARE_CONFIG]
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<String>,
    /// What the URLs of shares begin with [env: CAPSHARE_PUBLIC_URL] [default: the address]
    #[arg(long, value_name = "URL")]
    pub(crate) public_url: Option<String>,
    /// A key for an account; may be repeated. ACCOUNT:SCOPE,...=KEY gives others than share:write and share:read. Other
    /// users of this machine can read it here: a file or the variable is better [env: CAPSHARE_KEYS, separated by spaces]
    #[arg(long = "key", value_name = "ACCOUNT=KEY")]
    pub(crate) keys: Vec<String>,
    /// A file with one ACCOUNT=KEY a line [env: CAPSHARE_KEY_FILE]
    #[arg(long, value_name = "FILE")]
    pub(crate) key_file: Option<String>,
    #[command(flatten)]
    pub(crate) credentials: Credentials,
    /// An origin whose web pages may connect; may be repeated [env: CAPSHARE_ORIGINS, separated by spaces]
    #[arg(long = "origin", value_name = "ORIGIN")]
    pub(crate) origins: Vec<String>,
    /// Whose shares those are that OpenCode sends without a credential, on a host that needs one: whoever reaches the port may
    /// then create shares of this account, and nothing else [env: CAPSHARE_OPENCODE_ACCOUNT] [default: they are refused]
    #[arg(long, value_name = "ACCOUNT")]
    pub(crate) opencode_account: Option<String>,
    /// A proxy in front of the host, by its address or network (10.0.0.0/8), whose X-Forwarded-For is believed: limits then
    /// count the clients behind it; may be repeated [env: CAPSHARE_TRUSTED_PROXIES, separated by spaces]
    #[arg(long = "trusted-proxy", value_name = "IP|NETWORK")]
    pub(crate) trusted_proxies: Vec<String>,
    /// Without keys, serve more than the programs of this machine: everybody who reaches the port, also through a proxy, is
    /// then one account and may create and list its shares. Nobody is an administrator without a token [env: CAPSHARE_OPEN=true]
    #[arg(long)]
    pub(crate) open: bool,
    /// This is the only host of its bucket: a bucket that ignores conditional writes is then not refused, and nobody looks
    /// for what other hosts write. A second host would lose acknowledged data [env: CAPSHARE_SINGLE_WRITER=true]
    #[arg(long)]
    pub(crate) single_writer: bool,
    /// How long after one write of a share the next begins at the earliest, while it is busy: each write to a bucket is paid
    /// for [env: CAPSHARE_LINGER] [default: 200ms at AWS, else 0s]
    #[arg(long, value_name = "TIME")]
    pub(crate) linger: Option<String>,
    /// Threads for RPC connections [env: CAPSHARE_WORKERS] [default: one for each core]
    #[arg(long, value_name = "N")]
    pub(crate) workers: Option<String>,
    /// Connections that the host has at once, of all accounts and viewers; each needs a file descriptor (ulimit -n)
    /// [env: CAPSHARE_CONNECTIONS_MAX] [default: 10000]
    #[arg(long, value_name = "N")]
    pub(crate) connections_max: Option<String>,
    /// Connections without a credential of one address (of IPv6: one /64), past which its oldest is closed; or none
    /// [env: CAPSHARE_ADDRESS_CONNECTIONS_MAX] [default: 1024]
    #[arg(long, value_name = "N")]
    pub(crate) address_connections_max: Option<String>,
    /// The endpoint of an S3 service that is not AWS [env: CAPSHARE_ENDPOINT, AWS_ENDPOINT_URL_S3, AWS_ENDPOINT_URL]
    #[arg(long, value_name = "URL")]
    pub(crate) endpoint: Option<String>,
    /// The bucket's region [env: CAPSHARE_REGION, AWS_REGION, AWS_DEFAULT_REGION]
    #[arg(long, value_name = "REGION")]
    pub(crate) region: Option<String>,
    #[command(flatten)]
    pub(crate) granted: Granted,
    /// Check the settings and print them, without secrets and with where each came from; touch neither store nor port
    #[arg(long)]
    pub(crate) check: bool,
}

/// Which credentials a host takes, besides keys.
#[derive(Args, Default)]
pub(crate) struct Credentials {
    /// Ask for a credential, and take the tokens that `capshare token create` makes in this store. A host that asks for none
    /// takes them too [env: CAPSHARE_TOKENS=true|false] [default: if keys or signed tokens are taken]
    #[arg(long)]
    pub(crate) tokens: bool,
    /// Take tokens (JWT) that are signed with the secret in this file [env: CAPSHARE_JWT_SECRET_FILE]
    #[arg(long, value_name = "FILE")]
    pub(crate) jwt_secret_file: Option<String>,
    /// Take tokens (JWT) that are signed for the public key in this PEM file [env: CAPSHARE_JWT_KEY_FILE]
    #[arg(long, value_name = "FILE")]
    pub(crate) jwt_key_file: Option<String>,
    /// Take tokens (JWT) that are signed for a key of this set (JWKS) [env: CAPSHARE_JWT_JWKS]
    #[arg(long, value_name = "FILE|URL")]
    pub(crate) jwt_jwks: Option<String>,
    /// Which audience signed tokens must be for [env: CAPSHARE_JWT_AUDIENCE] [default: such that name none]
    #[arg(long, value_name = "TEXT")]
    pub(crate) jwt_audience: Option<String>,
    /// Who must have issued signed tokens [env: CAPSHARE_JWT_ISSUER] [default: anybody who has the key]
    #[arg(long, value_name = "TEXT")]
    pub(crate) jwt_issuer: Option<String>,
    /// Which claim of a signed token names the account [env: CAPSHARE_JWT_ACCOUNT_CLAIM] [default: sub]
    #[arg(long, value_name = "CLAIM")]
    pub(crate) jwt_account_claim: Option<String>,
}

/// What a host grants its producers.
#[derive(Args, Default)]
pub(crate) struct Granted {
    /// Who may see a share, unless its producer says it: link (whoever knows the link), account (whoever has one here) or
    /// grant (its owner, and who has a token of it) [env: CAPSHARE_VISIBILITY] [default: link]
    #[arg(long, value_name = "link|account|grant")]
    pub(crate) visibility: Option<String>,
    /// After what time a share is gone, unless its producer says another, such as 30d [env: CAPSHARE_SHARE_TTL]
    /// [default: never]
    #[arg(long, value_name = "TIME")]
    pub(crate) share_ttl: Option<String>,
    /// The longest time that a producer may give a share; a share for ever gets this [env: CAPSHARE_SHARE_TTL_MAX]
    /// [default: for ever]
    #[arg(long, value_name = "TIME")]
    pub(crate) share_ttl_max: Option<String>,
    /// Shares that an account may have [env: CAPSHARE_ACCOUNT_SHARES_MAX] [default: any number]
    #[arg(long, value_name = "N")]
    pub(crate) account_shares_max: Option<String>,
    /// Bytes that an account's shares may hold, such as 10GiB [env: CAPSHARE_ACCOUNT_BYTES_MAX] [default: any number]
    #[arg(long, value_name = "BYTES")]
    pub(crate) account_bytes_max: Option<String>,
    /// Bytes that an account may sync in 24 hours at this host [env: CAPSHARE_ACCOUNT_BYTES_PER_DAY_MAX] [default: any
    /// number]
    #[arg(long, value_name = "BYTES")]
    pub(crate) account_bytes_per_day_max: Option<String>,
    /// Connections of one account, past which its oldest is closed; or none [env: CAPSHARE_ACCOUNT_CONNECTIONS_MAX]
    /// [default: 50]
    #[arg(long, value_name = "N")]
    pub(crate) account_connections_max: Option<String>,
}

/// Plays a recorded session into a host of its own.
#[derive(Args)]
pub(crate) struct Demo {
    /// How many times faster than it was recorded
    #[arg(long, value_name = "X", default_value = "1", value_parser = speed)]
    pub(crate) speed: f64,
    /// End when the session is over, instead of serving on until Ctrl-C
    #[arg(long)]
    pub(crate) exit: bool,
    /// Where its shares are kept [default: a temporary directory, removed at the end]
    #[arg(long, value_name = "STORE")]
    pub(crate) store: Option<String>,
}

/// Which host, and as whom.
#[derive(Args)]
pub(crate) struct Host {
    /// The host [env: CAPSHARE_TO] [default: http://127.0.0.1:7420, or where a share's URL points]
    #[arg(long, value_name = "URL")]
    pub(crate) to: Option<String>,
    /// The credential. Other users of this machine can read it here: a file or the variable is better [env: CAPSHARE_TOKEN]
    #[arg(long, value_name = "TOKEN", conflicts_with = "token_file")]
    pub(crate) token: Option<String>,
    /// A file that holds the credential [env: CAPSHARE_TOKEN_FILE]
    #[arg(long, value_name = "FILE")]
    pub(crate) token_file: Option<PathBuf>,
    /// How long a call may take, the wait for a connection included
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = humantime::parse_duration)]
    pub(crate) timeout: Duration,
}

/// Shares a file.
#[derive(Args)]
pub(crate) struct Push {
    /// The file: an export ({"info", "messages"}), JSON lines of {"type", "data"}, or a transcript of another agent; which of them
    /// is found out
    #[arg(required_unless_present_any = ["latest", "session"], conflicts_with = "latest")]
    pub(crate) file: Option<PathBuf>,
    /// Whose transcript it is [default: found out]
    #[arg(long)]
    pub(crate) agent: Option<Agent>,
    /// The transcript that this agent wrote to last, of the folder that this runs in if the agent keeps them by folder
    #[arg(long, requires = "agent")]
    pub(crate) latest: bool,
    #[command(flatten)]
    pub(crate) host: Host,
    /// Which session it is [default: as the file says]; with --agent opencode, which of its sessions
    #[arg(long, value_name = "ID")]
    pub(crate) session: Option<String>,
    /// After what time the share is gone, such as 7d or 12h [default: as the host has it; no change if the session was
    /// shared before]
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration)]
    pub(crate) expires: Option<Duration>,
    /// Who may see the share: whoever knows the link, whoever has an account at the host, or who is granted it [default: as
    /// the host has it; no change if the session was shared before]
    #[arg(long, value_name = "link|account|grant", value_parser = visibility)]
    pub(crate) visibility: Option<Visibility>,
    /// Send API keys, tokens and private keys as they stand in the file. Else what is known for one by its form is masked
    /// before it leaves this machine, and what was masked is said at the end, by kind
    #[arg(long)]
    pub(crate) no_redact: bool,
    /// Go on as the file grows, until Ctrl-C; an export does not grow. A line that is no item is then said and skipped
    #[arg(long)]
    pub(crate) follow: bool,
}

/// Follows a share.
#[derive(Args)]
pub(crate) struct Watch {
    /// The share; or a token that link printed
    #[arg(value_name = "ID|URL|TOKEN")]
    pub(crate) share: String,
    #[command(flatten)]
    pub(crate) host: Host,
    /// Go on after this revision; 0 begins with the whole state
    #[arg(long, value_name = "REVISION", default_value_t = 0)]
    pub(crate) since: u64,
}

/// Writes a share.
#[derive(Args)]
pub(crate) struct Export {
    /// The share; or a token that link printed
    #[arg(value_name = "ID|URL|TOKEN")]
    pub(crate) share: String,
    #[command(flatten)]
    pub(crate) host: Host,
    /// As what
    #[arg(long, value_name = "FORMAT", default_value = "opencode")]
    pub(crate) format: ExportFormat,
    /// Into which file, instead of stdout
    #[arg(long, short, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
}

/// What a share is written as.
#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum ExportFormat {
    /// An OpenCode export, {"info", "messages"}, with what else there is beside it
    Opencode,
    /// JSON lines of {"type", "data"}
    Jsonl,
    /// To be read
    Markdown,
}

/// Prints the manifest.
#[derive(Args)]
pub(crate) struct Manifest {
    /// As types of TypeScript
    #[arg(long)]
    pub(crate) typescript: bool,
}

/// Lists shares.
#[derive(Args)]
pub(crate) struct List {
    #[command(flatten)]
    pub(crate) host: Host,
    /// The shares of all accounts, for administrators
    #[arg(long)]
    pub(crate) every_account: bool,
}

/// Shows a share's facts.
#[derive(Args)]
pub(crate) struct Info {
    /// The share; or a token that link printed
    #[arg(value_name = "ID|URL|TOKEN")]
    pub(crate) share: String,
    #[command(flatten)]
    pub(crate) host: Host,
}

/// Probes a host.
#[derive(Args)]
pub(crate) struct Probe {
    /// The host, if not given by --to
    #[arg(value_name = "URL", conflicts_with = "to")]
    pub(crate) url: Option<String>,
    #[command(flatten)]
    pub(crate) host: Host,
}

fn speed(text: &str) -> Result<f64, String> {
    let speed: f64 = text.parse().map_err(|_| "a number is needed, such as 10".to_owned())?;
    if (0.01..=1e6).contains(&speed) { Ok(speed) } else { Err("it must be 0.01 to 1000000".to_owned()) }
}
