//! The order of syncs and reads through one capability.

use std::cell::Cell;
use std::rc::Rc;

use tokio::sync::Notify;

/// The syncs made through one capability. A read through it sees those that were called before it, though it is called
/// without waiting for their answers.
#[derive(Clone, Default)]
pub(super) struct Syncs(Rc<SyncCounts>);

#[derive(Default)]
struct SyncCounts {
    begun: Cell<u64>,
    ended: Cell<u64>,
    changed: Notify,
}

/// A sync that was begun; dropping this ends it.
pub(super) struct Begun(Syncs);

impl Drop for Begun {
    fn drop(&mut self) {
        let counts = &self.0.0;
        counts.ended.set(counts.ended.get() + 1);
        counts.changed.notify_waiters();
    }
}

impl Syncs {
    /// Begins a sync; dropping what this gives ends it.
    pub(super) fn begin(&self) -> Begun {
        self.0.begun.set(self.0.begun.get() + 1);
        Begun(self.clone())
    }

    /// Waits for the syncs begun before. They end in the order in which they were begun, but for those that are dropped.
    pub(super) async fn before(&self) {
        let begun = self.0.begun.get();
        loop {
            let changed = self.0.changed.notified();
            if self.0.ended.get() >= begun {
                return;
            }
            changed.await;
        }
    }
}
