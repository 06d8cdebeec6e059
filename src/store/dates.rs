//! The bucket's own time, as its answers tell it.
//!
//! An answer over HTTP has a `Date`; what a directory has just written has a time as well. The interfaces in between pass
//! neither on, least of all with the answer that there is no such object. So the code that carries requests tells the times that
//! it meets ([`answered_at`], [`not_before`]) to the task whose request it is, and the caller collects them ([`listen`]). The
//! clock of a bucket that tells no time, such as this process's memory, is not known.
//!
//! Only differences between two times of one bucket are used, and whether it and this machine agree
//! ([`agreement`](super::agreement)). The second in which a `Date` is exact is far below all times that depend on it.

use std::cell::Cell;
use std::time::Duration;

use crate::share::time::Timestamp;

tokio::task_local! {
    static HEARD: Cell<Heard>;
}

/// The bucket's times that were heard while something was asked of it.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Heard {
    /// A time before which no request was carried out, but for the time that the bucket takes for one; `None` if it is not known.
    pub(super) earliest: Option<Timestamp>,
    /// A time at or after which the last answer was made; `None` if it is not known.
    pub(super) latest: Option<Timestamp>,
    /// The time of the last answer that told it, to the second; `None` if none did.
    pub(super) exact: Option<Timestamp>,
}

impl Heard {
    /// What was heard in both, of which `later` came after this.
    pub(super) fn and(self, later: Self) -> Self {
        Self {
            earliest: self.earliest.into_iter().chain(later.earliest).min(),
            latest: self.latest.max(later.latest),
            exact: later.exact.or(self.exact),
        }
    }

    /// How long before the last answer `then` was, by the bucket's clock; zero if either is not known.
    pub(super) fn since(self, then: Option<Timestamp>) -> Duration {
        let between = self.latest.zip(then).map_or(0, |(latest, then)| latest.0.saturating_sub(then.0));
        Duration::from_millis(u64::try_from(between).unwrap_or_default())
    }
}

/// Tells that the bucket answered at this time of its own clock, to the second. The code that carries the requests of a store
/// calls it in the task that waits for the answer; elsewhere it has no effect.
pub fn answered_at(date: Timestamp) {
    hear(Heard { earliest: Some(date), latest: Some(date), exact: Some(date) });
}

/// Tells that the next request is carried out at this time of the bucket's own clock, or later. Called as [`answered_at`] is,
/// for a bucket whose answers tell no time.
pub fn not_before(date: Timestamp) {
    hear(Heard { earliest: Some(date), latest: Some(date), exact: None });
}

/// Adds to what the task has heard; no effect where nobody [listens](listen).
fn hear(what: Heard) {
    let _ = HEARD.try_with(|heard| heard.set(heard.get().and(what)));
}

/// Runs requests to the bucket, and collects the times that it told. A listener around this one hears them too.
pub(super) async fn listen<T>(asking: impl Future<Output = T>) -> (T, Heard) {
    let listening = async {
        let answer = asking.await;
        (answer, HEARD.with(Cell::get))
    };
    let (answer, heard) = HEARD.scope(Cell::default(), listening).await;
    hear(heard);
    (answer, heard)
}
