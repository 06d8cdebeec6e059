//! The store: shares as numbered, immutable objects in a bucket, which any number of hosts may write at once.
//!
//! The hub calls it. A [`Store`] knows claims (which share a session is), and opens or creates logs; a [`Log`] is the tail
//! of one share's log, and appends to it. The only conditional write used is create-if-absent, which every serious store
//! has; [`Store::probe_conditional_writes`] finds out those that do not. `schema/storage.md` is the table of all keys and
//! lines.
//!
//! # What it promises
//! - An append that was answered [`Written`](Appended::Written) is in the bucket, once, after all that was in the log
//!   before. One that was answered [`Behind`](Appended::Behind) wrote nothing, and never will.
//! - An error is no answer: what was asked may have been done, or may yet be. Every call may be made again, and the next
//!   look at the log tells what became of it.
//! - Any future may be dropped at any point; that is an error that nobody read.
//! - A share whose deletion is in its log is gone for every host from then on, and its id is never used again. Whatever a
//!   host that stopped left undone of it, the next one that opens the share or claims the session does.
//!
//! # How
//! A log's next segment is created under the next number, so two writers meet at a key and one wins. What the other reads
//! back there tells it whose it is: each segment bears its writer's identity and its predecessor's. A tail held in memory is a
//! lease: the longer it is held, the less it may be trusted, because keys that are superseded or of a deleted
//! share are freed in the end and a free key would take a write that nobody ever reads. So past half the lease the tail is
//! confirmed before a write, and an answer that came after the lease is checked against a fresh listing. The age of a lease is
//! the longest that any clock of the machine, or the bucket's own, tells: a machine that slept finds its leases over.
//!
//! # What it refuses
//! It knows no connection, and decides nothing of a share: entries go in and come out, their reader folds them, and a run is
//! made of the state that came of it. It keeps no queue; one append of a log is under way at a time, and what a caller gathers
//! meanwhile is the next. It never guesses at bytes that it did not write: a [`Corrupt`](StoreError::Corrupt) object is reported with its key.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use object_store::ObjectStore;

mod agreement;
mod bucket;
mod clock;
mod codec;
mod conditions;
mod dates;
mod effort;
mod erase;
mod error;
mod extent;
mod fold;
#[cfg(fuzzing)]
pub mod fuzzing;
mod hosts;
mod id;
mod index;
mod key;
mod lease;
mod log;
mod mutation;
mod open;
mod parcel;
mod probe;
mod probe_names;
mod records;
mod single_writer;
mod summary;
mod superseded;
mod survey;
mod tokens;

use bucket::Bucket;
use codec::Identity;
use probe_names::ProbeNames;

use crate::share::id::StoreId;

#[cfg(feature = "s3")]
pub(crate) use error::s3_refusal;

pub use agreement::{CLOCK_OFF_MS, CLOCK_WRONG_MS};
pub use clock::{Clock, Moment};
pub use codec::WriterId;
pub use dates::{answered_at, not_before};
pub use erase::Freeing;
pub use error::{BucketRequest, StoreError};
pub use fold::{Fold, Folded, Occasion};
pub use hosts::ListedHost;
pub use index::{Claim, ClaimListing, DamagedClaim, ListCursor, ListPage, Usage};
pub use log::{Appended, Log, News};
#[cfg(feature = "__mutations")]
#[doc(hidden)]
pub use mutation::Mutation;
#[cfg(not(feature = "__mutations"))]
pub(crate) use mutation::Mutation;
pub use open::{Created, Opened};
pub use records::{HostRecord, Summary, TokenRecord};
pub use superseded::Superseded;
pub use survey::{
    CheckOptions, Checked, Finding, Freed, FreedKind, GcOptions, Problem, Progress, ShareSize, Stats, Tally,
};
pub use tokens::{TOKEN_LABEL_CHARS_MAX, TOKENS_LISTED_MAX, TokenListing};

/// The shares of one bucket. Clones are handles on one store.
#[derive(Debug, Clone)]
pub struct Store {
    bucket: Bucket,
    settings: StoreSettings,
    writer: WriterId,
    clock: Arc<dyn Clock>,
    /// The last batch number that was given out, over all logs, because a log may be closed and opened again while an old batch
    /// of it is still on its way.
    last_batch: Arc<AtomicU64>,
    /// What was packed between appends, over all logs.
    effort: Arc<effort::Effort>,
    /// The id of the store, once it was read.
    id: Arc<OnceLock<StoreId>>,
}

