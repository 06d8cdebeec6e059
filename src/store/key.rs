//! Where things are: the keys of the bucket, made and read in this one place. `schema/storage.md` lists them.
//!
//! Names need no escaping: [`share::id`](crate::share::id) admits only what can stand in a key as it is. Numbers have 12
//! digits, so that keys sort as their numbers do; nothing relies on a listing being sorted.

use object_store::path::Path;

use crate::share::id::{AccountId, SessionId, ShareId, TokenId};

/// The number of a segment in its log, or of a claim on its session: 1, 2, 3, ...
pub(super) type Number = u64;

/// What follows a claim's number in the key of its companion. It sorts after the digits' end and before the next number.
const ABOUT: &str = "-about";

/// What claims begin with.
pub(super) fn index() -> Path {
    path("index".to_owned())
}

/// What the claims of an account begin with.
pub(super) fn account(account: &AccountId) -> Path {
    path(format!("index/{account}"))
}

/// What the claims on a session begin with.
pub(super) fn session(account: &AccountId, session: &SessionId) -> Path {
    path(format!("index/{account}/{session}"))
}

/// A claim on a session.
pub(super) fn claim(account: &AccountId, session: &SessionId, number: Number) -> Path {
    path(format!("index/{account}/{session}/{number:012}"))
}

/// The companion of a claim.
pub(super) fn about(account: &AccountId, session: &SessionId, number: Number) -> Path {
    path(format!("index/{account}/{session}/{number:012}{ABOUT}"))
}

/// A key that sorts after every claim on this session and before those on any later one.
pub(super) fn after_claims(account: &AccountId, session: &SessionId) -> Path {
    // A colon follows the digits, and so the companions too.
    path(format!("index/{account}/{session}/:"))
}

/// What the objects of all shares begin with.
pub(super) fn shares() -> Path {
    path("share".to_owned())
}

/// What all objects of a share begin with, except its tombstone.
pub(super) fn share(id: &ShareId) -> Path {
    path(format!("share/{id}"))
}

/// A segment of a log.
pub(super) fn segment(id: &ShareId, number: Number) -> Path {
    path(format!("share/{id}/log/{number:012}"))
}

/// A run: what the segments of a stretch came to.
pub(super) fn run(id: &ShareId, Stretch { from, to }: Stretch) -> Path {
    path(format!("share/{id}/fold/{from:012}-{to:012}"))
}

/// The segments after `from` and up to `to`, as a run holds them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Stretch {
    pub(super) from: Number,
    pub(super) to: Number,
}

impl Stretch {
    /// Whether another run holds all that this one does. Only such a run may ever be freed: as long as every run that
    /// goes has another, at least as long, that holds it and stays, no two hosts, whatever runs each knows of, can
    /// together free what is nowhere else.
    pub(super) fn is_superseded_by(&self, other: &Self) -> bool {
        other != self && other.from <= self.from && self.to <= other.to
    }
}

/// What says that a share was deleted.
pub(super) fn tombstone(id: &ShareId) -> Path {
    path(format!("tomb/{id}"))
}

/// What tombstones begin with.
pub(super) fn tombstones() -> Path {
    path("tomb".to_owned())
}

/// What is known of a token.
pub(super) fn token(id: &TokenId) -> Path {
    path(format!("token/{id}"))
}

/// What the records of tokens begin with.
pub(super) fn tokens() -> Path {
    path("token".to_owned())
}

/// What the start-up probe writes begins with.
pub(super) fn probes() -> Path {
    path("probe".to_owned())
}

/// One of the start-up probe's objects.
pub(super) fn probe(nonce: u128, round: &str) -> Path {
    path(format!("probe/{nonce:032x}-{round}"))
}

/// The number of a segment, if the key is one of this log.
pub(super) fn segment_number(id: &ShareId, key: &Path) -> Option<Number> {
    number(inside(id, key)?.strip_prefix("log/")?)
}

/// The stretch of a run, if the key is one of this share.
pub(super) fn run_stretch(id: &ShareId, key: &Path) -> Option<Stretch> {
    let (from, to) = inside(id, key)?.strip_prefix("fold/")?.split_once('-')?;
    Some(Stretch { from: number(from)?, to: number(to)? }).filter(|stretch| stretch.from < stretch.to)
}

/// Whose tombstone it is, if the key is one of these.
pub(super) fn tombstone_of(key: &Path) -> Option<ShareId> {
    key.as_ref().strip_prefix("tomb/")?.parse().ok()
}

/// Whose record it is, if the key is one of a token.
pub(super) fn token_of(key: &Path) -> Option<TokenId> {
    key.as_ref().strip_prefix("token/")?.parse().ok()
}

/// Which share the objects below this prefix are of.
pub(super) fn share_of(prefix: &Path) -> Option<ShareId> {
    prefix.as_ref().strip_prefix("share/")?.parse().ok()
}

fn inside<'a>(id: &ShareId, key: &'a Path) -> Option<&'a str> {
    key.as_ref().strip_prefix("share/")?.strip_prefix(id.as_str())?.strip_prefix('/')
}

/// What an object under `index/` is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Indexed {
    /// A claim.
    Claim,
    /// The companion of one.
    About,
}

/// Which session a claim or a companion is on, and its number, if the key is one of these.
pub(super) fn index_parts(key: &Path) -> Option<(AccountId, SessionId, Number, Indexed)> {
    let mut parts = key.as_ref().strip_prefix("index/")?.split('/');
    let (account, session, name) = (parts.next()?, parts.next()?, parts.next()?);
    if parts.next().is_some() {
        return None;
    }
    let (digits, what) = match name.strip_suffix(ABOUT) {
        Some(digits) => (digits, Indexed::About),
        None => (name, Indexed::Claim),
    };
    Some((account.parse().ok()?, session.parse().ok()?, number(digits)?, what))
}

fn number(text: &str) -> Option<Number> {
    if text.len() == 12 && text.bytes().all(|b| b.is_ascii_digit()) { text.parse().ok() } else { None }
}

fn path(text: String) -> Path {
    // Names hold nothing that could fail here; if one did, it would be escaped.
    Path::parse(&text).unwrap_or_else(|_| Path::from(text))
}
