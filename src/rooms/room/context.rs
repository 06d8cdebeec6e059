//! What all rooms of a host share: the store, the quotas, what is counted, and how rooms behave.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::time::Instant;
use tokio_util::task::TaskTracker;

use super::agenda::Polls;
use crate::ambient::Clock;
use crate::health::Health;
use crate::hints::Hints;
use crate::metrics::Metrics;
use crate::rooms::handed::HandOver;
use crate::rooms::quota::Quotas;
use crate::rooms::settings::RoomsSettings;
use crate::share::id::ShareId;
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
    pub(in crate::rooms) hints: Arc<Hints>,
    /// What brings entries to other hosts, if there is a way.
    pub(in crate::rooms) hands_over: OnceLock<Box<dyn HandOver>>,
    /// How old what is read may be; `None`: there are no other hosts.
    pub(in crate::rooms) poll: Option<Duration>,
    /// How often a room that is waited for looks if its share has rested, and how often while a carrier brings hints.
    poll_rested: Duration,
    poll_hinted: Duration,
    /// When the host began.
    since: Instant,
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
    /// [`Mutation::BelieveHost`](crate::store::Mutation::BelieveHost).
    pub(in crate::rooms) believes_hosts: bool,
    /// [`Mutation::LookBeforeFollow`](crate::store::Mutation::LookBeforeFollow).
    pub(in crate::rooms) follows_late: bool,
    /// [`Mutation::NoFloor`](crate::store::Mutation::NoFloor).
    has_no_floor: bool,
}

impl RoomContext {
    pub(in crate::rooms) fn new(
        store: Store,
        health: Arc<Health>,
        hints: Arc<Hints>,
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
            hints,
            hands_over: OnceLock::new(),
            poll: settings.poll,
            poll_rested: settings.poll_rested.or(settings.poll).unwrap_or_default(),
            poll_hinted: settings.poll_hinted,
            since: Instant::now(),
            linger: settings.linger,
            fold_after: settings.fold_after,
            folds: Semaphore::new(FOLDS_MAX),
            health,
            answers_early: settings.answers_early,
            believes_hosts: settings.believes_hosts,
            follows_late: settings.follows_late,
            has_no_floor: settings.has_no_floor,
        })
    }

    /// How often the room of a share looks that is waited for; `None`: there are no other hosts.
    pub(super) fn polls(&self, id: &ShareId) -> Option<Polls> {
        // Ids are random, so their ends are spread evenly over all that they can be.
        let phase =
            id.as_str().bytes().rev().take(7).fold(0_u32, |sum, byte| {
                (sum << 5) | u32::from(if byte < b'a' { byte - b'2' + 26 } else { byte - b'a' })
            });
        let hinted = if self.has_no_floor { Duration::from_secs(1 << 20) } else { self.poll_hinted };
        let (rested, since) = (self.poll_rested, self.since);
        self.poll.map(|plain| Polls { plain, rested: rested.max(plain), hinted: hinted.max(plain), phase, since })
    }
}
