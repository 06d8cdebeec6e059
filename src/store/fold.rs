//! Folding: writing what a stretch of a log came to as one object, beside the appends.
//!
//! The caller holds the state, the log knows what stands in the bucket. [`Log::fold`] says whether a fold is worth its
//! bytes now and makes it; [`Fold::run`] writes it, while the log is appended to; [`Log::folded`] takes note. A fold that is
//! dropped or fails has changed nothing that matters: any host writes an equal run, and the segments are there.
//!
//! **Several hosts.** Each folds what it has read itself, and knows the runs that were there when it opened the log, and
//! its own. So runs may overlap. A run is freed only when a longer one holds all of it: then what runs
//! cover never shrinks, whichever host frees, and the segments below may go.
//!
//! **What it costs.** Runs may take a sixth of a byte for each byte of log while the log grows, a half when it rests,
//! and a little to begin with. Where a state is small beside its log, one object costs next to nothing: it is made as soon as the
//! log pauses, if all runs together then take no more than a twenty-fourth of it. Within that allowance the longest stretch that
//! it pays for is folded anew, so that few runs are left; where the allowance does not suffice for long, because every item is new
//! or cannot be packed, only the newest stretches are folded, in sizes that double. So the number of reads that open a log stays
//! bounded, and the bytes written stay within one and a half times the bytes sent, unless those come in very small pieces.
//!
//! **What it takes of the processor.** Between appends a host packs a bounded number of bytes a second ([`effort`](super::effort)).
//! A stretch that is longer than that allows is folded when the log rests, or at sixteen times as many segments, or 512 MiB of them.

use bytes::Bytes;
use object_store::path::Path;
use tokio::time::Instant;

use super::bucket::Created;
use super::codec::{self, RunHeader};
use super::dates::Heard;
use super::error::{BucketRequest, StoreError};
use super::extent::{Extent, Run};
use super::key::{self, Stretch};
use super::log::Log;
use super::superseded::Superseded;
use super::{Mutation, Store};
use crate::share::id::ShareId;
use crate::share::limits::SHARE_BYTES_MAX;
use crate::share::revision::Revision;
use crate::share::state::{Saved, State};

/// Bytes that runs may take however small the log is: 32 KiB, the state of a short session.
const ALLOWANCE_BYTES: u64 = 32 << 10;

/// Multiple of [`StoreSettings::fold_segments`](field@super::StoreSettings::fold_segments) at which a fold is made even if runs
/// have used up what they may take.
const PATIENCE: u64 = 4;

/// The multiple at which a fold is made even if the host has packed as much as it [may](super::effort).
const LAST: u64 = 16;

/// Bytes of segments at which that is so too: whoever opens the log reads no more than two of the largest shares.
const LAST_BYTES: u64 = 2 * SHARE_BYTES_MAX as u64;

/// The part of a log's bytes (one of so many) that all its runs together may take after a fold in a pause. With a larger part, an
/// ordinary session, whose log is several times as large as its state, would be folded at each short pause.
const PAUSE_SHARE: u64 = 24;

/// How many times shorter JSON becomes when it is packed, about.
const PACKED: u64 = 4;

/// The occasion on which a fold is asked for, which decides what it may cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Occasion {
    /// Between two appends. A fold is made only if enough segments have gathered.
    Busy,
    /// Nothing was appended for about a second. The log becomes one object if that costs next to nothing beside what was written.
    Pause,
    /// Nothing was appended for about a minute. The log becomes one object if runs have not used up what they may take.
    Idle,
    /// Nothing was appended for about ten minutes. The log becomes one object, whatever that costs.
    Still,
}

/// A fold that is to be written. It owns everything that it needs.
#[derive(Debug)]
pub struct Fold {
    store: Store,
    id: ShareId,
    header: RunHeader,
    saved: Saved,
    in_haste: bool,
    superseded: Vec<Path>,
}

/// A fold that was written.
#[derive(Debug)]
#[must_use = "hand it to `Log::folded`"]
pub struct Folded(Run);

impl Extent {
    /// Bytes of the segments that no run covers.
    fn unfolded_bytes(&self) -> u64 {
        self.log_bytes - self.runs.last().map_or(0, |run| run.log_bytes).min(self.log_bytes)
    }

