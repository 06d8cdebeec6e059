//! A room: one live share on this host, its state, its log and those who follow it.
//!
//! Requests queue up; one task at a time, the *driver*, takes all that wait, appends them to the log as one segment,
//! folds them and answers (natural group commit: while one PUT is in flight, the next batch gathers). It is spawned when
//! there is work and ends when there is none, on the runtime of the caller that brought the work. A caller that goes away takes
//! nothing with it: what was queued is committed all the same. What is to be done, and when, is decided by the *agenda*; for what
//! is to be done later, the *alarm* starts a driver.
//!
//! The lock is never held across an await. While the driver runs it owns the log; if it is dropped half way (its runtime
//! is shutting down) it puts the log back, which knows that it must look before it appends again, and everybody who waits
//! gets an error instead of a hang.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

use crate::ambient::{Clock, Moment};
use crate::audit;
use crate::rooms::audience::Audience;
use crate::rooms::event::{After, Event, Recent, Resync, pieces};
use crate::rooms::pass::Pass;
use crate::share::entry::Entry;
use crate::share::error::{Refusal, StoreOperation};
use crate::share::id::{AccountId, ShareId};
use crate::share::revision::Revision;
use crate::share::secret::SecretHash;
use crate::share::state::{Outcome, State};
use crate::share::view::Step;
use crate::store::{Folded, Log, News};

mod agenda;
mod alarm;
mod attention;
mod bell;
mod context;
mod driver;
mod expiry;
mod handing;
mod job;
mod queue;
mod rivalry;
mod rounds;
mod writing;

use agenda::{Agenda, Rules};
use alarm::Alarm;
use attention::Expected;
use bell::Bell;
use job::{Job, NotCommitted};
use rivalry::Rivalry;

pub(super) use attention::Attending;
pub(super) use context::RoomContext;
pub use queue::QUEUE_BYTES_MAX;

/// Bytes of entries that go into one segment: 8 MiB, two of the largest messages.
pub const SEGMENT_BYTES_MAX: usize = 8 << 20;

/// One live share on this host.
#[derive(Debug)]
pub struct Room {
    id: ShareId,
    this: Weak<Self>,
    context: Arc<RoomContext>,
    inner: Mutex<Inner>,
    /// Rings with every change of the state.
    news: Bell,
    /// Rings when somebody may have lost what let them see the share: a grant, the visibility, the share.
    losses: Bell,
    followers: AtomicUsize,
    /// Whoever works for the room, or waits to, was dropped with its runtime: the next who waits for the room sees to it.
    is_deserted: AtomicBool,
    /// Who watches, and what they are asked.
    audience: Audience,
    /// Wakes a driver that waits for more jobs: something is to be done sooner.
    wake_driver: Notify,
}

#[derive(Debug)]
struct Inner {
    state: State,
    /// `None` while the driver has it.
    log: Option<Log>,
    /// Bound: [`QUEUE_BYTES_MAX`] of entries, past which a caller is refused; and one look for each caller or follower that
    /// waits for one, all of which are answered by a single request.
    jobs: VecDeque<Job>,
    recent: Recent,
    /// The share was deleted by this host, and its content is gone.
    erased: bool,
    /// When the state was last known to be all that the log holds.
    fresh_at: Moment,
    used_at: Instant,
    agenda: Agenda,
    /// A fold was written, and the log does not know it yet.
    folded: Option<Folded>,
    /// Number of the last segment that this host wrote; 0 if it wrote none.
    written: u64,
    /// Whether another host appends for this one.
    rivalry: Rivalry,
    /// What the last hint told of, until the room has it.
    expected: Option<Expected>,
    alarm: Option<Alarm>,
}

impl Room {
    /// `asked`: when the log was asked for, and the news with it.
    pub(super) fn new(id: ShareId, context: Arc<RoomContext>, mut log: Log, news: News, asked: Moment) -> Arc<Self> {
        let leftovers = log.take_leftovers();
        context.metrics.rooms.inc();
        let now = Instant::now();
        // A share that is one object already was described by the host that made it one.
        let described = news.state.is_some() && news.entries.is_empty();
        let state = news.into_state();
        let polls = context.polls(&id);
        let rules = Rules { linger: context.linger, fold_after: context.fold_after, polls };
        let inner = Inner {
            agenda: Agenda::new(rules, driver::facts(&log, &state), described, now),
            state,
            log: Some(log),
            jobs: VecDeque::new(),
            recent: Recent::default(),
            erased: false,
            fresh_at: asked,
            used_at: now,
            folded: None,
            written: 0,
            rivalry: Rivalry::default(),
            expected: None,
            alarm: None,
        };
        let room = Arc::new_cyclic(|this| Self {
            id,
            this: Weak::clone(this),
            context,
            inner: Mutex::new(inner),
            news: Bell::default(),
            losses: Bell::default(),
            followers: AtomicUsize::new(0),
            is_deserted: AtomicBool::new(false),
            audience: Audience::default(),
            wake_driver: Notify::new(),
        });
        {
            let mut inner = room.lock();
            room.note_expiry(&mut inner, now);
            room.plan(&mut inner);
            room.count_bytes(&inner.state, false);
        }
        if let Some(leftovers) = leftovers {
            room.free(leftovers);
        }
        room
    }

