//! Freeing what later objects have superseded, when no reader and no writer can still depend on it.

use object_store::path::Path;
use tokio::time::Instant;

use super::Store;
use super::error::StoreError;

/// Objects that a fold has superseded. They stay for a while
/// ([`StoreSettings::free_after`](field@super::StoreSettings::free_after)): a reader may be about to read them, and a writer
/// that has not heard of them must not find their numbers free.
#[derive(Debug)]
#[must_use = "run it in the background; dropped, it leaves the objects to whoever opens the log next"]
pub struct Frees {
    store: Store,
    /// In any order: what superseded them has been there for longer than any listing that a reader trusts.
    keys: Vec<Path>,
    not_before: Instant,
}

impl Frees {
    /// Superseded now or some time ago.
    pub(super) fn of(store: &Store, keys: Vec<Path>) -> Self {
        Self { not_before: Instant::now() + store.settings.free_after(), store: store.clone(), keys }
    }

    /// How many objects there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// Waits until it may, then deletes them. Dropping it, before or half way, leaves some, which are freed another time.
    ///
    /// # Errors
    /// What the bucket said; some are left.
    pub async fn run(self) -> Result<(), StoreError> {
        tokio::time::sleep_until(self.not_before).await;
        self.store.bucket.delete(self.keys).await
    }
}
