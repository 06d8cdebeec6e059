//! The order of syncs and reads through one capability, whichever door it is served at.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

/// The syncs made through one capability. A read through it sees those that were called before it, though it is called
/// without waiting for their answers.
#[derive(Clone, Debug, Default)]
pub struct Syncs(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    open: Mutex<Open>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct Open {
    /// The number of the next sync.
    next: u64,
    /// Those that have not ended. Bound: the calls that a connection may have in flight.
    numbers: BTreeSet<u64>,
}

impl Shared {
    fn open(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A sync that was begun; dropping this ends it.
#[derive(Debug)]
pub struct Begun {
    syncs: Syncs,
    number: u64,
}

impl Drop for Begun {
    fn drop(&mut self) {
        self.syncs.0.open().numbers.remove(&self.number);
        self.syncs.0.changed.notify_waiters();
    }
}

impl Syncs {
    /// Begins a sync; dropping what this gives ends it.
    #[must_use = "dropping it ends the sync"]
    pub fn begin(&self) -> Begun {
        let mut open = self.0.open();
        let number = open.next;
        open.next += 1;
        open.numbers.insert(number);
        Begun { syncs: self.clone(), number }
    }

    /// Waits until each sync has ended that was begun before.
    pub async fn before(&self) {
        let next = self.0.open().next;
        loop {
            let changed = self.0.changed.notified();
            if self.0.open().numbers.first().is_none_or(|number| *number >= next) {
                return;
            }
            changed.await;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;

    use futures::FutureExt as _;

    use super::*;

    /// A later sync that ends at once, such as one that is refused, does not stand for an earlier one.
    #[test]
    fn a_read_waits_for_each_sync_before_it() {
        let syncs = Syncs::default();
        let first = syncs.begin();
        let mut read = pin!(syncs.before());
        assert!(read.as_mut().now_or_never().is_none());
        let second = syncs.begin();
        drop(second);
        assert!(read.as_mut().now_or_never().is_none());
        let _third = syncs.begin();
        drop(first);
        assert!(read.as_mut().now_or_never().is_some());
    }
}
