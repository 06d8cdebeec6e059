//! The driver of a room: the one task that works for it. It does what the [agenda](super::agenda) says, and ends when that says
//! that nothing is to be done now.
//!
//! It is a task for each stretch of work, and not for as long as the room lives, because each worker of a host has a runtime of its
//! own: the driver runs on that of the caller who brought the work, so no other thread has to be woken for a sync. What is
//! to be done later is left to the room's [alarm](super::alarm), which starts a driver then.
//!
//! What takes long and needs no log runs beside the driver: a fold that is written ([`writing`](super::writing)), and a deletion
//! whose time has come ([`expiry`](super::expiry)). Each is a task that tells the agenda how it ended, by a guard. What a fold
//! superseded is freed by a task that knows no room, because a room that was folded may leave memory, and the objects are to go
//! all the same.

use std::sync::{Arc, MutexGuard};

use tokio::sync::oneshot;
use tokio::task::yield_now;
use tokio::time::Instant;

use super::agenda::{Facts, Look, Next, Queued, Stand, Upkeep};
use super::job::{Job, NotCommitted, Reply};
use super::{Inner, Room, SEGMENT_BYTES_MAX};
use crate::ambient::Moment;
use crate::share::entry::Entry;
use crate::share::state::State;
use crate::store::Log;

/// Turns of its runtime that a driver waits before each round: one in which what sockets have is read, one in which it is
/// taken for calls and queued.
const TURNS: usize = 2;

/// Owns the room's log while it runs; dropping it puts the log back and lets everybody who waits know.
pub(super) struct Driver {
    pub(super) room: Arc<Room>,
    pub(super) log: Option<Log>,
    /// This round has written a segment, and other hosts were not told yet.
    pub(super) wrote: bool,
}

/// What is done in one round; if nothing is to be appended, a look.
struct Work {
    look: Look,
    waiting: Vec<Waiting>,
    catch_ups: Vec<oneshot::Sender<Result<(), NotCommitted>>>,
}

/// An entry to append, and where its outcome goes.
pub(super) struct Waiting {
    pub(super) entry: Entry,
    pub(super) byte_count: usize,
    /// Another host handed it to this one.
    pub(super) handed: bool,
    pub(super) reply: Reply,
}

impl Driver {
    async fn run(mut self) {
        while let Some(Work { look, waiting, catch_ups }) = self.gather().await {
            let begun = Moment::now(self.room.clock());
            // What is done seldom is boxed: a driver is made for each batch where batches do not come at once.
            let result = if waiting.is_empty() {
                Box::pin(self.catch_up(look)).await
            } else {
                self.commit_or_hand(waiting, !catch_ups.is_empty()).await
            };
            if result == Ok(true) {
                self.room.lock().fresh_at = begun;
            }
            let result = result.map(drop);
            // After the answers, which it must not hold up.
            if std::mem::take(&mut self.wrote)
                && let Some(log) = &self.log
            {
                self.room.context.hints.wrote(&self.room.id, log.segments());
            }
            for answer in catch_ups {
                // The caller that asked may be gone.
                let _ = answer.send(result);
            }
            self.end_round(result.is_ok());
        }
    }

    /// Lets more come, and takes the next round's work; `None` when there is none, and then the log is back in the room. Whatever
    /// is to be done before that, and takes no time, is done.
    async fn gather(&mut self) -> Option<Work> {
        // What is in the sockets already costs no time to wait for, and a segment for each of them much: with 64 calls in flight
        // over memory, one turn makes 1.5 times as many calls, two 1.7 times, and more than two nothing.
        for _ in 0..TURNS {
            yield_now().await;
        }
        let Self { room, log, .. } = self;
        loop {
            // From here on no notice to all is missed.
            let woken = room.wake_driver.notified();
            let until = {
                let mut inner = room.lock();
                let now = Instant::now();
                if let Some(log) = log {
                    inner.note_folded(log);
                }
                inner.agenda.gathers(now);
                match inner.agenda.next(now) {
                    next @ (Next::Append | Next::Look) => return Some(inner.begin_round(next == Next::Append, now)),
                    Next::Fold { occasion, describe } => {
                        room.fold_log(inner, log.as_ref(), occasion, describe);
                        continue;
                    }
                    Next::Delete => {
                        room.delete(inner);
                        continue;
                    }
                    Next::Gather(until) => until,
                    Next::Sleep(_) | Next::Rest => {
                        inner.log = log.take();
                        room.plan(&mut inner);
                        return None;
                    }
                }
            };
            // Whichever comes first.
            let _ = tokio::time::timeout_at(until, woken).await;
        }
    }

