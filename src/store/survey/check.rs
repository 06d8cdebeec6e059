//! Checking a bucket: every object is read, and what should not be so is told.
//!
//! Hosts may run meanwhile. What they are just doing looks like what a host that stopped has left: so what was written lately
//! is not taken for left over ([`CheckOptions::settled_after`]), and a share that something is found of is read once more.

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
use super::super::index::Claims;
use super::super::key::{self, Indexed};
use super::share::Judged;
use super::walk::Group;
use super::{Finding, GROUPS_AT_ONCE, Groups, Problem, Progress, newest};
use crate::share::id::{AccountId, SessionId, ShareId};
use crate::share::time::Timestamp;

/// Findings that are kept; those beyond are counted. Each has some hundred bytes, so all have some megabytes.
const FINDINGS_MAX: usize = 10_000;

/// Bytes of stored objects that one of the [`WEIGHT_MAX`] places holds: a share of 1 MiB unpacks to about eight.
const WEIGHT_BYTES: u64 = 1 << 20;

/// Places for shares that are read at once. A share that is larger than all of them is read alone.
const WEIGHT_MAX: u32 = 32;

/// How a check goes about it.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct CheckOptions {
    /// Mend what is safe to mend while hosts run. Default false.
    pub repair: bool,
    /// What time it is.
    pub now: Timestamp,
    /// How old a thing must be before it is taken for left over rather than for being done. Default 10 minutes: no
    /// host takes two for anything, and clocks may differ by some.
    pub settled_after: Duration,
}

impl CheckOptions {
    /// The defaults, at this time.
    #[must_use]
    pub fn at(now: Timestamp) -> Self {
        Self { repair: false, now, settled_after: Duration::from_secs(600) }
    }

    fn is_settled(&self, at: Timestamp) -> bool {
        at.0.saturating_add(self.settled_after.as_millis() as i64) <= self.now.0
    }
}

/// What a check found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Checked {
    /// Objects that there are.
    pub objects: u64,
    /// Shares that have objects, deleted ones too.
    pub shares: u64,
    /// Sessions that are or were shared.
    pub sessions: u64,
    /// Tokens, revoked and expired ones too.
    pub tokens: u64,
    /// What should not be so, at most 10,000, by key.
    pub findings: Vec<Finding>,
    /// How many more there were.
    pub more: u64,
}

impl Checked {
    /// Whether nothing is wrong, or nothing any more.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.more == 0 && self.findings.iter().all(|finding| finding.mended)
    }

    fn add(&mut self, findings: Vec<Finding>) {
        for finding in findings {
            if self.findings.len() < FINDINGS_MAX { self.findings.push(finding) } else { self.more += 1 }
        }
    }
}

