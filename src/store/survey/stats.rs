//! Counts a bucket: what is in it, and what takes the space. It lists, and reads no object.

use futures::TryStreamExt as _;
use object_store::path::Path;

use super::super::Store;
use super::super::error::StoreError;
use super::super::index::Claims;
use super::super::key;
use super::{Groups, Progress, Tally, newest};
use crate::share::id::{AccountId, ShareId};
use crate::share::time::Timestamp;

/// Number of the largest shares that are told.
const LARGEST_MAX: usize = 10;

/// How much a share takes in the bucket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShareSize {
    /// The share's id.
    pub share: ShareId,
    /// The share's objects that are not empty.
    pub all: Tally,
    /// When an object of the share was last written, by the bucket's clock; a fold counts too.
    pub written_at: Timestamp,
}

/// The counts of a bucket.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Stats {
    /// All objects.
    pub all: Tally,
    /// Number of shares that have content.
    pub shares: u64,
    /// Number of shares that have a tombstone.
    pub deleted: u64,
    /// Number of accounts that share or have shared something.
    pub accounts: u64,
    /// Number of sessions that are shared now, by their claims.
    pub sessions: u64,
    /// Segments that are not empty.
    pub segments: Tally,
    /// Runs.
    pub runs: Tally,
    /// Empty objects that keep the place of deleted segments.
    pub stubs: Tally,
    /// Claims, including empty ones, and their companions.
    pub index: Tally,
    /// Tombstones.
    pub tombstones: Tally,
    /// Records of tokens, including revoked and expired ones.
    pub tokens: Tally,
    /// Objects in which hosts say that they are there.
    pub hosts: Tally,
    /// Objects that probes have left, and objects that are not the store's.
    pub other: Tally,
    /// The ten largest shares, or all if there are fewer, the largest first.
    pub largest: Vec<ShareSize>,
    /// The share that was not written to for the longest time; `None` if there are no shares.
    pub oldest: Option<ShareSize>,
    /// The share that was written to last; `None` if there are no shares.
    pub newest: Option<ShareSize>,
}

impl Stats {
    /// Average number of segments and runs of a share.
    #[must_use]
    pub fn objects_a_share(&self) -> f64 {
        (self.segments.objects + self.runs.objects) as f64 / self.shares.max(1) as f64
    }

    fn add_share(&mut self, size: ShareSize) {
        self.shares += 1;
        if self.oldest.as_ref().is_none_or(|oldest| size.written_at < oldest.written_at) {
            self.oldest = Some(size.clone());
        }
        if self.newest.as_ref().is_none_or(|newest| size.written_at >= newest.written_at) {
            self.newest = Some(size.clone());
        }
        let at = self.largest.partition_point(|larger| larger.all.bytes >= size.all.bytes);
        self.largest.insert(at, size);
        self.largest.truncate(LARGEST_MAX);
    }
}

impl Store {
    /// Lists a whole bucket and counts its objects.
    ///
    /// # Errors
    /// The bucket failed.
    pub async fn stats(&self, progress: Progress<'_>) -> Result<Stats, StoreError> {
        let mut stats = Stats::default();
        let mut shares = Groups::of(self, &key::shares(), 2).stream();
        while let Some(group) = shares.try_next().await? {
            progress(group.objects.len() as u64);
            let id = key::share_of(&group.prefix);
            let mut size = Tally::default();
            for listed in &group.objects {
                stats.all.add(listed);
                let Some(id) = &id else {
                    stats.other.add(listed);
                    continue;
                };
                let kind = if key::run_stretch(id, &listed.key).is_some() {
                    &mut stats.runs
                } else if key::segment_number(id, &listed.key).is_none() {
                    &mut stats.other
                } else if listed.size == 0 {
                    &mut stats.stubs
                } else {
                    &mut stats.segments
                };
                kind.add(listed);
                if listed.size > 0 {
                    size.add(listed);
                }
            }
            if let Some(share) = id.filter(|_| size.objects > 0) {
                stats.add_share(ShareSize { share, all: size, written_at: newest(&group.objects) });
            }
        }
        self.count_index(&mut stats, progress).await?;
        let (folders, objects) = self.bucket.folders(&Path::default()).await?;
        for listed in &objects {
            stats.all.add(listed);
            stats.other.add(listed);
        }
        for folder in folders.into_iter().filter(|folder| *folder != key::shares() && *folder != key::index()) {
            let mut listing = self.bucket.list(&folder, None);
            while let Some(listed) = listing.try_next().await? {
                progress(1);
                stats.all.add(&listed);
                let kind = if key::tombstone_of(&listed.key).is_some() {
                    stats.deleted += 1;
                    &mut stats.tombstones
                } else if key::token_of(&listed.key).is_some() {
                    &mut stats.tokens
                } else if key::host_of(&listed.key).is_some() {
                    &mut stats.hosts
                } else {
                    &mut stats.other
                };
                kind.add(&listed);
            }
        }
        Ok(stats)
    }

    async fn count_index(&self, stats: &mut Stats, progress: Progress<'_>) -> Result<(), StoreError> {
        let mut sessions = Groups::of(self, &key::index(), 3).stream();
        // An account's sessions follow one another.
        let mut last: Option<AccountId> = None;
        while let Some(group) = sessions.try_next().await? {
            progress(group.objects.len() as u64);
            for listed in &group.objects {
                stats.all.add(listed);
                if key::index_parts(&listed.key).is_some() { &mut stats.index } else { &mut stats.other }.add(listed);
            }
            let account = group.objects.iter().find_map(|listed| key::index_parts(&listed.key)).map(|(who, ..)| who);
            stats.accounts += u64::from(account.is_some() && account != last);
            last = account.or(last);
            stats.sessions += u64::from(Claims::of(group.objects).held().is_some());
        }
        Ok(())
    }
}