/// How long a store waits and how it writes. All hosts of one bucket should have equal settings, but for
/// `offload_bytes`, which each may choose.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct StoreSettings {
    /// How long a host may write to a log's tail that it holds in memory, counted from the issue of the request that confirmed
    /// it. Default 20 s.
    pub lease: Duration,
    /// How long one request to the bucket may take, its retries included. Default 15 s: 10 s of retries and a last attempt of
    /// 5 s.
    pub request_time: Duration,
    /// How long an append is tried before it fails. Default 20 s.
    pub append_time: Duration,
    /// How long superseded objects, and the empty objects of a deleted share, stay in the way of writers that have not heard of
    /// it. Default 90 s, so that a host that looks each minute need not list. If `lease + request_time`, by default 35 s, is longer, it
    /// counts instead.
    pub free_after: Duration,
    /// Number of segments that gather before they are folded. Default 64: reading a log then takes at most some 300 small
    /// reads, most of them at once.
    pub fold_segments: u64,
    /// Whether the bucket lists keys in order, so that a page of a listing need not read the whole listing. Default false, which
    /// is right for every bucket, and slower.
    pub sorted_listings: bool,
    /// Number of objects in a page of the bucket's listings. Listing a share ends at a page's end if runs cover what would come
    /// next. Default 1,000, as for S3.
    pub listing_page: usize,
    /// Number of bytes from which on packing and unpacking happen on a thread of their own. Default 32 KiB, which take a fifth of a
    /// millisecond. With `usize::MAX` they never do, so that the threads of the machine decide nothing in a simulation.
    pub offload_bytes: usize,
    /// A bug that the store has on purpose, for the tests that must find it. Default `None`.
    #[cfg(feature = "__mutations")]
    #[doc(hidden)]
    pub mutation: Option<Mutation>,
    /// Whether this store is the only writer of the bucket, which may then ignore the condition of a create. The store reads a key
    /// before it creates it, which costs a request, and waits for a request that it gave up before it writes to that key again.
    /// Default false.
    pub single_writer: bool,
}

impl Default for StoreSettings {
    fn default() -> Self {
        Self {
            lease: Duration::from_secs(20),
            request_time: Duration::from_secs(15),
            append_time: Duration::from_secs(20),
            free_after: Duration::from_secs(90),
            fold_segments: 64,
            sorted_listings: false,
            listing_page: 1_000,
            offload_bytes: 32 << 10,
            #[cfg(feature = "__mutations")]
            mutation: None,
            single_writer: false,
        }
    }
}

impl StoreSettings {
    /// How long after a segment was written no host writes to a tail before it any more, and no write to its key is on its way. No key is
    /// freed sooner.
    fn settled_after(&self) -> Duration {
        self.lease + self.request_time
    }

    /// Runs `work` on a thread for blocking work if it is on many bytes, and otherwise here.
    async fn offload<T: Send + 'static>(&self, bytes: usize, work: impl FnOnce() -> T + Send + 'static) -> T {
        if bytes < self.offload_bytes {
            return work();
        }
        match tokio::task::spawn_blocking(work).await.map_err(tokio::task::JoinError::try_into_panic) {
            Ok(done) => done,
            Err(Ok(panic)) => std::panic::resume_unwind(panic),
            // The runtime is shutting down, and this task with it.
            Err(Err(_)) => std::future::pending().await,
        }
    }

    fn free_after(&self) -> Duration {
        self.free_after.max(self.settled_after())
    }

    /// How long an absent number shows, to a reader, that the log ends there: seven tenths of the time for which keys stay, so that the
    /// rest is left for machines whose clocks all stand still; never less than the lease.
    fn shown_for(&self) -> Duration {
        (self.free_after() * 7 / 10).max(self.lease)
    }
}

impl Store {
    /// The store of the bucket `objects`, which it writes as `writer`: 128 random bits, new ones each time that a host starts.
    /// `clock` tells the age of what the store knows, and is compared with the bucket's clock.
    #[must_use]
    pub fn new(
        objects: Arc<dyn ObjectStore>,
        settings: StoreSettings,
        writer: WriterId,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let single_writer = settings.single_writer.then(Arc::default);
        let overwrites = settings.is_wrong(Mutation::SkipConditional);
        let (conditions, probes) = (Arc::default(), Arc::new(ProbeNames::of(writer)));
        let (request_time, agreement) = (settings.request_time, Arc::default());
        let clocks = Arc::clone(&clock);
        let bucket =
            Bucket { objects, request_time, single_writer, overwrites, conditions, probes, clock: clocks, agreement };
        let (effort, id) = (Arc::default(), Arc::default());
        Self { bucket, settings, writer, clock, last_batch: Arc::default(), effort, id }
    }

    fn next_identity(&self) -> Identity {
        Identity { writer: self.writer, batch: self.last_batch.fetch_add(1, Ordering::Relaxed) + 1 }
    }
}