impl Store {
    /// Reads a whole bucket and tells what is wrong with it.
    ///
    /// # Errors
    /// What the bucket said. What was mended before that is mended.
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
        while let Some((objects, is_share, findings)) = judging.try_next().await? {
            progress(objects);
            checked.objects += objects;
            checked.shares += u64::from(is_share && objects > 0);
            checked.add(findings);
        }
        let mut judging = Groups::of(self, &key::index(), 3)
            .stream()
            .map_ok(|group| async move {
                Ok((group.objects.len() as u64, !group.stray, self.check_session(group, options).await?))
            })
            .try_buffer_unordered(GROUPS_AT_ONCE);
        while let Some((objects, is_session, findings)) = judging.try_next().await? {
            progress(objects);
            checked.objects += objects;
            checked.sessions += u64::from(is_session && objects > 0);
            checked.add(findings);
        }
        drop(judging);
        self.check_tombstones(&mut checked, progress).await?;
        self.check_tokens(&mut checked, progress).await?;
        checked.findings.sort_by(|a, b| (&a.key, a.problem).cmp(&(&b.key, b.problem)));
        Ok(checked)
    }

    /// A record that cannot be read is that of a token which no host takes any more.
    async fn check_tokens(&self, checked: &mut Checked, progress: Progress<'_>) -> Result<(), StoreError> {
        let mut reading = self
            .bucket
            .list(&key::tokens(), None)
            .map_ok(|listed| async move {
                let Some(id) = key::token_of(&listed.key) else { return Ok(Some(unknown(&listed))) };
                match self.token(&id).await {
                    Ok(_) => Ok(None),
                    Err(error) => unreadable(&listed.key, error).map(Some),
                }
            })
            .try_buffer_unordered(REQUESTS_AT_ONCE);
        while let Some(finding) = reading.try_next().await? {
            progress(1);
            checked.objects += 1;
            checked.tokens += 1;
            checked.add(finding.into_iter().collect());
        }
        Ok(())
    }

    /// Keys that begin with nothing that the store knows.
    async fn check_strays(&self, checked: &mut Checked, progress: Progress<'_>) -> Result<(), StoreError> {
        let known = BTreeSet::from([key::index(), key::shares(), key::tombstones(), key::tokens(), key::probes()]);
        let (folders, objects) = self.bucket.folders(&Path::default()).await?;
        progress(objects.len() as u64);
        checked.objects += objects.len() as u64;
        checked.add(objects.iter().map(unknown).collect());
        for folder in folders.into_iter().filter(|folder| !known.contains(folder)) {
            let mut listing = self.bucket.list(&folder, None);
            while let Some(listed) = listing.try_next().await? {
                progress(1);
                checked.objects += 1;
                checked.add(vec![unknown(&listed)]);
            }
        }
        let mut probes = self.bucket.list(&key::probes(), None);
        while probes.try_next().await?.is_some() {
            progress(1);
            checked.objects += 1;
        }
        Ok(())
    }

    async fn check_share(&self, group: Group, options: &CheckOptions) -> Result<Vec<Finding>, StoreError> {
        let Some(id) = key::share_of(&group.prefix).filter(|_| !group.stray) else {
            return Ok(group.objects.iter().map(unknown).collect());
        };
        let mut findings = self.judge_share(&id, &group.objects, options).await?;
        if !findings.is_empty() {
            // It may have changed while it was read.
            let listed = self.bucket.list_all(&group.prefix, None).await?;
            findings = self.judge_share(&id, &listed, options).await?;
        }
        for finding in findings.iter_mut().filter(|finding| options.repair && finding.problem.is_mendable()) {
            let done = if finding.problem == Problem::ContentAfterDeletion {
                self.clear_away(&id, None).await
            } else {
                // Opening it finishes the deletion.
                self.open_log(&id).await.map(drop)
            };
            mended(finding, done)?;
        }
        Ok(findings)
    }

    async fn judge_share(
        &self,
        id: &ShareId,
        listed: &[Listed],
        options: &CheckOptions,
    ) -> Result<Vec<Finding>, StoreError> {
        if listed.is_empty() {
            return Ok(Vec::new());
        }
        let (prefix, tombstone) = (key::share(id), key::tombstone(id));
        if let Some(buried) = self.bucket.written_at(&tombstone).await? {
            let problem = match listed.iter().any(|listed| listed.size > 0) {
                true if options.is_settled(buried) => Problem::ContentAfterDeletion,
                false if options.is_settled(newest(listed)) => Problem::StubsLeft,
                true | false => return Ok(Vec::new()),
            };
            return Ok(vec![found(problem, &prefix)]);
        }
        let Judged { mut findings, opened, ending, moved } = self.judge(id, listed).await?;
        if moved || !options.is_settled(newest(listed)) {
            findings.retain(|finding| !matches!(finding.problem, Problem::MissingSegment | Problem::NotOpened));
            return Ok(findings);
        }
        if ending {
            findings.push(found(Problem::DeletionBegun, &prefix));
        } else if let Some(opened) = opened
            && !self.is_claimed(id, &opened.account, &opened.session).await?
        {
            // A deletion releases the claim when there is a tombstone.
            if self.bucket.written_at(&tombstone).await?.is_none() {
                findings.push(found(Problem::ShareWithoutClaim, &prefix));
            }
        }
        Ok(findings)
    }

    async fn is_claimed(&self, id: &ShareId, account: &AccountId, session: &SessionId) -> Result<bool, StoreError> {
        let claims = self.claims_on(&key::session(account, session)).await?;
        let Some(number) = claims.held() else { return Ok(false) };
        match self.read_claim(account, session, number).await {
            Ok(claim) => Ok(claim.is_some_and(|claim| claim.share == *id)),
            // Which is told when the claims are checked.
            Err(StoreError::Corrupt { .. }) => Ok(true),
            Err(error) => Err(error),
        }
    }

    async fn check_session(&self, group: Group, options: &CheckOptions) -> Result<Vec<Finding>, StoreError> {
        let (known, strays): (Vec<_>, Vec<_>) =
            group.objects.into_iter().partition(|listed| key::index_parts(&listed.key).is_some());
        let mut findings: Vec<_> = strays.iter().map(unknown).collect();
        let Some((account, session, ..)) = known.first().and_then(|listed| key::index_parts(&listed.key)) else {
            return Ok(findings);
        };
        let settled = options.is_settled(newest(&known));
        let claims = Claims::of(known.clone());
        let held = claims.held();
        let mut holder = None;
        for (number, listed) in claims.claims.iter().filter(|(_, listed)| listed.size > 0) {
            match self.read_claim(&account, &session, *number).await {
                Ok(claim) if Some(*number) == held => holder = claim.map(|claim| claim.share),
                Ok(_) => {}
                Err(error) => findings.push(unreadable(&listed.key, error)?),
            }
        }
        if let (Some(share), Some(number), true) = (&holder, held, settled) {
            findings.extend(self.judge_claim(share, &key::claim(&account, &session, number), options).await?);
        }
        for listed in known.iter().filter(|l| matches!(key::index_parts(&l.key), Some((.., Indexed::About)))) {
            let number = key::index_parts(&listed.key).map(|(_, _, number, _)| number);
            if number != held {
                if settled {
                    findings.push(found(Problem::OrphanCompanion, &listed.key));
                }
                continue;
            }
            let Some((bytes, _)) = self.bucket.read(&listed.key).await? else { continue };
            match codec::decode_about(&listed.key, &bytes) {
                Ok((share, _)) if holder.as_ref().is_none_or(|holder| *holder == share) => {}
                Ok(_) => findings
                    .push(unreadable(&listed.key, StoreError::corrupt(&listed.key, "it is about another share"))?),
                Err(error) => findings.push(unreadable(&listed.key, error)?),
            }
        }
        for finding in findings.iter_mut().filter(|finding| options.repair && finding.problem.is_mendable()) {
            let done = match (&holder, finding.problem) {
                (Some(holder), Problem::ClaimOnDeleted) => self.release(&account, &session, holder).await,
                _ => self.free_abouts_of(&account, &session).await,
            };
            mended(finding, done)?;
        }
        Ok(findings)
    }

    /// Whether what a claim names is there.
    async fn judge_claim(
        &self,
        share: &ShareId,
        claim: &Path,
        options: &CheckOptions,
    ) -> Result<Option<Finding>, StoreError> {
        if let Some(buried) = self.bucket.written_at(&key::tombstone(share)).await? {
            return Ok(options.is_settled(buried).then(|| found(Problem::ClaimOnDeleted, claim)));
        }
        let there = self.bucket.list(&key::share(share), None).try_next().await?.is_some();
        Ok((!there).then(|| found(Problem::ClaimWithoutLog, claim)))
    }

    async fn check_tombstones(&self, checked: &mut Checked, progress: Progress<'_>) -> Result<(), StoreError> {
        let mut reading = self
            .bucket
            .list(&key::tombstones(), None)
            .map_ok(|listed| async move {
                let Some(id) = key::tombstone_of(&listed.key) else { return Ok(Some(unknown(&listed))) };
                let Some((bytes, _)) = self.bucket.read(&listed.key).await? else { return Ok(None) };
                match codec::decode_tombstone(&listed.key, &id, &bytes) {
                    Ok(()) => Ok(None),
                    Err(error) => unreadable(&listed.key, error).map(Some),
                }
            })
            .try_buffer_unordered(REQUESTS_AT_ONCE);
        while let Some(finding) = reading.try_next().await? {
            progress(1);
            checked.objects += 1;
            checked.add(finding.into_iter().collect());
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

/// An object that cannot be read, or the bucket's error.
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

/// Notes what became of a repair. What cannot be read stands in its way, and is left.
fn mended(finding: &mut Finding, done: Result<(), StoreError>) -> Result<(), StoreError> {
    match done {
        Ok(()) => finding.mended = true,
        Err(error @ StoreError::Corrupt { .. }) => finding.detail = Some(format!("not mended: {error}")),
        Err(error) => return Err(error),
    }
    Ok(())
}
