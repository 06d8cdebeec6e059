//! The clock that a host goes by: its machine's, or the store's if the machine's is wrong.
//!
//! All hosts over one store have the same idea of when a share expires, a grant or a token ends, and which sync was last, as far as
//! their clocks agree. One that is wrong by more than a minute is passed over for what the bucket's answers say
//! ([`Store::now`]); the operator is told, at once and each hour, in `/readyz` and by a metric, because others than shares depend on a
//! machine's clock.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::ambient::Clock;
use crate::health::Health;
use crate::share::error::chain;
use crate::share::time::Timestamp;
use crate::store::{CLOCK_OFF_MS, CLOCK_WRONG_MS, Store};

/// How often what is known of the clocks is looked at, which asks nobody.
const LOOK_EVERY: Duration = Duration::from_secs(60);

/// How often the clocks are compared anew, and a difference is said again.
const COMPARE_EVERY: Duration = Duration::from_secs(60 * 60);

/// The clock that a host goes by: its machine's time while that agrees with the store's, and else the store's.
#[derive(Debug)]
pub(crate) struct HostClock {
    pub(crate) machine: Arc<dyn Clock>,
    pub(crate) store: Store,
}

impl Clock for HostClock {
    fn now(&self) -> Timestamp {
        self.store.now()
    }

    fn monotonic(&self) -> Instant {
        self.machine.monotonic()
    }

    fn since_boot(&self) -> Option<Duration> {
        self.machine.since_boot()
    }
}

/// How well two clocks agree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Clocks {
    Agree,
    /// By more than five seconds.
    Differ,
    /// By more than a minute.
    Wrong,
}

impl Clocks {
    fn of(ahead_ms: i64) -> Self {
        match ahead_ms.abs() {
            difference if difference > CLOCK_WRONG_MS => Self::Wrong,
            difference if difference > CLOCK_OFF_MS => Self::Differ,
            _ => Self::Agree,
        }
    }
}

impl Health {
    /// Compares this machine's clock with the store's at once and each hour, for as long as the host runs, and says when they do
    /// not agree.
    pub async fn tend_clock(&self) {
        let (mut said, mut compared_at) = (Clocks::Agree, None::<Instant>);
        loop {
            let due = compared_at.is_none_or(|at| at.elapsed() >= COMPARE_EVERY);
            if due {
                if let Err(error) = self.store.compare_clocks().await {
                    tracing::warn!(error = %chain(&error), "the clocks of this machine and of the store could not be compared");
                }
                compared_at = Some(Instant::now());
            }
            let ahead_ms = self.store.clock_ahead_ms().unwrap_or_default();
            let clocks = Clocks::of(ahead_ms);
            if clocks != said || (due && clocks != Clocks::Agree) {
                say(clocks, ahead_ms);
                said = clocks;
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// What an operator is to know of this machine's clock, as a sentence; `None`: it is right, or nobody can tell.
    #[must_use]
    pub fn clock_warning(&self) -> Option<String> {
        let ahead_ms = self.store.clock_ahead_ms().filter(|ahead_ms| Clocks::of(*ahead_ms) == Clocks::Wrong)?;
        let (seconds, which) = (ahead_ms.unsigned_abs() / 1_000, if ahead_ms > 0 { "ahead of" } else { "behind" });
        Some(format!(
            "the clock of this machine is {seconds} s {which} the store's: set it right; until then this host goes by the \
             store's time, and deletes no share because it has expired"
        ))
    }
}

fn say(clocks: Clocks, ahead_ms: i64) {
    match clocks {
        Clocks::Agree => tracing::info!(ahead_ms, "the clocks of this machine and of the store agree again"),
        Clocks::Differ => tracing::warn!(
            ahead_ms,
            "the clocks of this machine and of the store differ: set this machine's right, shares expire by it"
        ),
        Clocks::Wrong => tracing::error!(
            ahead_ms,
            "the clock of this machine is wrong by more than a minute: set it right; until then this host goes by the \
             store's time, and deletes no share because it has expired"
        ),
    }
}
