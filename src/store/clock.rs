//! The clocks of a machine, and how long ago something was by them.
//!
//! Each of a machine's clocks stands still at times: the one that timers go by while a laptop is suspended, the time of day
//! when somebody sets it back, and all of them while a virtual machine is paused. What is held only for so long (a lease, a
//! remembered answer) must never be taken for younger than it is, so its age is the longest that any clock says
//! ([`Moment::age`]). Where all clocks stood still the answers of the bucket tell ([`dates`](super::dates)).
//!
//! What must last *at least* so long, such as the minute that superseded objects stay, is waited for by tokio's timers alone:
//! a clock that stands still makes that longer.

use std::fmt;
use std::time::Duration;

use tokio::time::Instant;

use crate::share::time::Timestamp;

/// The clocks of a machine.
pub trait Clock: fmt::Debug + Send + Sync {
    /// The time of day.
    fn now(&self) -> Timestamp;

    /// The clock that timers go by; on most systems it stands still while the machine is suspended. Default: tokio's, which
    /// tests pause.
    fn monotonic(&self) -> Instant {
        Instant::now()
    }

    /// How long the machine has been up, with the time that it was suspended. Default `None`: the system has no such clock, or
    /// it is not asked.
    fn since_boot(&self) -> Option<Duration> {
        None
    }
}

/// A moment, as all clocks of this machine showed it.
#[derive(Debug, Clone, Copy)]
pub struct Moment {
    day: Timestamp,
    monotonic: Instant,
    since_boot: Option<Duration>,
}

impl Moment {
    /// Now.
    #[must_use]
    pub fn now(clock: &dyn Clock) -> Self {
        Self { day: clock.now(), monotonic: clock.monotonic(), since_boot: clock.since_boot() }
    }

    /// The time of day that it was.
    #[must_use]
    pub fn day(&self) -> Timestamp {
        self.day
    }

    /// How long ago it was: the longest that any of the clocks says. The time of day may be set, so this may be too long;
    /// it is too short only if all clocks stood still.
    #[must_use]
    pub fn age(&self, clock: &dyn Clock) -> Duration {
        let by_day = clock.now().0.saturating_sub(self.day.0);
        self.steady_age(clock).max(Duration::from_millis(u64::try_from(by_day).unwrap_or_default()))
    }

    /// As [`age`](Self::age), without the time of day, which may be set: never too long.
    #[must_use]
    pub fn steady_age(&self, clock: &dyn Clock) -> Duration {
        let by_boot = clock.since_boot().zip(self.since_boot).map(|(now, then)| now.saturating_sub(then));
        self.timer_age(clock).max(by_boot.unwrap_or_default())
    }

    /// How long ago it was by the clock that timers go by, and no other.
    #[must_use]
    pub fn timer_age(&self, clock: &dyn Clock) -> Duration {
        clock.monotonic().saturating_duration_since(self.monotonic)
    }

    /// Whether it came after another, by the clock that timers go by.
    #[must_use]
    pub fn is_after(&self, other: &Self) -> bool {
        self.monotonic > other.monotonic
    }
}