    /// The place of the first run that is folded anew together with the `unfolded` segments; the number of runs if only the segments
    /// are. `None` if nothing is folded now.
    /// `spare`: bytes that the host may pack between appends.
    fn choose(&self, occasion: Occasion, unfolded: u64, gather: u64, state_bytes: u64, spare: u64) -> Option<usize> {
        let all = self.runs.len();
        let worth_it = match occasion {
            Occasion::Busy => unfolded >= gather,
            Occasion::Pause | Occasion::Idle | Occasion::Still => self.is_unfolded(unfolded),
        };
        if !worth_it {
            return None;
        }
        let packed = |first: usize| {
            let parts = self.runs[first..].iter().map(|run| run.bytes).sum::<u64>() + self.unfolded_bytes() / PACKED;
            if first == 0 { parts.min(state_bytes / PACKED) } else { parts }
        };
        let allowance = match occasion {
            Occasion::Busy => self.log_bytes / 6 + ALLOWANCE_BYTES,
            // Little, because the next sync adds a segment again.
            Occasion::Pause => self.log_bytes / PAUSE_SHARE,
            Occasion::Idle | Occasion::Still => self.log_bytes / 2 + ALLOWANCE_BYTES,
        };
        let allowed = allowance.saturating_sub(self.run_bytes);
        let at_last = unfolded >= LAST * gather || self.unfolded_bytes() >= LAST_BYTES;
        let has_time = |packed: u64| at_last || packed.saturating_mul(PACKED) <= spare;
        match occasion {
            Occasion::Still => Some(0),
            Occasion::Pause | Occasion::Idle => (packed(0) <= allowed).then_some(0),
            Occasion::Busy => {
                (0..=all).find(|first| packed(*first) <= allowed && has_time(packed(*first))).or_else(|| {
                    let (mut first, mut bytes) = (all, packed(all));
                    while first > 0 && self.runs[first - 1].bytes <= 2 * bytes && has_time(packed(first - 1)) {
                        first -= 1;
                        bytes += self.runs[first].bytes;
                    }
                    (unfolded >= PATIENCE * gather && has_time(packed(first))).then_some(first)
                })
            }
        }
    }

    /// Whether reading the log takes more than one object.
    fn is_unfolded(&self, unfolded: u64) -> bool {
        self.runs.len() as u64 + unfolded > 1
    }
}

impl Log {
    /// Whether reading the log takes more than one object.
    #[must_use]
    pub fn is_unfolded(&self) -> bool {
        self.ended.is_none() && self.extent.is_unfolded(self.tail.seq - self.extent.covered())
    }

    /// Whether this host wrote the log's last segment. Of several hosts, the one that did folds the log first.
    #[must_use]
    pub fn is_own(&self) -> bool {
        self.tail.this.is_some_and(|this| this.writer == self.store.writer)
    }

    /// Whether this host should fold the log as soon as it pauses. Cheap: compares a few numbers.
    #[must_use]
    pub fn is_worth_a_pause(&self, state: &State) -> bool {
        self.ended.is_none() && self.is_own() && self.first_to_fold(Occasion::Pause, state, 0).is_some()
    }

    /// A fold of the log if one is worth its cost now. `state` must be the state of all entries up to the tail. `None` also if the
    /// log's lease is over: then [`Log::catch_up`] first.
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
        let now = Instant::now();
        let first = self.first_to_fold(occasion, state, store.effort.spare(now))?;
        let before = first.checked_sub(1).map(|n| extent.runs[n]).filter(|before| before.revision > Revision::EMPTY);
        let (from, mut saved) = match before.and_then(|before| Some((before.stretch.to, state.save(before.revision)?)))
        {
            Some(stretch) => stretch,
            // Nothing had changed by then, or what was removed since is no longer known.
            None => (0, state.save(Revision::EMPTY)?),
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
        if in_haste {
            store.effort.spend(saved.byte_count() as u64, now);
        }
        Some(Fold { store: store.clone(), id: id.clone(), header, saved, in_haste, superseded })
    }

    /// The first of the runs to be folded anew; see [`Extent::choose`].
    fn first_to_fold(&self, occasion: Occasion, state: &State, spare: u64) -> Option<usize> {
        let Self { store, tail, extent, .. } = self;
        let unfolded = tail.seq - extent.covered();
        extent.choose(occasion, unfolded, store.settings.fold_segments, state.byte_count() as u64, spare)
    }

    /// Tells the log that a fold was written.
    pub fn folded(&mut self, folded: &Folded) {
        let run = folded.0;
        // Another fold may have been noted, or the log read anew, in between.
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
    /// Packs and writes the run. When this returns, the run is in the bucket, and the objects that it supersedes may be freed after
    /// a while. `None` if the share was deleted meanwhile; then nothing of the run is left.
    ///
    /// # Errors
    /// The bucket failed. The run may have been written all the same, which does no harm.
    pub async fn run(self) -> Result<Option<(Folded, Superseded)>, StoreError> {
        let Self { store, id, header, saved, in_haste, superseded } = self;
        let (stretch, revision) = (Stretch { from: header.from, to: header.to }, saved.revision);
        let size = saved.byte_count();
        let log = id.clone();
        let pack = move || codec::encode_run(&log, &header, &saved, in_haste);
        let packed: Bytes = store.settings.offload(size, pack).await;
        let (key, bytes) = (key::run(&id, stretch), packed.len() as u64);
        match store.bucket.create(&key, packed).await? {
            Created::Yes => {}
            // The same stretch was folded by another host, or by this one, and its answer was lost.
            Created::Hint if store.bucket.written_at(&key).await?.is_some() => {}
            Created::Hint => {
                return Err(StoreError::unavailable(
                    BucketRequest::Create,
                    &key,
                    "it says that there is such an object, and there is none",
                ));
            }
        }
        // A deletion that came between has not seen this object.
        if store.bucket.written_at(&key::tombstone(&id)).await?.is_some() {
            store.bucket.delete(vec![key]).await?;
            return Ok(None);
        }
        let run = Run { stretch, bytes, revision, log_bytes: header.log_bytes };
        Ok(Some((Folded(run), Superseded::of(&store, superseded))))
    }
}
