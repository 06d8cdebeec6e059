//! The arguments of what only a share's owner does: `capshare rm`, `expire`, `visibility`, `link`, `links` and `unlink`.

use std::time::Duration;

use capshare::share::error::Refusal;
use capshare::share::grant::{GrantToken, Label};
use capshare::share::id::{BadName, GrantId};
use capshare::share::visibility::{BadVisibility, Visibility};
use clap::Args;

use crate::cli::args::host::Host;

/// A share, and the proof that its user may change it.
#[derive(Args)]
pub(crate) struct Own {
    /// The share's id or URL
    #[arg(value_name = "ID|URL")]
    pub(crate) share: String,
    #[command(flatten)]
    pub(crate) host: Host,
    /// The share's secret, or a token from `capshare link --full`. Other users of this machine can read an argument: prefer the
    /// variable [env: CAPSHARE_SECRET] [default: the secret that push kept on this machine; without it, the credential of the
    /// share's account]
    #[arg(long, value_name = "SECRET")]
    pub(crate) secret: Option<String>,
}

/// Changes the expiry of a share.
#[derive(Args)]
pub(crate) struct Expire {
    #[command(flatten)]
    pub(crate) own: Own,
    /// The time from now until the share expires, such as 7d or 12h; or never
    #[arg(value_name = "TIME|never", value_parser = ttl)]
    pub(crate) ttl: Ttl,
}

/// Says who may see a share.
#[derive(Args)]
pub(crate) struct SetVisibility {
    #[command(flatten)]
    pub(crate) own: Own,
    /// Who may see the share: link is everybody who knows the link, account is everybody with an account at the host, grant is
    /// its owner and everybody with a token of it
    #[arg(value_name = "link|account|grant", value_parser = visibility)]
    pub(crate) visibility: Visibility,
}

/// Hands on a share.
#[derive(Args)]
pub(crate) struct Link {
    #[command(flatten)]
    pub(crate) own: Own,
    #[command(flatten)]
    pub(crate) right: LinkRight,
    /// When the token expires, as a time from now such as 7d [default: never]
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration)]
    pub(crate) expires: Option<Duration>,
    /// A note that `capshare links` shows beside the token, such as whom it is for; at most 128 bytes
    #[arg(long, value_name = "TEXT", default_value = "", value_parser = label)]
    pub(crate) label: Label,
}

/// What a token gives.
#[derive(Args, Clone, Copy)]
#[group(multiple = false)]
pub(crate) struct LinkRight {
    /// The token allows reading the share; this is the default
    #[arg(long)]
    pub(crate) read: bool,
    /// The token allows adding to the share, but not reading it
    #[arg(long)]
    pub(crate) write: bool,
    /// The token allows everything, also deleting the share and revoking other tokens
    #[arg(long)]
    pub(crate) full: bool,
}

/// Revokes a token.
#[derive(Args)]
pub(crate) struct Unlink {
    #[command(flatten)]
    pub(crate) own: Own,
    /// The token to revoke: its id, as `capshare links` shows it, or the token itself
    #[arg(value_name = "GRANT", value_parser = grant)]
    pub(crate) grant: GrantId,
}

pub(super) fn visibility(text: &str) -> Result<Visibility, BadVisibility> {
    text.parse()
}

fn label(text: &str) -> Result<Label, Refusal> {
    text.parse()
}

fn grant(text: &str) -> Result<GrantId, BadName> {
    match GrantToken::parse(text) {
        Some(token) => Ok(token.grant().clone()),
        None => text.parse(),
    }
}

/// How long a share is to live; `None`: it is to stay.
#[derive(Clone, Copy)]
pub(crate) struct Ttl(pub(crate) Option<Duration>);

fn ttl(text: &str) -> Result<Ttl, String> {
    match text {
        "never" => Ok(Ttl(None)),
        time => humantime::parse_duration(time).map(|ttl| Ttl(Some(ttl))).map_err(|error| error.to_string()),
    }
}
