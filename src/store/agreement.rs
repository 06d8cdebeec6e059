//! Whether this machine's clock agrees with the bucket's.
//!
//! Each request of the store lies between two readings of the machine's time of day, and its answer may say what time it was in the
//! bucket ([`dates`](super::dates)). So the difference is known at any time without asking for it, as what it is at least. Shares
//! expire by the time of day of all hosts of a bucket, so a host whose clock is wrong by more than a minute goes by the bucket's
//! instead ([`Store::now`]), and leaves it to others to delete what has expired ([`Store::clock_is_wrong`]).

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;

use super::Store;
use super::clock::{Clock, Moment};
use super::dates::Heard;
use super::error::StoreError;
use super::key;
use crate::share::time::Timestamp;

/// Milliseconds of difference from which on two clocks do not agree: 5 s, more than a request usually takes.
pub const CLOCK_OFF_MS: i64 = 5_000;

/// Milliseconds of difference from which on a machine's clock counts as wrong: one minute.
pub const CLOCK_WRONG_MS: i64 = 60_000;

/// Milliseconds by which the bucket's time may be later than it told, because it tells whole seconds.
const SECOND_MS: i64 = 999;

/// What is known about the difference of the two clocks.
#[derive(Debug, Default)]
pub(super) struct Agreement {
    last: Mutex<Option<Seen>>,
    /// Whether the machine's clock was wrong by two answers in a row; a single answer may come from a proxy in between.
    wrong: AtomicBool,
    /// Whether the bucket tells its time.
    told: AtomicBool,
}

#[derive(Debug, Clone, Copy)]
struct Seen {
    /// Milliseconds by which the machine's clock is ahead of the bucket's, at least; negative if it is behind.
    ahead_ms: i64,
    /// The time that the bucket told; below, the moment at which it did.
    date: Timestamp,
    at: Moment,
}

impl Agreement {
    /// Notes the bucket's times that were heard in a request, which was issued when the machine's clock showed `asked` and is
    /// answered now.
    pub(super) fn note(&self, asked: Timestamp, heard: Heard, clock: &dyn Clock) {
        if heard.latest.is_some() && !self.told.load(Ordering::Relaxed) {
            self.told.store(true, Ordering::Relaxed);
        }
        let Some(date) = heard.exact else { return };
        let at = Moment::now(clock);
        let (ahead, behind) = (asked.0 - date.0 - SECOND_MS, date.0 - at.day().0);
        let ahead_ms = ahead.max(0) - behind.max(0);
        let is_wrong = |ahead_ms: i64| ahead_ms.abs() > CLOCK_WRONG_MS;
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let was_wrong = last.is_some_and(|last| is_wrong(last.ahead_ms) && last.ahead_ms.signum() == ahead_ms.signum());
        self.wrong.store(is_wrong(ahead_ms) && was_wrong, Ordering::Relaxed);
        *last = Some(Seen { ahead_ms, date, at });
    }

    fn last(&self) -> Option<Seen> {
        *self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Store {
    /// The time of day by which shares expire: this machine's, or the bucket's if this machine's is wrong by more than a minute.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        let agreement = &self.bucket.agreement;
        match agreement.last().filter(|_| agreement.wrong.load(Ordering::Relaxed)) {
            // Not by the machine's time of day, which somebody may correct at any moment.
            Some(Seen { date, at, .. }) => {
                let since = at.steady_age(self.clock.as_ref()).as_millis();
                Timestamp(date.0.saturating_add(i64::try_from(since).unwrap_or(i64::MAX)))
            }
            None => self.clock.now(),
        }
    }

    /// Milliseconds by which this machine's clock is ahead of the bucket's, at least; negative if it is behind. `None` if the
    /// bucket has not told its time yet, or never does.
    #[must_use]
    pub fn clock_ahead_ms(&self) -> Option<i64> {
        self.bucket.agreement.last().map(|last| last.ahead_ms)
    }

    /// Compares the clocks once more, by writing and deleting a small object. Does nothing if the bucket never tells its time.
    ///
    /// # Errors
    /// The bucket failed.
    pub async fn compare_clocks(&self) -> Result<(), StoreError> {
        if !self.bucket.agreement.told.load(Ordering::Relaxed) {
            return Ok(());
        }
        let key = key::probe(self.bucket.probes.nonce(), "clock");
        self.bucket.overwrite(&key, Bytes::from_static(b"what time is it?")).await?;
        self.bucket.delete(vec![key]).await
    }

    /// Compares the clocks, and tells whether this machine's is wrong by more than a minute. Then this host must delete nothing
    /// because of the time.
    ///
    /// # Errors
    /// The bucket failed, so that the difference is not known.
    pub async fn clock_is_wrong(&self) -> Result<bool, StoreError> {
        self.compare_clocks().await?;
        Ok(self.clock_ahead_ms().is_some_and(|ahead_ms| ahead_ms.abs() > CLOCK_WRONG_MS))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug)]
    struct At(i64);

    impl Clock for At {
        fn now(&self) -> Timestamp {
            Timestamp(self.0)
        }
    }

    fn heard(exact: i64) -> Heard {
        let exact = Some(Timestamp(exact));
        Heard { earliest: exact, latest: exact, exact }
    }

    /// A request from 100 s to 103 s, and what the bucket said meanwhile.
    #[test]
    fn a_difference_is_what_it_is_at_least() {
        for (date, ahead_ms) in
            [(103_000, 0), (100_000, 0), (99_001, 0), (99_000, 1), (40_000, 59_001), (103_001, -1), (203_000, -100_000)]
        {
            let agreement = Agreement::default();
            agreement.note(Timestamp(100_000), heard(date), &At(103_000));
            assert_eq!(agreement.last().unwrap().ahead_ms, ahead_ms, "{date}");
        }
    }

    /// A clock counts as wrong once two answers say so, and as right once one does.
    #[test]
    fn one_answer_makes_no_clock_wrong() {
        let agreement = Agreement::default();
        let wrong_after = |date: i64| {
            agreement.note(Timestamp(1_000_000), heard(date), &At(1_000_000));
            agreement.wrong.load(Ordering::Relaxed)
        };
        let said = [1_000_000, 800_000, 1_000_000, 800_000, 800_000, 1_200_000, 1_200_000, 1_000_000].map(wrong_after);
        assert_eq!(said, [false, false, false, false, true, false, true, false]);
        agreement.note(Timestamp(1_000_000), Heard { latest: Some(Timestamp(9)), ..Heard::default() }, &At(1_000_000));
        assert_eq!(agreement.last().unwrap().ahead_ms, 0, "the earliest that it can be says nothing");
    }
}
