//! The part of the agenda that is about a share's expiry: when it is to be deleted, and what became of that.

use std::time::Duration;

use tokio::time::Instant;

use super::facts::{Deletion, Upkeep};
use super::timers::Timer;
use super::{Agenda, DELETE_AGAIN, STRETCH_MAX};
use crate::share::time::Timestamp;

impl Agenda {
    /// The share expires at this time, by a clock that says `clock`; `None`: it does not.
    pub(in crate::rooms::room) fn expires(&mut self, at: Option<Timestamp>, clock: Timestamp, now: Instant) {
        if self.expires_at != at {
            self.expires_at = at;
            self.wait_for_expiry(clock, now);
        }
    }

    /// Somebody found, by the clock, that the share's time is over.
    pub(in crate::rooms::room) fn is_past(&mut self, now: Instant) -> Upkeep {
        self.event(now, |agenda| {
            if !agenda.delete_again {
                agenda.timers.put(Timer::Expiry, Some(now));
            }
        })
    }

    /// A deletion was next. Whether it is to be begun: not if the share's time is not over by the clock.
    pub(in crate::rooms::room) fn deletes(&mut self, clock: Timestamp, now: Instant) -> bool {
        // One that failed may have got half way, and then the share has no expiry any more.
        self.deleting = self.delete_again || self.expires_at.is_some_and(|at| at <= clock);
        if !self.deleting {
            self.wait_for_expiry(clock, now);
        }
        self.deleting
    }

    /// A deletion that was begun is over.
    pub(in crate::rooms::room) fn deleted(&mut self, deletion: Deletion, clock: Timestamp, now: Instant) -> Upkeep {
        self.event(now, |agenda| {
            agenda.deleting = false;
            agenda.delete_again = deletion == Deletion::Failed;
            match deletion {
                Deletion::Done => agenda.timers.put(Timer::Expiry, None),
                Deletion::Moved => agenda.wait_for_expiry(clock, now),
                Deletion::Failed => agenda.timers.put(Timer::Expiry, Some(now + DELETE_AGAIN)),
            }
        })
    }

    /// When the share is to be deleted, or its clock to be looked at; `None`: never, or a deletion is on its way.
    pub(super) fn delete_at(&self) -> Option<Instant> {
        self.timers.get(Timer::Expiry).filter(|_| !self.deleting)
    }

    fn wait_for_expiry(&mut self, clock: Timestamp, now: Instant) {
        self.delete_again = false;
        let left =
            |at: Timestamp| Duration::from_millis(u64::try_from(at.0.saturating_sub(clock.0)).unwrap_or_default());
        self.timers.put(Timer::Expiry, self.expires_at.map(|at| now + left(at).min(STRETCH_MAX)));
    }
}
