//! Changes: what a producer asks for, and the stamp that makes asking twice safe.

use crate::share::id::ProducerId;
use crate::share::item::{ItemKey, Payload};

/// One change to a share: an item's new value, or its removal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Which item.
    pub key: ItemKey,
    /// Its value; `None` removes it.
    pub value: Option<Payload>,
}

/// One sync: changes that are applied whole or not at all, in order.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Batch {
    /// Without one, a batch sent twice counts twice.
    pub stamp: Option<Stamp>,
    /// The changes, in order; the last of a key wins.
    pub changes: Vec<Change>,
}

impl Batch {
    /// Bytes of its keys and texts.
    #[must_use]
    pub fn byte_count(&self) -> usize {
        let size = |change: &Change| change.key.as_str().len() + change.value.as_ref().map_or(0, |v| v.as_str().len());
        self.changes.iter().map(size).sum()
    }
}

/// Who sent a batch, and the how-manieth it was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stamp {
    /// The producer.
    pub producer: ProducerId,
    /// Raised by whoever takes over under the same id.
    pub epoch: u64,
    /// 1, 2, 3, ... within an epoch, one at a time.
    pub sequence: u64,
}
