//! The order of syncs and reads through one capability, whichever door it is served at.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::Notify;

/// The syncs made through one capability. A read through it sees those that were called before it, though it is called
/// without waiting for their answers.
#[derive(Clone, Debug, Default)]
pub struct Syncs(Arc<SyncCounts>);

#[derive(Debug, Default)]
struct SyncCounts {
    begun: AtomicU64,
    ended: AtomicU64,
    changed: Notify,
}

/// A sync that was begun; dropping this ends it.
#[derive(Debug)]
pub struct Begun(Syncs);

impl Drop for Begun {
    fn drop(&mut self) {
        let counts = &self.0.0;
        counts.ended.fetch_add(1, Ordering::Relaxed);
        counts.changed.notify_waiters();
    }
}

impl Syncs {
    /// Begins a sync; dropping what this gives ends it.
    #[must_use = "dropping it ends the sync"]
    pub fn begin(&self) -> Begun {
        self.0.begun.fetch_add(1, Ordering::Relaxed);
        Begun(self.clone())
    }

    /// Waits for the syncs begun before. They end in the order in which they were begun, but for those that are dropped.
    pub async fn before(&self) {
        let begun = self.0.begun.load(Ordering::Relaxed);
        loop {
            let changed = self.0.changed.notified();
            if self.0.ended.load(Ordering::Relaxed) >= begun {
                return;
            }
            changed.await;
        }
    }
}
