//! The clocks of one host, of which each can stand still while tokio's go on: as on a machine that is suspended or paused.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use capshare::__internal::ambient::Clock;
use capshare::share::time::Timestamp;
use capshare::testing::BEGINNING;
use tokio::time::Instant;

/// Which clocks stand still.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Still {
    pub(crate) monotonic: bool,
    pub(crate) since_boot: bool,
    pub(crate) day: bool,
}

impl Still {
    pub(crate) const ALL: Self = Self { monotonic: true, since_boot: true, day: true };

    /// Every way in which some clocks stand still and some do not.
    pub(crate) const SOME: [Self; 6] = [still(1), still(2), still(3), still(4), still(5), still(6)];
}

const fn still(which: u8) -> Still {
    Still { monotonic: which & 1 != 0, since_boot: which & 2 != 0, day: which & 4 != 0 }
}

/// When which clocks stood still; they do not overlap.
#[derive(Debug, Default)]
pub(crate) struct Standstills(Mutex<Vec<Standstill>>);

#[derive(Debug, Clone, Copy)]
struct Standstill {
    from: Instant,
    /// `None`: still.
    to: Option<Instant>,
    which: Still,
}

impl Standstills {
    /// From now on, to then or until they [go on](Self::end).
    pub(crate) fn begin(&self, which: Still, to: Option<Instant>) {
        self.end();
        self.0.lock().unwrap().push(Standstill { from: Instant::now(), to, which });
    }

    /// All clocks go on.
    pub(crate) fn end(&self) {
        if let Some(last) = self.0.lock().unwrap().last_mut() {
            last.to = Some(last.to.map_or_else(Instant::now, |to| to.min(Instant::now())).max(last.from));
        }
    }

    /// For how long such a clock has stood still so far.
    pub(crate) fn lost(&self, is_still: impl Fn(&Still) -> bool) -> Duration {
        let (now, all) = (Instant::now(), self.0.lock().unwrap());
        let still = all.iter().filter(|standstill| is_still(&standstill.which));
        still.map(|standstill| standstill.to.map_or(now, |to| to.min(now)) - standstill.from).sum()
    }

    /// So long before now, of the time in which every clock goes.
    pub(crate) fn before(&self, time: Duration) -> Instant {
        let mut then = Instant::now() - time;
        for standstill in self.0.lock().unwrap().iter().rev() {
            if standstill.to.is_none_or(|to| to > then) {
                then = then.min(standstill.from - time);
            }
        }
        then
    }
}

/// A host's clocks, in a test's hand. Clones are the same clocks.
#[derive(Debug, Clone)]
pub(crate) struct HandClock {
    started: Instant,
    standstills: Arc<Standstills>,
}

impl HandClock {
    pub(crate) fn new() -> Self {
        Self { started: Instant::now(), standstills: Arc::default() }
    }

    pub(crate) fn stop(&self, which: Still) {
        self.standstills.begin(which, None);
    }

    pub(crate) fn go_on(&self) {
        self.standstills.end();
    }
}

impl Clock for HandClock {
    fn now(&self) -> Timestamp {
        let elapsed = self.started.elapsed() - self.standstills.lost(|which| which.day);
        Timestamp(BEGINNING.0 + elapsed.as_millis() as i64)
    }

    fn monotonic(&self) -> Instant {
        Instant::now() - self.standstills.lost(|which| which.monotonic)
    }

    fn since_boot(&self) -> Option<Duration> {
        Some(self.started.elapsed() - self.standstills.lost(|which| which.since_boot))
    }
}
