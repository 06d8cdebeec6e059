//! The agenda of a room: what is to be done for it, and when. Pure: it knows no task, lock, log or clock.
//!
//! What happens to a room is told to its agenda as events, and [`Agenda::next`] says what is to be done. All that a room waits for
//! stands in one [`TimerTable`]. The [driver](super::driver) does what the agenda says, and tells it the events of its own rounds;
//! it asks again after each. An event that comes from elsewhere gives an [`Upkeep`], which says whether the driver or the alarm, where
//! one of them waits, has to ask again sooner than it was told.
//!
//! A *round* of the driver is one append, or one look at what other hosts appended. After each, and only then, the log may be
//! folded: so between two appends, and once a room that was left alone was found unchanged.

use std::time::Duration;

use tokio::time::Instant;

use super::SEGMENT_BYTES_MAX;
use crate::share::time::Timestamp;
use crate::store::Occasion;

mod attention;
mod batching;
mod expiry;
mod facts;
mod timers;

use attention::Attention;
use batching::Batching;
use timers::{Timer, TimerTable};

pub(super) use attention::Look;
pub(super) use facts::{Deletion, Facts, Next, Polls, Queued, Rules, Stand, Upkeep};

/// How long a fold that failed is not tried again.
const AFTER_FAILURE: Duration = Duration::from_secs(30);

/// How long a share is left alone before it is folded if that costs next to nothing: longer than a producer that is at work
/// leaves between two syncs, and not so long that somebody who is sent the link finds it as it was. A longer one than
/// [`fold_after`](crate::hub::HubSettings::fold_after) says nothing.
const PAUSE: Duration = Duration::from_secs(1);

/// Shortest time between two rounds that are begun for upkeep.
pub(super) const SPACING: Duration = Duration::from_secs(1);

/// How many times the idle time a share is left alone before it is folded whatever it costs.
const STILL: u32 = 10;

/// How long a room waits for its share's expiry at a stretch before it looks at the clock again: clocks jump, and timers have an end.
const STRETCH_MAX: Duration = Duration::from_secs(24 * 60 * 60);

/// How long after a deletion that the bucket did not carry out, or that is left to a host with a right clock, it is tried again.
pub(super) const DELETE_AGAIN: Duration = Duration::from_secs(60);

/// What is to be done for a room, and when.
#[derive(Debug)]
pub(super) struct Agenda {
    rules: Rules,
    timers: TimerTable,
    queued: Queued,
    facts: Facts,
    /// The state that the index knows of.
    described: Option<Stand>,
    batching: Batching,
    attention: Attention,
    /// When the log last grew.
    grown_at: Instant,
    /// One object would have cost too much when the room fell idle.
    deferred: bool,
    /// The room is about to leave memory, and does not wait to be idle.
    leaving: bool,
    /// A look is due at once, as the room is about to leave memory.
    last_look: bool,
    /// The round that is under way was begun when upkeep was due.
    for_upkeep: bool,
    /// What the last round is followed by.
    fold: Option<(Occasion, bool)>,
    /// A fold, or what a listing says, is being written.
    writing: bool,
    expires_at: Option<Timestamp>,
    /// A deletion is on its way.
    deleting: bool,
    /// The last deletion failed, and waits to be tried again.
    delete_again: bool,
}

impl Agenda {
    /// The agenda of a room that was just loaded. `described`: the index knows the state already.
    pub(super) fn new(rules: Rules, facts: Facts, described: bool, now: Instant) -> Self {
        let mut agenda = Self {
            rules,
            timers: TimerTable::default(),
            queued: Queued::default(),
            // Who opens a log has not written to it.
            facts: Facts { cheap: false, ..facts },
            described: described.then_some(facts.stand),
            batching: Batching::default(),
            attention: Attention::default(),
            grown_at: now,
            deferred: false,
            leaving: false,
            last_look: false,
            for_upkeep: false,
            fold: None,
            writing: false,
            expires_at: None,
            deleting: false,
            delete_again: false,
        };
        agenda.arm_upkeep();
        agenda
    }

    /// What is to be done now, or until when nothing is.
    pub(super) fn next(&self, now: Instant) -> Next {
        if let Some((occasion, describe)) = self.fold {
            return Next::Fold { occasion, describe };
        }
        let delete_at = self.delete_at();
        if delete_at.is_some_and(|at| at <= now) {
            return Next::Delete;
        }
        let Queued { appends, looks, .. } = self.queued;
        if appends > 0 && self.looks_first(now) {
            return Next::Look;
        }
        if appends + looks > 0 {
            return match self.gathered_at(now).filter(|at| *at > now) {
                Some(at) => Next::Gather(delete_at.map_or(at, |delete_at| delete_at.min(at))),
                None if appends > 0 => Next::Append,
                None => Next::Look,
            };
        }
        match self.later() {
            _ if self.last_look => Next::Look,
            // A deletion that is due was next above.
            Some(at) if at <= now => Next::Look,
            Some(at) => Next::Sleep(at),
            None => Next::Rest,
        }
    }

