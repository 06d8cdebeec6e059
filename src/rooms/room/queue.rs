//! What waits for a room's log: appends in the order of their calls, and looks.

use std::sync::{Arc, MutexGuard};

use tokio::sync::oneshot;
use tokio::time::Instant;

use super::job::{Job, NotCommitted, Reply};
use super::{Inner, Room};
use crate::rooms::quota::Charge;
use crate::share::entry::Entry;
use crate::share::error::{Refusal, StoreOperation};
use crate::share::state::Outcome;

/// Bytes that may wait for the log of one room: two segments of 8 MiB, so that one gathers while one is written. Past it
/// a request is refused as unavailable; its producer comes back.
pub const QUEUE_BYTES_MAX: usize = 16 << 20;

impl Room {
    /// Appends an entry to the log and gives what it did, once it is in the bucket. It is queued when this returns, in
    /// the order of the calls; dropping the future does not take it out again.
    ///
    /// # Errors
    /// The bucket did not carry it out, too much is waiting already, or the share has expired.
    pub fn append(
        self: &Arc<Self>,
        entry: Entry,
        operation: StoreOperation,
    ) -> impl Future<Output = Result<Outcome, Refusal>> + Send + use<> {
        self.append_charged(entry, None, operation)
    }

    /// As [`Room::append`], for an entry that its account was charged for: the charge is given back unless the entry is a batch
    /// that was committed now.
    pub(in crate::rooms) fn append_charged(
        self: &Arc<Self>,
        entry: Entry,
        charge: Option<Charge>,
        operation: StoreOperation,
    ) -> impl Future<Output = Result<Outcome, Refusal>> + Send + use<> {
        let queued = self.enqueue(entry, charge, false);
        async move {
            let answer = queued?.await.unwrap_or(Err(NotCommitted::NOW));
            answer.map_err(|NotCommitted(trouble)| Refusal::StorageFailure { operation, trouble })
        }
    }

    /// Appends entries that another host has handed to this one, and gives the number of a segment up to which all of them are in the
    /// log; `None`: some may not be. They are queued when this returns, and never handed on.
    pub(in crate::rooms) fn append_handed(
        self: &Arc<Self>,
        entries: Vec<Entry>,
    ) -> impl Future<Output = Option<u64>> + Send + use<> {
        let queued: Result<Vec<_>, Refusal> =
            entries.into_iter().map(|entry| self.enqueue(entry, None, true)).collect();
        let room = Arc::clone(self);
        async move {
            for answered in queued.ok()? {
                answered.await.ok()?.ok()?;
            }
            Some(room.lock().written)
        }
    }

    fn enqueue(
        self: &Arc<Self>,
        entry: Entry,
        charge: Option<Charge>,
        handed: bool,
    ) -> Result<oneshot::Receiver<Result<Outcome, NotCommitted>>, Refusal> {
        let byte_count = byte_count(&entry);
        let (answer, answered) = oneshot::channel();
        let mut inner = self.lock();
        if self.is_past(&mut inner) {
            return Err(Refusal::not_found(self.id.as_str()));
        }
        if inner.agenda.in_queue().bytes + byte_count > QUEUE_BYTES_MAX && !inner.jobs.is_empty() {
            return Err(Refusal::Unavailable { retry_after_ms: 1_000 });
        }
        self.queue(inner, Job::Append { entry, byte_count, handed, reply: Reply::new(charge, answer) });
        Ok(answered)
    }

    /// Waits for all that is queued now, and reads what other hosts appended.
    pub(super) async fn look(self: &Arc<Self>) -> Result<(), NotCommitted> {
        let (answer, answered) = oneshot::channel();
        self.queue(self.lock(), Job::CatchUp { answer });
        answered.await.unwrap_or(Err(NotCommitted::NOW))
    }

    /// Queues a job, and starts the driver if none is running.
    pub(super) fn queue(self: &Arc<Self>, mut inner: MutexGuard<'_, Inner>, job: Job) {
        let upkeep = inner.agenda.queued(job.weight(), Instant::now());
        inner.jobs.push_back(job);
        if inner.log.is_some() {
            self.start(inner);
        } else {
            self.heed(&mut inner, upkeep);
        }
    }
}

/// What an entry takes in a segment, about.
fn byte_count(entry: &Entry) -> usize {
    match entry {
        Entry::Sync { batch, .. } => batch
            .changes
            .iter()
            .map(|change| {
                32 + change.key.as_str().len() + change.value.as_ref().map_or(0, |value| value.as_str().len())
            })
            .sum::<usize>(),
        Entry::Grant { grant } => 256 + grant.info.label.as_str().len(),
        Entry::Open { .. }
        | Entry::Secret { .. }
        | Entry::Expiry { .. }
        | Entry::Visibility { .. }
        | Entry::Revoke { .. }
        | Entry::Delete { .. } => 256,
    }
}
