//! The state of a share: what its log's entries fold into.
//!
//! [`State::apply`] is the one place that knows the rules: what a batch does, what a batch sent again does, what a limit
//! refuses, what deletion ends. It is deterministic and knows no configuration, so that all hosts of one bucket, and the
//! same host after a restart, hold the same state.
//!
//! Items keep the order in which they first came. Each knows the revision with which that was and the one that gave it
//! its value, and what was removed is remembered for a while, so a follower that stands at any revision can be told what
//! came after it ([`State::changes_since`]) merged by key, without a history being kept.

use std::collections::{HashMap, VecDeque};

use crate::share::change::{Batch, Change};
use crate::share::entry::Entry;
use crate::share::error::Refusal;
use crate::share::id::{AccountId, SessionId};
use crate::share::item::{ItemKey, Payload};
use crate::share::limits::SHARE_SECRETS_MAX;
use crate::share::revision::Revision;
use crate::share::secret::SecretHash;
use crate::share::time::Timestamp;
use crate::share::view::{Changed, Chunk};
use crate::share::visibility::Visibility;

mod grants;
mod history;
mod items;
mod placed;
mod producers;
mod saved;
mod slim;

pub use items::Replaced;
pub use saved::{Saved, SavedItem, SavedProducer};

use grants::Grants;
use items::{Item, Items, Placed, Removed, size};
use producers::{Heard, Producers};

/// A share's state. It begins empty and not opened; the log's first entry opens it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct State {
    opened: Option<Opened>,
    deleted: bool,
    updated_at: Timestamp,
    sync_count: u64,
    revision: Revision,
    secrets: VecDeque<SecretHash>,
    grants: Grants,
    producers: Producers,
    items: Items,
    removed: Removed,
}

/// The facts that a share was opened with, with its present expiry and visibility.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opened {
    /// The account that owns the share.
    pub account: AccountId,
    /// The session that is shared.
    pub session: SessionId,
    /// When the share was created.
    pub at: Timestamp,
    /// When the share expires; see [`State::expires_at`].
    pub expires_at: Option<Timestamp>,
    /// Who may see the share; [`Visibility::Link`] until an entry sets it.
    pub visibility: Visibility,
}

/// What an entry did to a state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The entry opened the share, made a secret valid, set the expiry or the visibility, or made or revoked a grant.
    Opened,
    /// The entry's batch was applied.
    Synced {
        /// Number of this sync among those that were accepted, counted from 1.
        sync_count: u64,
        /// The share's revision after the sync.
        revision: Revision,
        /// What the sync changed, in order; if it is empty, the revision is the one before.
        changed: Vec<Changed>,
        /// The values that were replaced, in the order of `changed`. Items that are new, were removed, or were changed twice by
        /// this sync have none.
        replaced: Vec<Replaced>,
    },
    /// The entry's batch had been applied before; the numbers are those of that time.
    Duplicate {
        /// Number of the sync that applied it.
        sync_count: u64,
        /// The share's revision after that sync.
        revision: Revision,
    },
    /// The entry was refused and changed nothing.
    Refused(Refusal),
    /// The entry deleted the share.
    Deleted,
    /// The entry did nothing, because it came after the deletion, before the share was opened, or opened an open share.
    Void,
}

impl State {
    /// Applies one entry, and tells what it did.
    pub fn apply(&mut self, entry: &Entry) -> Outcome {
        if self.deleted || (self.opened.is_none() && !matches!(entry, Entry::Open { .. })) {
            return Outcome::Void;
        }
        match entry {
            Entry::Open { at, account, session, secret, expires_at } => {
                if self.opened.is_some() {
                    return Outcome::Void;
                }
                let (account, session) = (account.clone(), session.clone());
                let visibility = Visibility::default();
                self.opened = Some(Opened { account, session, at: *at, expires_at: *expires_at, visibility });
                self.updated_at = *at;
                self.secrets.push_back(*secret);
                Outcome::Opened
            }
            Entry::Secret { secret, .. } => {
                if self.secrets.len() == SHARE_SECRETS_MAX {
                    self.secrets.pop_front();
                }
                self.secrets.push_back(*secret);
                Outcome::Opened
            }
            Entry::Expiry { expires_at, .. } => {
                self.opened.iter_mut().for_each(|opened| opened.expires_at = *expires_at);
                Outcome::Opened
            }
            Entry::Visibility { visibility, .. } => {
                self.opened.iter_mut().for_each(|opened| opened.visibility = *visibility);
                Outcome::Opened
            }
            Entry::Grant { grant } => self.grants.make(grant).map_or_else(Outcome::Refused, |()| Outcome::Opened),
            Entry::Revoke { grant, .. } => {
                self.grants.revoke(grant).map_or_else(Outcome::Refused, |()| Outcome::Opened)
            }
            Entry::Sync { at, batch } => self.sync(*at, batch),
            Entry::Delete { .. } => {
                *self = Self { opened: self.opened.take(), deleted: true, ..Self::default() };
                Outcome::Deleted
            }
        }
    }

