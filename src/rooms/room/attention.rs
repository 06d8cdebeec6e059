//! What a room does about news of other hosts: who waits for them, and what hints make of it.
//!
//! Whoever waits holds an [`Attending`], or follows; while anybody does, and for a while after this host wrote, the share is followed at the
//! [carrier](crate::hints). When the room looks is decided by the [agenda](super::agenda).

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::time::Instant;

use super::agenda::{Next, Upkeep};
use super::{Inner, Room};
use crate::hints::{Heard, Hint, Why};
use crate::share::time::Timestamp;

/// What a hint told of.
#[derive(Debug, Clone, Copy)]
pub(super) struct Expected {
    seq: u64,
    at: Timestamp,
}

/// Somebody who waits for news of a room, and is no follower. Dropping it ends that.
#[derive(Debug)]
pub(in crate::rooms) struct Attending(Arc<Room>);

impl Attending {
    /// Waits for news of this room from now on.
    pub(in crate::rooms) fn to(room: &Arc<Room>) -> Self {
        room.attend();
        Self(Arc::clone(room))
    }
}

impl Drop for Attending {
    fn drop(&mut self) {
        self.0.leave();
    }
}

impl Room {
    /// Somebody waits for news. The carrier follows the share first, and the room looks then.
    pub(super) fn attend(&self) {
        let mut inner = self.lock();
        if self.context.poll.is_some() && !self.context.follows_late {
            self.context.hints.attend(&self.id);
        }
        let upkeep = inner.agenda.attended(self.context.hints.is_connected(), Instant::now());
        self.heed(&mut inner, upkeep);
    }

    /// One waits no more.
    pub(super) fn leave(&self) {
        let mut inner = self.lock();
        if inner.agenda.left() {
            // Under the lock, which a condition would let go: for whoever comes next the share is followed again after this.
            self.context.hints.leave(&self.id);
        }
    }

    /// Another host wrote a segment of this share, if the hint is true.
    pub(in crate::rooms) fn hinted(self: &Arc<Self>, hint: &Hint) -> Heard {
        let mut inner = self.lock();
        if let Some(log) = &mut inner.log {
            log.heard_of(hint.seq);
        }
        let is_hole = inner.agenda.is_hole(hint.seq);
        let (heard, upkeep) = inner.agenda.hinted(hint.seq, Instant::now());
        if heard == Heard::Useful {
            inner.expected = Some(Expected { seq: hint.seq, at: hint.at });
            if is_hole {
                self.context.metrics.hints_holes.inc();
            }
            self.see_to(inner, upkeep);
        }
        heard
    }

    /// The room is to look within a time, if anybody waits for its news.
    pub(in crate::rooms) fn look_within(self: &Arc<Self>, time: Duration, why: Why) {
        let mut inner = self.lock();
        let upkeep = inner.agenda.look_within(time, why, Instant::now());
        self.see_to(inner, upkeep);
    }

    /// Hints come from now on, or come no more.
    pub(in crate::rooms) fn connection(self: &Arc<Self>, connected: bool) {
        let mut inner = self.lock();
        let upkeep = inner.agenda.connection(connected, Instant::now());
        self.see_to(inner, upkeep);
    }

    /// The room has the log up to this segment, after a look that a hint asked for.
    pub(super) fn note_lag(&self, segments: u64) {
        let mut inner = self.lock();
        if let Some(Expected { at, .. }) = inner.expected.take_if(|expected| expected.seq <= segments) {
            drop(inner);
            let lag_ms = self.clock().now().0.saturating_sub(at.0).max(0);
            self.context.metrics.hint_lag_seconds.observe(lag_ms as f64 / 1_000.0);
        }
    }

    /// Whoever worked for the room, or waited to, was dropped: those who wait for the room see to it, on runtimes of their own.
    pub(super) fn deserted(&self) {
        self.is_deserted.store(true, Ordering::Release);
        self.news.ring();
        self.losses.ring();
    }

    /// Takes over if the room was deserted. Whoever waits for the room calls this before.
    pub(in crate::rooms) fn take_over(&self) {
        if self.is_deserted.load(Ordering::Acquire) && self.is_deserted.swap(false, Ordering::AcqRel) {
            let mut inner = self.lock();
            if inner.log.is_some() {
                self.plan(&mut inner);
            }
        }
    }

    /// After an event from elsewhere, for which the room need not wait for its alarm.
    fn see_to(self: &Arc<Self>, mut inner: std::sync::MutexGuard<'_, Inner>, upkeep: Upkeep) {
        let is_due = upkeep == Upkeep::Sooner && inner.agenda.next(Instant::now()) == Next::Look;
        if is_due && inner.log.is_some() && Handle::try_current().is_ok() {
            self.start(inner);
        } else {
            self.heed(&mut inner, upkeep);
        }
    }
}
