//! Folding: writing what a stretch of a log came to as one object, beside the appends.
//!
//! The caller holds the state, the log knows what stands in the bucket. [`Log::fold`] says whether a fold is worth its
//! bytes now and makes it; [`Fold::run`] writes it, while the log is appended to; [`Log::folded`] takes note. A fold that is
//! dropped, or fails, has changed nothing that matters: a run is the same whoever writes it, and the segments are there.
//!
//! **Several hosts.** Each folds what it has read itself, and knows the runs that were there when it opened the log, and
//! its own. So runs overlap, and are read so. None of them is freed but for a longer one that holds all of it: then what runs
//! cover never shrinks, whoever frees, and segments below it may go.
//!
//! **What it costs.** Runs may take a sixth of a byte for each byte of log while the log grows, a half when it rests,
//! and a little to begin with. Where a state is small beside its log, one object costs next to nothing: it is made as soon as the
//! log pauses, if all runs ever take no more than a twenty-fourth of it. Within that, the longest stretch that can be afforded is folded anew, so that few runs are
//! left; where it does not suffice for long, because every item is new or cannot be packed, only the newest
//! stretches are folded, in sizes that double. So the reads of an opening stay bounded whatever comes, and what is
//! written stays within one and a half of what was sent, unless that is in very small pieces.

use bytes::Bytes;
use object_store::path::Path;

use super::bucket::Created;
use super::codec::{self, RunHeader};
use super::dates::Heard;
use super::error::{BucketRequest, StoreError};
use super::free::Frees;
use super::key::{self, Number, Stretch};
use super::log::Log;
use super::{Mutation, Store};
use crate::share::id::ShareId;
use crate::share::state::{Saved, State};
use crate::share::view::Revision;

/// Bytes that runs may take whatever the log has: 32 KiB, a short session's state.
const ALLOWANCE_BYTES: u64 = 32 << 10;

/// How many times the segments of a fold gather at most, however little may be spent.
const PATIENCE: u64 = 4;

/// Which part of a log's bytes all its runs may have taken after a fold in a pause: with less, an agent's ordinary session,
/// whose log is some times as large as its state, would be folded at each pause for breath.
const PAUSE_SHARE: u64 = 24;

/// JSON is about four times as long as what it packs to.
const PACKED: u64 = 4;

/// From how many bytes on packing and unpacking leave the runtime's thread: 32 KiB, a fifth of a millisecond.
const OFFLOAD_BYTES: usize = 32 << 10;

/// When a fold is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Occasion {
    /// Between appends: only if enough segments have gathered.
    Busy,
    /// Nothing was appended for a second or so: one object, if that costs next to nothing beside what was written.
    Pause,
    /// Nothing was appended for a while: one object is better, if it is affordable.
    Idle,
    /// Nothing was appended for long: one object, whatever it costs.
    Still,
}

/// What stands in the bucket of a log.
#[derive(Debug, Clone, Default)]
pub(super) struct Extent {
    /// The runs that cover the log's beginning, each from where the one before ends or from within it.
    pub(super) runs: Vec<Run>,
    /// Bytes of all segments there ever were.
    pub(super) log_bytes: u64,
    /// Bytes of all runs there ever were.
    pub(super) run_bytes: u64,
}

/// A run that is in the bucket.
#[derive(Debug, Clone, Copy)]
pub(super) struct Run {
    pub(super) stretch: Stretch,
    pub(super) bytes: u64,
    /// The revision at its end.
    pub(super) revision: Revision,
    /// Bytes of all segments up to its end.
    pub(super) log_bytes: u64,
}

/// A fold to be written. Owns all that it needs.
#[derive(Debug)]
pub struct Fold {
    store: Store,
    id: ShareId,
    header: RunHeader,
    saved: Saved,
    in_haste: bool,
    superseded: Vec<Path>,
}

/// A fold that is in the bucket.
#[derive(Debug)]
#[must_use = "the log must learn of it"]
pub struct Folded(Run);

