//! Creates by the single writer of a bucket that ignores conditions.
//!
//! Such a bucket takes every create for an overwrite. So a single writer looks whether there is an object before it writes,
//! and no two of its creates of one key meet: while one is on its way, or was given up and may still land, another one with
//! other content waits, and looks then. A create with equal content may go out at once, because it does not matter which of the
//! two lands last. So the answers are those of a bucket that honours conditions, as long as nobody else writes to it.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use object_store::path::Path;
use tokio::sync::Notify;
use tokio::time::Instant;

/// The creates that are on their way, or may be. Bound: one for each key that was created within the last request time and not
/// answered.
#[derive(Debug, Default)]
pub(super) struct SingleWriter {
    pending: Mutex<HashMap<Path, Pending>>,
    settled: Notify,
}

#[derive(Debug)]
struct Pending {
    body: Bytes,
    /// When the create has landed, if it ever will.
    until: Instant,
    /// Whether an earlier create with this content was given up.
    again: bool,
}

impl SingleWriter {
    /// Waits until a create of this key may be made, and notes it as pending until it is answered.
    pub(super) async fn begin(&self, key: &Path, body: &Bytes, request_time: Duration) {
        loop {
            self.wait(key, Some(body)).await;
            let mut pending = self.pending();
            let again = match pending.get(key) {
                // Another task was quicker.
                Some(other) if other.body != *body => continue,
                known => known.is_some(),
            };
            let until = Instant::now() + request_time;
            pending.insert(key.clone(), Pending { body: body.clone(), until, again });
            return;
        }
    }

    /// Notes that the request goes out now.
    pub(super) fn goes_out(&self, key: &Path, request_time: Duration) {
        if let Some(pending) = self.pending().get_mut(key) {
            pending.until = Instant::now() + request_time;
        }
    }

    /// Notes that the create of this key was answered with success, or was not made after all.
    pub(super) fn answered(&self, key: &Path) {
        let mut pending = self.pending();
        if pending.get(key).is_some_and(|pending| !pending.again) {
            pending.remove(key);
        }
        drop(pending);
        self.settled.notify_waiters();
    }

    /// Waits until no create of this key can land any more, but for creates with the content `unless`.
    pub(super) async fn wait(&self, key: &Path, unless: Option<&Bytes>) {
        loop {
            let mut settled = std::pin::pin!(self.settled.notified());
            // From here on no notice is missed.
            settled.as_mut().enable();
            let until = {
                let mut pending = self.pending();
                let now = Instant::now();
                pending.retain(|_, pending| pending.until > now);
                match pending.get(key) {
                    Some(pending) if Some(&pending.body) != unless => pending.until,
                    _ => return,
                }
            };
            // Whether it is notified or late, it looks again.
            let _ = tokio::time::timeout_at(until, settled).await;
        }
    }

    fn pending(&self) -> MutexGuard<'_, HashMap<Path, Pending>> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
