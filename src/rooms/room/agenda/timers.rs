//! The one table of what a room waits for.

use tokio::time::Instant;

/// What a room may wait for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Timer {
    /// The next append may begin, where writes are paid for.
    Linger,
    /// The next append waits no longer for the callers whom the last one answered.
    Batching,
    /// A log that can be one object at next to no cost has not grown for a second.
    Pause,
    /// A log of several objects has not grown for a while.
    Idle,
    /// A log that was to stay several objects when it was idle has not grown for much longer.
    Still,
    /// The index is to be told of the state.
    Describe,
    /// Holds back the four above: one of them led to a look just now.
    Spacing,
    /// Holds back every fold: a look or a write for one of the four failed just now, or a fold of a log that is still was not made.
    Retry,
    /// What other hosts wrote is to be looked for, because somebody waits for it.
    News,
    /// What a hint told of is to be read.
    Hint,
    /// Holds back hints: what one told of was not there just now.
    Doubt,
    /// The share is to be deleted, or its clock to be looked at, or a deletion that failed to be tried again.
    Expiry,
}

/// Number of the timers.
const TIMERS: usize = Timer::Expiry as usize + 1;

/// When each timer rings, if it is set.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct TimerTable([Option<Instant>; TIMERS]);

impl TimerTable {
    pub(super) fn put(&mut self, timer: Timer, at: Option<Instant>) {
        self.0[timer as usize] = at;
    }

    pub(super) fn get(&self, timer: Timer) -> Option<Instant> {
        self.0[timer as usize]
    }

    /// When the first of these rings.
    pub(super) fn first(&self, timers: &[Timer]) -> Option<Instant> {
        timers.iter().filter_map(|timer| self.get(*timer)).min()
    }
}
