//! A follower's copy of a share, built by applying the steps of a watch.

use std::collections::{BTreeMap, HashMap};

use crate::share::item::{ItemKey, Payload};
use crate::share::revision::Revision;
use crate::share::view::{Changed, Step};

/// A copy of a share's items as of one revision, in the order in which the items first came.
#[derive(Debug, Clone, Default)]
pub struct Replica {
    revision: Revision,
    sync_count: u64,
    by_order: BTreeMap<u64, (ItemKey, Payload)>,
    order_of: HashMap<ItemKey, u64>,
    last_order: u64,
}

/// A step that does not begin at the revision of the replica. Nothing of the step was applied: follow the share anew, with its
/// whole state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
#[error(
    "the step begins at revision {base} and the replica is at {revision}: follow the share anew, with its whole state"
)]
pub struct Gap {
    /// The revision that the step begins at.
    pub base: Revision,
    /// The revision that the replica is at.
    pub revision: Revision,
}

impl Replica {
    /// An empty replica, at [`Revision::EMPTY`].
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Applies a whole step, such as [`Watch::next`](crate::client::Watch::next) gives.
    ///
    /// # Errors
    /// [`Gap`]: the step does not begin at the replica's revision.
    pub fn apply(&mut self, step: &Step) -> Result<(), Gap> {
        if !step.reset && step.base != self.revision {
            return Err(Gap { base: step.base, revision: self.revision });
        }
        self.fold(step.reset, &step.changes);
        self.stand_at(step.revision, step.sync_count);
        Ok(())
    }

    /// The revision whose state this is.
    #[must_use]
    pub fn revision(&self) -> Revision {
        self.revision
    }

    /// The share's sync count at the replica's revision, or at a later one.
    #[must_use]
    pub fn sync_count(&self) -> u64 {
        self.sync_count
    }

    /// Number of items.
    #[must_use]
    pub fn len(&self) -> usize {
        self.by_order.len()
    }

    /// Whether there are no items.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.by_order.is_empty()
    }

    /// Keys and values of all items, in the order in which the items first came.
    pub fn iter(&self) -> impl Iterator<Item = (&ItemKey, &Payload)> {
        self.by_order.values().map(|(key, value)| (key, value))
    }

    /// The value of the item with this key; `None` if there is no such item.
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
    /// Whether both are at one revision and hold equal items in one order.
    fn eq(&self, other: &Self) -> bool {
        self.revision == other.revision && self.iter().eq(other.iter())
    }
}

impl Eq for Replica {}
