//! The store: shares as numbered, immutable objects in a bucket, safe for any number of hosts.
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
//! confirmed before a write, and an answer that came after the lease is checked against a fresh listing. How old a lease is
//! say all clocks of the machine and the bucket's own, whichever says the longest: a machine that slept
//! finds its leases over.
//!
//! # What it refuses
//! It knows no connection, and decides nothing of a share: entries go in and come out, their reader folds them, and a run is
//! made of the state that came of it. It keeps no queue; one append of a log is under way at a time, and what a caller gathers meanwhile is the next. It never guesses at bytes
//! that it did not write: a [`Corrupt`](StoreError::Corrupt) object is told by its key.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use object_store::ObjectStore;

mod about;
mod agreement;
mod bucket;
mod clock;
mod codec;
mod conditions;
mod dates;
mod erase;
mod error;
mod fold;
mod free;
#[cfg(fuzzing)]
pub mod fuzzing;
mod index;
mod key;
mod lease;
mod log;
mod lone;
mod mutation;
mod open;
mod probe;
mod survey;
mod tokens;

use bucket::Bucket;
use codec::Identity;
use probe::Probes;

#[cfg(feature = "s3")]
pub(crate) use error::s3_refusal;

pub use about::About;
pub use agreement::{CLOCK_OFF_MS, CLOCK_WRONG_MS};
pub use clock::{Clock, Moment};
pub use codec::WriterId;
pub use dates::{answered_at, not_before};
pub use erase::Freeing;
pub use error::{BucketRequest, StoreError};
pub use fold::{Fold, Folded, Occasion};
pub use free::Frees;
pub use index::{Claim, ClaimListing, DamagedClaim, ListCursor, ListPage, Usage};
pub use log::{Appended, Log, News};
#[cfg(feature = "__mutations")]
#[doc(hidden)]
pub use mutation::Mutation;
#[cfg(not(feature = "__mutations"))]
pub(crate) use mutation::Mutation;
pub use open::{Created, Opened};
pub use survey::{
    CheckOptions, Checked, Finding, Freed, FreedKind, GcOptions, Problem, Progress, ShareSize, Stats, Tally,
};
pub use tokens::{TOKEN_LABEL_CHARS_MAX, TOKENS_LISTED_MAX, TokenListing, TokenRecord};

/// The shares of one bucket. Clones are the same store.
#[derive(Debug, Clone)]
pub struct Store {
    bucket: Bucket,
    settings: StoreSettings,
    writer: WriterId,
    clock: Arc<dyn Clock>,
    /// The last batch number given out. Over all logs, because a log may be closed and opened again while an old batch of
    /// it is still on its way.
    last_batch: Arc<AtomicU64>,
}

/// How patient a store is. All hosts of one bucket should have the same.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct StoreSettings {
    /// How long a tail held in memory may be written to, counted from the issue of the request that confirmed it. Default
    /// 20 s.
    pub lease: Duration,
    /// How long one request may take, with all that the bucket's client does to retry it. Default 15 s: 10 s of retries
    /// and a last attempt of 5 s.
    pub request_time: Duration,
    /// How long an append goes on trying before it gives up with an error. Default 20 s.
    pub append_time: Duration,
    /// How long the emptied keys of a deleted share stay, to stand in the way of writers that know no better. Default
    /// 60 s, half a minute more than the 35 s of `lease + request_time`; taken as those if they are longer.
    pub free_after: Duration,
    /// Segments that gather before they are folded. Default 64: a log that is read costs at most some 300 small reads, most
    /// of them at once.
    pub fold_segments: u64,
    /// Whether the bucket lists keys in order, so that a page of a listing need not read the listing to its end. Default
    /// false: always right, and slower.
    pub sorted_listings: bool,
    /// How many objects the bucket tells in a page of a listing. A share is listed no further than to a page's end where runs
    /// cover what would come next. Default 1,000, as S3 has it.
    pub listing_page: usize,
    /// A bug to have, for the tests that must find it. Default `None`.
    #[cfg(feature = "__mutations")]
    #[doc(hidden)]
    pub mutation: Option<Mutation>,
    /// Whether this store alone writes to the bucket, which may then ignore the condition of a create: it is looked for
    /// before it is made, at the price of a request, and what was given up is waited for before its key is written again.
    /// Default false.
    pub single_writer: bool,
}

impl Default for StoreSettings {
    fn default() -> Self {
        Self {
            lease: Duration::from_secs(20),
            request_time: Duration::from_secs(15),
            append_time: Duration::from_secs(20),
            free_after: Duration::from_secs(60),
            fold_segments: 64,
            sorted_listings: false,
            listing_page: 1_000,
            #[cfg(feature = "__mutations")]
            mutation: None,
            single_writer: false,
        }
    }
}

impl StoreSettings {
    /// How old a segment must be, as others of its log show, before its key may be freed at once: no tail that precedes
    /// it can still be written to, and no write to it can still be on its way.
    fn settled_after(&self) -> Duration {
        self.lease + self.request_time
    }

    fn free_after(&self) -> Duration {
        self.free_after.max(self.settled_after())
    }
}

impl Store {
    /// The shares of this bucket, written to as `writer`: 128 random bits, other ones each time that a host starts. `clock`
    /// tells how old what the store knows is, and is compared with the bucket's.
    #[must_use]
    pub fn new(
        objects: Arc<dyn ObjectStore>,
        settings: StoreSettings,
        writer: WriterId,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let lone = settings.single_writer.then(Arc::default);
        let overwrites = settings.is_wrong(Mutation::SkipConditional);
        let (conditions, probes) = (Arc::default(), Arc::new(Probes::of(writer)));
        let (request_time, agreement) = (settings.request_time, Arc::default());
        let clocks = Arc::clone(&clock);
        let bucket = Bucket { objects, request_time, lone, overwrites, conditions, probes, clock: clocks, agreement };
        Self { bucket, settings, writer, clock, last_batch: Arc::default() }
    }

    fn next_identity(&self) -> Identity {
        Identity { writer: self.writer, batch: self.last_batch.fetch_add(1, Ordering::Relaxed) + 1 }
    }
}