    /// When something is to be done for a room in which nothing is queued.
    pub(super) fn later(&self) -> Option<Instant> {
        self.upkeep_at().into_iter().chain(self.delete_at()).chain(self.news_at()).min()
    }

    /// What waits in the queue.
    pub(super) fn in_queue(&self) -> Queued {
        self.queued
    }

    /// A job was queued: these are to be added to what waits.
    pub(super) fn queued(&mut self, job: Queued, now: Instant) -> Upkeep {
        self.event(now, |agenda| agenda.queued = agenda.queued.and(job))
    }

    /// A driver may begin a round: from now on the callers whom the last append answered are waited for.
    pub(super) fn gathers(&mut self, now: Instant) {
        if self.rules.linger.is_zero()
            && self.timers.get(Timer::Batching).is_none()
            && let Next::Gather(_) = self.next(now)
        {
            self.timers.put(Timer::Batching, self.batching.patience().map(|patience| now + patience));
        }
    }

    /// A round begins, for which so many asked who wait for no append. It took what waited but for this, which was too much for one
    /// segment, or has to come after the look. Gives the look that the round is, if it appends nothing.
    pub(super) fn begins(&mut self, left: Queued, asked: usize, now: Instant) -> Look {
        self.for_upkeep = self.last_look || self.upkeep_at().is_some_and(|at| at <= now);
        self.last_look = false;
        if self.for_upkeep {
            self.timers.put(Timer::Spacing, Some(now + SPACING));
        }
        self.counts_looks_first(left.appends);
        self.queued = left;
        self.timers.put(Timer::Batching, None);
        self.begins_to_look(asked, now)
    }

    /// The round's entries are sent to the bucket, for the first time or again.
    pub(super) fn appends(&mut self, now: Instant) {
        self.timers.put(Timer::Linger, Some(now + self.rules.linger));
        self.writes(now);
    }

    /// So many entries are in the bucket, and their append took so long.
    pub(super) fn appended(&mut self, count: usize, took: Duration) {
        self.batching = Batching { count, took };
    }

    /// The log grew, by this host or by another.
    pub(super) fn grew(&mut self, now: Instant) {
        self.grown_at = now;
        if std::mem::take(&mut self.deferred) {
            // What was put off until all is still is no reason to fold nothing while it is not.
            self.timers.put(Timer::Retry, None);
        }
        self.arm_upkeep();
    }

    /// The round is over: the bucket carried it out or not, and this is how the log stands now.
    pub(super) fn ends(&mut self, facts: Facts, carried_out: bool, now: Instant) {
        self.facts = facts;
        if self.for_upkeep && !carried_out {
            self.timers.put(Timer::Retry, Some(now + AFTER_FAILURE));
        }
        self.has_looked(carried_out, now);
        self.arm_upkeep();
        self.fold = self.occasion(now);
        self.for_upkeep = false;
    }

    /// The log was asked for the fold that was next. `made`: it gave one; `writes`: that, or what a listing says, is being written.
    pub(super) fn folds(&mut self, made: bool, writes: bool, now: Instant) {
        let Some((occasion, _)) = self.fold.take() else { return };
        if occasion != Occasion::Busy {
            // Until there is more to fold.
            self.facts.cheap = false;
        }
        if matches!(occasion, Occasion::Idle | Occasion::Still) {
            self.deferred = !made && self.facts.unfolded;
            if occasion == Occasion::Still && self.deferred {
                self.timers.put(Timer::Retry, Some(now + self.rules.fold_after * STILL));
            }
        }
        self.writing = writes;
        self.arm_upkeep();
    }

    /// The log was told of a fold that was written, and stands so now.
    pub(super) fn notes(&mut self, facts: Facts) {
        self.facts = facts;
        self.arm_upkeep();
    }

    /// What was being written is in the bucket, and the index knows of this state; `None`: it failed.
    pub(super) fn written(&mut self, described: Option<Stand>, now: Instant) -> Upkeep {
        self.event(now, |agenda| {
            agenda.writing = false;
            match described {
                None => agenda.timers.put(Timer::Retry, Some(now + AFTER_FAILURE)),
                described => agenda.described = described,
            }
            agenda.arm_upkeep();
        })
    }

