//! Collects garbage: frees expired shares, what deletions and folds have left, and what belongs to nothing any more.
//!
//! Hosts free all this themselves, but a host that stops leaves some. Whatever is freed here is so old, by the bucket's own clock,
//! that no reader and no writer can still depend on it; that clock is asked by writing an object. What a run covers is freed only
//! after the whole share was checked, and nothing of a damaged share is freed: only an entry of the log or a tombstone says that a
//! share was deleted. A tombstone stays while a claim names its share.
//!
//! If this machine's clock differs from the bucket's by more than a minute, no share is freed because it has expired.
//!
//! A share's companion tells whether the share has expired, if it knows the whole log; otherwise the log is read. A share is deleted
//! only if its log says so too ([`expire`](super::expire)), because another host may have given it more time.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use futures::TryStreamExt as _;

use super::super::Store;
use super::super::agreement::CLOCK_WRONG_MS;
use super::super::bucket::Listed;
use super::super::dates;
use super::super::error::{BucketRequest, StoreError};
use super::super::hosts::HOSTS_AFTER;
use super::super::index::Claims;
use super::super::key::{self, Indexed, Number, Stretch};
use super::super::log::chain;
use super::walk::Group;
use super::{Groups, Problem, Progress, Tally};
use crate::share::id::ShareId;
use crate::share::time::Timestamp;

/// Tombstones that one collection considers; further ones are left to the next. Each takes some hundred bytes of memory.
const TOMBSTONES_MAX: usize = 100_000;

/// Age from which on a probe's object is left over: an hour. A probe takes seconds.
const PROBES_AFTER: Duration = Duration::from_secs(3_600);

/// Shares whose companions are remembered; the logs of further ones are read. Each takes some hundred bytes of memory.
const LASTING_MAX: usize = 100_000;

/// The options of a collection of garbage.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct GcOptions {
    /// Whether only to report what would be freed. One small object is still written and deleted, to ask for the bucket's time.
    pub dry_run: bool,
    /// The time of day now, for what expires.
    pub now: Timestamp,
    /// How long tombstones stay. Default 30 days: after that no host comes back, nor a deleted file of a machine that crashed.
    pub tombstones_after: Duration,
    /// A random number, so that the objects of two collections have different names.
    pub nonce: u128,
}

impl GcOptions {
    /// The default options, at this time of day.
    #[must_use]
    pub fn at(now: Timestamp, nonce: u128) -> Self {
        Self { dry_run: false, now, tombstones_after: Duration::from_secs(30 * 24 * 3_600), nonce }
    }
}

/// A kind of objects that are freed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum FreedKind {
    /// Content of shares that had expired.
    Expired,
    /// Content and empty objects of deleted shares. An object that keeps its place counts when it is emptied, and again when it
    /// is freed.
    Deleted,
    /// Segments and runs that later runs cover.
    Superseded,
    /// Claims that later ones have passed.
    Claims,
    /// Companions whose claims are released, passed or missing.
    Companions,
    /// Tombstones that are older than [`GcOptions::tombstones_after`].
    Tombstones,
    /// Objects that probes have left.
    Probes,
    /// Objects of hosts that were killed.
    Hosts,
    /// Files that killed hosts left half written in a directory. A [`Store`] does not see them; the code that has the directory
    /// frees them.
    HalfWritten,
}

impl FreedKind {
    /// The kind's name for programs, such as `half-written`.
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
            Self::Hosts => "hosts",
            Self::HalfWritten => "half-written",
        }
    }
}

/// What a collection freed, or would free.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Freed {
    /// The objects by kind; kinds without objects are left out.
    pub kinds: BTreeMap<FreedKind, Tally>,
    /// Number of shares that had expired.
    pub expired_shares: u64,
    /// Milliseconds by which [`GcOptions::now`] is ahead of the bucket's time (negative if it is behind), if that is more than a
    /// minute. Then no share was freed because it had expired. `None` if the clocks agree or the bucket does not tell its time.
    pub clock_wrong_by_ms: Option<i64>,
    /// Number of shares that were passed over because an object of theirs cannot be read; [`Store::check`] tells which.
    pub passed_over: u64,
}

impl Freed {
    /// The objects of all kinds together.
    #[must_use]
    pub fn all(&self) -> Tally {
        self.kinds.values().fold(Tally::default(), |all, kind| Tally {
            objects: all.objects + kind.objects,
            bytes: all.bytes + kind.bytes,
        })
    }
}

/// A collection of garbage that is under way.
pub(super) struct Collection<'a> {
    pub(super) store: &'a Store,
    pub(super) options: &'a GcOptions,
    /// The time now by the bucket's clock.
    now: Timestamp,
    pub(super) freed: Freed,
    /// Shares that last by their companions, each with the number of the last segment that the companion knows.
    lasting: BTreeMap<ShareId, Number>,
    /// Old tombstones of shares of which no object and no claim was met yet.
    tombstones: BTreeMap<ShareId, Listed>,
}

impl Store {
    /// Frees what nobody needs any more.
    ///
    /// # Errors
    /// The bucket failed. What was freed before that stays freed.
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
        collection.free_hosts().await?;
        Ok(collection.freed)
    }

    /// The time now by the bucket's clock.
    async fn bucket_time(&self, nonce: u128) -> Result<Timestamp, StoreError> {
        let key = key::probe(nonce, "clock");
        self.bucket.overwrite(&key, Bytes::from_static(b"what time is it?")).await?;
        let now = self.bucket.written_at(&key).await?;
        self.bucket.delete(vec![key.clone()]).await?;
        now.ok_or_else(|| {
            StoreError::unavailable(BucketRequest::Read, &key, "it is gone directly after it was written")
        })
    }
}

impl Collection<'_> {
    fn is_old(&self, at: Timestamp, after: Duration) -> bool {
        at.0.saturating_add(after.as_millis() as i64) < self.now.0
    }

    /// Whether an object is so old that no reader and no writer can depend on it any more.
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

    /// Counts objects that were freed, or would be.
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

    /// Frees the objects of a share that runs have superseded; the newest segment that is covered stays.
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
        let verdict = self.store.judge(id, listed).await?;
        let is_damaged = verdict
            .findings
            .iter()
            .any(|finding| !matches!(finding.problem, Problem::UnknownKey | Problem::StraySegment));
        self.freed.passed_over += u64::from(is_damaged);
        if is_damaged || verdict.moved {
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

    /// Frees what hosts that were killed have left. A host that lives wrote its object some seconds ago.
    async fn free_hosts(&mut self) -> Result<(), StoreError> {
        let hosts: Vec<_> = self.store.bucket.list_all(&key::hosts(), None).await?;
        let is_left =
            |listed: &Listed| key::host_of(&listed.key).is_some() && self.is_old(listed.modified, HOSTS_AFTER);
        let old = hosts.into_iter().filter(is_left).collect();
        self.free(FreedKind::Hosts, old).await
    }
}
