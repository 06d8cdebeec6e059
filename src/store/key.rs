//! The keys of the bucket's objects, which are made and read only here. `schema/storage.md` lists them.
//!
//! Names need no escaping: [`share::id`](crate::share::id) admits only what can stand in a key as it is. Numbers have 12
//! digits, so that keys sort as their numbers do; nothing relies on a listing being sorted.

use object_store::path::Path;

use crate::share::id::{AccountId, HostId, SessionId, ShareId, TokenId};

/// The number of a segment in its log, or of a claim on its session, counted from 1.
pub(super) type Number = u64;

/// What follows a claim's number in the key of its companion. It sorts after the digits' end and before the next number.
const COMPANION: &str = "-about";

/// The prefix of all claims.
pub(super) fn index() -> Path {
    path("index".to_owned())
}

/// The prefix of an account's claims.
pub(super) fn account(account: &AccountId) -> Path {
    path(format!("index/{account}"))
}

/// The prefix of the claims on a session.
pub(super) fn session(account: &AccountId, session: &SessionId) -> Path {
    path(format!("index/{account}/{session}"))
}

/// The key of a claim on a session.
pub(super) fn claim(account: &AccountId, session: &SessionId, number: Number) -> Path {
    path(format!("index/{account}/{session}/{number:012}"))
}

/// The key of the companion of a claim.
pub(super) fn companion(account: &AccountId, session: &SessionId, number: Number) -> Path {
    path(format!("index/{account}/{session}/{number:012}{COMPANION}"))
}

/// A key that sorts after every claim on this session and before those on any later one.
pub(super) fn after_claims(account: &AccountId, session: &SessionId) -> Path {
    // A colon follows the digits, and so the companions too.
    path(format!("index/{account}/{session}/:"))
}

/// The prefix of the objects of all shares.
pub(super) fn shares() -> Path {
    path("share".to_owned())
}

/// The prefix of the objects of a share but for its tombstone.
pub(super) fn share(id: &ShareId) -> Path {
    path(format!("share/{id}"))
}

/// The key of a segment of a log.
pub(super) fn segment(id: &ShareId, number: Number) -> Path {
    path(format!("share/{id}/log/{number:012}"))
}

/// The key of a run: what the segments of a stretch came to.
pub(super) fn run(id: &ShareId, Stretch { from, to }: Stretch) -> Path {
    path(format!("share/{id}/fold/{from:012}-{to:012}"))
}

/// The segments after number `from` and up to number `to`, which a run holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Stretch {
    pub(super) from: Number,
    pub(super) to: Number,
}

impl Stretch {
    /// Whether another run holds all that this one does, so that this one may be freed. Only such a run may ever be freed: if for
    /// every run that goes a longer one stays that holds all of it, no two hosts can together free what is nowhere else, whatever
    /// runs each of them knows.
    pub(super) fn is_superseded_by(&self, other: &Self) -> bool {
        other != self && other.from <= self.from && self.to <= other.to
    }
}

/// The key of a share's tombstone, which says that the share was deleted.
pub(super) fn tombstone(id: &ShareId) -> Path {
    path(format!("tomb/{id}"))
}

/// The prefix of tombstones.
pub(super) fn tombstones() -> Path {
    path("tomb".to_owned())
}

/// The key of a token's record.
pub(super) fn token(id: &TokenId) -> Path {
    path(format!("token/{id}"))
}

/// The prefix of the records of tokens.
pub(super) fn tokens() -> Path {
    path("token".to_owned())
}

/// The key of the object in which a host says that it is there.
pub(super) fn host(id: &HostId) -> Path {
    path(format!("host/{id}"))
}

/// The prefix of the objects in which hosts say that they are there.
pub(super) fn hosts() -> Path {
    path("host".to_owned())
}

/// The prefix of what is about the store as a whole.
pub(super) fn store() -> Path {
    path("store".to_owned())
}

/// The key of the store's id.
pub(super) fn store_id() -> Path {
    path("store/id".to_owned())
}

/// The prefix of the objects that probes write.
pub(super) fn probes() -> Path {
    path("probe".to_owned())
}

/// The key of an object that a probe writes.
pub(super) fn probe(nonce: u128, round: &str) -> Path {
    path(format!("probe/{nonce:032x}-{round}"))
}

/// The number of the segment with this key; `None` if the key is not that of a segment of this share.
pub(super) fn segment_number(id: &ShareId, key: &Path) -> Option<Number> {
    number(inside(id, key)?.strip_prefix("log/")?)
}

/// The stretch of the run with this key; `None` if the key is not that of a run of this share.
pub(super) fn run_stretch(id: &ShareId, key: &Path) -> Option<Stretch> {
    let (from, to) = inside(id, key)?.strip_prefix("fold/")?.split_once('-')?;
    Some(Stretch { from: number(from)?, to: number(to)? }).filter(|stretch| stretch.from < stretch.to)
}

/// The share whose tombstone has this key; `None` if the key is not that of a tombstone.
pub(super) fn tombstone_of(key: &Path) -> Option<ShareId> {
    key.as_ref().strip_prefix("tomb/")?.parse().ok()
}

/// The token whose record has this key; `None` if the key is not that of a record.
pub(super) fn token_of(key: &Path) -> Option<TokenId> {
    key.as_ref().strip_prefix("token/")?.parse().ok()
}

/// The host whose object has this key; `None` if the key is not that of a host's object.
pub(super) fn host_of(key: &Path) -> Option<HostId> {
    key.as_ref().strip_prefix("host/")?.parse().ok()
}

/// The share whose objects have this prefix; `None` if the prefix is not that of a share.
pub(super) fn share_of(prefix: &Path) -> Option<ShareId> {
    prefix.as_ref().strip_prefix("share/")?.parse().ok()
}

fn inside<'a>(id: &ShareId, key: &'a Path) -> Option<&'a str> {
    key.as_ref().strip_prefix("share/")?.strip_prefix(id.as_str())?.strip_prefix('/')
}

/// The kind of an object under `index/`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Indexed {
    /// The object is a claim.
    Claim,
    /// The object is the companion of a claim.
    Companion,
}

/// The session and the number of the claim or companion with this key; `None` if the key is neither's.
pub(super) fn index_parts(key: &Path) -> Option<(AccountId, SessionId, Number, Indexed)> {
    let mut parts = key.as_ref().strip_prefix("index/")?.split('/');
    let (account, session, name) = (parts.next()?, parts.next()?, parts.next()?);
    if parts.next().is_some() {
        return None;
    }
    let (digits, what) = match name.strip_suffix(COMPANION) {
        Some(digits) => (digits, Indexed::Companion),
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
