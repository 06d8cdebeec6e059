//! Checks a bucket: reads every object, and reports what is wrong.
//!
//! Hosts may run meanwhile. What they are doing may look like what a host that stopped has left, such as a deletion half done:
//! so what was written lately is not reported as left over but counted as too young to judge ([`CheckOptions::settled_after`]).
//! Damage looks like nothing that a host ever does: it is reported whatever its age, once a second reading has found it too.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use futures::TryStreamExt as _;
use object_store::path::Path;
use tokio::sync::Semaphore;

use super::super::Store;
use super::super::bucket::{Listed, REQUESTS_AT_ONCE};
use super::super::codec;
use super::super::error::StoreError;
use super::super::key;
use super::{Finding, GROUPS_AT_ONCE, Groups, Problem, Progress};
use crate::share::time::Timestamp;

mod sessions;
mod shares;

/// Findings that are kept; further ones are only counted. Each takes some hundred bytes, so all take some megabytes.
const FINDINGS_MAX: usize = 10_000;

/// Bytes of stored objects for each of the [`WEIGHT_MAX`] places: a share of 1 MiB unpacks to about eight.
const WEIGHT_BYTES: u64 = 1 << 20;

/// Places for shares that are read at once. A share that needs more is read alone.
const WEIGHT_MAX: u32 = 32;

/// The options of a check.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct CheckOptions {
    /// Whether to mend what is safe to mend while hosts run. Default false.
    pub repair: bool,
    /// The time of day now.
    pub now: Timestamp,
    /// How old an object must be before it counts as left over, and not as what a host is doing. Default 10 minutes: no host takes
    /// more than two for anything, and clocks may differ by some. Damage is reported whatever its age.
    pub settled_after: Duration,
}

impl CheckOptions {
    /// The default options, at this time of day.
    #[must_use]
    pub fn at(now: Timestamp) -> Self {
        Self { repair: false, now, settled_after: Duration::from_secs(600) }
    }

    fn is_settled(&self, at: Timestamp) -> bool {
        at.0.saturating_add(self.settled_after.as_millis() as i64) <= self.now.0
    }
}

/// The result of a check.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Checked {
    /// Number of objects in the bucket.
    pub objects: u64,
    /// Number of shares that have objects, including deleted ones.
    pub shares: u64,
    /// Number of sessions that are or were shared.
    pub sessions: u64,
    /// Number of tokens, including revoked and expired ones.
    pub tokens: u64,
    /// What is wrong, at most 10,000 findings, sorted by key.
    pub findings: Vec<Finding>,
    /// Number of further findings.
    pub more: u64,
    /// Number of things that would be findings if they were older, which a host may be doing now. Check again after
    /// [`CheckOptions::settled_after`].
    pub young: u64,
}

impl Checked {
    /// Number of findings that were not mended.
    #[must_use]
    pub fn problems(&self) -> u64 {
        self.findings.iter().filter(|finding| !finding.mended).count() as u64 + self.more
    }

    /// Whether nothing is wrong now, and nothing was too young to judge.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.problems() == 0 && self.young == 0
    }

    fn add(&mut self, found: Found) {
        self.young += found.young;
        for finding in found.findings {
            if self.findings.len() < FINDINGS_MAX { self.findings.push(finding) } else { self.more += 1 }
        }
    }
}

/// What was found in the objects of a share or a session.
#[derive(Default)]
struct Found {
    findings: Vec<Finding>,
    /// Number of things that would be findings if they were older.
    young: u64,
}

impl Found {
    /// Notes an object that looks left over since `at`: as a finding if that is long enough ago, and else as too young.
    fn left_over(&mut self, options: &CheckOptions, at: Timestamp, problem: Problem, key: &Path) {
        if options.is_settled(at) { self.findings.push(found(problem, key)) } else { self.young += 1 }
    }
}

impl From<Vec<Finding>> for Found {
    fn from(findings: Vec<Finding>) -> Self {
        Self { findings, young: 0 }
    }
}

impl Store {
    /// Reads a whole bucket and reports what is wrong with it.
    ///
    /// # Errors
    /// The bucket failed. What was mended before that stays mended.
    pub async fn check(&self, options: &CheckOptions, progress: Progress<'_>) -> Result<Checked, StoreError> {
        let mut checked = Checked::default();
        self.check_strays(&mut checked, progress).await?;
        let places = Arc::new(Semaphore::new(WEIGHT_MAX as usize));
        let mut judging = Groups::of(self, &key::shares(), 2)
            .stream()
            .map_ok(|group| {
                let places = Arc::clone(&places);
                async move {
                    let bytes: u64 = group.objects.iter().map(|listed| listed.size).sum();
                    let weight = u32::try_from(1 + bytes / WEIGHT_BYTES).unwrap_or(WEIGHT_MAX).min(WEIGHT_MAX);
                    // The semaphore is never closed.
                    let _place = places.acquire_many(weight).await;
                    Ok((group.objects.len() as u64, !group.stray, self.check_share(group, options).await?))
                }
            })
            .try_buffer_unordered(GROUPS_AT_ONCE);
        while let Some((objects, is_share, found)) = judging.try_next().await? {
            progress(objects);
            checked.objects += objects;
            checked.shares += u64::from(is_share && objects > 0);
            checked.add(found);
        }
        let mut judging = Groups::of(self, &key::index(), 3)
            .stream()
            .map_ok(|group| async move {
                Ok((group.objects.len() as u64, !group.stray, self.check_session(group, options).await?))
            })
            .try_buffer_unordered(GROUPS_AT_ONCE);
        while let Some((objects, is_session, found)) = judging.try_next().await? {
            progress(objects);
            checked.objects += objects;
            checked.sessions += u64::from(is_session && objects > 0);
            checked.add(found);
        }
        drop(judging);
        self.check_tombstones(&mut checked, progress).await?;
        self.check_tokens(&mut checked, progress).await?;
        self.check_hosts(&mut checked, progress).await?;
        self.check_id(&mut checked, progress).await?;
        checked.findings.sort_by(|a, b| (&a.key, a.problem).cmp(&(&b.key, b.problem)));
        Ok(checked)
    }

