//! A follower's copy of a share, folded from steps.

use std::collections::{BTreeMap, HashMap};

use crate::share::item::{ItemKey, Payload};
use crate::share::view::{Changed, Revision, Step};

/// The items of a share as of one revision, in the order in which they first came.
#[derive(Debug, Clone, Default)]
pub struct Replica {
    revision: Revision,
    sync_count: u64,
    by_order: BTreeMap<u64, (ItemKey, Payload)>,
    order_of: HashMap<ItemKey, u64>,
    last_order: u64,
}

/// A step does not begin where the replica stands. Nothing of it was folded; follow the share anew from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the step begins at revision {base}, the replica stands at {revision}")]
pub struct Gap {
    /// Where the step begins.
    pub base: Revision,
    /// Where the replica stands.
    pub revision: Revision,
}

impl Replica {
    /// Empty, at revision 0.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Folds a whole step, such as [`Watch::next`](crate::client::Watch::next) gives.
    ///
    /// # Errors
    /// The step does not follow.
    pub fn apply(&mut self, step: &Step) -> Result<(), Gap> {
        if !step.reset && step.base != self.revision {
            return Err(Gap { base: step.base, revision: self.revision });
        }
        self.fold(step.reset, &step.changes);
        self.stand_at(step.revision, step.sync_count);
        Ok(())
    }

    /// The revision that it stands at.
    #[must_use]
    pub fn revision(&self) -> Revision {
        self.revision
    }

    /// The share's sync count at that revision, or later.
    #[must_use]
    pub fn sync_count(&self) -> u64 {
        self.sync_count
    }

    /// How many items it holds.
    #[must_use]
    pub fn len(&self) -> usize {
        self.by_order.len()
    }

    /// Whether it holds none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.by_order.is_empty()
    }

    /// The items in order.
    pub fn iter(&self) -> impl Iterator<Item = (&ItemKey, &Payload)> {
        self.by_order.values().map(|(key, value)| (key, value))
    }

    /// One item.
    #[must_use]
    pub fn get(&self, key: &ItemKey) -> Option<&Payload> {
        self.by_order.get(self.order_of.get(key)?).map(|(_, value)| value)
    }

    pub(crate) fn fold(&mut self, reset: bool, changes: &[Changed]) {
        if reset {
            self.by_order.clear();
            self.order_of.clear();
        }
        for changed in changes {
            let Some(value) = &changed.value else {
                let order = self.order_of.remove(&changed.key);
                order.and_then(|order| self.by_order.remove(&order));
                continue;
            };
            let order = *self.order_of.entry(changed.key.clone()).or_insert_with(|| {
                self.last_order += 1;
                self.last_order
            });
            self.by_order.insert(order, (changed.key.clone(), value.clone()));
        }
    }

    pub(crate) fn stand_at(&mut self, revision: Revision, sync_count: u64) {
        self.revision = revision;
        self.sync_count = sync_count;
    }
}

impl PartialEq for Replica {
    /// The same revision and the same items in the same order.
    fn eq(&self, other: &Self) -> bool {
        self.revision == other.revision && self.iter().eq(other.iter())
    }
}

impl Eq for Replica {}
