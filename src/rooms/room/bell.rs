//! A bell: tells those who wait that something came, in the order in which they began to wait.
//!
//! It is what tokio's `watch` of a number is, but for the order: `watch` wakes its receivers by chance, and then one seed of the
//! simulation would not always give one history.

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
            // From here on no ring is missed.
            let rings = self.waiting.notified();
            let rung = self.rung();
            if rung != seen {
                return rung;
            }
            rings.await;
        }
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;
    use futures::stream::{FuturesUnordered, StreamExt as _};

    use super::Bell;

    #[test]
    fn nobody_misses_a_ring_and_the_longest_waiting_hears_it_first() {
        let bell = &Bell::default();
        bell.ring();
        assert_eq!(bell.after(0).now_or_never(), Some(1), "it rang before the wait");
        let mut given_up = Box::pin(bell.after(1));
        assert!(given_up.as_mut().now_or_never().is_none());
        let mut waits: FuturesUnordered<_> = (0..64).map(|n| bell.after(1).map(move |rung| (n, rung))).collect();
        assert!(waits.next().now_or_never().is_none());
        drop(given_up);
        bell.ring();
        let heard: Vec<_> = waits.collect().now_or_never().unwrap();
        assert_eq!(heard, (0..64).map(|n| (n, 2)).collect::<Vec<_>>());
    }
}
