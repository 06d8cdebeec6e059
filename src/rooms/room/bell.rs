//! A bell: tells those who wait that something came, in the order in which they began to wait.
//!
//! It is what tokio's `watch` of a number is, but for the order: `watch` wakes its receivers by chance, and then one seed of the
//! simulation would not always give one history.

use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::Notify;

/// Counts how often it rang. Who waits holds the number that it has seen, so no ring is missed and several may come as one.
#[derive(Debug, Default)]
pub(crate) struct Bell {
    rung: AtomicU64,
    waiting: Notify,
}

impl Bell {
    /// Wakes all who wait, the longest waiting first.
    pub(crate) fn ring(&self) {
        self.rung.fetch_add(1, Ordering::Release);
        self.waiting.notify_waiters();
    }

    /// How often it rang so far.
    pub(crate) fn rung(&self) -> u64 {
        self.rung.load(Ordering::Acquire)
    }

    /// Waits until it has rung more often than `seen`, and says how often it rang then. Dropping the future loses nothing.
    pub(crate) async fn after(&self, seen: u64) -> u64 {
        loop {
            let mut rings = pin!(self.waiting.notified());
            // From here on no ring is missed.
            rings.as_mut().enable();
            let rung = self.rung();
            if rung != seen {
                return rung;
            }
            rings.await;
        }
    }
}
