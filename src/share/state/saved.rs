//! A state taken apart, so that it can be stored and put together again: whole, or what a stretch of the log came to.
//!
//! A stretch put onto the state that it began from gives the state that it ended at, in every respect: the order of
//! the items, the revisions, what was removed lately, and the producers, without whom a batch sent again would count
//! twice.

use super::items::{Item, Items, size};
use super::producers::LastBatch;
use super::{Opened, State};
use crate::share::grant::Grant;
use crate::share::id::ProducerId;
use crate::share::item::{ItemKey, Payload};
use crate::share::secret::SecretHash;
use crate::share::time::Timestamp;
use crate::share::view::Revision;

/// What a stretch of a share's log came to. Items share their texts with the state; all else is small.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Saved {
    /// Whose share it is.
    pub opened: Opened,
    /// See [`State::updated_at`].
    pub updated_at: Timestamp,
    /// See [`State::sync_count`].
    pub sync_count: u64,
    /// The revision at the stretch's end.
    pub revision: Revision,
    /// The place of the item that came last, whether or not it is still there.
    pub last_order: u64,
    /// Every removal after this revision is remembered.
    pub removed_from: Revision,
    /// All secrets that are valid, oldest first.
    pub secrets: Vec<SecretHash>,
    /// All grants, oldest first.
    pub grants: Vec<Grant>,
    /// The last batches of all producers, oldest first.
    pub producers: Vec<SavedProducer>,
    /// What was removed within the stretch, in order, also what came again.
    pub removed: Vec<(Revision, ItemKey)>,
    /// The items that got their value within the stretch, in the order of all items.
    pub items: Vec<SavedItem>,
}

/// A producer's last batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SavedProducer {
    /// Whose.
    pub producer: ProducerId,
    /// Its stamp.
    pub epoch: u64,
    /// Its stamp.
    pub sequence: u64,
    /// What it was answered.
    pub sync_count: u64,
    /// What it was answered.
    pub revision: Revision,
}

/// An item, in its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SavedItem {
    /// Its key.
    pub key: ItemKey,
    /// Items are ordered by this; no two have the same.
    pub order: u64,
    /// The revision that gave it its value.
    pub revision: Revision,
    /// The revision with which it came. Runs that were written before this was kept say the one above.
    pub first: Revision,
    /// Its value.
    pub value: Payload,
}

impl State {
    /// What came after `since`; everything, for 0. `None` if there is nothing to save because the share is not live, or if
    /// what was removed since then is no longer known: then save everything.
    #[must_use]
    pub fn save(&self, since: Revision) -> Option<Saved> {
        if self.deleted || (since > 0 && since < self.removed.known_from) {
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

    /// Puts a stretch onto the state that it began from, or onto any that came after that and not after its end; onto an
    /// empty one, if it is everything.
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
    /// Puts an item into its place, from wherever it was. What stood there goes.
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
