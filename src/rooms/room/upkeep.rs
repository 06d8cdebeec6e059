//! The upkeep of a room: what is done beside the acknowledgements so that a share stays cheap to read and to list.
//!
//! While it is written to, its log is folded whenever enough has gathered; once it has been left alone for a while, it is
//! folded into one object and its facts go into the index. Where that costs next to nothing beside what was written, a second
//! is long enough. All of it is derived from the log: what fails, or is lost
//! with the host, is made up for another time.

use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::task::AbortHandle;
use tokio::time::Instant;

use super::job::{Job, NotCommitted};
use super::{Inner, Room};
use crate::share::error::chain;
use crate::share::revision::Revision;
use crate::share::state::State;
use crate::share::time::Timestamp;
use crate::store::{Fold, Folded, Log, Occasion, StoreError, Summary};

/// How long a fold that failed is not tried again.
const AFTER_FAILURE: Duration = Duration::from_secs(30);

/// How long a share is left alone before it is folded if that costs next to nothing: longer than a producer that is at work
/// leaves between two syncs, and not so long that somebody who is sent the link finds it as it was. A longer one than
/// [`fold_after`](crate::hub::HubSettings::fold_after) says nothing.
const PAUSE: Duration = Duration::from_secs(1);

/// Shortest time between two upkeep jobs of one room.
const UPKEEP_PAUSE: Duration = Duration::from_secs(1);

/// How many times the idle time a share is left alone before it is folded whatever it costs.
const STILL: u32 = 10;

/// What is to be done for a room, and when.
#[derive(Debug)]
pub(super) struct Upkeep {
    /// When the log last grew.
    touched_at: Instant,
    /// Whether reading the log takes more than one object.
    unfolded: bool,
    /// Whether this host wrote last. Other hosts wait twice as long before they fold the share.
    own: bool,
    /// One object would cost next to nothing, and is this host's to make.
    cheap: bool,
    /// Whether the room is about to leave memory, and does not wait to be idle.
    leaving: bool,
    /// A fold, or what a listing says, is being written.
    folding: bool,
    /// One was written, and the log does not know it yet.
    folded: Option<Folded>,
    not_before: Instant,
    /// One object would have cost too much when the room fell idle.
    deferred: bool,
    /// The state that the index knows of.
    described: Option<Stand>,
    /// The task that waits until something is to be done, if there is anything to wait for.
    waiting: Option<Waiting>,
}

/// A task that waits, and how it is told that it is to wake up sooner.
#[derive(Debug)]
struct Waiting {
    task: AbortHandle,
    until: Instant,
    sooner: Arc<Notify>,
}

impl Upkeep {
    /// `described`: the state, if the index knows it already.
    pub(super) fn new(log: &Log, described: Option<&State>, now: Instant) -> Self {
        Self {
            touched_at: now,
            unfolded: log.is_unfolded(),
            own: log.is_own(),
            // Who opens a log has not written to it.
            cheap: false,
            leaving: false,
            folding: false,
            folded: None,
            not_before: now,
            deferred: false,
            described: described.map(stand),
            waiting: None,
        }
    }

    /// How long the log must not have grown for the room to be idle.
    fn idle_after(&self, fold_after: Duration) -> Duration {
        match self {
            Self { leaving: true, .. } => Duration::ZERO,
            Self { own: true, .. } => fold_after,
            Self { own: false, .. } => fold_after * 2,
        }
    }

    /// Notes what the log, and the state that it came to, leave to do.
    fn note(&mut self, log: &Log, state: &State) {
        (self.unfolded, self.own, self.cheap) = (log.is_unfolded(), log.is_own(), log.is_worth_a_pause(state));
    }

    /// The log grew.
    pub(super) fn touched(&mut self, now: Instant) {
        self.touched_at = now;
        self.deferred = false;
    }
}

/// What a listing of a state depends on.
type Stand = (u64, Revision, Option<Timestamp>);

