//! What all rooms of a host share: the store, the quotas, what is counted, and how rooms behave.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio_util::task::TaskTracker;

use crate::ambient::Clock;
use crate::health::Health;
use crate::metrics::Metrics;
use crate::rooms::quota::Quotas;
use crate::rooms::settings::RoomsSettings;
use crate::store::Store;

/// Folds of a host that are written at once: each holds a packed state in memory.
const FOLDS_MAX: usize = 8;

/// What all rooms of a host share.
#[derive(Debug)]
pub(in crate::rooms) struct RoomContext {
    pub(in crate::rooms) store: Store,
    pub(in crate::rooms) metrics: Arc<Metrics>,
    /// The clock by which shares expire.
    pub(in crate::rooms) clock: Arc<dyn Clock>,
    pub(in crate::rooms) tasks: TaskTracker,
    pub(in crate::rooms) quotas: Arc<Quotas>,
    /// Bytes of a piece of a step for followers.
    pub(in crate::rooms) chunk_bytes_max: usize,
    /// How often a room with followers looks for what other hosts wrote; `None`: there are no other hosts.
    pub(in crate::rooms) poll: Option<Duration>,
    /// How long after one write the next begins at the earliest.
    pub(in crate::rooms) linger: Duration,
    /// How long after its last write a room is folded into one object.
    pub(in crate::rooms) fold_after: Duration,
    /// See [`FOLDS_MAX`].
    pub(in crate::rooms) folds: Semaphore,
    /// Whether the bucket takes writes.
    pub(in crate::rooms) health: Arc<Health>,
    /// [`Mutation::AcknowledgeBeforePut`](crate::store::Mutation::AcknowledgeBeforePut).
    pub(in crate::rooms) answers_early: bool,
}

impl RoomContext {
    pub(in crate::rooms) fn new(
        store: Store,
        health: Arc<Health>,
        metrics: Arc<Metrics>,
        clock: Arc<dyn Clock>,
        settings: &RoomsSettings,
    ) -> Arc<Self> {
        Arc::new(Self {
            quotas: Quotas::new(settings.quotas.clone(), store.clone()),
            store,
            metrics,
            clock,
            tasks: TaskTracker::new(),
            chunk_bytes_max: settings.chunk_bytes_max,
            poll: settings.poll,
            linger: settings.linger,
            fold_after: settings.fold_after,
            folds: Semaphore::new(FOLDS_MAX),
            health,
            answers_early: settings.answers_early,
        })
    }
}
