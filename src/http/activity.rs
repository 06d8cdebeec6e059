//! Whether a connection has requests under way, and since when it has none.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

/// Counts the requests of one connection that are under way, and knows since when there are none.
#[derive(Debug)]
pub(super) struct Activity {
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Debug)]
struct State {
    underway: usize,
    /// Whether the connection ever had a request.
    has_begun: bool,
    /// When the last one ended, or the connection began.
    quiet_since: Instant,
}

/// A request that is under way until this is dropped.
#[derive(Debug)]
pub(super) struct Underway(Arc<Activity>);

impl Default for Activity {
    fn default() -> Self {
        let state = State { underway: 0, has_begun: false, quiet_since: Instant::now() };
        Self { state: Mutex::new(state), changed: Notify::new() }
    }
}

impl Activity {
    /// Counts a request whose head is complete, until what this gives is dropped.
    pub(super) fn begin(self: &Arc<Self>) -> Underway {
        let mut state = self.lock();
        state.underway += 1;
        state.has_begun = true;
        drop(state);
        self.changed.notify_one();
        Underway(Arc::clone(self))
    }

    /// Resolves when the first request has not begun in this time after the connection did, or when none has been under way for
    /// `idle` since the last; without `idle` only the first is waited for.
    pub(super) async fn overdue(&self, first: Duration, idle: Option<Duration>) {
        loop {
            let changed = self.changed.notified();
            let due = {
                let state = self.lock();
                let within = if state.has_begun { idle.filter(|_| state.underway == 0) } else { Some(first) };
                within.map(|within| state.quiet_since + within)
            };
            match due {
                Some(due) if due <= Instant::now() => return,
                Some(due) => tokio::select! {
                    () = changed => {}
                    () = sleep_until(due) => {}
                },
                None => changed.await,
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Underway {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.underway -= 1;
        state.quiet_since = Instant::now();
        drop(state);
        self.0.changed.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: Duration = Duration::from_secs(10);
    const IDLE: Duration = Duration::from_secs(60);

    /// S125: from its beginning on a connection has a deadline whenever no request is under way.
    #[tokio::test(start_paused = true)]
    async fn a_connection_is_overdue_without_a_first_request_or_without_a_further_one() {
        let (activity, began) = (Arc::new(Activity::default()), Instant::now());
        activity.overdue(FIRST, Some(IDLE)).await;
        assert_eq!(began.elapsed(), FIRST);

        let (activity, began) = (Arc::new(Activity::default()), Instant::now());
        let (one, other) = (activity.begin(), activity.begin());
        let ends = async {
            tokio::time::advance(Duration::from_secs(600)).await;
            drop(one);
            tokio::time::advance(Duration::from_secs(600)).await;
            drop(other);
        };
        tokio::join!(activity.overdue(FIRST, Some(IDLE)), ends);
        assert_eq!(began.elapsed(), Duration::from_secs(1_200) + IDLE);
        // HTTP/1 has a time limit of its own for later heads.
        assert!(tokio::time::timeout(IDLE * 10, activity.overdue(FIRST, None)).await.is_err());
    }
}