fn stand(state: &State) -> Stand {
    (state.sync_count(), state.revision(), state.opened().and_then(|opened| opened.expires_at))
}

impl Inner {
    /// When the next upkeep is due, if nothing comes in between; `None`: there is nothing to do.
    fn upkeep_at(&self, fold_after: Duration) -> Option<Instant> {
        let Upkeep { touched_at, unfolded, cheap, folding, not_before, deferred, described, .. } = &self.upkeep;
        if !self.state.is_live() || *folding {
            return None;
        }
        let idle_at = *touched_at + self.upkeep.idle_after(fold_after);
        let fold_at = match (unfolded, deferred) {
            (true, false) => Some(idle_at),
            (true, true) => Some(*touched_at + fold_after * STILL),
            (false, _) => None,
        };
        let describe_at = (*described != Some(stand(&self.state))).then_some(idle_at);
        let pause_at = cheap.then(|| *touched_at + PAUSE);
        fold_at.into_iter().chain(pause_at).chain(describe_at).min().map(|at| at.max(*not_before))
    }
}

impl Room {
    /// Does the upkeep that is due; called between two appends, by the committer, which has the log. `looked`: the room was found
    /// idle, and this is what became of a look whether it still is.
    pub(super) fn do_upkeep(self: &Arc<Self>, log: &mut Log, looked: Option<Result<(), NotCommitted>>) {
        let mut inner = self.lock();
        let Inner { state, upkeep, .. } = &mut *inner;
        if let Some(leftovers) = log.take_leftovers() {
            self.free(leftovers);
        }
        if let Some(folded) = upkeep.folded.take() {
            log.folded(&folded);
        }
        upkeep.note(log, state);
        let now = Instant::now();
        if looked.is_some_and(|looked| looked.is_err()) {
            upkeep.not_before = now + AFTER_FAILURE;
        }
        if upkeep.folding || now < upkeep.not_before || !state.is_live() {
            return;
        }
        let (alone, fold_after) = (now.duration_since(upkeep.touched_at), self.context.fold_after);
        let idle = looked.is_some() && alone >= upkeep.idle_after(fold_after);
        let occasion = match idle {
            true if alone >= fold_after * STILL => Occasion::Still,
            true => Occasion::Idle,
            false if looked.is_some() && upkeep.cheap && alone >= PAUSE => Occasion::Pause,
            false => Occasion::Busy,
        };
        let fold = log.fold(occasion, state);
        if occasion != Occasion::Busy {
            // Until there is more to fold.
            upkeep.cheap = false;
        }
        if idle {
            upkeep.deferred = fold.is_none() && upkeep.unfolded;
            if occasion == Occasion::Still && upkeep.deferred {
                upkeep.not_before = now + fold_after * STILL;
            }
        }
        let news = (idle && upkeep.described != Some(stand(state))) || fold.is_some();
        let summary = if news { Summary::of(state, log.log_bytes(), log.segments()) } else { None };
        if fold.is_some() || summary.is_some() {
            upkeep.folding = true;
            let stand = stand(state);
            drop(inner);
            // It ends, whatever becomes of the task, and so not under the lock. Shutdown does not wait for it.
            let ends = Ends { room: Arc::clone(self), folded: None, described: None };
            drop(tokio::spawn(write(ends, fold, summary, stand)));
        }
    }