    fn end_round(&mut self, carried_out: bool) {
        let Some(log) = &mut self.log else { return };
        let mut inner = self.room.lock();
        if let Some(leftovers) = log.take_leftovers() {
            self.room.free(leftovers);
        }
        inner.note_folded(log);
        let facts = facts(log, &inner.state);
        inner.agenda.ends(facts, carried_out, Instant::now());
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        if let Some(log) = self.log.take() {
            let mut inner = self.room.lock();
            // Dropping the jobs drops their answers, and a caller that waits for one learns that none will come.
            let left = std::mem::take(&mut inner.jobs);
            inner.agenda.dropped();
            inner.log = Some(log);
            drop(inner);
            drop(left);
            self.room.deserted();
        }
    }
}

impl Inner {
    /// Takes the next segment's worth of what is queued; if nothing is to be appended in this round, what comes before the first append.
    fn begin_round(&mut self, appends: bool, now: Instant) -> Work {
        let (mut waiting, mut catch_ups, mut bytes) = (Vec::new(), Vec::new(), 0);
        while let Some(job) = self.jobs.pop_front() {
            match job {
                Job::Append { entry, byte_count, handed, reply } => {
                    if !appends || (bytes > 0 && bytes + byte_count > SEGMENT_BYTES_MAX) {
                        self.jobs.push_front(Job::Append { entry, byte_count, handed, reply });
                        break;
                    }
                    bytes += byte_count;
                    waiting.push(Waiting { entry, byte_count, handed, reply });
                }
                Job::CatchUp { answer } => catch_ups.push(answer),
            }
        }
        let left = self.jobs.iter().map(Job::weight).fold(Queued::default(), Queued::and);
        let look = self.agenda.begins(left, catch_ups.len(), now);
        Work { look, waiting, catch_ups }
    }

    /// Tells the log of a fold that was written while the log was with the driver.
    pub(super) fn note_folded(&mut self, log: &mut Log) {
        if let Some(folded) = self.folded.take() {
            log.folded(&folded);
            self.agenda.notes(facts(log, &self.state));
        }
    }
}

impl Room {
    /// Starts a driver if none is running: then the log is here. The lock is let go before that: on a runtime that is ending the
    /// driver is dropped at once, and puts the log back.
    pub(super) fn start(self: &Arc<Self>, mut inner: MutexGuard<'_, Inner>) {
        let log = inner.log.take();
        drop(inner);
        if log.is_some() {
            self.context.tasks.spawn(Driver { room: Arc::clone(self), log, wrote: false }.run());
        }
    }

    /// After an event from elsewhere: lets the one who waits for the room know if that has to ask sooner what is next.
    pub(super) fn heed(&self, inner: &mut Inner, upkeep: Upkeep) {
        match upkeep {
            // The runtime of the one who waits may have ended.
            Upkeep::Sooner | Upkeep::Unchanged if inner.log.is_some() => self.plan(inner),
            Upkeep::Sooner => self.wake_driver.notify_waiters(),
            Upkeep::Unchanged => {}
        }
    }

    /// Has the upkeep done now that would be done later, and a deletion that is due: the room is about to leave memory.
    pub(in crate::rooms) fn upkeep_before_leaving(self: &Arc<Self>) {
        let mut inner = self.lock();
        inner.agenda.leaves();
        if matches!(inner.agenda.next(Instant::now()), Next::Look | Next::Delete) {
            self.start(inner);
        }
    }
}

/// What the log, and the state that it came to, leave to do.
pub(super) fn facts(log: &Log, state: &State) -> Facts {
    Facts {
        live: state.is_live(),
        segments: log.segments(),
        unfolded: log.is_unfolded(),
        own: log.is_own(),
        cheap: log.is_worth_a_pause(state),
        stand: stand(state),
    }
}

/// What a listing of a state depends on.
pub(super) fn stand(state: &State) -> Stand {
    (state.sync_count(), state.revision(), state.opened().and_then(|opened| opened.expires_at))
}
