//! Draining: a host takes no new connections but administrators', and lets those go that it has, evenly over a time.
//!
//! Each connection has a time of its own within the first 0.8 of the drain, in a random order and at equal distances. Then its
//! client is told to [move](crate::connections::moving), and a while later the connection is closed with 1012, as soon as its calls are
//! answered. At the deadline all that are left are closed. Connections that were used to administer stay throughout, so that
//! somebody can see how far the host is, or [take it back](Connections::undrain); they end with the host.
//!
//! Whoever runs the host waits for [`Connections::drained`], and shuts it down then. Which connection goes when is decided in
//! `drain/plan.rs`.

mod plan;

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use self::plan::{Going, grace, plan};
use crate::access::Principal;
use crate::audit::{self, By};
use crate::connections::Connections;
use crate::connections::close::CloseReason;
use crate::connections::entry::Entry;
use crate::share::error::Refusal;
use crate::share::limits::DRAIN_WITHIN_MAX;
use crate::share::time::Timestamp;

/// How often a drain looks whether a busy connection has become idle.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// How long administrators may stay when everybody else has left, so that one of them gets the answer to the call by which it began
/// the drain, or sees that the host is empty.
const ADMINISTRATORS_STAY: Duration = Duration::from_secs(1);

/// How long after its deadline a drain is over in any case: the last goodbyes take at most 2 s.
const GOODBYES_WITHIN: Duration = Duration::from_secs(5);

/// A host that took a write over HTTP so lately is not empty while it still takes them: who writes in this way has no connection
/// here, and may not try again.
const WRITES_WITHIN: Duration = Duration::from_secs(10);

/// The longest time after which somebody who is turned away is told to come back: proxies and clients find another host much sooner.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(30);

/// The drains of one host.
#[derive(Debug, Default)]
pub(super) struct Drains {
    underway: Mutex<Option<Arc<Drain>>>,
    /// Number of drains so far.
    begun: AtomicU64,
    /// A drain has begun, or was taken back.
    turned: Notify,
    /// When the last write over HTTP came.
    written: Mutex<Option<Instant>>,
}

/// A drain that is under way or, until it is taken back, over.
#[derive(Debug)]
struct Drain {
    /// When new work over HTTP is refused.
    refuses_at: Instant,
    deadline: Instant,
    /// It was taken back, or another took its place.
    stopped: CancellationToken,
}

impl Drains {
    fn underway(&self) -> MutexGuard<'_, Option<Arc<Drain>>> {
        self.underway.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now(&self) -> Option<Arc<Drain>> {
        self.underway().clone()
    }

