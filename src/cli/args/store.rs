//! The arguments of what works on a store itself: `capshare store` and `capshare token`.

use std::time::Duration;

use capshare::access::{BadScopes, Scopes};
use capshare::share::id::{AccountId, BadName, TokenId};
use clap::{Args, Subcommand};

use crate::cli::args::Serve;
use crate::cli::exit;

/// What is done with a store.
#[derive(Args)]
pub(crate) struct StoreArguments {
    #[command(subcommand)]
    pub(crate) command: StoreCommand,
}

#[derive(Subcommand)]
pub(crate) enum StoreCommand {
    /// Read every object and tell what is wrong. Exit code 0: nothing, or all was mended; 1: something. What is too young to
    /// judge is counted
    #[command(after_help = exit::HELP)]
    Check(StoreCheck),
    /// Tell what there is, and what takes the room; only lists
    #[command(after_help = exit::HELP)]
    Stats(StoreStats),
    /// Free what is expired, superseded or left over
    #[command(after_help = exit::HELP)]
    Gc(StoreGc),
}

impl StoreCommand {
    /// Which store.
    pub(crate) fn place(&self) -> StorePlace {
        match self {
            Self::Check(StoreCheck { place, .. })
            | Self::Stats(StoreStats { place })
            | Self::Gc(StoreGc { place, .. }) => place.clone(),
        }
    }
}

/// What is done with tokens.
#[derive(Args)]
pub(crate) struct TokenArguments {
    #[command(subcommand)]
    pub(crate) command: TokenCommand,
}

#[derive(Subcommand)]
pub(crate) enum TokenCommand {
    /// Make a token for an account, and print it: this once, for it is not kept
    #[command(after_help = exit::HELP)]
    Create(TokenCreate),
    /// List tokens; revoked and expired ones too
    #[command(after_help = exit::HELP)]
    Ls(TokenList),
    /// Revoke a token for good. Hosts close its connections within 10 seconds
    #[command(after_help = exit::HELP)]
    Revoke(TokenRevoke),
}

impl TokenCommand {
    /// Which store.
    pub(crate) fn place(&self) -> StorePlace {
        match self {
            Self::Create(TokenCreate { place, .. })
            | Self::Ls(TokenList { place, .. })
            | Self::Revoke(TokenRevoke { place, .. }) => place.clone(),
        }
    }
}

/// Makes a token.
#[derive(Args)]
pub(crate) struct TokenCreate {
    /// Whose rights it has
    #[arg(long, value_name = "ACCOUNT", value_parser = account)]
    pub(crate) account: AccountId,
    /// What it may do: share:write, share:read, admin, with commas between them
    #[arg(long, value_name = "SCOPES", default_value = "share:write,share:read", value_parser = scopes)]
    pub(crate) scope: Scopes,
    /// After what time it is nothing worth, such as 30d [default: never]
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration)]
    pub(crate) expires: Option<Duration>,
    /// What it is for, so that it is known again in a list; at most 128 characters
    #[arg(long, value_name = "TEXT", default_value = "")]
    pub(crate) label: String,
    #[command(flatten)]
    pub(crate) place: StorePlace,
}

/// Lists tokens.
#[derive(Args)]
pub(crate) struct TokenList {
    /// Only those of this account
    #[arg(long, value_name = "ACCOUNT", value_parser = account)]
    pub(crate) account: Option<AccountId>,
    #[command(flatten)]
    pub(crate) place: StorePlace,
}

/// Revokes a token.
#[derive(Args)]
pub(crate) struct TokenRevoke {
    /// The token's id, as `token ls` shows it: what stands between captok_ and the next _
    #[arg(value_name = "ID", value_parser = token_id)]
    pub(crate) id: TokenId,
    #[command(flatten)]
    pub(crate) place: StorePlace,
}

fn account(text: &str) -> Result<AccountId, BadName> {
    text.parse()
}

fn token_id(text: &str) -> Result<TokenId, BadName> {
    text.parse()
}

fn scopes(text: &str) -> Result<Scopes, BadScopes> {
    text.parse()
}

/// Which store: as `serve` says it.
#[derive(Args, Clone)]
pub(crate) struct StorePlace {
    /// A directory, or s3://BUCKET/PREFIX [env: CAPSHARE_STORE] [default: a directory in the user's data folder]
    #[arg(long, value_name = "STORE")]
    store: Option<String>,
    /// The host's TOML file [env: CAPSHARE_CONFIG]
    #[arg(long, value_name = "FILE")]
    config: Option<String>,
    /// The endpoint of an S3 service that is not AWS [env: CAPSHARE_ENDPOINT, AWS_ENDPOINT_URL_S3, AWS_ENDPOINT_URL]
    #[arg(long, value_name = "URL")]
    endpoint: Option<String>,
    /// The bucket's region [env: CAPSHARE_REGION, AWS_REGION, AWS_DEFAULT_REGION]
    #[arg(long, value_name = "REGION")]
    region: Option<String>,
}

impl From<StorePlace> for Serve {
    fn from(place: StorePlace) -> Self {
        let StorePlace { store, config, endpoint, region } = place;
        Self { store, config, endpoint, region, ..Self::default() }
    }
}

/// Checks a store.
#[derive(Args)]
pub(crate) struct StoreCheck {
    #[command(flatten)]
    pub(crate) place: StorePlace,
    /// Mend what is safe to mend while hosts run: finish deletions, claim sessions again whose claims are lost, release claims on
    /// deleted shares, delete companions of no claim
    #[arg(long)]
    pub(crate) repair: bool,
    /// How old a thing must be before it is taken for left over rather than for being done just now. What is damaged is told
    /// whatever its age
    #[arg(long, value_name = "TIME", default_value = "10m", value_parser = humantime::parse_duration)]
    pub(crate) settled_after: Duration,
}

/// Counts a store.
#[derive(Args)]
pub(crate) struct StoreStats {
    #[command(flatten)]
    pub(crate) place: StorePlace,
}

/// Clears a store.
#[derive(Args)]
pub(crate) struct StoreGc {
    #[command(flatten)]
    pub(crate) place: StorePlace,
    /// Only say what would be freed
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// How long tombstones of deleted shares stay
    #[arg(long, value_name = "TIME", default_value = "30days", value_parser = humantime::parse_duration)]
    pub(crate) tombstones_after: Duration,
}
