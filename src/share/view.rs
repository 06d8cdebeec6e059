//! What a viewer may see of a share. Nothing here has a secret, or the hash of one, as a field.

use crate::share::change::Change;
#[cfg(feature = "server")]
use crate::share::error::Refusal;
use crate::share::id::{SessionId, ShareId};
use crate::share::item::{ItemKey, Payload};
#[cfg(feature = "server")]
use crate::share::limits::{LIST_PAGE_DEFAULT, LIST_PAGE_MAX, Limit};
use crate::share::time::Timestamp;
use crate::share::visibility::Visibility;

/// The number of a share's state: raised by one by each sync that changed anything. 0 is the empty state.
pub type Revision = u64;

/// A share's facts.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ShareInfo {
    /// Its id.
    pub id: ShareId,
    /// The session that it shares.
    pub session: SessionId,
    /// Where people look at it.
    pub url: String,
    /// When it was created.
    pub created_at: Timestamp,
    /// From when on it is gone; `None`: it stays until it is deleted.
    pub expires_at: Option<Timestamp>,
    /// Who may see it.
    pub visibility: Visibility,
    /// When the newest sync was accepted; at first, when it was created.
    pub updated_at: Timestamp,
    /// How many syncs were accepted.
    pub sync_count: u64,
    /// The number of its state.
    pub revision: Revision,
    /// How many items it holds.
    pub item_count: u64,
    /// Bytes of their keys and texts.
    pub byte_count: u64,
}

/// What a sync came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Synced {
    /// The batch's own number.
    pub sync_count: u64,
    /// The share's revision with the batch applied.
    pub revision: Revision,
    /// The batch had been applied before.
    pub duplicate: bool,
}

/// An item as it stands, or the fact that it went, with the revision that did it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Changed {
    /// Which item.
    pub key: ItemKey,
    /// The revision that brought it to this value.
    pub revision: Revision,
    /// The revision with which it came; `None`: it was removed, or that is not known.
    pub first: Option<Revision>,
    /// Its value; `None`: removed.
    pub value: Option<Payload>,
}

impl Changed {
    /// What it adds to a chunk.
    #[must_use]
    pub fn byte_count(&self) -> usize {
        self.key.as_str().len() + self.value.as_ref().map_or(0, |value| value.as_str().len())
    }

    /// The change without its revision.
    #[must_use]
    pub fn into_change(self) -> Change {
        Change { key: self.key, value: self.value }
    }
}

/// The way from one revision to a later one, or a piece of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// The revision that the follower must stand at; 0 with `reset`.
    pub base: Revision,
    /// The revision that it stands at when it has folded the whole step.
    pub revision: Revision,
    /// The share's sync count at that revision, or later.
    pub sync_count: u64,
    /// Forget everything held: what follows is the whole state.
    pub reset: bool,
    /// Another piece of this step follows.
    pub more: bool,
    /// The changes, to be folded in order.
    pub changes: Vec<Changed>,
}

/// A piece of the living state, for reading it chunk by chunk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chunk {
    /// The revision at which it was read.
    pub revision: Revision,
    /// The sync count at that time.
    pub sync_count: u64,
    /// What was removed since the revision asked for is no longer known: forget everything, this is the whole state.
    pub reset: bool,
    /// The changes, in the order in which the items first came.
    pub changes: Vec<Changed>,
    /// Where to go on; 0: this was the last.
    pub next_cursor: u64,
}

/// A session whose claim is damaged in the bucket, so that a listing cannot tell which share it is. The share may be whole;
/// the host's operator mends the claim by `capshare store check --repair`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DamagedListing {
    /// Whose session it is.
    pub account: crate::share::id::AccountId,
    /// The session.
    pub session: SessionId,
}

/// One line of a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ShareListing {
    /// The share.
    pub id: ShareId,
    /// The session that it shares.
    pub session: SessionId,
    /// Whose it is.
    pub account: crate::share::id::AccountId,
    /// Where people look at it.
    pub url: String,
    /// When it was created.
    pub created_at: Timestamp,
    /// From when on it is gone; `None`: not known here, or it stays until it is deleted.
    pub expires_at: Option<Timestamp>,
    /// The session's title, at most 256 characters; `None` if it has none. This and what follows is as of the last fold, up
    /// to a minute behind.
    pub title: Option<String>,
    /// When the newest sync was accepted; `None`: it was not folded yet, and then title and counts are not known either.
    pub updated_at: Option<Timestamp>,
    /// How many syncs were accepted.
    pub sync_count: u64,
    /// How many items it holds.
    pub item_count: u64,
    /// Bytes of their keys and texts.
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
