//! A room's expiry: past it the share is answered as deleted, and then it is.
//!
//! The clock alone decides what is answered; whether the deletion gets through is another matter, and it is tried until it
//! does. A room that has an expiry keeps one task that sleeps until then. It holds no room, so that an idle one may leave
//! memory, and the task with it: a share that nobody loads again is left to `store gc`.
//!
//! An expiry may be moved, here or by another host. So before it deletes, a room looks what the log says by now. What
//! another host moves in the very moment of the expiry may come too late.
//!
//! A host whose machine's clock is wrong deletes nothing because of it: before each deletion it compares the clock with the
//! bucket's. Such a share is answered as expired, by the bucket's time, and left to a host that is right.

use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::{oneshot, watch};

use super::job::{Job, NotCommitted, Reply};
use super::{Inner, Room};
use crate::ambient::Clock;
use crate::audit::{self, By, Through};
use crate::share::entry::Entry;
use crate::share::error::{Refusal, StoreOperation, chain};
use crate::share::state::Outcome;
use crate::share::time::Timestamp;
use crate::store::CLOCK_WRONG_MS;

/// How long the task sleeps at a stretch: clocks jump, and timers have an end.
const STRETCH_MAX: Duration = Duration::from_secs(24 * 60 * 60);

/// How long it waits before it tries a deletion again that the bucket did not carry out, or that is left to a host with a
/// right clock.
const RETRY_AFTER: Duration = Duration::from_secs(60);

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
                Refusal::Unavailable { retry_after_ms: RETRY_AFTER.as_millis() as u32 }
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
            self.queue(inner, Job::Append { entry, byte_count: 0, reply: Reply::new(None, answer) });
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

    /// Whether the share is there and its time is over; if so, makes sure that somebody is about to delete it.
    pub(super) fn is_past(&self, inner: &mut Inner) -> bool {
        let is_past = inner.state.expires_at().is_some_and(|at| at <= self.context.clock.now());
        if is_past {
            self.watch_expiry(inner);
            // It may be asleep for longer than the clock has it by now.
            self.expiry.send_modify(|_| ());
        }
        is_past
    }

    /// Lets the task know when the share expires, and starts it if it is needed and does not run: its runtime may have
    /// ended.
    pub(super) fn watch_expiry(&self, inner: &mut Inner) {
        let expires_at = inner.state.expires_at();
        self.expiry.send_if_modified(|known| std::mem::replace(known, expires_at) != expires_at);
        let runs = inner.expirer.as_ref().is_some_and(|task| !task.is_finished());
        if expires_at.is_some()
            && !runs
            && let Ok(runtime) = Handle::try_current()
        {
            let clock = Arc::clone(&self.context.clock);
            let task = runtime.spawn(wait(Weak::clone(&self.this), self.expiry.subscribe(), clock));
            inner.expirer = Some(task.abort_handle());
        }
    }
}

/// Waits for the expiry of a room, and has it deleted. Ends when the room has left memory, or its share the bucket.
async fn wait(room: Weak<Room>, mut expiry: watch::Receiver<Option<Timestamp>>, clock: Arc<dyn Clock>) {
    loop {
        let expires_at = *expiry.borrow_and_update();
        let left = expires_at.map_or(STRETCH_MAX, |at| left(clock.now(), at).min(STRETCH_MAX));
        if !left.is_zero() {
            tokio::select! {
                // Either way it looks again; in a fixed order, so that a seed gives one history.
                biased;
                () = tokio::time::sleep(left) => {}
                moved = expiry.changed() => if moved.is_err() { return },
            }
            continue;
        }
        loop {
            let Some(room) = room.upgrade() else { return };
            match room.delete_if_past().await {
                Ok(()) if room.lock().state.is_deleted() => return,
                // It was moved.
                Ok(()) => break,
                // Why is in the log.
                Err(NotCommitted(_)) => {}
            }
            drop(room);
            tokio::time::sleep(RETRY_AFTER).await;
        }
    }
}

fn left(now: Timestamp, at: Timestamp) -> Duration {
    Duration::from_millis(u64::try_from(at.0.saturating_sub(now.0)).unwrap_or_default())
}
