//! What waits for the log of a room, and how it is answered.

use tokio::sync::oneshot;

use super::agenda::Queued;
use crate::rooms::quota::Charge;
use crate::share::entry::Entry;
use crate::share::error::StorageTrouble;
use crate::share::state::Outcome;

/// Something that waits for the log of a room.
#[derive(Debug)]
pub(super) enum Job {
    /// An entry to append, its size in a segment, and where the outcome goes. `handed`: another host handed it to this one, which is
    /// to append it by itself.
    Append { entry: Entry, byte_count: usize, handed: bool, reply: Reply },
    /// A look at what other hosts appended.
    CatchUp { answer: oneshot::Sender<Result<(), NotCommitted>> },
}

/// What becomes of an entry is told here. Dropping it tells that the entry was not committed.
#[derive(Debug)]
pub(super) struct Reply {
    /// What the entry's account was charged for it. It waits with the entry, because the entry's caller need not wait.
    charge: Option<Charge>,
    answer: oneshot::Sender<Result<Outcome, NotCommitted>>,
}

impl Reply {
    pub(super) fn new(charge: Option<Charge>, answer: oneshot::Sender<Result<Outcome, NotCommitted>>) -> Self {
        Self { charge, answer }
    }

    /// Settles the charge, and answers the caller if it is still there.
    pub(super) fn give(self, outcome: Result<Outcome, NotCommitted>) {
        let Self { charge, answer } = self;
        match &outcome {
            Ok(Outcome::Synced { .. }) => charge.map(Charge::spend),
            Ok(
                Outcome::Void | Outcome::Opened | Outcome::Duplicate { .. } | Outcome::Refused(_) | Outcome::Deleted,
            )
            | Err(NotCommitted(_)) => charge.map(drop),
        };
        let _ = answer.send(outcome);
    }
}

impl Job {
    /// What it adds to what waits.
    pub(super) fn weight(&self) -> Queued {
        match self {
            Self::Append { entry, byte_count, .. } => {
                // What these take away must not linger.
                let urgent = matches!(entry, Entry::Delete { .. } | Entry::Revoke { .. });
                Queued { appends: 1, looks: 0, bytes: *byte_count, urgent }
            }
            Self::CatchUp { .. } => Queued { looks: 1, ..Queued::default() },
        }
    }
}

/// The bucket did not carry it out, for this reason. The log has the details.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct NotCommitted(pub(super) StorageTrouble);

impl NotCommitted {
    /// The driver was dropped, or does not get on: another time it may.
    pub(super) const NOW: Self = Self(StorageTrouble::Passing);
}
