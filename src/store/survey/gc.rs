//! Collecting garbage: what is expired, what deletions and folds have left, and what is nobody's any more.
//!
//! Hosts free all this by themselves, but one that stops leaves some. Whatever is freed here is older, by the bucket's own
//! clock, than any reader or writer can still depend on; that clock is asked by writing an object. What a run covers is freed only
//! after the whole share was judged as a check does, and nothing of a damaged share is freed: a deletion is believed by its
//! entry in the log or by its tombstone alone. No tombstone goes while a claim names its share.
//!
//! Whoever collects with a clock that is wrong by more than a minute, as the bucket's shows, frees nothing because it has expired.
//!
//! Whether a share has expired says its companion, if that knows all of its log; otherwise the log is read. A share goes only
//! if its log says so too ([`expire`](super::expire)): another host may have given it more time.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use futures::TryStreamExt as _;

use super::super::Store;
use super::super::agreement::CLOCK_WRONG_MS;
use super::super::bucket::Listed;
use super::super::dates;
use super::super::error::{BucketRequest, StoreError};
use super::super::index::Claims;
use super::super::key::{self, Indexed, Number, Stretch};
use super::super::log::chain;
use super::walk::Group;
use super::{Groups, Problem, Progress, Tally};
use crate::share::id::ShareId;
use crate::share::time::Timestamp;

/// Tombstones that one collection considers; those beyond are left to the next. Each has some hundred bytes here.
const TOMBSTONES_MAX: usize = 100_000;

/// From which age on a probe is left over: an hour. A host's start takes seconds.
const PROBES_AFTER: Duration = Duration::from_secs(3_600);

/// Shares whose companions are remembered; the logs of those beyond are read. Each has some hundred bytes here.
const LASTING_MAX: usize = 100_000;

/// How a collection goes about it.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct GcOptions {
    /// Only say what would be freed. One small object is written and deleted all the same, to ask for the time.
    pub dry_run: bool,
    /// What time it is, for what expires.
    pub now: Timestamp,
    /// How long tombstones stay. Default 30 days: no host, and no crashed machine's file, comes back after that.
    pub tombstones_after: Duration,
    /// Random, so that two collections do not meet.
    pub nonce: u128,
}

impl GcOptions {
    /// The defaults, at this time.
    #[must_use]
    pub fn at(now: Timestamp, nonce: u128) -> Self {
        Self { dry_run: false, now, tombstones_after: Duration::from_secs(30 * 24 * 3_600), nonce }
    }
}

/// What was freed of a kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum FreedKind {
    /// The content of shares that had expired.
    Expired,
    /// Content and empty objects of deleted shares. Content that has to keep its place counts when it is emptied, and once
    /// more when the empty object is freed.
    Deleted,
    /// Segments and runs that later runs cover.
    Superseded,
    /// Claims that later ones have passed.
    Claims,
    /// Companions of claims that are released, passed or gone.
    Companions,
    /// Tombstones of long ago.
    Tombstones,
    /// Probes that hosts left when they started.
    Probes,
    /// Files of a directory that killed hosts left half written. A [`Store`] sees none: whoever has the directory frees them.
    HalfWritten,
}

impl FreedKind {
    /// Its name for programs.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Expired => "expired",
            Self::Deleted => "deleted",
            Self::Superseded => "superseded",
            Self::Claims => "claims",
            Self::Companions => "companions",
            Self::Tombstones => "tombstones",
            Self::Probes => "probes",
            Self::HalfWritten => "half-written",
        }
    }
}

/// What was freed, or would be.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Freed {
    /// By kind; without those of which there was nothing.
    pub kinds: BTreeMap<FreedKind, Tally>,
    /// Shares that had expired.
    pub expired_shares: u64,
    /// By how many milliseconds [`GcOptions::now`] is ahead of the bucket's time, at least, if that is more than a minute; negative:
    /// behind. Then nothing was freed because it had expired.
    pub clock_wrong_by_ms: Option<i64>,
    /// Shares that were passed over because something of them cannot be read: see [`Store::check`].
    pub passed_over: u64,
}

impl Freed {
    /// All of it.
    #[must_use]
    pub fn all(&self) -> Tally {
        self.kinds.values().fold(Tally::default(), |all, kind| Tally {
            objects: all.objects + kind.objects,
            bytes: all.bytes + kind.bytes,
        })
    }
}

