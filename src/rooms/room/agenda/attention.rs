//! When a room looks for what other hosts wrote without having been asked for a state: while anybody waits for its news, and because of
//! hints.
//!
//! Without a carrier a room that is waited for looks every so often. With one it looks when somebody begins to wait (at once, for
//! what came before the carrier followed the share, and twice more, because that may take a while to come into effect), when a hint tells of
//! a segment that it does not have, and once a minute all the same, for the last hint may be lost. A hint makes one look, true or not: if it
//! was wrong, the next one waits for a second.

use std::time::Duration;

use tokio::time::Instant;

use super::facts::Upkeep;
use super::timers::Timer;
use super::{Agenda, SPACING};
use crate::hints::{Heard, WROTE_LATELY, Why};

/// After what times a room looks for which somebody began to wait.
const BEGIN: [Duration; 3] = [Duration::ZERO, Duration::from_secs(1), Duration::from_secs(5)];

/// Looks because of hints that one append waits for. Where another host writes faster than this one reads, there is always one more.
const LOOKS_FIRST_MAX: usize = 4;

/// How long a share has not changed that counts as rested.
pub(super) const RESTED: Duration = Duration::from_secs(600);

/// The time over which all rooms of a host look if hints may have been lost.
const SPREAD: Duration = Duration::from_secs(1);

/// Who waits for news of a room, and what was heard of it.
#[derive(Debug, Default)]
pub(super) struct Attention {
    /// How many wait for news.
    waiting: usize,
    /// A carrier brings hints.
    connected: bool,
    /// When somebody began to wait, and how many of the looks for that were made; `None`: all of them.
    begun: Option<(Instant, usize)>,
    /// Why it looks when [`Timer::News`] rings.
    why: Option<Why>,
    /// When a look is due that was asked for since the last one to the log's end began, and why.
    asked: Option<(Instant, Why)>,
    /// The highest number of a segment that a hint named and the log does not have.
    hinted: Option<u64>,
    /// When this host last wrote to the log.
    wrote_at: Option<Instant>,
    /// The hint because of which the round that is under way was begun.
    round: Option<u64>,
    /// The round that is under way reads no further than that hint.
    is_short: bool,
    /// Looks for which what is to be appended has waited, one after the other.
    looks_first: usize,
}

/// The look that a round is, unless it appends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::rooms::room) struct Look {
    /// Why it is made.
    pub(in crate::rooms::room) why: Why,
    /// The number of the segment that it is about; `None`: it goes to the log's end.
    pub(in crate::rooms::room) up_to: Option<u64>,
}

impl Agenda {
    /// Somebody waits for news from now on. `connected`: a carrier brings hints, and follows the share.
    pub(in crate::rooms::room) fn attended(&mut self, connected: bool, now: Instant) -> Upkeep {
        self.event(now, |agenda| {
            agenda.attention.waiting += 1;
            if agenda.attention.waiting == 1 {
                agenda.attention.connected = connected;
                agenda.attention.begun = connected.then_some((now, 0));
                agenda.arm_news(now, true);
            }
        })
    }

    /// One waits no more. Says whether nobody does.
    pub(in crate::rooms::room) fn left(&mut self) -> bool {
        self.attention.waiting = self.attention.waiting.saturating_sub(1);
        let nobody = self.attention.waiting == 0;
        if nobody {
            (self.attention.begun, self.attention.asked) = (None, None);
            self.timers.put(Timer::News, None);
        }
        nobody
    }

    /// A hint names a segment of this number.
    pub(in crate::rooms::room) fn hinted(&mut self, seq: u64, now: Instant) -> (Heard, Upkeep) {
        let is_known = seq <= self.facts.segments || self.attention.hinted.is_some_and(|hinted| seq <= hinted);
        if is_known || !self.listens(now) {
            return (Heard::Useless, Upkeep::Unchanged);
        }
        let upkeep = self.event(now, |agenda| {
            agenda.attention.hinted = Some(seq);
            let at = agenda.timers.get(Timer::Doubt).map_or(now, |doubt| doubt.max(now));
            agenda.timers.put(Timer::Hint, Some(at));
        });
        (Heard::Useful, upkeep)
    }

    /// Whether a hint tells of a segment that does not come directly after the log that is known.
    pub(in crate::rooms::room) fn is_hole(&self, seq: u64) -> bool {
        seq > self.facts.segments + 1
    }

    /// Hints come from now on, or come no more.
    pub(in crate::rooms::room) fn connection(&mut self, connected: bool, now: Instant) -> Upkeep {
        self.attention.connected = connected;
        let Some(polls) = self.rules.polls else { return Upkeep::Unchanged };
        if connected {
            return self.look_within(SPREAD, Why::Reconnect, now);
        }
        self.look_within(polls.plain, Why::Floor, now)
    }

