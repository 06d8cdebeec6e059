//! Points in time, as the log and the wires write them.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Milliseconds since 1970-01-01T00:00:00Z, leap seconds not counted. It says when
/// something happened, and never in which order: the order is the log's.
///
/// ```
/// use std::time::{Duration, SystemTime, UNIX_EPOCH};
///
/// use capshare::share::time::Timestamp;
///
/// let at = Timestamp::try_from(UNIX_EPOCH + Duration::from_secs(2))?;
/// assert_eq!(at, Timestamp(2_000));
/// assert_eq!(SystemTime::try_from(at)?, UNIX_EPOCH + Duration::from_secs(2));
/// # Ok::<(), capshare::share::time::OutOfRange>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Timestamp(pub i64);

/// A time cannot be written in the other form: it is too far from 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the time is out of range: it is too far from 1970; use a time that is nearer")]
pub struct OutOfRange;

impl TryFrom<SystemTime> for Timestamp {
    type Error = OutOfRange;

    /// The millisecond in which a time lies: what is left of a millisecond is cut off, towards the past.
    ///
    /// # Errors
    /// The time is more than 292 million years from 1970.
    fn try_from(time: SystemTime) -> Result<Self, OutOfRange> {
        let from_1970 = match time.duration_since(UNIX_EPOCH) {
            Ok(after) => i128::try_from(after.as_millis()),
            Err(before) => i128::try_from(before.duration().as_nanos().div_ceil(1_000_000)).map(|before| -before),
        };
        from_1970.and_then(i64::try_from).map(Self).map_err(|_| OutOfRange)
    }
}

impl TryFrom<Timestamp> for SystemTime {
    type Error = OutOfRange;

    /// # Errors
    /// The system keeps no time that is so far from 1970. On Linux it keeps every [`Timestamp`].
    fn try_from(at: Timestamp) -> Result<Self, OutOfRange> {
        let from_1970 = Duration::from_millis(at.0.unsigned_abs());
        let time = if at.0 < 0 { UNIX_EPOCH.checked_sub(from_1970) } else { UNIX_EPOCH.checked_add(from_1970) };
        time.ok_or(OutOfRange)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn around_1970(seconds: i64, nanoseconds: u32) -> SystemTime {
        let from_1970 = Duration::from_secs(seconds.unsigned_abs());
        let second = if seconds < 0 { UNIX_EPOCH - from_1970 } else { UNIX_EPOCH + from_1970 };
        second + Duration::from_nanos(nanoseconds.into())
    }

    #[test]
    fn a_time_is_the_millisecond_that_it_lies_in() {
        for (seconds, nanoseconds, milliseconds) in [
            (0, 0, 0),
            (1_796_000_060, 999_999_999, 1_796_000_060_999),
            (-1, 0, -1_000),
            (-1, 999_999_999, -1),
            (-1, 999_000_000, -1),
            (-1, 1, -1_000),
        ] {
            let time = around_1970(seconds, nanoseconds);
            assert_eq!(Timestamp::try_from(time), Ok(Timestamp(milliseconds)), "{seconds} s and {nanoseconds} ns");
        }
    }

    #[test]
    fn every_timestamp_that_the_system_keeps_comes_back_and_no_other_time_is_taken_for_one() {
        for at in [i64::MIN, -1_796_000_060_001, -1, 0, 1, 253_402_300_800_000, i64::MAX].map(Timestamp) {
            if let Ok(time) = SystemTime::try_from(at) {
                assert_eq!(Timestamp::try_from(time), Ok(at));
            }
        }
        assert!(SystemTime::try_from(Timestamp(-1)).is_ok_and(|time| time < UNIX_EPOCH));
        // Not every system keeps such times.
        for far in
            [UNIX_EPOCH.checked_add(Duration::from_secs(1 << 60)), UNIX_EPOCH.checked_sub(Duration::from_secs(1 << 60))]
        {
            assert!(far.is_none_or(|far| Timestamp::try_from(far) == Err(OutOfRange)));
        }
    }
}
