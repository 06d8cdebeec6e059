//! Times as people and programs read them, and the moment that is so far from now.

use std::time::{Duration, SystemTime};

use capshare::share::time::Timestamp;

/// The first time that RFC 3339 cannot write: the year 10000.
const YEAR_10000: Timestamp = Timestamp(253_402_300_800_000);

/// A time as RFC 3339 writes it, in UTC, with milliseconds. One that it cannot write, which a host may send all the same, is shown as
/// its milliseconds.
pub(crate) fn time(at: Timestamp) -> String {
    match SystemTime::try_from(at) {
        Ok(time) if (Timestamp(0)..YEAR_10000).contains(&at) => humantime::format_rfc3339_millis(time).to_string(),
        Ok(_) | Err(_) => format!("{} ms from 1970", at.0),
    }
}

/// The time that is so far from now by this machine's clock.
#[expect(clippy::disallowed_methods, reason = "the command line is where the time of day comes in")]
pub(crate) fn from_now(within: Duration) -> Timestamp {
    let until = SystemTime::now().checked_add(within).and_then(|until| Timestamp::try_from(until).ok());
    until.unwrap_or(Timestamp(i64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_time_that_a_host_can_send_is_shown() {
        let shown = |at| time(Timestamp(at));
        assert_eq!(shown(1_796_000_060_001), "2026-11-30T00:54:20.001Z");
        assert_eq!(shown(YEAR_10000.0 - 1), "9999-12-31T23:59:59.999Z");
        assert_eq!(shown(YEAR_10000.0), "253402300800000 ms from 1970");
        assert_eq!(shown(i64::MAX), "9223372036854775807 ms from 1970");
        assert_eq!(
            (shown(-1), shown(i64::MIN)),
            ("-1 ms from 1970".into(), "-9223372036854775808 ms from 1970".into())
        );
    }
}
