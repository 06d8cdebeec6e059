//! Results that the peer may ask for, and what became of the calls whose results are not there.
//!
//! A peer may make many calls at once and ask for their results afterwards, in frames that lie behind all of the calls. So a result
//! keeps its place for some time. While all places are taken, new calls are refused before they run.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::super::limits::Limits;
use super::super::value::Fault;
use super::Session;
use super::node::NODE_BYTES;

/// Rows of calls without results of which it is known what became of them. Those of the oldest row are forgotten first.
const ROWS_MAX: usize = 256;

/// Bytes that a push must find free, beside its node: an error that is its result.
const ERROR_BYTES: usize = 1 << 10;

/// Why there is no place for one more call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Full {
    Calls,
    Results,
    Bytes,
}

/// What became of a call whose result is not there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Absent {
    /// It was refused before it ran.
    Refused(Full),
    /// It ran, and its result was dropped.
    Dropped,
}

/// The results of the peer's calls.
#[derive(Debug, Default)]
pub(super) struct Results {
    /// When each was made; `None` if the peer has fetched it.
    made: BTreeMap<i64, Option<Duration>>,
    /// By age: those that were fetched, then the oldest.
    order: BTreeSet<(Option<Duration>, i64)>,
    /// Calls without an entry in the table, whose release is still to come.
    owed: u64,
    /// What became of calls without results: rows of numbers, from the first to the last of each. Bound: [`ROWS_MAX`].
    absent: BTreeMap<i64, (i64, Absent)>,
}

impl Results {
    fn put(&mut self, id: i64, at: Option<Duration>) {
        self.remove(id);
        self.made.insert(id, at);
        self.order.insert((at, id));
    }

    /// A result is there that the peer has not asked for.
    pub(super) fn made(&mut self, id: i64, now: Duration) {
        self.put(id, Some(now));
    }

    /// A result was sent to the peer, which has not released it yet.
    pub(super) fn fetched(&mut self, id: i64) {
        self.put(id, None);
    }

    pub(super) fn remove(&mut self, id: i64) {
        if let Some(at) = self.made.remove(&id) {
            self.order.remove(&(at, id));
        }
    }

    fn len(&self) -> usize {
        self.made.len()
    }

    fn oldest(&self) -> Option<i64> {
        self.order.first().map(|(_, id)| *id)
    }

    /// The oldest that was fetched or is old enough to give its place to others.
    fn old(&self, now: Duration, kept_for: Duration) -> Option<i64> {
        let is_old = |at: &Option<Duration>| at.is_none_or(|at| at + kept_for <= now);
        self.order.first().filter(|(at, _)| is_old(at)).map(|(_, id)| *id)
    }

    /// Takes a release of a call that has no entry. Gives whether there can be one.
    pub(super) fn is_owed(&mut self) -> bool {
        let is_owed = self.owed > 0;
        self.owed -= u64::from(is_owed);
        is_owed
    }

    fn note(&mut self, id: i64, what: Absent) {
        self.owed += 1;
        if let Some((_, (last, before))) = self.absent.range_mut(..id).next_back()
            && *last == id - 1
            && *before == what
        {
            *last = id;
            return;
        }
        self.absent.insert(id, (id, what));
        if self.absent.len() > ROWS_MAX {
            self.absent.pop_first();
        }
    }

    fn what_became(&self, id: i64) -> Option<Absent> {
        let (_, (last, what)) = self.absent.range(..=id).next_back()?;
        (id <= *last).then_some(*what)
    }
}

impl Full {
    /// The error of a call that is refused.
    pub(super) fn fault(self, limits: &Limits) -> Fault {
        let advice = "the call was not carried out: await the calls that are on their way before making more";
        let (limit, max) = match self {
            Self::Calls => ("calls", limits.calls),
            Self::Results => ("calls", limits.results),
            Self::Bytes => ("heldBytes", limits.held_bytes),
        };
        Fault::passing(limit, max, advice)
    }
}

impl Session {
    /// Tells the session the time since it began, which is as late as the last one that it was told, or later.
    pub fn set_now(&mut self, now: Duration) {
        self.now = self.now.max(now);
    }

    /// Changes the bounds: what is there already stays, and what comes is measured by the new ones. [`Limits::work`] stays as it was.
    pub fn set_limits(&mut self, limits: Limits) {
        self.limits = limits;
    }

    /// Whether so many bytes more may be held: old results are dropped for them if need be. An embedder that is about to make a large
    /// answer asks this first, and waits if there is no room.
    pub fn has_room(&mut self, bytes: usize) -> bool {
        let is_there = self.make_room(bytes).is_none();
        self.finish_step();
        is_there
    }

    /// Why one more call has no place; `None`: it has one.
    pub(super) fn is_full(&mut self) -> Option<Full> {
        if self.counts.calls >= self.limits.calls {
            return Some(Full::Calls);
        }
        while self.counts.calls + self.results.len() >= self.limits.results {
            if !self.drop_an_old_result() {
                return Some(Full::Results);
            }
        }
        self.make_room(NODE_BYTES + ERROR_BYTES).map(|_| Full::Bytes)
    }

    pub(super) fn no_place_for_a_call(&self) -> Option<Fault> {
        (self.counts.calls >= self.limits.calls).then(|| Full::Calls.fault(&self.limits))
    }

    /// Gives a push that was refused its number, and keeps no more of it.
    pub(super) fn refuse_push(&mut self, full: Full) {
        self.results.note(self.next_push, Absent::Refused(full));
        self.next_push += 1;
    }

    /// The error of a reference to an id that is not in the table any more.
    pub(super) fn absent(&self, id: i64) -> Fault {
        match self.results.what_became(id) {
            Some(Absent::Refused(full)) => full.fault(&self.limits),
            Some(Absent::Dropped) => Fault::dropped(id),
            None => Fault::released(id),
        }
    }

    fn drop_result(&mut self, id: i64) {
        self.remove_entry(id);
        self.results.note(id, Absent::Dropped);
        // What the result held counts until it is let go.
        self.sweep();
    }

    fn drop_an_old_result(&mut self) -> bool {
        let old = self.results.old(self.now, self.limits.kept_for);
        old.inspect(|id| self.drop_result(*id)).is_some()
    }

    /// Drops the oldest result if results hold more than they may. Gives whether it did.
    pub(super) fn drop_a_result(&mut self) -> bool {
        let too_many = self.results.len() > self.limits.results || self.counts.held > self.limits.held_bytes;
        let oldest = self.results.oldest().filter(|_| too_many);
        oldest.inspect(|id| self.drop_result(*id)).is_some()
    }

    /// Drops old results until so many bytes more may be held. Gives a fault if that is not enough.
    pub(super) fn make_room(&mut self, bytes: usize) -> Option<Fault> {
        while self.counts.held + bytes > self.limits.held_bytes {
            if !self.drop_an_old_result() {
                return Some(Full::Bytes.fault(&self.limits));
            }
        }
        None
    }
}
