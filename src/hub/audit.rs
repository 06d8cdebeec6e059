//! The audit log: one line for each thing that somebody was let do, or was not.
//!
//! The lines are `tracing` events of the target `audit` at level info, so that they can be filtered and shipped apart from the
//! rest; with `--log-format json` each is an object. Every line has the same five fields of who it was and from where, so that
//! lines join: `connection`, `address`, `account`, `credential` and `credential_id`, each empty where it is not known. The others say
//! what it was, to what and how many: `event`, ids of shares, whose a share is (`owner`). Never a secret, a token or content.
//! What is durable is written first, then connections are closed, and then comes the line, so that a line tells what has happened;
//! a line of the event `refused` tells what was tried.

use std::net::IpAddr;

use crate::hub::access::{Credential, Principal};
use crate::hub::grants::Pass;
use crate::hub::registry::{CloseReason, Entry};
use crate::hub::room::Room;
use crate::share::error::Refusal;
use crate::share::id::{AccountId, GrantId, ShareId};
use crate::share::time::Timestamp;
use crate::share::visibility::Visibility;

/// Who did it.
#[derive(Debug, Clone, Copy)]
pub enum By<'a> {
    /// Somebody over a connection, with the rights of a principal; without one, nobody in particular.
    Connection(&'a Entry, Option<&'a Principal>),
    /// Somebody by a request from this address (`None`: within the process), with the rights of a principal if it has shown any.
    Request(Option<IpAddr>, Option<&'a Principal>),
    /// The program that the host is part of, or the host by itself.
    Host,
}

/// The fields of whoever did it, and then those of what was done.
macro_rules! line {
    ($by:expr, $event:literal, $($fields:tt)*) => {{
        let (connection, address, account, credential, credential_id) = $by.fields();
        let address = address.as_str();
        tracing::info!(target: "audit", event = $event, connection, address, account, credential, credential_id, $($fields)*);
    }};
}

/// Writes an audit line about a share: as `line!`, with the share's id and its account before the fields of what was done.
macro_rules! share_line {
    ($by:expr, $event:literal, $room:expr, $($fields:tt)*) => {{
        let (share, owner) = ($room.id().as_str(), $room.owner());
        line!($by, $event, share, owner = owner.as_ref().map_or("", AccountId::as_str), $($fields)*);
    }};
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

impl<'a> From<&'a Pass> for Through<'a> {
    fn from(pass: &'a Pass) -> Self {
        pass.grant().map_or(Self::Owner, Self::Grant)
    }
}

impl<'a> By<'a> {
    fn fields(self) -> (&'a str, String, &'a str, &'static str, &'a str) {
        let (connection, address, who) = match self {
            Self::Connection(entry, who) => (entry.id.as_str(), entry.address, who),
            Self::Request(address, who) => ("", address, who),
            Self::Host => ("host", None, None),
        };
        let (account, credential, id) =
            who.map_or(("", "none", ""), |who| (who.account.as_str(), who.credential.kind(), who.credential.id()));
        (connection, address.map(|address| address.to_string()).unwrap_or_default(), account, credential, id)
    }
}

impl Credential {
    /// The name of the login session or token, which is no secret; empty for the other kinds.
    #[must_use]
    pub fn id(&self) -> &str {
        match self {
            Self::Session(id) | Self::Token(id) => id,
            Self::Key | Self::Machine | Self::None => "",
        }
    }
}

/// A connection was admitted.
pub(crate) fn admitted(entry: &Entry) {
    line!(By::Connection(entry, entry.principal.as_ref()), "admitted", door = entry.door.as_str());
}

/// A connection authenticated in-band.
pub(crate) fn authenticated(entry: &Entry, who: &Principal) {
    line!(By::Connection(entry, Some(who)), "authenticated", door = entry.door.as_str());
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

/// A connection was closed before it was admitted.
pub(crate) fn turned_away(entry: &Entry, reason: &CloseReason) {
    let by = By::Connection(entry, entry.principal.as_ref());
    line!(by, "turned_away", door = entry.door.as_str(), code = reason.code, reason = reason.reason);
}

/// A connection was closed because a credential of it had expired.
pub(crate) fn expired(entry: &Entry) {
    let who = entry.identity();
    line!(By::Connection(entry, who.as_ref()), "expired", closed = 1);
}

/// A connection has not authenticated in time, and was closed.
pub(crate) fn unauthenticated(entry: &Entry) {
    line!(By::Connection(entry, None), "unauthenticated", door = entry.door.as_str(), closed = 1);
}

/// A connection without a credential was closed, because one with a credential needed its place.
pub(crate) fn displaced(entry: &Entry) {
    line!(By::Connection(entry, None), "displaced", door = entry.door.as_str(), closed = 1);
}

/// The oldest connection of an account or an address was closed, because it had more than it may.
pub(crate) fn over_cap(entry: &Entry) {
    let who = entry.identity();
    line!(By::Connection(entry, who.as_ref()), "over_cap", closed = 1);
}

/// A share was created, or shared again by its account.
pub(crate) fn share_created(by: By<'_>, room: &Room, existed: bool) {
    share_line!(by, "share_created", room, existed);
}

/// It was said who may see a share.
pub(crate) fn visibility_set(by: By<'_>, room: &Room, visibility: Visibility, through: Through<'_>) {
    share_line!(by, "visibility_set", room, visibility = visibility.as_str(), through = through.as_str());
}

/// A share was given another time to live; `None`: it stays.
pub(crate) fn expiry_set(by: By<'_>, room: &Room, expires_at: Option<Timestamp>, through: Through<'_>) {
    let expires_at = expires_at.map(|at| at.0);
    share_line!(by, "expiry_set", room, expires_at, through = through.as_str());
}

/// A share was deleted.
pub(crate) fn share_deleted(by: By<'_>, room: &Room, through: Through<'_>) {
    share_line!(by, "share_deleted", room, through = through.as_str());
}

/// A capability on a share was saved as a token of this grant; `pass` is what it gives, and what it came through.
pub(crate) fn granted(by: By<'_>, room: &Room, grant: &GrantId, pass: &Pass) {
    let through = Through::from(pass).as_str();
    share_line!(by, "granted", room, grant = grant.as_str(), right = pass.right().as_str(), through);
}

/// A grant was revoked, and with it what was saved by way of it; `pass` is by what.
pub(crate) fn grant_revoked(by: By<'_>, room: &Room, grant: &GrantId, pass: &Pass) {
    let through = Through::from(pass).as_str();
    share_line!(by, "revoked", room, what = "grant", of = grant.as_str(), through);
}

/// A credential was revoked, and so many connections closed with it. The revoke was durable before they were.
pub(crate) fn revoked(by: By<'_>, what: &str, target: &str, closed: usize) {
    line!(by, "revoked", what, of = target, closed);
}

/// An administrator did something to, or of, so many.
pub(crate) fn administered(by: By<'_>, action: &str, target: &str, count: usize) {
    line!(by, "admin", action, of = target, count);
}
