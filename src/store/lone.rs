//! The only writer of a bucket that ignores conditions: what a create does there instead.
//!
//! Such a bucket takes every create for an overwrite. So a lone writer looks whether there is an object before it writes,
//! and no two of its own creates of one key meet: while one is on its way, or was given up and may still land, another
//! with other content waits, and looks then. The same content may go out again at once, because it does not matter which
//! of the two lands last. So the answers are those of an honest bucket, as long as nobody else writes to it.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use object_store::path::Path;
use tokio::sync::Notify;
use tokio::time::Instant;

/// Creates that are on their way, or may be. Bound: one for each key created in the last request time without an answer.
#[derive(Debug, Default)]
pub(super) struct Lone {
    pending: Mutex<HashMap<Path, Pending>>,
    settled: Notify,
}

#[derive(Debug)]
struct Pending {
    body: Bytes,
    /// When it has landed if it ever will.
    until: Instant,
    /// An earlier request with this content was given up.
    again: bool,
}

impl Lone {
    /// Waits until a create of this key may be made, and notes it. Dropped before its answer, it counts as pending.
    pub(super) async fn begin(&self, key: &Path, body: &Bytes, request_time: Duration) {
        loop {
            self.wait(key, Some(body)).await;
            let mut pending = self.pending();
            let again = match pending.get(key) {
                // Somebody else was quicker.
                Some(other) if other.body != *body => continue,
                known => known.is_some(),
            };
            let until = Instant::now() + request_time;
            pending.insert(key.clone(), Pending { body: body.clone(), until, again });
            return;
        }
    }

    /// The request is made now, and not when it was begun.
    pub(super) fn goes_out(&self, key: &Path, request_time: Duration) {
        if let Some(pending) = self.pending().get_mut(key) {
            pending.until = Instant::now() + request_time;
        }
    }

    /// The create of this key was answered with success, or was not made in the end.
    pub(super) fn answered(&self, key: &Path) {
        let mut pending = self.pending();
        if pending.get(key).is_some_and(|pending| !pending.again) {
            pending.remove(key);
        }
        drop(pending);
        self.settled.notify_waiters();
    }

    /// Waits until nothing that was to be created under this key can land any more; but for this content.
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
            // Early notice or none: either way it is looked at again.
            let _ = tokio::time::timeout_at(until, settled).await;
        }
    }

    fn pending(&self) -> MutexGuard<'_, HashMap<Path, Pending>> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
