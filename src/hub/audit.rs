//! The audit log: one line for each thing that somebody was let do, or was not.
//!
//! The lines are `tracing` events of the target `audit` at level info, so that they can be filtered and shipped apart from the
//! rest; with `--log-format json` each is an object. A line says who, what and how many: connection and account names, the
//! kind and the name of a credential, ids of shares. Never a secret, a token or content. What is durable is written first, then
//! connections are closed, and then comes the line, so that a line tells what has happened.

use std::fmt;

use crate::hub::access::{Credential, Principal};
use crate::hub::grants::Pass;
use crate::hub::registry::{CloseReason, Entry};
use crate::share::error::Refusal;
use crate::share::id::{GrantId, ShareId};
use crate::share::visibility::Visibility;

/// Who did it.
#[derive(Debug, Clone, Copy)]
pub enum By<'a> {
    /// Somebody over a connection, with the rights of a principal; without one, nobody in particular.
    Connection(&'a Entry, Option<&'a Principal>),
    /// A principal, by a way that the host does not know.
    Principal(&'a Principal),
    /// The program that the host is part of, or the host by itself.
    Host,
}

/// The fields of whoever did it, and then those of what was done.
macro_rules! line {
    ($by:expr, $event:literal, $($fields:tt)*) => {{
        let (connection, account, credential, credential_id) = $by.fields();
        tracing::info!(target: "audit", event = $event, connection, account, credential, credential_id, $($fields)*);
    }};
}

impl<'a> By<'a> {
    fn fields(self) -> (&'a str, &'a str, &'static str, &'a str) {
        let (connection, who) = match self {
            Self::Connection(entry, who) => (entry.id.as_str(), who),
            Self::Principal(who) => ("", Some(who)),
            Self::Host => ("host", None),
        };
        let (account, credential, id) =
            who.map_or(("", "none", ""), |who| (who.account.as_str(), who.credential.kind(), who.credential.id()));
        (connection, account, credential, id)
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

/// Somebody was refused before there was a connection, or in-band: `from` is an address or a connection.
pub(crate) fn refused(from: impl fmt::Display, door: &str, refusal: &Refusal) {
    // The id of a share that is not there is whatever was sent, perhaps what should have been kept.
    let is_unknown = matches!(refusal, Refusal::NotFound { .. } | Refusal::RouteMismatch { .. });
    let reason = if is_unknown { "there is no such share".to_owned() } else { refusal.to_string() };
    tracing::info!(target: "audit", event = "refused", %from, door, reason);
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
pub(crate) fn share_created(who: &Principal, share: &ShareId, existed: bool) {
    line!(By::Principal(who), "share_created", share = share.as_str(), existed);
}

/// It was said who may see a share.
pub(crate) fn visibility_set(by: By<'_>, share: &ShareId, visibility: Visibility) {
    line!(by, "visibility_set", share = share.as_str(), visibility = visibility.as_str());
}

/// A share was deleted.
pub(crate) fn share_deleted(by: By<'_>, share: &ShareId) {
    line!(by, "share_deleted", share = share.as_str());
}

/// A capability on a share was saved as a token of this grant; `pass` is what it gives, and what it came through.
pub(crate) fn granted(by: By<'_>, share: &ShareId, grant: &GrantId, pass: &Pass) {
    let through = pass.grant().map_or("", GrantId::as_str);
    line!(by, "granted", share = share.as_str(), grant = grant.as_str(), right = pass.right().as_str(), through);
}

/// A grant was revoked, and with it what was saved by way of it; `pass` is by what.
pub(crate) fn grant_revoked(by: By<'_>, share: &ShareId, grant: &GrantId, pass: &Pass) {
    let through = pass.grant().map_or("", GrantId::as_str);
    line!(by, "revoked", what = "grant", of = grant.as_str(), share = share.as_str(), through);
}

/// A credential was revoked, and so many connections closed with it. The revoke was durable before they were.
pub(crate) fn revoked(by: By<'_>, what: &str, target: &str, closed: usize) {
    line!(by, "revoked", what, of = target, closed);
}

/// An administrator did something to, or of, so many.
pub(crate) fn administered(by: By<'_>, action: &str, target: &str, count: usize) {
    line!(by, "admin", action, of = target, count);
}