    /// Whether the share is opened and not deleted.
    #[must_use]
    pub fn is_live(&self) -> bool {
        self.opened.is_some() && !self.deleted
    }

    /// Whether the share was deleted.
    #[must_use]
    pub fn is_deleted(&self) -> bool {
        self.deleted
    }

    /// The facts that the share was opened with; `None` before the first entry.
    #[must_use]
    pub fn opened(&self) -> Option<&Opened> {
        self.opened.as_ref()
    }

    /// When the share expires; `None` if it does not. The state knows no clock: an expired share stays in it until its log says
    /// that it was deleted, which a host appends when the time has come.
    #[must_use]
    pub fn expires_at(&self) -> Option<Timestamp> {
        self.opened.as_ref().filter(|_| !self.deleted)?.expires_at
    }

    /// Who may see the share. A share that is not open or is deleted has nothing to see.
    #[must_use]
    pub fn visibility(&self) -> Visibility {
        self.opened.as_ref().map_or(Visibility::default(), |opened| opened.visibility)
    }

    /// The hashes of the secrets that open the share, oldest first.
    pub fn secrets(&self) -> impl Iterator<Item = &SecretHash> {
        self.secrets.iter()
    }

    /// The number of this state, which rises by one with each sync that changes anything.
    #[must_use]
    pub fn revision(&self) -> Revision {
        self.revision
    }

    /// Number of syncs that were accepted.
    #[must_use]
    pub fn sync_count(&self) -> u64 {
        self.sync_count
    }

    /// When the newest sync was accepted; before the first sync, when the share was created.
    #[must_use]
    pub fn updated_at(&self) -> Timestamp {
        self.updated_at
    }

    /// Number of items that the share holds.
    #[must_use]
    pub fn item_count(&self) -> usize {
        self.items.by_order.len()
    }

    /// Bytes of the items' keys and JSON texts.
    #[must_use]
    pub fn byte_count(&self) -> usize {
        self.items.byte_count
    }

    /// The value of the item with this key; `None` if there is none.
    #[must_use]
    pub fn get(&self, key: &ItemKey) -> Option<&Payload> {
        self.items.get(key).map(|item| &item.value)
    }

    /// All items with their keys, in the order in which they first came.
    pub fn items(&self) -> impl Iterator<Item = (&ItemKey, &Payload)> {
        self.items.by_order.values().map(|item| (&item.key, &item.value))
    }

    /// The changes after the revision `since`, merged by key, and whether the follower must forget all that it holds: because
    /// removals since then are no longer known, or because `since` is ahead of this state.
    #[must_use]
    pub fn changes_since(&self, since: Revision) -> (bool, Vec<Changed>) {
        let (reset, since) = self.base_for(since);
        let mut changes: Vec<_> = self.removed_since(since).collect();
        changes.extend(self.items.by_order.values().filter(|item| item.revision > since).map(Item::to_changed));
        (reset, changes)
    }

    /// A piece of [`State::changes_since`] of about `bytes_max` bytes, but at least one item. It is read from the present state:
    /// `cursor` 0 gives the removals and the first items, and the `next_cursor` of a piece gives the piece after it.
    #[must_use]
    pub fn read(&self, since: Revision, cursor: u64, bytes_max: usize) -> Chunk {
        let (reset, since) = self.base_for(since);
        let mut changes: Vec<_> = if cursor == 0 { self.removed_since(since).collect() } else { Vec::new() };
        let mut byte_count: usize = changes.iter().map(Changed::byte_count).sum();
        let mut next_cursor = 0;
        for (order, item) in self.items.by_order.range(cursor..).filter(|(_, item)| item.revision > since) {
            let changed = item.to_changed();
            byte_count += changed.byte_count();
            if byte_count > bytes_max && !changes.is_empty() {
                next_cursor = *order;
                break;
            }
            changes.push(changed);
        }
        Chunk { revision: self.revision, sync_count: self.sync_count, reset, changes, next_cursor }
    }

