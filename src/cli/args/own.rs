//! The arguments of what only a share's owner does: `capshare rm`, `expire`, `visibility`, `link`, `links` and `unlink`.

use std::time::Duration;

use capshare::share::error::Refusal;
use capshare::share::grant::{GrantToken, Label};
use capshare::share::id::{BadName, GrantId};
use capshare::share::visibility::{BadVisibility, Visibility};
use clap::Args;

use crate::cli::args::Host;

/// A share, and what shows that it is one's own.
#[derive(Args)]
pub(crate) struct Own {
    /// The share
    #[arg(value_name = "ID|URL")]
    pub(crate) share: String,
    #[command(flatten)]
    pub(crate) host: Host,
    /// Its secret, or a token of link --full. Other users of this machine can read it here: the variable is better [env:
    /// CAPSHARE_SECRET] [default: as kept by push; without one, a credential of the share's account is enough]
    #[arg(long, value_name = "SECRET")]
    pub(crate) secret: Option<String>,
}

/// Changes the expiry of a share.
#[derive(Args)]
pub(crate) struct Expire {
    #[command(flatten)]
    pub(crate) own: Own,
    /// How long from now on, such as 7d or 12h; or never
    #[arg(value_name = "TIME|never", value_parser = ttl)]
    pub(crate) ttl: Ttl,
}

/// Says who may see a share.
#[derive(Args)]
pub(crate) struct SetVisibility {
    #[command(flatten)]
    pub(crate) own: Own,
    /// Whoever knows the link, whoever has an account at the host, or its owner and who is granted it
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
    /// After what time the token is nothing worth, such as 7d [default: never]
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration)]
    pub(crate) expires: Option<Duration>,
    /// Whom it is for, so that it is known again in the list; at most 128 bytes
    #[arg(long, value_name = "TEXT", default_value = "", value_parser = label)]
    pub(crate) label: Label,
}

/// What a token gives.
#[derive(Args, Clone, Copy)]
#[group(multiple = false)]
pub(crate) struct LinkRight {
    /// It may read the share [default]
    #[arg(long)]
    pub(crate) read: bool,
    /// It may add to the share, and not read it
    #[arg(long)]
    pub(crate) write: bool,
    /// It may do everything, also delete the share and revoke other tokens
    #[arg(long)]
    pub(crate) full: bool,
}

/// Revokes a token.
#[derive(Args)]
pub(crate) struct Unlink {
    #[command(flatten)]
    pub(crate) own: Own,
    /// Which token: its id, as links shows it, or itself
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
