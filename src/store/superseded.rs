//! Frees objects that later ones have superseded, once no reader and no writer can still depend on them.

use object_store::path::Path;
use tokio::time::Instant;

use super::Store;
use super::error::StoreError;

/// Objects that a run has superseded. They stay for a while
/// ([`StoreSettings::free_after`](field@super::StoreSettings::free_after)): a reader may be about to read them, and a writer
/// that has not heard of them must not find their numbers free.
#[derive(Debug)]
#[must_use = "run it in the background; if it is dropped, the objects stay until the log is opened again"]
pub struct Superseded {
    store: Store,
    /// The objects' keys. They may be deleted in any order, because the run that superseded them has been there for longer than
    /// any listing that a reader relies on.
    keys: Vec<Path>,
    not_before: Instant,
}

impl Superseded {
    /// Objects that were superseded now or earlier.
    pub(super) fn of(store: &Store, keys: Vec<Path>) -> Self {
        Self { not_before: Instant::now() + store.settings.free_after(), store: store.clone(), keys }
    }

    /// Number of the objects.
    #[must_use]
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Whether there are no objects.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// Waits until the objects may be deleted, and deletes them. If it is dropped, some objects stay, and are freed another time.
    ///
    /// # Errors
    /// The bucket failed; some objects are left.
    pub async fn run(self) -> Result<(), StoreError> {
        tokio::time::sleep_until(self.not_before).await;
        self.store.bucket.delete(self.keys).await
    }
}
