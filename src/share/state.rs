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
use crate::share::secret::SecretHash;
use crate::share::time::Timestamp;
use crate::share::view::{Changed, Chunk, Revision};
use crate::share::visibility::Visibility;

mod grants;
mod history;
mod items;
mod producers;
mod saved;
mod slim;

pub use items::Replaced;
pub use saved::{Saved, SavedItem, SavedProducer};

use grants::Grants;
use items::{Item, Items, Placed, Removed, size};
use producers::{Heard, Producers};

/// A share's state. Begins empty and unopened; the first entry opens it.
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

/// Whose share this is, of what, since when and until when, and who may see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opened {
    /// Who owns it.
    pub account: AccountId,
    /// What it shares.
    pub session: SessionId,
    /// When it was created.
    pub at: Timestamp,
    /// See [`State::expires_at`].
    pub expires_at: Option<Timestamp>,
    /// Who may see it; at first, whoever knows its id.
    pub visibility: Visibility,
}

/// What an entry did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The share is open, a further secret is valid, it has another expiry or visibility, or a grant was made or revoked.
    Opened,
    /// A sync was applied.
    Synced {
        /// Its number.
        sync_count: u64,
        /// The share's revision with it.
        revision: Revision,
        /// What it changed, in order; empty if it changed nothing, and then the revision is the one before.
        changed: Vec<Changed>,
        /// The values that these took the place of, in the same order: none for what is new, went, or was changed by this
        /// sync before.
        replaced: Vec<Replaced>,
    },
    /// The sync had been applied before; the numbers are those of its first time.
    Duplicate {
        /// Its number.
        sync_count: u64,
        /// The share's revision with it.
        revision: Revision,
    },
    /// The entry was refused and changed nothing.
    Refused(Refusal),
    /// The share was deleted, by this entry.
    Deleted,
    /// The entry came after the deletion, or before the opening, or opened an open share: it does nothing.
    Void,
}

impl State {
    /// Folds one entry in.
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

    /// Whether the share is there: opened and not deleted.
    #[must_use]
    pub fn is_live(&self) -> bool {
        self.opened.is_some() && !self.deleted
    }

    /// Whether the share was deleted.
    #[must_use]
    pub fn is_deleted(&self) -> bool {
        self.deleted
    }

    /// Whose share this is; `None` before the first entry.
    #[must_use]
    pub fn opened(&self) -> Option<&Opened> {
        self.opened.as_ref()
    }

    /// From when on the share is to be taken for deleted; `None`: it stays. The fold knows no clock: entries count until one
    /// of them deletes it, which a host appends when that time has come.
    #[must_use]
    pub fn expires_at(&self) -> Option<Timestamp> {
        self.opened.as_ref().filter(|_| !self.deleted)?.expires_at
    }

    /// Who may see the share. Before it is opened and once it is deleted there is nothing to see.
    #[must_use]
    pub fn visibility(&self) -> Visibility {
        self.opened.as_ref().map_or(Visibility::default(), |opened| opened.visibility)
    }

    /// The hashes of the secrets that are valid, oldest first.
    pub fn secrets(&self) -> impl Iterator<Item = &SecretHash> {
        self.secrets.iter()
    }

    /// The number of this state.
    #[must_use]
    pub fn revision(&self) -> Revision {
        self.revision
    }

    /// How many syncs were accepted.
    #[must_use]
    pub fn sync_count(&self) -> u64 {
        self.sync_count
    }

    /// When the newest sync was accepted; at first, when the share was created.
    #[must_use]
    pub fn updated_at(&self) -> Timestamp {
        self.updated_at
    }

    /// How many items there are.
    #[must_use]
    pub fn item_count(&self) -> usize {
        self.items.by_order.len()
    }

    /// Bytes of their keys and texts.
    #[must_use]
    pub fn byte_count(&self) -> usize {
        self.items.byte_count
    }

    /// The value of an item.
    #[must_use]
    pub fn get(&self, key: &ItemKey) -> Option<&Payload> {
        self.items.get(key).map(|item| &item.value)
    }

    /// All items, in the order in which they first came.
    pub fn items(&self) -> impl Iterator<Item = (&ItemKey, &Payload)> {
        self.items.by_order.values().map(|item| (&item.key, &item.value))
    }

    /// What changed after `since`, merged by key, and whether the follower must forget all it holds, because what was
    /// removed since then is no longer known or because it was ahead of this state.
    #[must_use]
    pub fn changes_since(&self, since: Revision) -> (bool, Vec<Changed>) {
        let (reset, since) = self.base_for(since);
        let mut changes: Vec<_> = self.removed_since(since).collect();
        changes.extend(self.items.by_order.values().filter(|item| item.revision > since).map(Item::to_changed));
        (reset, changes)
    }

    /// A piece of [`State::changes_since`] of about `bytes_max` bytes (at least one item), read from the living state:
    /// removals and the first items with `cursor` 0, and on from the `next_cursor` of the piece before.
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

    /// What applying this batch now would be answered without being applied, if anything: a duplicate's numbers, or why
    /// it is refused. The log decides in the end; this spares it what is bound to be refused.
    #[must_use]
    pub fn foresee(&self, batch: &Batch) -> Option<Outcome> {
        match batch.stamp.as_ref().map(|stamp| self.producers.hear(stamp)) {
            Some(Heard::Again { sync_count, revision }) => return Some(Outcome::Duplicate { sync_count, revision }),
            Some(Heard::Refused(refusal)) => return Some(Outcome::Refused(refusal)),
            None | Some(Heard::New) => {}
        }
        self.items.has_room_for(&batch.changes).err().map(Outcome::Refused)
    }

    /// Bytes by which a batch would make the share larger, without what it removes; 0 if it would not.
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
        if let Err(refusal) = self.items.has_room_for(&batch.changes) {
            return Outcome::Refused(refusal);
        }
        self.sync_count += 1;
        self.updated_at = self.updated_at.max(at);
        let (changed, replaced) = self.change(&batch.changes);
        if !changed.is_empty() {
            self.revision += 1;
        }
        if let Some(stamp) = &batch.stamp {
            self.producers.remember(stamp, self.sync_count, self.revision);
        }
        Outcome::Synced { sync_count: self.sync_count, revision: self.revision, changed, replaced }
    }

    fn change(&mut self, changes: &[Change]) -> (Vec<Changed>, Vec<Replaced>) {
        let revision = self.revision + 1;
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

    /// Whether a follower at `since` must start over, and the revision to tell it from.
    fn base_for(&self, since: Revision) -> (bool, Revision) {
        if since == 0 || since < self.removed.known_from || since > self.revision { (true, 0) } else { (false, since) }
    }

    /// The keys that were removed after `since` and did not come again. From 0 nobody holds anything to remove.
    fn removed_since(&self, since: Revision) -> impl Iterator<Item = Changed> {
        let known = if since == 0 { 0 } else { self.removed.keys.len() };
        self.removed
            .keys
            .iter()
            .take(known)
            .filter(move |(revision, key)| *revision > since && self.get(key).is_none())
            .map(|(revision, key)| Changed { key: key.clone(), revision: *revision, first: None, value: None })
    }
}
