//! The clocks of a machine, and the age of things by them.
//!
//! Each of a machine's clocks stands still at times: the one that timers go by while a laptop is suspended, the time of day
//! when somebody sets it back, and all of them while a virtual machine is paused. What is held only for so long (a lease, a
//! remembered answer) must never be taken for younger than it is, so its age is the longest that any clock says
//! ([`Moment::age`]). Where all clocks stood still the answers of the bucket tell ([`dates`](super::dates)).
//!
//! What must last *at least* so long, such as the time that superseded objects stay, is waited for by tokio's timers alone:
//! a clock that stands still makes that longer.

use std::fmt;
use std::time::Duration;

use tokio::time::Instant;

use crate::share::time::Timestamp;

/// The clocks of a machine.
pub trait Clock: fmt::Debug + Send + Sync {
    /// The time of day.
    fn now(&self) -> Timestamp;

    /// The clock of timers, which on most systems stands still while the machine is suspended. Default: tokio's, which tests may
    /// pause.
    fn monotonic(&self) -> Instant {
        Instant::now()
    }

    /// Time since the machine started, including the time that it was suspended. Default `None`: there is no such clock.
    fn since_boot(&self) -> Option<Duration> {
        None
    }
}

/// A moment by all clocks of a machine.
#[derive(Debug, Clone, Copy)]
pub struct Moment {
    day: Timestamp,
    monotonic: Instant,
    since_boot: Option<Duration>,
}

impl Moment {
    /// The present moment by this machine's clocks.
    #[must_use]
    pub fn now(clock: &dyn Clock) -> Self {
        Self { day: clock.now(), monotonic: clock.monotonic(), since_boot: clock.since_boot() }
    }

    /// The moment's time of day.
    #[must_use]
    pub fn day(&self) -> Timestamp {
        self.day
    }

    /// How long ago the moment was: the longest that any of the clocks tells. It may be too long, if somebody has set the time of
    /// day, and is too short only if all clocks stood still.
    #[must_use]
    pub fn age(&self, clock: &dyn Clock) -> Duration {
        let by_day = clock.now().0.saturating_sub(self.day.0);
        self.steady_age(clock).max(Duration::from_millis(u64::try_from(by_day).unwrap_or_default()))
    }

    /// How long ago the moment was by the clocks that nobody can set, so never too long.
    #[must_use]
    pub fn steady_age(&self, clock: &dyn Clock) -> Duration {
        let by_boot = clock.since_boot().zip(self.since_boot).map(|(now, then)| now.saturating_sub(then));
        self.timer_age(clock).max(by_boot.unwrap_or_default())
    }

    /// How long ago the moment was by the clock of timers alone.
    #[must_use]
    pub fn timer_age(&self, clock: &dyn Clock) -> Duration {
        clock.monotonic().saturating_duration_since(self.monotonic)
    }

    /// Whether the moment came after another one, by the clock of timers.
    #[must_use]
    pub fn is_after(&self, other: &Self) -> bool {
        self.monotonic > other.monotonic
    }
}
