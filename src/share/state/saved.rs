//! A state in parts, so that it can be stored and restored: the whole of it, or what a stretch of the log changed.
//!
//! Restoring a stretch onto the state that it began from gives the state that it ended at, in every respect: the order of
//! the items, the revisions, what was removed lately, and the producers, without whom a batch that is sent again would be
//! applied twice.

use super::items::{Item, Items, size};
use super::producers::LastBatch;
use super::{Opened, State};
use crate::share::grant::Grant;
use crate::share::id::ProducerId;
use crate::share::item::{ItemKey, Payload};
use crate::share::revision::Revision;
use crate::share::secret::SecretHash;
use crate::share::time::Timestamp;

/// What a stretch of a share's log changed, as it is stored in a run. The items share their texts with the state; the rest is
/// small.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Saved {
    /// The facts that the share was opened with.
    pub opened: Opened,
    /// [`State::updated_at`] at the stretch's end.
    pub updated_at: Timestamp,
    /// [`State::sync_count`] at the stretch's end.
    pub sync_count: u64,
    /// The revision at the stretch's end.
    pub revision: Revision,
    /// The order of the newest item, whether or not it is still there.
    pub last_order: u64,
    /// The revision after which every removal is remembered.
    pub removed_from: Revision,
    /// The hashes of all secrets that open the share, oldest first.
    pub secrets: Vec<SecretHash>,
    /// All grants that were not revoked, oldest first.
    pub grants: Vec<Grant>,
    /// The last batch of each producer, oldest first.
    pub producers: Vec<SavedProducer>,
    /// The keys that were removed within the stretch, in order, including those that came again.
    pub removed: Vec<(Revision, ItemKey)>,
    /// The items that got their value within the stretch, in the order in which they first came.
    pub items: Vec<SavedItem>,
}

impl Saved {
    /// Bytes of the items' values.
    #[must_use]
    pub fn byte_count(&self) -> usize {
        self.items.iter().map(|item| item.value.as_str().len()).sum()
    }
}

/// The last batch of a producer, as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SavedProducer {
    /// The producer.
    pub producer: ProducerId,
    /// The epoch in the batch's stamp.
    pub epoch: u64,
    /// The sequence in the batch's stamp.
    pub sequence: u64,
    /// The sync count that the producer was answered.
    pub sync_count: u64,
    /// The revision that the producer was answered.
    pub revision: Revision,
}

/// An item with its place among all items, as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SavedItem {
    /// The item's key.
    pub key: ItemKey,
    /// The item's place: items stand in this order, and no two have the same.
    pub order: u64,
    /// The revision that gave the item its value.
    pub revision: Revision,
    /// The revision with which the item first came. In runs that do not tell it, it is `revision`.
    pub first: Revision,
    /// The item's value.
    pub value: Payload,
}

impl State {
    /// What changed after the revision `since`; the whole state for [`Revision::EMPTY`]. `None` if the share is not open, or if removals since
    /// then are no longer known: then save the whole state.
    #[must_use]
    pub fn save(&self, since: Revision) -> Option<Saved> {
        if self.deleted || (since > Revision::EMPTY && since < self.removed.known_from) {
            return None;
        }
        let items = self.items.by_order.iter().filter(|(_, item)| item.revision > since).map(|(order, item)| {
            let Item { key, value, revision, first } = item.clone();
            SavedItem { key, order: *order, revision, first, value }
        });
        Some(Saved {
            opened: self.opened.clone()?,
            updated_at: self.updated_at,
            sync_count: self.sync_count,
            revision: self.revision,
            last_order: self.items.last_order,
            removed_from: self.removed.known_from,
            secrets: self.secrets.iter().copied().collect(),
            grants: self.grants.save(),
            producers: self.producers.save(),
            removed: self.removed.keys.iter().filter(|(revision, _)| *revision > since).cloned().collect(),
            items: items.collect(),
        })
    }

    /// Puts a stretch onto this state, which must be the one that the stretch began from, or a later one that is not past its
    /// end. A stretch that is a whole state goes onto an empty one.
    pub fn restore(&mut self, saved: Saved) {
        let known = self.revision;
        self.opened = Some(saved.opened);
        self.updated_at = saved.updated_at;
        self.sync_count = saved.sync_count;
        self.revision = saved.revision;
        self.secrets = saved.secrets.into();
        self.grants.restore(saved.grants);
        self.producers.restore(saved.producers);
        for (revision, key) in saved.removed {
            // The stretch itself may hold the item again.
            self.items.remove(&key);
            if revision > known {
                self.removed.push(revision, key);
            }
        }
        self.removed.known_from = saved.removed_from;
        for item in saved.items {
            self.items.place(item);
        }
        self.items.last_order = saved.last_order;
    }
}

impl Items {
    /// Puts an item into its place, and removes it from the place where it was. An item that stood there is removed.
    fn place(&mut self, item: SavedItem) {
        let SavedItem { key, order, revision, first, value } = item;
        self.remove(&key);
        self.byte_count += size(&key, &value);
        self.order_of.insert(key.clone(), order);
        if let Some(before) = self.by_order.insert(order, Item { key, value, revision, first }) {
            self.byte_count -= size(&before.key, &before.value);
            self.order_of.remove(&before.key);
        }
    }
}

impl super::producers::Producers {
    fn save(&self) -> Vec<SavedProducer> {
        let mut saved: Vec<_> = self.iter().map(|(producer, last)| last.to_saved(producer)).collect();
        saved.sort_unstable_by_key(|saved| saved.sync_count);
        saved
    }

    fn restore(&mut self, saved: Vec<SavedProducer>) {
        self.replace(saved.into_iter().map(|saved| (saved.producer.clone(), LastBatch::from(saved))));
    }
}

impl LastBatch {
    fn to_saved(&self, producer: &ProducerId) -> SavedProducer {
        SavedProducer {
            producer: producer.clone(),
            epoch: self.epoch,
            sequence: self.sequence,
            sync_count: self.sync_count,
            revision: self.revision,
        }
    }
}

impl From<SavedProducer> for LastBatch {
    fn from(saved: SavedProducer) -> Self {
        Self { epoch: saved.epoch, sequence: saved.sequence, sync_count: saved.sync_count, revision: saved.revision }
    }
}