    /// What would be answered to this batch now if it would not be applied: a duplicate's numbers, or a refusal. `None` if it
    /// would be applied. The log decides in the end; this keeps batches out of it that are bound to be refused.
    #[must_use]
    pub fn foresee(&self, batch: &Batch) -> Option<Outcome> {
        match batch.stamp.as_ref().map(|stamp| self.producers.hear(stamp)) {
            Some(Heard::Again { sync_count, revision }) => return Some(Outcome::Duplicate { sync_count, revision }),
            Some(Heard::Refused(refusal)) => return Some(Outcome::Refused(refusal)),
            None | Some(Heard::New) => {}
        }
        self.items.check_fits(&batch.changes).err().map(Outcome::Refused)
    }

    /// Bytes by which a batch would make the share larger, its removals not counted; 0 if it would not.
    #[must_use]
    pub fn growth(&self, batch: &Batch) -> usize {
        let last: HashMap<_, _> =
            batch.changes.iter().filter_map(|change| Some((&change.key, change.value.as_ref()?))).collect();
        let before: usize =
            last.keys().filter_map(|key| self.items.get(key)).map(|item| size(&item.key, &item.value)).sum();
        let after: usize = last.iter().map(|(key, value)| size(key, value)).sum();
        after.saturating_sub(before)
    }

    fn sync(&mut self, at: Timestamp, batch: &Batch) -> Outcome {
        match batch.stamp.as_ref().map(|stamp| self.producers.hear(stamp)) {
            None | Some(Heard::New) => {}
            Some(Heard::Again { sync_count, revision }) => return Outcome::Duplicate { sync_count, revision },
            Some(Heard::Refused(refusal)) => return Outcome::Refused(refusal),
        }
        if let Err(refusal) = self.items.check_fits(&batch.changes) {
            return Outcome::Refused(refusal);
        }
        self.sync_count += 1;
        self.updated_at = self.updated_at.max(at);
        let (changed, replaced) = self.change(&batch.changes);
        if !changed.is_empty() {
            self.revision = self.revision.next();
        }
        if let Some(stamp) = &batch.stamp {
            self.producers.remember(stamp, self.sync_count, self.revision);
        }
        Outcome::Synced { sync_count: self.sync_count, revision: self.revision, changed, replaced }
    }

    fn change(&mut self, changes: &[Change]) -> (Vec<Changed>, Vec<Replaced>) {
        let revision = self.revision.next();
        let (mut changed, mut replaced) = (Vec::with_capacity(changes.len()), Vec::new());
        for Change { key, value } in changes {
            match value {
                Some(value) => {
                    if let Some(Placed { first, before }) = self.items.put(key, value, revision) {
                        if let Some((since, value)) = before.filter(|(since, _)| *since < revision) {
                            replaced.push(Replaced { at: changed.len(), revision: since, value });
                        }
                        let (key, value) = (key.clone(), Some(value.clone()));
                        changed.push(Changed { key, revision, first: Some(first), value });
                    }
                }
                None => {
                    for key in self.items.remove_with_parts(key) {
                        self.removed.push(revision, key.clone());
                        changed.push(Changed { key, revision, first: None, value: None });
                    }
                }
            }
        }
        (changed, replaced)
    }

    /// Whether a follower at `since` must start over, and the revision after which changes are told to it.
    fn base_for(&self, since: Revision) -> (bool, Revision) {
        if since == Revision::EMPTY || since < self.removed.known_from || since > self.revision {
            (true, Revision::EMPTY)
        } else {
            (false, since)
        }
    }

    /// The keys that were removed after `since` and did not come again. A follower at [`Revision::EMPTY`] holds nothing to
    /// remove.
    fn removed_since(&self, since: Revision) -> impl Iterator<Item = Changed> {
        let known = if since == Revision::EMPTY { 0 } else { self.removed.keys.len() };
        self.removed
            .keys
            .iter()
            .take(known)
            .filter(move |(revision, key)| *revision > since && self.get(key).is_none())
            .map(|(revision, key)| Changed { key: key.clone(), revision: *revision, first: None, value: None })
    }
}
