//! The arguments of what works on a store itself: `capshare store` and `capshare token`.

use std::time::Duration;

use capshare::host::access::{BadScopes, Scopes};
use capshare::share::id::{AccountId, BadName, TokenId};
use clap::{Args, Subcommand};

use crate::cli::args::serve::Serve;
use crate::cli::exit;

/// What is done with a store.
#[derive(Args)]
pub(crate) struct StoreArguments {
    #[command(subcommand)]
    pub(crate) command: StoreCommand,
}

#[derive(Subcommand)]
pub(crate) enum StoreCommand {
    /// Read every object and report what is damaged or left over. Exit code 0: nothing is wrong, or all was repaired; 1:
    /// something is wrong. Objects that are too young to judge are only counted
    #[command(after_help = exit::HELP)]
    Check(StoreCheck),
    /// Count the shares and objects, and show which take the most space. Lists the store and reads no object
    #[command(after_help = exit::HELP)]
    Stats(StoreStats),
    /// Delete what is no longer needed: expired shares, superseded objects and leftovers
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
    /// Make a token for an account and print it once: it is not kept
    #[command(after_help = exit::HELP)]
    Create(TokenCreate),
    /// List tokens, also revoked and expired ones
    #[command(after_help = exit::HELP)]
    Ls(TokenList),
    /// Revoke a token for good. Hosts close its connections within 10 seconds, and at once if they are told by NATS
    #[command(after_help = exit::HELP)]
    Revoke(TokenRevoke),
}

impl TokenCommand {
    /// Which store, and by what its hosts hear of each other.
    pub(crate) fn serve(&self) -> Serve {
        let (place, nats) = match self {
            Self::Create(TokenCreate { place, .. }) | Self::Ls(TokenList { place, .. }) => (place, &[][..]),
            Self::Revoke(TokenRevoke { place, nats, .. }) => (place, &nats[..]),
        };
        let mut serve = Serve::from(place.clone());
        serve.nats.nats = nats.to_vec();
        serve
    }
}

/// Makes a token.
#[derive(Args)]
pub(crate) struct TokenCreate {
    /// The account that the token connects as
    #[arg(long, value_name = "ACCOUNT", value_parser = account)]
    pub(crate) account: AccountId,
    /// What the token allows: share:write, share:read and admin, separated by commas
    #[arg(long, value_name = "SCOPES", default_value = "share:write,share:read", value_parser = scopes)]
    pub(crate) scope: Scopes,
    /// When the token expires, as a time from now such as 30d [default: never]
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration)]
    pub(crate) expires: Option<Duration>,
    /// A note that `capshare token ls` shows beside the token, such as what it is for; at most 128 characters
    #[arg(long, value_name = "TEXT", default_value = "")]
    pub(crate) label: String,
    #[command(flatten)]
    pub(crate) place: StorePlace,
}

/// Lists tokens.
#[derive(Args)]
pub(crate) struct TokenList {
    /// Only tokens of this account
    #[arg(long, value_name = "ACCOUNT", value_parser = account)]
    pub(crate) account: Option<AccountId>,
    #[command(flatten)]
    pub(crate) place: StorePlace,
}

/// Revokes a token.
#[derive(Args)]
pub(crate) struct TokenRevoke {
    /// The token's id, as `capshare token ls` shows it: the part of the token between captok_ and the next _
    #[arg(value_name = "ID", value_parser = token_id)]
    pub(crate) id: TokenId,
    /// A NATS server by which the hosts over this store hear of each other, so that they are told at once; may be repeated. What the host
    /// shows to NATS comes from the file or the variables of `capshare serve` [env: CAPSHARE_NATS, separated by spaces]
    #[arg(long = "nats", value_name = "URL,...")]
    pub(crate) nats: Vec<String>,
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

/// Which store, with the arguments of `serve`.
#[derive(Args, Clone)]
pub(crate) struct StorePlace {
    /// The store: a directory, or s3://BUCKET/PREFIX [env: CAPSHARE_STORE] [default: a directory in the user's data folder]
    #[arg(long, value_name = "STORE")]
    store: Option<String>,
    /// The host's TOML file, whose settings name the store [env: CAPSHARE_CONFIG]
    #[arg(long, value_name = "FILE")]
    config: Option<String>,
    /// The endpoint of an S3 service other than AWS [env: CAPSHARE_ENDPOINT, AWS_ENDPOINT_URL_S3, AWS_ENDPOINT_URL]
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
    /// Repair what can be repaired safely while hosts run: finish deletions, restore lost claims of sessions, release claims on
    /// deleted shares, delete objects that belong to no claim
    #[arg(long)]
    pub(crate) repair: bool,
    /// How old an object must be before it counts as left over; a younger one may belong to work in progress. Damage is reported
    /// at any age
    #[arg(long, value_name = "TIME", default_value = "10m", value_parser = humantime::parse_duration)]
    pub(crate) settled_after: Duration,
}

/// Measures a store.
#[derive(Args)]
pub(crate) struct StoreStats {
    #[command(flatten)]
    pub(crate) place: StorePlace,
}

/// Cleans up a store.
#[derive(Args)]
pub(crate) struct StoreGc {
    #[command(flatten)]
    pub(crate) place: StorePlace,
    /// Print what would be deleted, and delete nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// How long the tombstones of deleted shares are kept
    #[arg(long, value_name = "TIME", default_value = "30days", value_parser = humantime::parse_duration)]
    pub(crate) tombstones_after: Duration,
}
