//! Whether the bucket does what the host needs of it: for readiness, and for the host itself.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::{Hub, chain};
use crate::share::error::{Refusal, StorageTrouble, StoreOperation};
use crate::store::StoreError;

/// How long readiness waits for the bucket: less than the few seconds after which those who ask give up.
const READY_WITHIN: Duration = Duration::from_secs(2);

/// How soon the bucket is asked again that ignores conditions, or that could not be asked.
const PROBE_AGAIN_AFTER: Duration = Duration::from_secs(60);

/// Whether the last write to the bucket was done.
#[derive(Debug, Default)]
pub(super) struct Health {
    is_failing: AtomicBool,
}

impl Health {
    /// A write was done.
    pub(super) fn written(&self) {
        // Read first: it is asked at each write, by every core.
        if self.is_failing.load(Ordering::Relaxed) {
            self.is_failing.store(false, Ordering::Relaxed);
        }
    }

    /// The bucket did not do what it was asked. A share that is damaged, or a bucket that ignores conditions, says nothing
    /// of whether it takes writes.
    pub(super) fn failed(&self, operation: StoreOperation, error: &StoreError) {
        let writes = match operation {
            StoreOperation::Create | StoreOperation::Sync | StoreOperation::Delete => true,
            StoreOperation::Read | StoreOperation::List => false,
        };
        if writes && error.trouble() == StorageTrouble::Passing {
            self.is_failing.store(true, Ordering::Relaxed);
        }
    }
}

impl Hub {
    /// Whether it takes connections, the bucket answers, and syncs are written: after one that could not be, a small write is
    /// tried each time.
    ///
    /// # Errors
    /// One of these is not so.
    pub async fn ready(&self) -> Result<(), Refusal> {
        if self.registry.is_shut() {
            return Err(Refusal::Unavailable { retry_after_ms: 1_000 });
        }
        let failed = |operation, trouble| Err(Refusal::StorageFailure { operation, trouble });
        if self.store.is_refusing_writes() {
            return failed(StoreOperation::Sync, StorageTrouble::Unconditional);
        }
        let health = &self.context.health;
        let (operation, asked) = if health.is_failing.load(Ordering::Relaxed) {
            (StoreOperation::Sync, tokio::time::timeout(READY_WITHIN, self.store.takes_writes()).await)
        } else {
            (StoreOperation::Read, tokio::time::timeout(READY_WITHIN, self.store.ready()).await)
        };
        match asked {
            Ok(Ok(())) => {
                health.written();
                Ok(())
            }
            Ok(Err(error)) => Err(self.storage_failed(operation, &error)),
            Err(_) => failed(operation, StorageTrouble::Passing),
        }
    }

    /// Asks the bucket now and then whether it honours conditional writes, for ever; see
    /// [`HubSettings::probe_every`](super::HubSettings::probe_every). What it answers is said in the log when it changes.
    pub async fn tend_store(&self) {
        let Some(every) = self.settings.probe_every else { return };
        let mut pause = every;
        loop {
            tokio::time::sleep(pause).await;
            pause = match self.store.probe_conditional_writes().await {
                Ok(()) => every,
                Err(StoreError::Unconditional) => every.min(PROBE_AGAIN_AFTER),
                Err(error) => {
                    tracing::warn!(error = %chain(&error), "the bucket could not be asked whether it honours conditional writes");
                    every.min(PROBE_AGAIN_AFTER)
                }
            };
        }
    }
}