    /// The share's id.
    #[must_use]
    pub fn id(&self) -> &ShareId {
        &self.id
    }

    /// Whose it is, also when it was deleted.
    #[must_use]
    pub fn owner(&self) -> Option<AccountId> {
        self.lock().state.opened().map(|opened| opened.account.clone())
    }

    /// The share, for a line of the audit log.
    pub(crate) fn audited(&self) -> audit::Share<'_> {
        audit::Share { id: &self.id, owner: self.owner() }
    }

    /// Reads the state.
    ///
    /// # Errors
    /// The share was deleted, or has expired.
    pub fn read<T>(&self, read: impl FnOnce(&State) -> T) -> Result<T, Refusal> {
        let mut inner = self.lock();
        inner.used_at = Instant::now();
        if inner.state.is_live() && !self.is_past(&mut inner) {
            Ok(read(&inner.state))
        } else {
            Err(Refusal::not_found(self.id.as_str()))
        }
    }

    /// Makes sure that the state is not older than `max_age`, by reading what other hosts appended.
    ///
    /// # Errors
    /// The bucket did not answer.
    pub async fn catch_up(self: &Arc<Self>, max_age: Duration) -> Result<(), Refusal> {
        if self.context.poll.is_none() || self.lock().fresh_at.age(self.clock()) < max_age {
            return Ok(());
        }
        let operation = StoreOperation::Read;
        self.look().await.map_err(|NotCommitted(trouble)| Refusal::StorageFailure { operation, trouble })
    }

    /// As [`Room::catch_up`], with the age that followers are content with, which is how often the host looks.
    ///
    /// # Errors
    /// The bucket did not answer.
    pub async fn refresh(self: &Arc<Self>) -> Result<(), Refusal> {
        match self.context.poll {
            Some(poll) => self.catch_up(poll).await,
            None => Ok(()),
        }
    }

    /// Whether one of the share's secrets has this hash. Every one is compared.
    #[must_use]
    pub(super) fn has_secret(&self, shown: &SecretHash) -> bool {
        self.lock().state.secrets().fold(false, |found, secret| crate::access::same(secret, shown) | found)
    }

    /// How many follow it.
    #[must_use]
    pub fn followers(&self) -> usize {
        self.followers.load(Ordering::Relaxed)
    }

    pub(super) fn subscribe(&self) {
        self.followers.fetch_add(1, Ordering::Relaxed);
        self.context.metrics.followers.inc();
        self.attend();
    }

    /// Rings when followers are to look.
    pub(super) fn changes(&self) -> &Bell {
        &self.news
    }

    pub(super) fn unsubscribe(&self) {
        self.context.metrics.followers.dec();
        self.leave();
        if self.followers.fetch_sub(1, Ordering::Relaxed) == 1 {
            // Nobody listens: what happened lately need not be held.
            self.lock().recent.clear();
        }
    }

    pub(super) fn audience(&self) -> &Audience {
        &self.audience
    }

    /// Makes the followers look, though the state has not changed.
    pub(super) fn wake_followers(&self) {
        self.news.ring();
    }

    /// Rings when a pass may have come to its end. To wait for it does not count as following.
    pub(super) fn losses(&self) -> &Bell {
        &self.losses
    }

    pub(super) fn clock(&self) -> &dyn Clock {
        self.context.clock.as_ref()
    }

    /// What a follower at `cursor` is to be told. `begun`: it has been told something already; `merging`: it wants what it
    /// missed in one; `pass`: what lets it see anything.
    pub(super) fn after(&self, cursor: Revision, begun: bool, merging: bool, pass: Option<&Pass>) -> After {
        let mut inner = self.lock();
        inner.used_at = Instant::now();
        let is_past = self.is_past(&mut inner);
        let state = &inner.state;
        if is_past || !state.is_live() {
            return After::Ended(Refusal::not_found(self.id.as_str()));
        }
        if let Some(Err(refusal)) = pass.map(|pass| pass.holds(state, self.clock())) {
            return After::Ended(refusal);
        }
        if cursor == state.revision() && (begun || cursor > Revision::EMPTY) {
            return After::Nothing;
        }
        // Who comes back is told what it missed in one, and so is a follower that merges; who keeps up, each event. Nobody who begins
        // at 0 holds the empty state: it is told that first.
        if (begun || cursor > Revision::EMPTY)
            && let Some(event) = inner.recent.after(cursor)
            && (event.step().revision == state.revision() || (begun && !merging))
        {
            return After::Events(VecDeque::from([event]));
        }
        let revision = state.revision();
        let from_nothing = cursor == Revision::EMPTY;
        if from_nothing && let Some(whole) = inner.recent.whole(revision) {
            return After::Events(whole);
        }
        let (reset, changes) = state.changes_since(cursor);
        let resync = (reset && !from_nothing).then(|| Resync::of(cursor, revision));
        let base = if reset { Revision::EMPTY } else { cursor };
        let step = Step { base, revision, sync_count: state.sync_count(), reset, more: false, changes };
        let pieces = pieces(step, resync, self.context.chunk_bytes_max);
        if from_nothing {
            inner.recent.set_whole(revision, &pieces);
        }
        After::Events(pieces)
    }

    /// When it was last used, and the bytes it holds; `None` while it works, or waits for answers of its audience.
    pub(super) fn idle(&self) -> Option<(Instant, usize)> {
        let is_asking = self.audience.is_asked();
        let inner = self.lock();
        (inner.log.is_some() && !is_asking).then(|| (inner.used_at, inner.state.byte_count()))
    }

    /// Takes in what the log holds beyond the state, and tells the followers. Gives its entries, and what each came to.
    fn learn(&self, news: News) -> (Vec<Entry>, Vec<Outcome>) {
        let News { state, entries } = news;
        let anew = state.is_some();
        if let Some(state) = state {
            let mut inner = self.lock();
            inner.state = *state;
            inner.recent.clear();
            inner.agenda.grew(Instant::now());
            self.losses.ring();
        }
        let outcomes = self.fold(&entries);
        if anew && entries.is_empty() {
            self.news.ring();
        }
        (entries, outcomes)
    }

    /// Folds entries in, in the order of the log, and tells the followers.
    fn fold(&self, entries: &[Entry]) -> Vec<Outcome> {
        let mut inner = self.lock();
        let followed = self.followers.load(Ordering::Relaxed) > 0;
        let mut outcomes = Vec::with_capacity(entries.len());
        for entry in entries {
            let outcome = inner.state.apply(entry);
            if let Outcome::Synced { sync_count, revision, changed, replaced } = &outcome
                && !changed.is_empty()
                && followed
            {
                let step = Step {
                    base: revision.before(),
                    revision: *revision,
                    sync_count: *sync_count,
                    reset: false,
                    more: false,
                    changes: changed.clone(),
                };
                inner.recent.push(Arc::new(Event::live(step, replaced.clone())));
            }
            outcomes.push(outcome);
        }
        if entries.iter().any(may_take) {
            self.losses.ring();
        }
        self.count_bytes(&inner.state, true);
        let now = Instant::now();
        self.note_expiry(&mut inner, now);
        inner.used_at = now;
        if !entries.is_empty() {
            inner.agenda.grew(now);
        }
        drop(inner);
        if !entries.is_empty() {
            self.news.ring();
        }
        outcomes
    }

    fn count_bytes(&self, state: &State, grown: bool) {
        if let Some(opened) = state.opened() {
            self.context.quotas.holds(&opened.account, &self.id, state.byte_count(), grown);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether an entry may take from somebody what let them see the share.
fn may_take(entry: &Entry) -> bool {
    match entry {
        Entry::Visibility { .. } | Entry::Revoke { .. } | Entry::Delete { .. } => true,
        Entry::Open { .. } | Entry::Secret { .. } | Entry::Expiry { .. } | Entry::Grant { .. } | Entry::Sync { .. } => {
            false
        }
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        self.context.metrics.rooms.dec();
        let inner = self.inner.get_mut().unwrap_or_else(PoisonError::into_inner);
        if let Some(opened) = inner.state.opened() {
            self.context.quotas.left(&opened.account, &self.id);
        }
    }
}
