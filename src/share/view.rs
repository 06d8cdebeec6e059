//! What a viewer may see of a share. No type in this module has a secret, or the hash of one, as a field.

use crate::share::change::Change;
#[cfg(feature = "server")]
use crate::share::error::Refusal;
use crate::share::id::{SessionId, ShareId};
use crate::share::item::{ItemKey, Payload};
#[cfg(feature = "server")]
use crate::share::limits::{LIST_PAGE_DEFAULT, LIST_PAGE_MAX, Limit};
use crate::share::revision::Revision;
use crate::share::time::Timestamp;
use crate::share::visibility::Visibility;

/// What is known about a share, without its items.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ShareInfo {
    /// The share's id.
    pub id: ShareId,
    /// The session that is shared.
    pub session: SessionId,
    /// The address of the share's page, for people.
    pub url: String,
    /// When the share was created.
    pub created_at: Timestamp,
    /// When the share expires; `None` if it stays until it is deleted.
    pub expires_at: Option<Timestamp>,
    /// Who may see the share.
    pub visibility: Visibility,
    /// When the newest sync was accepted; before the first sync, when the share was created.
    pub updated_at: Timestamp,
    /// Number of syncs that were accepted.
    pub sync_count: u64,
    /// The number of the share's state.
    pub revision: Revision,
    /// Number of items that the share holds.
    pub item_count: u64,
    /// Bytes of the items' keys and JSON texts.
    pub byte_count: u64,
}

/// The result of a sync that was accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Synced {
    /// Number of this sync among those that the share has accepted, counted from 1.
    pub sync_count: u64,
    /// The share's revision with the batch applied.
    pub revision: Revision,
    /// Whether the batch had been applied before; then the numbers are those of that time.
    pub duplicate: bool,
}

/// An item with its value, or the fact that it was removed, and the revision that did so.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Changed {
    /// The item's key.
    pub key: ItemKey,
    /// The revision that gave the item this value, or removed it.
    pub revision: Revision,
    /// The revision with which the item first came; `None` if it was removed, or if that is not known.
    pub first: Option<Revision>,
    /// The item's value; `None` if it was removed.
    pub value: Option<Payload>,
}

impl Changed {
    /// Bytes that this adds to a chunk: those of the key and the JSON text.
    #[must_use]
    pub fn byte_count(&self) -> usize {
        self.key.as_str().len() + self.value.as_ref().map_or(0, |value| value.as_str().len())
    }

    /// The change without its revisions.
    #[must_use]
    pub fn into_change(self) -> Change {
        Change { key: self.key, value: self.value }
    }
}

/// The changes that lead from one revision to a later one, or a piece of them.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Step {
    /// The revision that the follower must be at; [`Revision::EMPTY`] with `reset`.
    pub base: Revision,
    /// The revision that the follower is at when it has applied the whole step.
    pub revision: Revision,
    /// The share's sync count at that revision, or later.
    pub sync_count: u64,
    /// Whether the follower must forget all items that it holds, because the step is the whole state.
    pub reset: bool,
    /// Whether another piece of this step follows.
    pub more: bool,
    /// The changes, to be applied in order.
    pub changes: Vec<Changed>,
}

impl Step {
    /// A whole step in one piece, for a follower that is at `base`: neither `reset` nor `more` is set.
    #[must_use]
    pub fn new(base: Revision, revision: Revision, sync_count: u64, changes: Vec<Changed>) -> Self {
        Self { base, revision, sync_count, reset: false, more: false, changes }
    }
}

/// A piece of the current state, for reading a share chunk by chunk while it changes.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Chunk {
    /// The revision at which the chunk was read.
    pub revision: Revision,
    /// The share's sync count when the chunk was read.
    pub sync_count: u64,
    /// Whether the reader must forget all items that it holds, because the host no longer knows what was removed since the
    /// revision that was asked for. The chunks are then the whole state.
    pub reset: bool,
    /// The changes, in the order in which the items first came.
    pub changes: Vec<Changed>,
    /// The cursor to ask with for the next chunk; 0 if this was the last one.
    pub next_cursor: u64,
}

/// A session whose claim is damaged in the bucket, so that a listing cannot tell which share it is. The share may be whole;
/// the host's operator mends the claim by `capshare store check --repair`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DamagedListing {
    /// The account whose session it is.
    pub account: crate::share::id::AccountId,
    /// The session whose claim is damaged.
    pub session: SessionId,
}

/// A share, as a line of a listing tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ShareListing {
    /// The share's id.
    pub id: ShareId,
    /// The session that is shared.
    pub session: SessionId,
    /// The account that owns the share.
    pub account: crate::share::id::AccountId,
    /// The address of the share's page, for people.
    pub url: String,
    /// When the share was created.
    pub created_at: Timestamp,
    /// When the share expires; `None` if it stays until it is deleted, or if the listing does not know.
    pub expires_at: Option<Timestamp>,
    /// The session's title, at most 256 characters; `None` if it has none. This field and those below are as of the share's
    /// last fold, and may be a minute old.
    pub title: Option<String>,
    /// When the newest sync was accepted; `None` if the share was not folded yet, and then its title and counts are not known
    /// either.
    pub updated_at: Option<Timestamp>,
    /// Number of syncs that were accepted.
    pub sync_count: u64,
    /// Number of items that the share holds.
    pub item_count: u64,
    /// Bytes of the items' keys and JSON texts.
    pub byte_count: u64,
}

/// The number of entries in a page for which a caller asked for this many; 0 stands for [`LIST_PAGE_DEFAULT`].
///
/// # Errors
/// The caller asked for more than [`LIST_PAGE_MAX`].
#[cfg(feature = "server")]
pub(crate) fn page_limit(limit: usize) -> Result<usize, Refusal> {
    match limit {
        0 => Ok(LIST_PAGE_DEFAULT),
        limit if limit > LIST_PAGE_MAX => Err(Refusal::limit(Limit::ListPageMax, LIST_PAGE_MAX, limit)),
        limit => Ok(limit),
    }
}