    fn written(&self) -> MutexGuard<'_, Option<Instant>> {
        self.written.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Connections {
    /// Begins to drain: takes no more connections but administrators', and lets those go that there are, evenly over this time;
    /// see `connections/drain.rs`. With a time of 0 all of them are closed at once. A drain that is under way already is replaced. Gives the
    /// number of connections that are to go, which leaves out those that were used to administer.
    ///
    /// # Errors
    /// More than [`DRAIN_WITHIN_MAX`].
    pub fn drain(self: &Arc<Self>, within: Duration) -> Result<usize, Refusal> {
        self.drain_by(By::Host, within)
    }

    /// As [`Connections::drain`], for an administrator's connection that asks for it, until `deadline` by the host's clock.
    ///
    /// # Errors
    /// As [`Connections::drain`].
    pub fn drain_from(self: &Arc<Self>, own: &Entry, who: &Principal, deadline: Timestamp) -> Result<usize, Refusal> {
        let left_ms = deadline.0.saturating_sub(self.ambient.clock.now().0);
        let within = Duration::from_millis(u64::try_from(left_ms).unwrap_or_default());
        self.drain_by(own.by(Some(who)), within)
    }

    fn drain_by(self: &Arc<Self>, by: By<'_>, within: Duration) -> Result<usize, Refusal> {
        if within > DRAIN_WITHIN_MAX {
            let max = DRAIN_WITHIN_MAX.as_secs() / 3_600;
            return Err(Refusal::invalid(
                0,
                format!("a drain may take {max} hours at most: choose an earlier deadline"),
            ));
        }
        let (now, urls) = (Instant::now(), self.other_urls());
        let (refuses_at, deadline) = (now + within * 4 / 5, now + within);
        let drain = Arc::new(Drain { refuses_at, deadline, stopped: CancellationToken::new() });
        let going = {
            let mut underway = self.drains.underway();
            if let Some(before) = underway.replace(Arc::clone(&drain)) {
                before.stopped.cancel();
            }
            let number = self.drains.begun.fetch_add(1, Ordering::Relaxed) + 1;
            let there = self.registry().take_administrators_only();
            let going = there.into_iter().filter(|entry| !entry.is_administering()).collect();
            plan(going, number, now, within, &urls, &self.ambient)
        };
        let count = going.len();
        tokio::spawn(let_go(Arc::downgrade(self), drain, going, grace(within)));
        self.drains.turned.notify_waiters();
        audit::administered(by, "drain", "", count);
        Ok(count)
    }

    /// Takes a drain back: the host takes connections again, and those that are still there stay. Clients that were told to move
    /// may go all the same. Gives the number of connections that are there; without a drain nothing else happens.
    pub fn undrain(&self) -> usize {
        self.undrain_by(By::Host)
    }

    /// As [`Connections::undrain`], for an administrator's connection that asks for it.
    pub fn undrain_from(&self, own: &Entry, who: &Principal) -> usize {
        self.undrain_by(own.by(Some(who)))
    }

    fn undrain_by(&self, by: By<'_>) -> usize {
        let there = {
            let mut underway = self.drains.underway();
            if let Some(drain) = underway.take() {
                drain.stopped.cancel();
            }
            self.registry().take_all()
        };
        there.iter().for_each(|entry| entry.set_moving(None));
        self.drains.turned.notify_waiters();
        audit::administered(by, "undrain", "", there.len());
        there.len()
    }

    /// Whether the host drains, or has drained and waits to be shut down.
    #[must_use]
    pub fn is_draining(&self) -> bool {
        self.drains.now().is_some()
    }

    /// Resolves when a drain begins or is taken back, after this was called.
    pub async fn drain_turns(&self) {
        self.drains.turned.notified().await;
    }

    /// Tells, for ever, whether the host drains: at once, and whenever that has changed.
    pub async fn follow_drains(&self, tell: impl Fn(bool)) {
        loop {
            // From here on no change is missed.
            let turned = self.drains.turned.notified();
            tell(self.is_draining());
            turned.await;
        }
    }

    /// Resolves when a drain begins, or at once if one has.
    pub async fn draining(&self) {
        loop {
            let turned = self.drains.turned.notified();
            if self.is_draining() {
                return;
            }
            turned.await;
        }
    }

    /// Notes a write over HTTP, which has no connection here.
    ///
    /// # Errors
    /// The host drains, and the last fifth of the time has begun: the writer is to come back to another host, in 1 to 3 s.
    pub fn note_write(&self) -> Result<(), Refusal> {
        let now = Instant::now();
        if self.drains.now().is_some_and(|drain| now >= drain.refuses_at) {
            return Err(Refusal::Unavailable { retry_after_ms: self.spread_ms(1_000, 2_000) });
        }
        *self.drains.written() = Some(now);
        Ok(())
    }

    /// Resolves when a drain has come to its end: nobody is connected any more but administrators, who have had a second to see
    /// that; or a few seconds after the deadline, whoever is left. While nobody drains it waits. What is to be done then is to
    /// shut the host down.
    pub async fn drained(&self) {
        let mut empty_since = None;
        loop {
            let (turned, left) = (self.drains.turned.notified(), self.registry().somebody_leaves());
            let Some(drain) = self.drains.now() else {
                empty_since = None;
                turned.await;
                continue;
            };
            let now = Instant::now();
            let over = drain.deadline + GOODBYES_WITHIN;
            let (taken, administering) = self.registry().taken_and_administering();
            let written = (*self.drains.written()).map(|at| (at + WRITES_WITHIN).min(drain.refuses_at));
            let look_at = if let Some(written) = written.filter(|until| *until > now) {
                written
            } else if taken > administering {
                empty_since = None;
                over
            } else {
                let stay = if taken > 0 { ADMINISTRATORS_STAY } else { Duration::ZERO };
                *empty_since.get_or_insert(now) + stay
            };
            if now >= look_at.min(over) {
                return;
            }
            tokio::select! {
                // In a fixed order, so that a seed gives one history.
                biased;
                () = turned => {}
                () = left => {}
                () = sleep_until(look_at.min(over)) => {}
            }
        }
    }

    /// The refusal of somebody whom the registry does not take, with a time to come back after that is spread over what is left of
    /// a drain.
    pub(super) fn turned_away(&self, refusal: Refusal) -> Refusal {
        match (refusal, self.drains.now()) {
            (Refusal::Unavailable { retry_after_ms }, Some(drain)) => {
                let left = drain.deadline.saturating_duration_since(Instant::now()).min(RETRY_AFTER_MAX);
                let left_ms = u32::try_from(left.as_millis()).unwrap_or(u32::MAX);
                Refusal::Unavailable { retry_after_ms: self.spread_ms(retry_after_ms, left_ms) }
            }
            (refusal, _) => refusal,
        }
    }

    /// A time from `least_ms` on, by up to `more_ms` longer.
    fn spread_ms(&self, least_ms: u32, more_ms: u32) -> u32 {
        let random = self.ambient.bits().unwrap_or_default() as u32;
        least_ms.saturating_add(((u64::from(random) * u64::from(more_ms)) >> 32) as u32)
    }

    /// Closes connections that are idle, and leaves those that are not.
    fn close_idle(&self, busy: &mut Vec<Weak<Entry>>) {
        busy.retain(|entry| {
            let Some(entry) = entry.upgrade().filter(|entry| !entry.is_closed()) else { return false };
            // What administers by now stays.
            if !entry.is_administering() && entry.traffic.calls_in_flight() == 0 {
                self.registry().close_one(&entry, &CloseReason::GOING_AWAY);
            }
            !entry.is_closed()
        });
    }
}

/// Carries a drain out: tells each connection to move when its time has come, and closes it `grace` later, when it is idle.
async fn let_go(connections: Weak<Connections>, drain: Arc<Drain>, going: Vec<Going>, grace: Duration) {
    let mut going = VecDeque::from(going);
    let (mut told, mut busy) = (VecDeque::new(), Vec::new());
    loop {
        let now = Instant::now();
        {
            // Gone with the connections; a host that shuts down closes the rest by itself.
            let Some(connections) = connections.upgrade() else { return };
            // While this is held nobody takes the drain back: after that nobody is told or closed any more.
            let _underway = connections.drains.underway();
            if drain.stopped.is_cancelled() {
                return;
            }
            while let Some(Going { at, entry, moving }) = going.pop_front_if(|going| going.at <= now) {
                if let Some(entry) = entry.upgrade() {
                    entry.set_moving(moving);
                }
                told.push_back((at + grace, entry));
            }
            while let Some((_, entry)) = told.pop_front_if(|(at, _)| *at <= now) {
                busy.push(entry);
            }
            connections.close_idle(&mut busy);
            if now >= drain.deadline {
                connections.registry().close_matching(CloseReason::GOING_AWAY, |entry| !entry.is_administering());
                return;
            }
        }
        let next = going.front().map(|going| going.at);
        let next = next.into_iter().chain(told.front().map(|(at, _)| *at));
        let next = next.chain((!busy.is_empty()).then(|| now + LOOK_EVERY)).fold(drain.deadline, Instant::min);
        tokio::select! {
            biased;
            () = drain.stopped.cancelled() => return,
            () = sleep_until(next) => {}
        }
    }
}
