//! The audit log: one line for each thing that somebody was let do, or was not.
//!
//! The lines are `tracing` events of the target `audit` at level info, so that they can be filtered and shipped apart from the
//! rest; with `--log-format json` each is an object. Every line has the same five fields of who it was and from where, so that
//! lines join: `connection`, `address`, `account`, `credential` and `credential_id`, each empty where it is not known. The others say
//! what it was, to what and how many: `event`, ids of shares, whose a share is (`owner`). Never a secret, a token or content.
//! What is durable is written first, then connections are closed, and then comes the line, so that a line tells what has happened;
//! a line of the event `refused` tells what was tried.

use std::net::IpAddr;

use crate::access::Principal;
use crate::share::error::Refusal;
use crate::share::grant::Right;
use crate::share::id::{AccountId, GrantId, ShareId};
use crate::share::time::Timestamp;
use crate::share::visibility::Visibility;

/// Who did it.
#[derive(Debug, Clone, Copy)]
pub enum By<'a> {
    /// Somebody over a connection.
    Connection {
        /// The name of the connection.
        id: &'a str,
        /// Where its socket comes from; `None` within the process.
        address: Option<IpAddr>,
        /// Whose rights are used; `None`: nobody's in particular.
        who: Option<&'a Principal>,
    },
    /// Somebody by a request from this address (`None`: within the process), with the rights of a principal if it has shown any.
    Request(Option<IpAddr>, Option<&'a Principal>),
    /// The program that the host is part of, or the host by itself.
    Host,
    /// An administrator who is connected to another host of the deployment.
    OtherHost {
        /// The id of that host.
        host: &'a str,
        /// The administrator's account, as that host says.
        account: &'a str,
    },
}

/// Writes an audit line: the fields of who did it, and then those of what was done.
macro_rules! line {
    ($by:expr, $event:literal, $($fields:tt)*) => {{
        let (connection, address, account, credential, credential_id) = $by.fields();
        let address = address.as_str();
        tracing::info!(target: "audit", event = $event, connection, address, account, credential, credential_id, $($fields)*);
    }};
}

/// Writes an audit line about a share: as `line!`, with the share's id and its account before the fields of what was done.
macro_rules! share_line {
    ($by:expr, $event:literal, $share:expr, $($fields:tt)*) => {{
        let Share { id, owner } = $share;
        line!($by, $event, share = id.as_str(), owner = owner.as_ref().map_or("", AccountId::as_str), $($fields)*);
    }};
}

/// The share that a line is about.
#[derive(Debug, Clone)]
pub(crate) struct Share<'a> {
    /// The share's id.
    pub(crate) id: &'a ShareId,
    /// The account that created it, if it is known.
    pub(crate) owner: Option<AccountId>,
}

/// What let somebody do something to a share.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Through<'a> {
    /// Its secret, its account's credential, or its expiry.
    Owner,
    /// The token of this grant.
    Grant(&'a GrantId),
    /// The scope `admin`.
    Admin,
}

impl<'a> Through<'a> {
    fn as_str(self) -> &'a str {
        match self {
            Self::Owner => "",
            Self::Grant(id) => id.as_str(),
            Self::Admin => "admin",
        }
    }
}

impl<'a> By<'a> {
    fn fields(self) -> (&'a str, String, &'a str, &'static str, &'a str) {
        let (connection, address, who) = match self {
            Self::Connection { id, address, who } => (id, address, who),
            Self::Request(address, who) => ("", address, who),
            Self::Host => ("host", None, None),
            Self::OtherHost { host, account } => return (host, String::new(), account, "host", ""),
        };
        let (account, credential, id) =
            who.map_or(("", "none", ""), |who| (who.account.as_str(), who.credential.kind(), who.credential.id()));
        (connection, address.map(|address| address.to_string()).unwrap_or_default(), account, credential, id)
    }
}

/// A connection was admitted.
pub(crate) fn admitted(by: By<'_>, door: &str) {
    line!(by, "admitted", door);
}

