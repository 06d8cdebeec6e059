//! How much a host packs for logs that are being written to.
//!
//! Packing takes processor time that calls wait for: of a gigabyte, four to five seconds. A log that grows by hundreds of megabytes
//! a second would be folded all the time, and each fold be replaced by the next. So between appends a host packs so many bytes a
//! second, over all its logs, and what is left gathers. It is folded when the log pauses, or when there are so many segments that
//! whoever opens the log would wait for them.

use std::sync::{Mutex, PoisonError};

use tokio::time::Instant;

use crate::share::limits::{FOLD_BYTES_BURST, FOLD_BYTES_PER_SECOND};

/// The bytes that a host may pack now between appends.
#[derive(Debug, Default)]
pub(super) struct Effort {
    inner: Mutex<Spent>,
}

#[derive(Debug, Default)]
struct Spent {
    /// Bytes that were packed and have not been made up for by time.
    bytes: u64,
    /// When they were counted; `None`: nothing was packed yet.
    at: Option<Instant>,
}

impl Effort {
    /// The bytes that may be packed at this time.
    pub(super) fn spare(&self, now: Instant) -> u64 {
        FOLD_BYTES_BURST.saturating_sub(self.lock().settle(now))
    }

    /// So many bytes are packed. They may be more than there was to spare.
    pub(super) fn spend(&self, bytes: u64, now: Instant) {
        let mut spent = self.lock();
        spent.bytes = spent.settle(now).saturating_add(bytes);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Spent> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Spent {
    /// Takes off what the time since the last look makes up for, and gives the rest.
    fn settle(&mut self, now: Instant) -> u64 {
        let passed = self.at.map_or(0.0, |at| now.saturating_duration_since(at).as_secs_f64());
        let made_up = (passed * FOLD_BYTES_PER_SECOND as f64) as u64;
        // Time too short for one byte goes on counting.
        if made_up > 0 || self.at.is_none() {
            self.bytes = self.bytes.saturating_sub(made_up);
            self.at = Some(now);
        }
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::Instant;

    use super::Effort;
    use crate::share::limits::{FOLD_BYTES_BURST as BURST, FOLD_BYTES_PER_SECOND as RATE};

    #[test]
    fn what_is_packed_is_made_up_for_by_time() {
        let (effort, start) = (Effort::default(), Instant::now());
        assert_eq!(effort.spare(start), BURST, "a host begins rested");
        effort.spend(BURST + RATE, start);
        assert_eq!(effort.spare(start), 0);
        let second = Duration::from_secs(1);
        assert_eq!(effort.spare(start + second), 0, "more than there was is made up for first");
        assert_eq!(effort.spare(start + 2 * second), RATE);
        // Looks that follow each other closely take nothing away.
        let mut now = start + 2 * second;
        for _ in 0..100 {
            now += Duration::from_nanos(10);
            effort.spare(now);
        }
        assert!(effort.spare(start + 3 * second).abs_diff(2 * RATE) <= 100);
        assert_eq!(effort.spare(start + 3_600 * second), BURST);
    }
}
