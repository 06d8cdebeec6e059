//! What time it is in the bucket, as its answers tell.
//!
//! An answer over HTTP has a `Date`; what a directory has just written has a time as well. The interfaces in between pass
//! neither on, least of all with the answer that there is no such object. So whoever carries requests says what it heard
//! ([`answered_at`], [`not_before`]) into the task whose request it is, and whoever asked collects it ([`listen`]). A bucket
//! that says nothing, such as this process's memory, is one whose clock nobody knows.
//!
//! Only differences between two times of one bucket are used, and whether it and this machine agree
//! ([`agreement`](super::agreement)). The second in which a `Date` is exact is far below all times that depend on it.

use std::cell::Cell;
use std::time::Duration;

use crate::share::time::Timestamp;

tokio::task_local! {
    static HEARD: Cell<Heard>;
}

/// What was heard of the bucket's time while something was asked of it.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Heard {
    /// No request was carried out before this, but in the time that the bucket takes for one.
    pub(super) earliest: Option<Timestamp>,
    /// It was this time when the last answer was made, or later.
    pub(super) latest: Option<Timestamp>,
    /// It was this time when an answer was made, to the second; the last that said so.
    pub(super) exact: Option<Timestamp>,
}

impl Heard {
    /// Both, `later` after this.
    pub(super) fn and(self, later: Self) -> Self {
        Self {
            earliest: self.earliest.into_iter().chain(later.earliest).min(),
            latest: self.latest.max(later.latest),
            exact: later.exact.or(self.exact),
        }
    }

    /// How long before the last answer this was, by the bucket's clock; nothing if either is not known.
    pub(super) fn since(self, then: Option<Timestamp>) -> Duration {
        let between = self.latest.zip(then).map_or(0, |(latest, then)| latest.0.saturating_sub(then.0));
        Duration::from_millis(u64::try_from(between).unwrap_or_default())
    }
}

/// Says that the bucket answered at this time, by its own clock, to the second. For whoever carries the requests of a store,
/// from the task that waits for the answer; without effect elsewhere.
pub fn answered_at(date: Timestamp) {
    hear(Heard { earliest: Some(date), latest: Some(date), exact: Some(date) });
}

/// Says that what is about to be asked of the bucket is asked at this time, by its own clock, or later. As [`answered_at`], for
/// a bucket whose answers bear no time.
pub fn not_before(date: Timestamp) {
    hear(Heard { earliest: Some(date), latest: Some(date), exact: None });
}

/// Without effect where nobody listens.
fn hear(what: Heard) {
    let _ = HEARD.try_with(|heard| heard.set(heard.get().and(what)));
}

/// Asks something of the bucket, and collects what time it said it was. Who listens around it hears it too.
pub(super) async fn listen<T>(asking: impl Future<Output = T>) -> (T, Heard) {
    let listening = async {
        let answer = asking.await;
        (answer, HEARD.with(Cell::get))
    };
    let (answer, heard) = HEARD.scope(Cell::default(), listening).await;
    hear(heard);
    (answer, heard)
}