    /// The room is about to leave memory: what would be done later is to be done at once.
    pub(super) fn leaves(&mut self) {
        if self.upkeep_at().is_some() {
            (self.leaving, self.last_look) = (true, true);
            self.arm_upkeep();
        }
    }

    /// The driver was dropped half way, and what was queued with it.
    pub(super) fn dropped(&mut self) {
        (self.queued, self.fold, self.for_upkeep) = (Queued::default(), None, false);
        self.timers.put(Timer::Batching, None);
    }

    /// Notes an event from elsewhere, and says whether something is due sooner by it.
    fn event(&mut self, now: Instant, note: impl FnOnce(&mut Self)) -> Upkeep {
        let before = self.due_at(now);
        note(self);
        let sooner = match (before, self.due_at(now)) {
            (Some(before), Some(after)) => after < before,
            (before, after) => before.is_none() && after.is_some(),
        };
        if sooner { Upkeep::Sooner } else { Upkeep::Unchanged }
    }

    /// When something is to be done, `now` at the earliest.
    fn due_at(&self, now: Instant) -> Option<Instant> {
        match self.next(now) {
            Next::Gather(at) | Next::Sleep(at) => Some(at),
            Next::Append | Next::Look | Next::Fold { .. } | Next::Delete => Some(now),
            Next::Rest => None,
        }
    }

    /// Until when what is queued waits for more; `None`: it does not. Where writes are paid for, it waits for the linger; else for
    /// as many as the last append answered. Callers that always have a call under way come back one after the other, and the
    /// first to do so would have a segment to itself, and the others wait for two.
    fn gathered_at(&self, now: Instant) -> Option<Instant> {
        let Queued { appends, looks, bytes, urgent } = self.queued;
        if bytes == 0 || bytes >= SEGMENT_BYTES_MAX || urgent {
            None
        } else if self.rules.linger.is_zero() {
            let patience = self.batching.patience().filter(|_| appends + looks < self.batching.count)?;
            Some(self.timers.get(Timer::Batching).unwrap_or(now + patience))
        } else {
            self.timers.get(Timer::Linger)
        }
    }

    /// When the room is to be looked at for the sake of a fold or of the index; `None`: there is nothing to do.
    fn upkeep_at(&self) -> Option<Instant> {
        if !self.facts.live || self.writing {
            return None;
        }
        let at = self.timers.first(&[Timer::Pause, Timer::Idle, Timer::Still, Timer::Describe])?;
        Some([Timer::Spacing, Timer::Retry].into_iter().filter_map(|held| self.timers.get(held)).fold(at, Instant::max))
    }

    /// Sets the timers of upkeep, after anything that they depend on has changed.
    fn arm_upkeep(&mut self) {
        let Facts { unfolded, cheap, stand, .. } = self.facts;
        let (grown_at, idle_at) = (self.grown_at, self.grown_at + self.idle_after());
        let still_at = grown_at + self.rules.fold_after * STILL;
        self.timers.put(Timer::Pause, cheap.then_some(grown_at + PAUSE));
        self.timers.put(Timer::Idle, (unfolded && !self.deferred).then_some(idle_at));
        self.timers.put(Timer::Still, (unfolded && self.deferred).then_some(still_at));
        self.timers.put(Timer::Describe, (self.described != Some(stand)).then_some(idle_at));
    }

    /// How long the log must not have grown for the room to be idle.
    fn idle_after(&self) -> Duration {
        match (self.leaving, self.facts.own) {
            (true, _) => Duration::ZERO,
            (false, true) => self.rules.fold_after,
            (false, false) => self.rules.fold_after * 2,
        }
    }

    /// The occasion that the end of a round is for a fold, and whether the index is to be told; `None`: no fold may be made.
    fn occasion(&self, now: Instant) -> Option<(Occasion, bool)> {
        let held = self.timers.get(Timer::Retry).is_some_and(|until| now < until);
        if self.writing || held || !self.facts.live {
            return None;
        }
        let alone = now.duration_since(self.grown_at);
        let idle = self.for_upkeep && alone >= self.idle_after();
        let occasion = if idle && alone >= self.rules.fold_after * STILL {
            Occasion::Still
        } else if idle {
            Occasion::Idle
        } else if self.for_upkeep && self.facts.cheap && alone >= PAUSE {
            Occasion::Pause
        } else {
            Occasion::Busy
        };
        Some((occasion, idle && self.described != Some(self.facts.stand)))
    }
}

#[cfg(test)]
mod tests;
