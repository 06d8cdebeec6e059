//! A room's expiry: past it the share is answered as deleted, and then it is.
//!
//! The clock alone decides what is answered; whether the deletion gets through is another matter, and it is tried until it
//! does. When that is to be done is the [agenda](super::agenda)'s matter. Waiting for it keeps no room in memory: a share that
//! nobody loads again is left to `store gc`.
//!
//! An expiry may be moved, here or by another host. So before it deletes, a room looks what the log says by now. What
//! another host moves in the very moment of the expiry may come too late.
//!
//! A host whose machine's clock is wrong deletes nothing because of it: before each deletion it compares the clock with the
//! bucket's. Such a share is answered as expired, by the bucket's time, and left to a host that is right.

use std::sync::{Arc, MutexGuard};

use tokio::sync::oneshot;
use tokio::time::Instant;

use super::agenda::{DELETE_AGAIN, Deletion};
use super::job::{Job, NotCommitted, Reply};
use super::{Inner, Room};
use crate::audit::{self, By, Through};
use crate::share::entry::Entry;
use crate::share::error::{Refusal, StoreOperation, chain};
use crate::share::state::Outcome;
use crate::store::CLOCK_WRONG_MS;

impl Room {
    /// Whether the share is there and its time is over.
    pub(in crate::rooms) fn has_expired(&self) -> bool {
        self.is_past(&mut self.lock())
    }

    /// Deletes the share if its time is over, by what the log says now. Nothing happens if it is not. Of several hosts
    /// that do so at once each succeeds.
    ///
    /// # Errors
    /// The bucket did not carry it out, or this machine's clock is wrong.
    pub(in crate::rooms) async fn expire(self: &Arc<Self>, operation: StoreOperation) -> Result<(), Refusal> {
        if !self.has_expired() {
            return Ok(());
        }
        self.delete_if_past().await.map_err(|NotCommitted(trouble)| match self.context.store.clock_ahead_ms() {
            Some(ahead_ms) if ahead_ms.abs() > CLOCK_WRONG_MS => {
                Refusal::Unavailable { retry_after_ms: DELETE_AGAIN.as_millis() as u32 }
            }
            _ => Refusal::StorageFailure { operation, trouble },
        })
    }

    async fn delete_if_past(self: &Arc<Self>) -> Result<(), NotCommitted> {
        // What stands in the queue may move the expiry too: it comes before this look.
        self.look().await?;
        // One that is deleted already is only to be finished.
        let is_deleted = self.lock().state.is_deleted();
        if !is_deleted && self.has_expired() && self.clock_is_wrong().await? {
            return Err(NotCommitted::NOW);
        }
        let answered = {
            let mut inner = self.lock();
            // One whose deletion is in the log may not be gone from the bucket yet.
            let is_half_gone = inner.state.is_deleted() && !inner.erased;
            if !is_half_gone && !self.is_past(&mut inner) {
                return Ok(());
            }
            let (answer, answered) = oneshot::channel();
            let entry = Entry::Delete { at: self.context.clock.now() };
            self.queue(inner, Job::Append { entry, byte_count: 0, handed: false, reply: Reply::new(None, answer) });
            answered
        };
        // Followers learn it from the clock, and need not wait for the bucket.
        self.news.ring();
        if answered.await.unwrap_or(Err(NotCommitted::NOW))? == Outcome::Deleted {
            self.context.metrics.shares_deleted.inc();
            audit::share_deleted(By::Host, self.audited(), Through::Owner);
            self.context.metrics.shares_expired.inc();
            tracing::info!(share = %self.id, "the share has expired");
        }
        Ok(())
    }

    async fn clock_is_wrong(&self) -> Result<bool, NotCommitted> {
        self.context.store.clock_is_wrong().await.map_err(|error| {
            tracing::warn!(share = %self.id, error = %chain(&error), "an expired share is not deleted: what time it is in the store is not known");
            NotCommitted(error.trouble())
        })
    }

    /// Whether the share is there and its time is over; if so, makes sure that it is about to be deleted.
    pub(super) fn is_past(&self, inner: &mut Inner) -> bool {
        let is_past = inner.state.expires_at().is_some_and(|at| at <= self.context.clock.now());
        if is_past {
            // The room may be waiting for longer than the clock has it by now.
            let upkeep = inner.agenda.is_past(Instant::now());
            self.heed(inner, upkeep);
        }
        is_past
    }

    /// Lets the agenda know when the share expires.
    pub(super) fn note_expiry(&self, inner: &mut Inner, now: Instant) {
        inner.agenda.expires(inner.state.expires_at(), self.context.clock.now(), now);
    }

    /// Has the share deleted, which its agenda says is next, unless its time is not over by the clock.
    pub(super) fn delete(self: &Arc<Self>, mut inner: MutexGuard<'_, Inner>) {
        if inner.agenda.deletes(self.context.clock.now(), Instant::now()) {
            drop(inner);
            // It ends, whatever becomes of the task, and so not under the lock. Shutdown does not wait for it.
            let ends = Ends { room: Arc::clone(self), deletion: Deletion::Failed };
            drop(tokio::spawn(delete(ends)));
        }
    }
}

async fn delete(mut ends: Ends) {
    // Why it failed is in the log.
    if let Ok(()) = ends.room.delete_if_past().await {
        let is_deleted = ends.room.lock().state.is_deleted();
        ends.deletion = if is_deleted { Deletion::Done } else { Deletion::Moved };
    }
}

/// However it ends, the deletion is not on its way any more.
struct Ends {
    room: Arc<Room>,
    deletion: Deletion,
}

impl Drop for Ends {
    fn drop(&mut self) {
        let mut inner = self.room.lock();
        let clock = self.room.context.clock.now();
        let upkeep = inner.agenda.deleted(self.deletion, clock, Instant::now());
        self.room.heed(&mut inner, upkeep);
    }
}