    /// The room is to look within a time, if anybody waits for its news.
    pub(in crate::rooms::room) fn look_within(&mut self, time: Duration, why: Why, now: Instant) -> Upkeep {
        let Some(polls) = self.rules.polls.filter(|_| self.attention.waiting > 0) else { return Upkeep::Unchanged };
        self.event(now, |agenda| {
            let at = now + polls.part(time);
            if agenda.attention.asked.is_none_or(|(asked, _)| asked >= at) {
                agenda.attention.asked = Some((at, why));
            }
            if agenda.timers.get(Timer::News).is_none_or(|news| news >= at) {
                agenda.timers.put(Timer::News, Some(at));
                agenda.attention.why = Some(why);
            }
        })
    }

    /// Whether a hint is to be looked after now, before anything is appended: what another host wrote comes before it. An append waits for
    /// a few such looks, and not for as long as hints come.
    pub(super) fn looks_first(&self, now: Instant) -> bool {
        let is_hinted = self.timers.get(Timer::Hint).is_some_and(|at| at <= now);
        self.facts.live && is_hinted && self.attention.looks_first < LOOKS_FIRST_MAX
    }

    /// A round begins, which leaves so many entries that are to be appended.
    pub(super) fn counts_looks_first(&mut self, left: usize) {
        let waits = left > 0 && left == self.in_queue().appends;
        self.attention.looks_first = if waits { self.attention.looks_first + 1 } else { 0 };
    }

    /// When the room looks next without having been asked.
    pub(super) fn news_at(&self) -> Option<Instant> {
        self.timers.first(&[Timer::News, Timer::Hint]).filter(|_| self.facts.live)
    }

    /// A round begins for which so many asked. Gives the look that it is, if it appends nothing.
    pub(super) fn begins_to_look(&mut self, asked: usize, now: Instant) -> Look {
        let is_due = |timer| self.timers.get(timer).is_some_and(|at| at <= now);
        let (by_hint, by_news) = (is_due(Timer::Hint), is_due(Timer::News));
        if by_news && let Some((begun, made)) = &mut self.attention.begun {
            *made = BEGIN.iter().filter(|after| *begun + **after <= now).count().max(*made);
        }
        self.attention.round = self.attention.hinted.filter(|_| by_hint);
        self.attention.is_short = by_hint && !by_news && asked == 0 && !self.for_upkeep;
        if !self.attention.is_short {
            self.attention.asked = None;
        }
        let why = match self.attention.why {
            _ if by_hint => Why::Hint,
            Some(why) if by_news => why,
            _ if asked > 0 => Why::Read,
            _ => Why::Fold,
        };
        Look { why, up_to: self.attention.round.filter(|_| self.attention.is_short) }
    }

    /// The round is over. `appended`: it was an append.
    pub(super) fn has_looked(&mut self, carried_out: bool, now: Instant) {
        let (round, segments) = (self.attention.round.take(), self.facts.segments);
        let is_wrong = carried_out && round.is_some_and(|hinted| hinted > segments);
        if is_wrong {
            self.timers.put(Timer::Doubt, Some(now + SPACING));
        }
        let is_over = |hinted: u64| hinted <= segments || (is_wrong && Some(hinted) == round);
        if self.attention.hinted.is_some_and(is_over) {
            self.attention.hinted = None;
        }
        let hint_at = match self.attention.hinted {
            None => None,
            Some(_) if is_wrong || !carried_out => Some(now + SPACING),
            Some(_) => self.timers.get(Timer::Hint),
        };
        self.timers.put(Timer::Hint, hint_at);
        if !self.attention.is_short {
            self.arm_news(now, carried_out);
        }
    }

    /// This host writes to the log.
    pub(super) fn writes(&mut self, now: Instant) {
        self.attention.wrote_at = Some(now);
    }

    /// Whether hints are for this room: somebody waits for its news, or is about to write to it.
    fn listens(&self, now: Instant) -> bool {
        let Attention { waiting, wrote_at, .. } = self.attention;
        let wrote_lately = wrote_at.is_some_and(|at| now.saturating_duration_since(at) < WROTE_LATELY);
        self.facts.live && self.rules.polls.is_some() && (waiting > 0 || wrote_lately)
    }

    /// Sets the timer of the next look that no hint asks for. `carried_out`: the last one was not in vain.
    fn arm_news(&mut self, now: Instant, carried_out: bool) {
        let Some(polls) = self.rules.polls.filter(|_| self.attention.waiting > 0) else {
            self.timers.put(Timer::News, None);
            return;
        };
        let has_rested = now.saturating_duration_since(self.grown_at) >= RESTED;
        let plain = if has_rested { polls.rested } else { polls.plain };
        let next_of_begin = self.attention.begun.and_then(|(begun, made)| BEGIN.get(made).map(|after| begun + *after));
        let (at, why) = match next_of_begin {
            Some(at) => (at, Why::Begin),
            None if self.attention.connected => (polls.turn_after(now), Why::Floor),
            None => (now + plain, Why::Floor),
        };
        // What failed is tried again as if there were no hints.
        let at = if carried_out { at } else { at.min(now + polls.plain) };
        self.attention.begun = self.attention.begun.filter(|_| why == Why::Begin);
        // What was asked for while the room looked may be about what came after it had read.
        let (at, why) = self.attention.asked.filter(|(asked, _)| *asked < at).unwrap_or((at, why));
        self.attention.why = Some(why);
        self.timers.put(Timer::News, Some(at));
    }
}