impl Extent {
    /// The last segment that a run covers.
    pub(super) fn covered(&self) -> Number {
        self.runs.last().map_or(0, |run| run.stretch.to)
    }

    /// Bytes of the segments that no run covers.
    fn loose_bytes(&self) -> u64 {
        self.log_bytes - self.runs.last().map_or(0, |run| run.log_bytes).min(self.log_bytes)
    }

    /// The first of the runs to be folded anew together with `loose` segments; the number of runs, for none of them.
    /// `None`: not now.
    fn choose(&self, occasion: Occasion, loose: u64, gather: u64, state_bytes: u64) -> Option<usize> {
        let all = self.runs.len();
        let worth_it = match occasion {
            Occasion::Busy => loose >= gather,
            Occasion::Pause | Occasion::Idle | Occasion::Still => self.is_loose(loose),
        };
        if !worth_it {
            return None;
        }
        let packed = |first: usize| {
            let parts = self.runs[first..].iter().map(|run| run.bytes).sum::<u64>() + self.loose_bytes() / PACKED;
            if first == 0 { parts.min(state_bytes / PACKED) } else { parts }
        };
        let allowance = match occasion {
            Occasion::Busy => self.log_bytes / 6 + ALLOWANCE_BYTES,
            // No more than a pause is worth: the next sync makes it loose again.
            Occasion::Pause => self.log_bytes / PAUSE_SHARE,
            Occasion::Idle | Occasion::Still => self.log_bytes / 2 + ALLOWANCE_BYTES,
        };
        let allowed = allowance.saturating_sub(self.run_bytes);
        match occasion {
            Occasion::Still => Some(0),
            Occasion::Pause | Occasion::Idle => (packed(0) <= allowed).then_some(0),
            Occasion::Busy => (0..=all).find(|first| packed(*first) <= allowed).or_else(|| {
                (loose >= PATIENCE * gather).then(|| {
                    let (mut first, mut bytes) = (all, self.loose_bytes() / PACKED);
                    while first > 0 && self.runs[first - 1].bytes <= 2 * bytes {
                        first -= 1;
                        bytes += self.runs[first].bytes;
                    }
                    first
                })
            }),
        }
    }

    /// Whether it takes more than one object to read the log.
    fn is_loose(&self, loose: u64) -> bool {
        self.runs.len() as u64 + loose > 1
    }
}

impl Log {
    /// Whether reading the log takes more than one object.
    #[must_use]
    pub fn is_loose(&self) -> bool {
        self.ended.is_none() && self.extent.is_loose(self.tail.seq - self.extent.covered())
    }

    /// Whether this host wrote the log's last segment: of several hosts, that one folds it.
    #[must_use]
    pub fn is_own(&self) -> bool {
        self.tail.this.is_some_and(|this| this.writer == self.store.writer)
    }

    /// Whether there is something to fold as soon as the log pauses, for this host. Asks for no more than a few numbers.
    #[must_use]
    pub fn is_worth_a_pause(&self, state: &State) -> bool {
        self.ended.is_none() && self.is_own() && self.first_to_fold(Occasion::Pause, state).is_some()
    }

    /// A fold of the log, if one is worth it now. `state` is what all entries up to where the log stands came to. `None`
    /// also for a log that is not sure of its tail: such a one looks first ([`Log::catch_up`]).
    #[must_use]
    pub fn fold(&self, occasion: Occasion, state: &State) -> Option<Fold> {
        let Self { store, id, tail, extent, .. } = self;
        // A host that does not know how the log stands might write a run of a share that was deleted since.
        if self.ended.is_some() || !self.in_lease(Heard::default()) || self.is_suspect() {
            return None;
        }
        if matches!(occasion, Occasion::Busy | Occasion::Pause) && !self.is_own() {
            return None;
        }
        let first = self.first_to_fold(occasion, state)?;
        let before = first.checked_sub(1).map(|n| extent.runs[n]).filter(|before| before.revision > 0);
        let (from, mut saved) = match before.and_then(|before| Some((before.stretch.to, state.save(before.revision)?)))
        {
            Some(stretch) => stretch,
            // Nothing had changed by then, or what was removed since is no longer known.
            None => (0, state.save(0)?),
        };
        if store.settings.is_wrong(Mutation::DropProducers) {
            saved.producers.clear();
        }
        let (log_bytes, run_bytes) = (extent.log_bytes, extent.run_bytes);
        let header = RunHeader { from, to: tail.seq, this: tail.this?, log_bytes, run_bytes };
        let runs = extent.runs.iter().filter(|run| run.stretch.from >= from).map(|run| key::run(id, run.stretch));
        // The newest segment that is covered stays; the one that stayed last time goes.
        let segments = (extent.covered().max(1)..tail.seq).map(|number| key::segment(id, number));
        let superseded = runs.chain(segments).collect();
        // Between appends, as time is short and the run will be superseded.
        let in_haste = occasion == Occasion::Busy;
        Some(Fold { store: store.clone(), id: id.clone(), header, saved, in_haste, superseded })
    }

