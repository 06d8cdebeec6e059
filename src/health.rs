//! The health of what a host stands on: whether its bucket answers and takes writes, and whether its clock is right.
//!
//! The code that asks the bucket for something says here what came of it; readiness and the operator's log read it. One host has one.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::metrics::Metrics;
use crate::share::error::{Refusal, StorageTrouble, StoreOperation, chain};
use crate::store::{Store, StoreError};

mod clock;

pub(crate) use clock::HostClock;

/// How long readiness waits for the bucket: less than the few seconds after which those who ask give up.
const READY_WITHIN: Duration = Duration::from_secs(2);

/// How soon the bucket is asked again that ignores conditions, or that could not be asked.
const PROBE_AGAIN_AFTER: Duration = Duration::from_secs(60);

/// Whether the bucket of a host does what the host needs of it.
#[derive(Debug)]
pub struct Health {
    store: Store,
    metrics: Arc<Metrics>,
    /// Whether the last write to the bucket failed.
    is_failing: AtomicBool,
}

impl Health {
    /// A bucket that nothing bad is known of yet.
    pub(crate) fn new(store: Store, metrics: Arc<Metrics>) -> Arc<Self> {
        Arc::new(Self { store, metrics, is_failing: AtomicBool::new(false) })
    }

    /// Notes that a write was done.
    pub(crate) fn written(&self) {
        // Read first: every core asks this at each write.
        if self.is_failing.load(Ordering::Relaxed) {
            self.is_failing.store(false, Ordering::Relaxed);
        }
    }

    /// Notes that the bucket did not carry out an operation. A share that is damaged, or a bucket that ignores conditions, says
    /// nothing of whether the bucket takes writes.
    pub(crate) fn failed(&self, operation: StoreOperation, error: &StoreError) {
        let writes = match operation {
            StoreOperation::Create | StoreOperation::Sync | StoreOperation::Delete => true,
            StoreOperation::Read | StoreOperation::List => false,
        };
        if writes && error.trouble() == StorageTrouble::Passing {
            self.is_failing.store(true, Ordering::Relaxed);
        }
    }

    /// Notes and logs that the bucket did not carry out an operation, and gives the answer for the caller who asked for it.
    pub(crate) fn refused(&self, operation: StoreOperation, error: &StoreError) -> Refusal {
        self.failed(operation, error);
        self.metrics.storage_failures.inc();
        if error.trouble() != StorageTrouble::Unconditional {
            // That is said once, when it is found out.
            tracing::error!(%operation, error = %chain(error), "the bucket failed");
        }
        Refusal::StorageFailure { operation, trouble: error.trouble() }
    }

    /// Succeeds if the bucket answers and syncs are written: after a sync that could not be written, each call tries a small
    /// write.
    ///
    /// # Errors
    /// The bucket does not answer within 2 s, or does not take writes.
    pub async fn ready(&self) -> Result<(), Refusal> {
        let failed = |operation, trouble| Err(Refusal::StorageFailure { operation, trouble });
        if self.store.is_refusing_writes() {
            return failed(StoreOperation::Sync, StorageTrouble::Unconditional);
        }
        let (operation, asked) = if self.is_failing.load(Ordering::Relaxed) {
            (StoreOperation::Sync, tokio::time::timeout(READY_WITHIN, self.store.takes_writes()).await)
        } else {
            (StoreOperation::Read, tokio::time::timeout(READY_WITHIN, self.store.ready()).await)
        };
        match asked {
            Ok(Ok(())) => {
                self.written();
                Ok(())
            }
            Ok(Err(error)) => Err(self.refused(operation, &error)),
            Err(_) => failed(operation, StorageTrouble::Passing),
        }
    }

    /// Asks the bucket every so often whether it honours conditional writes, for ever; each minute while it does not, or could
    /// not be asked. A change of the answer is logged. `None`: never asks.
    pub async fn tend_store(&self, every: Option<Duration>) {
        let Some(every) = every else { return };
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