    /// Checks the records of tokens. No host accepts a token whose record cannot be read.
    async fn check_tokens(&self, checked: &mut Checked, progress: Progress<'_>) -> Result<(), StoreError> {
        let before = checked.objects;
        let judge = |listed: Listed| async move {
            let Some(id) = key::token_of(&listed.key) else { return Ok(Some(unknown(&listed))) };
            readable(&listed.key, self.token(&id).await)
        };
        self.check_each(&key::tokens(), judge, checked, progress).await?;
        checked.tokens += checked.objects - before;
        Ok(())
    }

    /// Checks the records of hosts, which come and go meanwhile.
    async fn check_hosts(&self, checked: &mut Checked, progress: Progress<'_>) -> Result<(), StoreError> {
        let judge = |listed: Listed| async move {
            let Some(id) = key::host_of(&listed.key) else { return Ok(Some(unknown(&listed))) };
            readable(&listed.key, self.host(&id).await)
        };
        self.check_each(&key::hosts(), judge, checked, progress).await
    }

    /// Checks the store's own id. A store without an id is sound: the next host that starts gives it one.
    async fn check_id(&self, checked: &mut Checked, progress: Progress<'_>) -> Result<(), StoreError> {
        let judge = |listed: Listed| async move {
            if listed.key != key::store_id() {
                return Ok(Some(unknown(&listed)));
            }
            readable(&listed.key, self.stored_id().await)
        };
        self.check_each(&key::store(), judge, checked, progress).await
    }

    async fn check_tombstones(&self, checked: &mut Checked, progress: Progress<'_>) -> Result<(), StoreError> {
        let judge = |listed: Listed| async move {
            let Some(id) = key::tombstone_of(&listed.key) else { return Ok(Some(unknown(&listed))) };
            let Some((bytes, _)) = self.bucket.read(&listed.key).await? else { return Ok(None) };
            readable(&listed.key, codec::decode_tombstone(&listed.key, &id, &bytes))
        };
        self.check_each(&key::tombstones(), judge, checked, progress).await
    }

    /// Judges every object under a prefix by itself.
    async fn check_each<F>(
        &self,
        prefix: &Path,
        judge: impl Fn(Listed) -> F,
        checked: &mut Checked,
        progress: Progress<'_>,
    ) -> Result<(), StoreError>
    where
        F: Future<Output = Result<Option<Finding>, StoreError>>,
    {
        let mut judging = self.bucket.list(prefix, None).map_ok(judge).try_buffer_unordered(REQUESTS_AT_ONCE);
        while let Some(finding) = judging.try_next().await? {
            progress(1);
            checked.objects += 1;
            checked.add(Vec::from_iter(finding).into());
        }
        Ok(())
    }

    /// Reports keys that are none of the store's.
    async fn check_strays(&self, checked: &mut Checked, progress: Progress<'_>) -> Result<(), StoreError> {
        let known = BTreeSet::from([
            key::index(),
            key::shares(),
            key::tombstones(),
            key::tokens(),
            key::hosts(),
            key::store(),
            key::probes(),
        ]);
        let (folders, objects) = self.bucket.folders(&Path::default()).await?;
        progress(objects.len() as u64);
        checked.objects += objects.len() as u64;
        checked.add(objects.iter().map(unknown).collect::<Vec<_>>().into());
        for folder in folders.into_iter().filter(|folder| !known.contains(folder)) {
            let mut listing = self.bucket.list(&folder, None);
            while let Some(listed) = listing.try_next().await? {
                progress(1);
                checked.objects += 1;
                checked.add(vec![unknown(&listed)].into());
            }
        }
        let mut probes = self.bucket.list(&key::probes(), None);
        while probes.try_next().await?.is_some() {
            progress(1);
            checked.objects += 1;
        }
        Ok(())
    }
}

fn found(problem: Problem, key: &Path) -> Finding {
    Finding { problem, key: key.to_string(), detail: None, mended: false }
}

fn unknown(listed: &Listed) -> Finding {
    found(Problem::UnknownKey, &listed.key)
}

/// What reading an object shows of it: a finding if it cannot be read, and otherwise nothing. Any other error is returned.
fn readable<T>(key: &Path, read: Result<T, StoreError>) -> Result<Option<Finding>, StoreError> {
    read.map_or_else(|error| unreadable(key, error).map(Some), |_| Ok(None))
}

/// The finding for an object that cannot be read. Any other error is returned.
fn unreadable(key: &Path, error: StoreError) -> Result<Finding, StoreError> {
    match &error {
        StoreError::Corrupt { reason, .. } => {
            Ok(Finding { detail: Some(reason.clone()), ..found(Problem::Unreadable, key) })
        }
        StoreError::Unavailable { .. }
        | StoreError::Full { .. }
        | StoreError::Denied { .. }
        | StoreError::Unconditional => Err(error),
    }
}

/// Notes the result of a repair in its finding. An object that cannot be read prevents the repair, and is left as it is.
fn mended(finding: &mut Finding, done: Result<(), StoreError>) -> Result<(), StoreError> {
    match done {
        Ok(()) => finding.mended = true,
        Err(error @ StoreError::Corrupt { .. }) => finding.detail = Some(format!("not mended: {error}")),
        Err(error) => return Err(error),
    }
    Ok(())
}
