//! What a share holds: its items, in their order and by key, and the keys that were removed lately.

use std::collections::{BTreeMap, HashMap, VecDeque};

use crate::share::change::Change;
use crate::share::error::Refusal;
use crate::share::item::{ItemKey, Payload};
use crate::share::limits::{Limit, REMOVED_BYTES_MAX, SHARE_BYTES_MAX, SHARE_ITEMS_MAX};
use crate::share::revision::Revision;
use crate::share::view::Changed;

/// The items, in order of first arrival and by key.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Items {
    pub(super) by_order: BTreeMap<u64, Item>,
    pub(super) order_of: HashMap<ItemKey, u64>,
    /// Orders begin at 1, so that 0 can mean "from the beginning" as a cursor.
    pub(super) last_order: u64,
    pub(super) byte_count: usize,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Item {
    pub(super) key: ItemKey,
    pub(super) value: Payload,
    pub(super) revision: Revision,
    /// The revision with which the item first came.
    pub(super) first: Revision,
}

impl Item {
    pub(super) fn to_changed(&self) -> Changed {
        let Self { key, value, revision, first } = self;
        Changed { key: key.clone(), revision: *revision, first: Some(*first), value: Some(value.clone()) }
    }
}

/// The value that a change replaced, so that a follower who holds that value can be told only what was added to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replaced {
    /// The place of the change that replaced the value, counted from 0.
    pub at: usize,
    /// The revision that brought the value, which is earlier than the change's own.
    pub revision: Revision,
    /// The value that was replaced.
    pub value: Payload,
}

/// What became of an item that was set.
#[derive(Debug)]
pub(super) struct Placed {
    /// The revision with which it first came.
    pub(super) first: Revision,
    /// The value that the item had, with the revision that brought it; `None` if the item is new.
    pub(super) before: Option<(Revision, Payload)>,
}

impl Items {
    pub(super) fn get(&self, key: &ItemKey) -> Option<&Item> {
        self.by_order.get(self.order_of.get(key)?)
    }

    /// Sets an item; `None` if it had this value already.
    pub(super) fn put(&mut self, key: &ItemKey, value: &Payload, revision: Revision) -> Option<Placed> {
        if let Some(item) = self.order_of.get(key).and_then(|order| self.by_order.get_mut(order)) {
            if item.value == *value {
                return None;
            }
            self.byte_count = self.byte_count - item.value.as_str().len() + value.as_str().len();
            let since = std::mem::replace(&mut item.revision, revision);
            let before = std::mem::replace(&mut item.value, value.clone());
            Some(Placed { first: item.first, before: Some((since, before)) })
        } else {
            self.last_order += 1;
            self.byte_count += size(key, value);
            self.order_of.insert(key.clone(), self.last_order);
            let item = Item { key: key.clone(), value: value.clone(), revision, first: revision };
            self.by_order.insert(self.last_order, item);
            Some(Placed { first: revision, before: None })
        }
    }

    /// Removes an item and, if it is a message, its parts; returns the keys of what was there.
    pub(super) fn remove_with_parts(&mut self, key: &ItemKey) -> Vec<ItemKey> {
        let mut keys = Vec::new();
        if let Some(prefix) = key.parts_prefix() {
            keys.extend(
                self.by_order.values().map(|item| &item.key).filter(|key| key.as_str().starts_with(&prefix)).cloned(),
            );
        }
        keys.push(key.clone());
        keys.retain(|key| self.remove(key));
        keys
    }

    pub(super) fn remove(&mut self, key: &ItemKey) -> bool {
        let Some(item) = self.order_of.remove(key).and_then(|order| self.by_order.remove(&order)) else { return false };
        self.byte_count -= size(&item.key, &item.value);
        true
    }

    /// Checks that the changes fit into the share, their removals not counted: first as if all items were new, then exactly.
    pub(super) fn check_fits(&self, changes: &[Change]) -> Result<(), Refusal> {
        let added: usize =
            changes.iter().map(|change| change.value.as_ref().map_or(0, |value| size(&change.key, value))).sum();
        if self.by_order.len() + changes.len() <= SHARE_ITEMS_MAX && self.byte_count + added <= SHARE_BYTES_MAX {
            return Ok(());
        }
        let last: HashMap<_, _> =
            changes.iter().filter_map(|change| change.value.as_ref().map(|value| (&change.key, value))).collect();
        let (mut item_count, mut byte_count) = (self.by_order.len(), self.byte_count);
        for (key, value) in last {
            match self.get(key) {
                Some(item) => byte_count = byte_count - size(key, &item.value) + size(key, value),
                None => (item_count, byte_count) = (item_count + 1, byte_count + size(key, value)),
            }
        }
        if item_count > SHARE_ITEMS_MAX {
            return Err(Refusal::limit(Limit::ShareItemsMax, SHARE_ITEMS_MAX, item_count));
        }
        if byte_count > SHARE_BYTES_MAX {
            return Err(Refusal::limit(Limit::ShareBytesMax, SHARE_BYTES_MAX, byte_count));
        }
        Ok(())
    }
}

pub(super) fn size(key: &ItemKey, value: &Payload) -> usize {
    key.as_str().len() + value.as_str().len()
}

/// The keys that were removed lately; past [`REMOVED_BYTES_MAX`] the oldest are forgotten.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Removed {
    pub(super) keys: VecDeque<(Revision, ItemKey)>,
    pub(super) byte_count: usize,
    /// Every removal after this revision is still known.
    pub(super) known_from: Revision,
}

impl Removed {
    pub(super) fn push(&mut self, revision: Revision, key: ItemKey) {
        self.byte_count += key.as_str().len();
        self.keys.push_back((revision, key));
        while self.byte_count > REMOVED_BYTES_MAX
            && let Some((revision, key)) = self.keys.pop_front()
        {
            self.byte_count -= key.as_str().len();
            self.known_from = revision;
        }
    }
}