/// A collection under way.
pub(super) struct Collection<'a> {
    pub(super) store: &'a Store,
    pub(super) options: &'a GcOptions,
    /// By the bucket's clock.
    now: Timestamp,
    pub(super) freed: Freed,
    /// Shares that last, by their companions, and up to which segment that is so.
    lasting: BTreeMap<ShareId, Number>,
    /// Old tombstones of which no object and no claim has been met.
    tombstones: BTreeMap<ShareId, Listed>,
}

impl Store {
    /// Superseded what nobody needs any more.
    ///
    /// # Errors
    /// What the bucket said. What was freed before that is freed.
    pub async fn gc(&self, options: &GcOptions, progress: Progress<'_>) -> Result<Freed, StoreError> {
        let (now, heard) = dates::listen(self.bucket_time(options.nonce)).await;
        let ahead_ms = heard.exact.map(|exact| options.now.0 - exact.0);
        let clock_wrong_by_ms = ahead_ms.filter(|ahead_ms| ahead_ms.abs() > CLOCK_WRONG_MS);
        let freed = Freed { clock_wrong_by_ms, ..Freed::default() };
        let (now, lasting, tombstones) = (now?, BTreeMap::new(), BTreeMap::new());
        let mut collection = Collection { store: self, options, now, freed, lasting, tombstones };
        collection.find_tombstones(progress).await?;
        let mut sessions = Groups::of(self, &key::index(), 3).stream();
        while let Some(group) = sessions.try_next().await? {
            progress(group.objects.len() as u64);
            collection.session(group).await?;
        }
        let mut shares = Groups::of(self, &key::shares(), 2).stream();
        while let Some(group) = shares.try_next().await? {
            progress(group.objects.len() as u64);
            collection.share(&group).await?;
        }
        collection.free_tombstones().await?;
        collection.free_probes().await?;
        Ok(collection.freed)
    }

    /// What time it is in the bucket.
    async fn bucket_time(&self, nonce: u128) -> Result<Timestamp, StoreError> {
        let key = key::probe(nonce, "clock");
        self.bucket.overwrite(&key, Bytes::from_static(b"what time is it?")).await?;
        let now = self.bucket.written_at(&key).await?;
        self.bucket.delete(vec![key.clone()]).await?;
        now.ok_or_else(|| StoreError::unavailable(BucketRequest::Read, &key, "it is gone as soon as it was written"))
    }
}