/// A connection authenticated in-band.
pub(crate) fn authenticated(by: By<'_>, door: &str) {
    line!(by, "authenticated", door);
}

/// Somebody was refused before there was a connection, or in-band.
pub(crate) fn refused(by: By<'_>, door: &str, refusal: &Refusal) {
    line!(by, "refused", door, reason = reason(refusal));
}

/// Somebody tried what only an administrator or a share's owner may.
pub(crate) fn denied(by: By<'_>, action: &str, share: Option<&ShareId>, refusal: &Refusal) {
    line!(by, "refused", action, share = share.map_or("", ShareId::as_str), reason = reason(refusal));
}

/// A refusal for the log. The id of a share that is not there is whatever was sent, perhaps what should have been kept.
fn reason(refusal: &Refusal) -> String {
    if matches!(refusal, Refusal::NotFound { .. } | Refusal::RouteMismatch { .. }) {
        "there is no such share".to_owned()
    } else {
        refusal.to_string()
    }
}

/// A connection was closed before it was admitted, with this WebSocket close code and reason.
pub(crate) fn turned_away(by: By<'_>, door: &str, code: u16, reason: &str) {
    line!(by, "turned_away", door, code, reason);
}

/// A connection was closed because a credential of it had expired.
pub(crate) fn expired(by: By<'_>) {
    line!(by, "expired", closed = 1);
}

/// A connection has not authenticated in time, and was closed.
pub(crate) fn unauthenticated(by: By<'_>, door: &str) {
    line!(by, "unauthenticated", door, closed = 1);
}

/// A connection without a credential was closed, because one with a credential needed its place.
pub(crate) fn displaced(by: By<'_>, door: &str) {
    line!(by, "displaced", door, closed = 1);
}

/// The oldest connection of an account or an address was closed, because it had more than it may.
pub(crate) fn over_cap(by: By<'_>) {
    line!(by, "over_cap", closed = 1);
}

/// A share was created, or shared again by its account.
pub(crate) fn share_created(by: By<'_>, share: Share<'_>, existed: bool) {
    share_line!(by, "share_created", share, existed);
}

/// It was said who may see a share.
pub(crate) fn visibility_set(by: By<'_>, share: Share<'_>, visibility: Visibility, through: Through<'_>) {
    share_line!(by, "visibility_set", share, visibility = visibility.as_str(), through = through.as_str());
}

/// A share was given another time to live; `None`: it stays.
pub(crate) fn expiry_set(by: By<'_>, share: Share<'_>, expires_at: Option<Timestamp>, through: Through<'_>) {
    let expires_at = expires_at.map(|at| at.0);
    share_line!(by, "expiry_set", share, expires_at, through = through.as_str());
}

/// A share was deleted.
pub(crate) fn share_deleted(by: By<'_>, share: Share<'_>, through: Through<'_>) {
    share_line!(by, "share_deleted", share, through = through.as_str());
}

/// A capability on a share was saved as a token of this grant: with what right, and through what it came.
pub(crate) fn granted(by: By<'_>, share: Share<'_>, grant: &GrantId, right: Right, through: Through<'_>) {
    share_line!(by, "granted", share, grant = grant.as_str(), right = right.as_str(), through = through.as_str());
}

/// A grant was revoked, and with it what was saved by way of it.
pub(crate) fn grant_revoked(by: By<'_>, share: Share<'_>, grant: &GrantId, through: Through<'_>) {
    share_line!(by, "revoked", share, what = "grant", of = grant.as_str(), through = through.as_str());
}

/// A credential was revoked, and so many connections closed with it. The revoke was durable before they were.
pub(crate) fn revoked(by: By<'_>, what: &str, target: &str, closed: usize) {
    line!(by, "revoked", what, of = target, closed);
}

/// An administrator did something to, or of, so many.
pub(crate) fn administered(by: By<'_>, action: &str, target: &str, count: usize) {
    line!(by, "admin", action, of = target, count);
}
