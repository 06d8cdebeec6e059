//! The last batch of each producer, so that a batch that is sent again is applied once.

use std::collections::HashMap;

use crate::share::change::Stamp;
use crate::share::error::Refusal;
use crate::share::id::ProducerId;
use crate::share::limits::SHARE_PRODUCERS_MAX;
use crate::share::revision::Revision;

/// The last batch of each producer. Past [`SHARE_PRODUCERS_MAX`] producers, the one not heard from for longest is forgotten.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Producers {
    last: HashMap<ProducerId, LastBatch>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct LastBatch {
    pub(super) epoch: u64,
    pub(super) sequence: u64,
    pub(super) sync_count: u64,
    pub(super) revision: Revision,
}

/// What a stamp says about a batch.
pub(super) enum Heard {
    /// The batch was not applied before.
    New,
    /// The batch was applied before, with these numbers.
    Again {
        sync_count: u64,
        revision: Revision,
    },
    Refused(Refusal),
}

impl Producers {
    pub(super) fn hear(&self, stamp: &Stamp) -> Heard {
        let Some(last) = self.last.get(&stamp.producer) else { return Heard::New };
        match (stamp.epoch.cmp(&last.epoch), stamp.sequence.cmp(&last.sequence)) {
            (std::cmp::Ordering::Less, _) => Heard::Refused(Refusal::StaleProducer { epoch: last.epoch }),
            (std::cmp::Ordering::Greater, _) | (_, std::cmp::Ordering::Greater) => Heard::New,
            (_, std::cmp::Ordering::Equal) => Heard::Again { sync_count: last.sync_count, revision: last.revision },
            (_, std::cmp::Ordering::Less) => Heard::Refused(Refusal::invalid(
                0,
                format!(
                    "sequence {} is too old: {} was applied already; send one batch at a time, with rising numbers",
                    stamp.sequence, last.sequence
                ),
            )),
        }
    }

    pub(super) fn remember(&mut self, stamp: &Stamp, sync_count: u64, revision: Revision) {
        if self.last.len() == SHARE_PRODUCERS_MAX && !self.last.contains_key(&stamp.producer) {
            // No two batches have the same sync count, so the lowest one is the oldest.
            let oldest = self.last.iter().min_by_key(|(_, last)| last.sync_count).map(|(producer, _)| producer.clone());
            oldest.map(|producer| self.last.remove(&producer));
        }
        let last = LastBatch { epoch: stamp.epoch, sequence: stamp.sequence, sync_count, revision };
        self.last.insert(stamp.producer.clone(), last);
    }
    pub(super) fn iter(&self) -> impl Iterator<Item = (&ProducerId, &LastBatch)> {
        self.last.iter()
    }

    pub(super) fn replace(&mut self, last: impl Iterator<Item = (ProducerId, LastBatch)>) {
        self.last = last.collect();
    }
}