impl Collection<'_> {
    fn is_old(&self, at: Timestamp, after: Duration) -> bool {
        at.0.saturating_add(after.as_millis() as i64) < self.now.0
    }

    /// Whether no reader and no writer can depend on it any more.
    pub(super) fn is_over(&self, listed: &Listed) -> bool {
        self.is_old(listed.modified, self.store.settings.free_after())
    }

    async fn free(&mut self, kind: FreedKind, objects: Vec<Listed>) -> Result<(), StoreError> {
        self.count(kind, &objects);
        if self.options.dry_run || objects.is_empty() {
            return Ok(());
        }
        self.store.bucket.delete(objects.into_iter().map(|listed| listed.key).collect()).await
    }

    /// Notes what was freed, or would be.
    pub(super) fn count(&mut self, kind: FreedKind, objects: &[Listed]) {
        if !objects.is_empty() {
            let tally = self.freed.kinds.entry(kind).or_default();
            objects.iter().for_each(|listed| tally.add(listed));
        }
    }

    async fn session(&mut self, group: Group) -> Result<(), StoreError> {
        let index_parts = |listed: &Listed| key::index_parts(&listed.key);
        let Some((account, session, ..)) = group.objects.iter().find_map(index_parts).filter(|_| !group.stray) else {
            return Ok(());
        };
        let claims = Claims::of(group.objects.clone());
        let passed = claims.claims.windows(2).filter(|pair| self.is_over(&pair[1].1)).map(|pair| pair[0].1.clone());
        self.free(FreedKind::Claims, passed.collect()).await?;
        let held = claims.held();
        let orphans = group.objects.into_iter().filter(|listed| {
            matches!(key::index_parts(&listed.key), Some((_, _, number, Indexed::Companion)) if Some(number) != held)
        });
        self.free(FreedKind::Companions, orphans.collect()).await?;
        let Some(number) = held else { return Ok(()) };
        if !self.tombstones.is_empty() {
            match self.store.read_claim(&account, &session, number).await {
                Ok(claim) => drop(claim.and_then(|claim| self.tombstones.remove(&claim.share))),
                // It may name any of them.
                Err(StoreError::Corrupt { .. }) => {
                    self.freed.passed_over += 1;
                    self.tombstones.clear();
                }
                Err(error) => return Err(error),
            }
        }
        if claims.has_companion(number)
            && let Some((share, summary)) = self.store.read_companion(&account, &session, number).await?
            && !self.has_expired(summary.expires_at)
            && self.lasting.len() < LASTING_MAX
        {
            self.lasting.insert(share, summary.segments);
        }
        Ok(())
    }

    async fn share(&mut self, group: &Group) -> Result<(), StoreError> {
        let Some(id) = key::share_of(&group.prefix).filter(|_| !group.stray && !group.objects.is_empty()) else {
            return Ok(());
        };
        if let Some(buried) = self.store.bucket.written_at(&key::tombstone(&id)).await? {
            // What lies here needs its tombstone.
            self.tombstones.remove(&id);
            let (full, empty): (Vec<_>, Vec<_>) = group.objects.iter().cloned().partition(|listed| listed.size > 0);
            if !full.is_empty() && self.is_old(buried, self.store.settings.free_after()) {
                self.count(FreedKind::Deleted, &full);
                if !self.options.dry_run {
                    self.store.clear_away(&id, None).await?;
                }
            }
            let over = empty.into_iter().filter(|listed| self.is_over(listed)).collect();
            return self.free(FreedKind::Deleted, over).await;
        }
        let newest = group.objects.iter().filter_map(|listed| key::segment_number(&id, &listed.key)).max();
        let lasts = self.lasting.remove(&id).is_some_and(|segments| Some(segments) == newest);
        if lasts || self.end_if_over(&id, &group.objects).await? {
            self.superseded(&id, &group.objects).await?;
        }
        Ok(())
    }

    /// Superseded what runs have superseded; the newest segment that is covered stays.
    async fn superseded(&mut self, id: &ShareId, listed: &[Listed]) -> Result<(), StoreError> {
        let runs = listed.iter().filter(|l| l.size > 0).filter_map(|l| key::run_stretch(id, &l.key)).collect();
        let way = chain(runs);
        let Some(Stretch { to: covered, .. }) = way.last().copied() else { return Ok(()) };
        let is_part = |listed: &&Listed| key::run_stretch(id, &listed.key).is_some_and(|run| way.contains(&run));
        if !listed.iter().filter(is_part).all(|run| self.is_over(run)) {
            return Ok(());
        }
        let superseded: Vec<_> = listed
            .iter()
            .filter(|listed| match key::run_stretch(id, &listed.key) {
                Some(run) => way.iter().any(|other| run.is_superseded_by(other)),
                None => key::segment_number(id, &listed.key).is_some_and(|number| number < covered),
            })
            .filter(|listed| self.is_over(listed))
            .cloned()
            .collect();
        if superseded.is_empty() {
            return Ok(());
        }
        // Of a damaged share nothing goes: what later runs cover may be what it can be mended from. A stray segment is no part of it.
        let judged = self.store.judge(id, listed).await?;
        let is_damaged = judged
            .findings
            .iter()
            .any(|finding| !matches!(finding.problem, Problem::UnknownKey | Problem::StraySegment));
        self.freed.passed_over += u64::from(is_damaged);
        if is_damaged || judged.moved {
            return Ok(());
        }
        self.free(FreedKind::Superseded, superseded).await
    }

    async fn find_tombstones(&mut self, progress: Progress<'_>) -> Result<(), StoreError> {
        let mut listing = self.store.bucket.list(&key::tombstones(), None);
        while let Some(listed) = listing.try_next().await? {
            progress(1);
            if let Some(id) = key::tombstone_of(&listed.key)
                && self.is_old(listed.modified, self.options.tombstones_after)
                && self.tombstones.len() < TOMBSTONES_MAX
            {
                self.tombstones.insert(id, listed);
            }
        }
        Ok(())
    }

    async fn free_tombstones(&mut self) -> Result<(), StoreError> {
        for (id, listed) in std::mem::take(&mut self.tombstones) {
            // Anything that came after the pass, such as a file that a machine lost and found again.
            if self.store.bucket.list(&key::share(&id), None).try_next().await?.is_none() {
                self.free(FreedKind::Tombstones, vec![listed]).await?;
            }
        }
        Ok(())
    }

    async fn free_probes(&mut self) -> Result<(), StoreError> {
        let probes: Vec<_> = self.store.bucket.list_all(&key::probes(), None).await?;
        let old = probes.into_iter().filter(|listed| self.is_old(listed.modified, PROBES_AFTER)).collect();
        self.free(FreedKind::Probes, old).await
    }
}
