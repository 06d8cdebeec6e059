//! Changes: what a producer asks for, and the stamp that makes it safe to send a batch twice.

use crate::share::id::ProducerId;
use crate::share::item::{ItemKey, Payload};

/// One change to a share: an item's new value, or its removal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The key of the item that changes.
    pub key: ItemKey,
    /// The item's new value; `None` removes the item, and with a message its parts.
    pub value: Option<Payload>,
}

/// One sync: changes that are applied whole or not at all, in order.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Batch {
    /// Tells this batch from every other, so that it is applied once though it is sent twice. Without a stamp a batch that is
    /// sent twice is applied twice.
    pub stamp: Option<Stamp>,
    /// The changes, in order; of several changes of one key the last one counts.
    pub changes: Vec<Change>,
}

impl Batch {
    /// Bytes of the batch's keys and JSON texts.
    #[must_use]
    pub fn byte_count(&self) -> usize {
        let size = |change: &Change| change.key.as_str().len() + change.value.as_ref().map_or(0, |v| v.as_str().len());
        self.changes.iter().map(size).sum()
    }
}

/// Who sent a batch, and the batch's number among those of that producer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stamp {
    /// The producer that sent the batch.
    pub producer: ProducerId,
    /// Number of this life of the producer: who takes over under a producer's id takes a higher one, and batches of a
    /// lower one are refused from then on.
    pub epoch: u64,
    /// Number of the batch within its epoch, counted from 1. A producer sends one batch at a time.
    pub sequence: u64,
}