    /// Makes sure that somebody waits until something is to be done, if there is anything.
    pub(super) fn plan_upkeep(self: &Arc<Self>, inner: &mut Inner) {
        let Inner { log, state, upkeep, .. } = &mut *inner;
        if let Some(log) = log
            && let Some(folded) = upkeep.folded.take()
        {
            log.folded(&folded);
            upkeep.note(log, state);
        }
        let Some(at) = inner.upkeep_at(self.context.fold_after) else { return };
        // The runtime of the one that was to wait may have ended.
        if let Some(waiting) = inner.upkeep.waiting.as_mut().filter(|waiting| !waiting.task.is_finished()) {
            // One that wakes up too early looks again, so a room that is written to all the time tells it nothing; nor is one
            // told that has just had the upkeep done.
            if at < waiting.until && waiting.until > Instant::now() + UPKEEP_PAUSE {
                waiting.until = at;
                waiting.sooner.notify_one();
            }
            return;
        }
        // Without a runtime, as when one ends, the next caller sees to it.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            let sooner = Arc::<Notify>::default();
            let task = runtime.spawn(wait(Arc::downgrade(self), Arc::clone(&sooner))).abort_handle();
            inner.upkeep.waiting = Some(Waiting { task, until: at, sooner });
        }
    }

    /// Has the upkeep done now that would be done later: the room is about to leave memory.
    pub(in crate::rooms) fn upkeep_before_leaving(self: &Arc<Self>) {
        let mut inner = self.lock();
        if inner.upkeep_at(Duration::ZERO).is_some() {
            inner.upkeep.leaving = true;
            self.queue(inner, Job::Upkeep);
        }
    }

    pub(super) fn free(&self, frees: crate::store::Superseded) {
        let share = self.id.clone();
        drop(tokio::spawn(async move {
            if let Err(error) = frees.run().await {
                tracing::warn!(%share, error = %chain(&error), "superseded objects are left in the bucket");
            }
        }));
    }
}

/// Writes a fold, and what a listing says, in the background.
async fn write(mut end: Ends, fold: Option<Fold>, summary: Option<Summary>, stand: Stand) {
    let room = Arc::clone(&end.room);
    // The semaphore is never closed.
    let Ok(_permit) = room.context.folds.acquire().await else { return };
    let writing = async {
        if let Some(fold) = fold {
            // Without one the share is deleted, and there is nothing more to tell.
            let Some((folded, frees)) = fold.run().await? else { return Ok(()) };
            room.free(frees);
            end.folded = Some(folded);
        }
        if let Some(summary) = summary {
            room.context.store.describe(&room.id, &summary).await?;
            end.described = Some(stand);
        }
        Ok::<_, StoreError>(())
    };
    if let Err(error) = writing.await {
        tracing::warn!(share = %room.id, error = %chain(&error), "a share was not folded, or not listed anew");
    }
}

/// However it ends, the room may fold again, or describe itself; at once only if it did.
struct Ends {
    room: Arc<Room>,
    folded: Option<Folded>,
    described: Option<Stand>,
}

impl Drop for Ends {
    fn drop(&mut self) {
        let mut inner = self.room.lock();
        let upkeep = &mut inner.upkeep;
        upkeep.folding = false;
        match self.described {
            None => upkeep.not_before = Instant::now() + AFTER_FAILURE,
            described => upkeep.described = described,
        }
        // The committer takes note of it, if the log is with it.
        if let Some(folded) = self.folded.take() {
            upkeep.folded = Some(folded);
        }
        self.room.plan_upkeep(&mut inner);
    }
}

/// Waits until something is to be done, has the upkeep done, and so on until there is nothing more to do. Keeps no room in
/// memory.
async fn wait(room: Weak<Room>, sooner: Arc<Notify>) {
    loop {
        let until = {
            let Some(room) = room.upgrade() else { return };
            let mut inner = room.lock();
            let now = Instant::now();
            let Some(at) = inner.upkeep_at(room.context.fold_after) else {
                inner.upkeep.waiting = None;
                return;
            };
            let until = if at > now { at } else { now + UPKEEP_PAUSE };
            if let Some(waiting) = &mut inner.upkeep.waiting {
                waiting.until = until;
            }
            if at <= now {
                room.queue(inner, Job::Upkeep);
            }
            until
        };
        // Whichever comes first.
        let _ = tokio::time::timeout_at(until, sooner.notified()).await;
    }
}
