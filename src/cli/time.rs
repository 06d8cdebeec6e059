//! Times as people and programs read them, and the moment that is so far from now.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use capshare::share::time::Timestamp;

/// A time as RFC 3339 writes it, in UTC, with milliseconds.
pub(crate) fn time(at: Timestamp) -> String {
    let since = Duration::from_millis(u64::try_from(at.0).unwrap_or_default());
    humantime::format_rfc3339_millis(UNIX_EPOCH + since).to_string()
}

/// The time that is so far from now by this machine's clock.
#[expect(clippy::disallowed_methods, reason = "the command line is where the time of day comes in")]
pub(crate) fn from_now(within: Duration) -> Timestamp {
    let until = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().saturating_add(within);
    Timestamp(i64::try_from(until.as_millis()).unwrap_or(i64::MAX))
}