    /// The first of the runs to be folded anew; see [`Extent::choose`].
    fn first_to_fold(&self, occasion: Occasion, state: &State) -> Option<usize> {
        let Self { store, tail, extent, .. } = self;
        let loose = tail.seq - extent.covered();
        extent.choose(occasion, loose, store.settings.fold_segments, state.byte_count() as u64)
    }

    /// Takes note of a fold that was written.
    pub fn folded(&mut self, folded: &Folded) {
        let run = folded.0;
        // Another one, or a state read anew, may have come between.
        if run.stretch.to <= self.extent.covered() {
            return;
        }
        self.extent.runs.retain(|other| other.stretch.from < run.stretch.from);
        if self.extent.covered() >= run.stretch.from {
            self.extent.runs.push(run);
        }
        self.extent.run_bytes += run.bytes;
    }
}

impl Fold {
    /// Packs it and writes it. When this returns the run is in the bucket, and what it supersedes may be freed in time.
    /// `None`: the share was deleted meanwhile, and nothing of the run is left.
    ///
    /// # Errors
    /// What the bucket said. The run may have been written all the same, which does no harm.
    pub async fn run(self) -> Result<Option<(Folded, Frees)>, StoreError> {
        let Self { store, id, header, saved, in_haste, superseded } = self;
        let (stretch, revision) = (Stretch { from: header.from, to: header.to }, saved.revision);
        let size = saved.items.iter().map(|item| item.value.as_str().len()).sum();
        let log = id.clone();
        let packed: Bytes = offload(size, move || codec::encode_run(&log, &header, &saved, in_haste)).await;
        let (key, bytes) = (key::run(&id, stretch), packed.len() as u64);
        match store.bucket.create(&key, packed).await? {
            Created::Yes => {}
            // The same stretch was folded by another host, or by this one, and its answer was lost.
            Created::Hint if store.bucket.written_at(&key).await?.is_some() => {}
            Created::Hint => {
                return Err(StoreError::unavailable(
                    BucketRequest::Create,
                    &key,
                    "it says that there is one, and there is not",
                ));
            }
        }
        // A deletion that came between has not seen this object.
        if store.bucket.written_at(&key::tombstone(&id)).await?.is_some() {
            store.bucket.delete(vec![key]).await?;
            return Ok(None);
        }
        let run = Run { stretch, bytes, revision, log_bytes: header.log_bytes };
        Ok(Some((Folded(run), Frees::of(&store, superseded))))
    }
}

/// Runs what takes long away from the runtime's thread; what does not, here.
pub(super) async fn offload<T: Send + 'static>(bytes: usize, work: impl FnOnce() -> T + Send + 'static) -> T {
    if bytes < OFFLOAD_BYTES {
        return work();
    }
    match tokio::task::spawn_blocking(work).await.map_err(tokio::task::JoinError::try_into_panic) {
        Ok(done) => done,
        Err(Ok(panic)) => std::panic::resume_unwind(panic),
        // The runtime is shutting down, and whoever waits here goes with it.
        Err(Err(_)) => std::future::pending().await,
    }
}
