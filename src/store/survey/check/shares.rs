//! Checks a share: its objects, its deletion, and the claim on its session.

use futures::TryStreamExt as _;
use object_store::path::Path;

use super::super::super::Store;
use super::super::super::bucket::Listed;
use super::super::super::error::StoreError;
use super::super::super::key;
use super::super::verdict::Verdict;
use super::super::walk::Group;
use super::super::{Finding, Problem, newest};
use super::{CheckOptions, Found, found, mended, unknown};
use crate::share::id::ShareId;
use crate::share::state::Opened;
use crate::share::time::Timestamp;

/// Number of times that a share is read again until two readings agree, if a host changes it in between.
const READINGS_MAX: usize = 4;

/// What one reading of a share found.
#[derive(Default)]
struct Reading {
    found: Found,
    /// The facts that the share was opened with; `None` if nothing tells them.
    opened: Option<Opened>,
    /// Whether an object went away while the share was read.
    moved: bool,
}

/// Whether a session's claim names a share.
enum Claimed {
    /// The claim names the share. `segments` is the number of the last segment that the claim's companion knows, 0 without one.
    Yes { segments: u64 },
    /// No share has the session, or its claim cannot be read.
    Nobody,
    /// Another share has the session.
    ByAnother,
}

impl Store {
    pub(super) async fn check_share(&self, group: Group, options: &CheckOptions) -> Result<Found, StoreError> {
        let Some(id) = key::share_of(&group.prefix).filter(|_| !group.stray) else {
            return Ok(group.objects.iter().map(unknown).collect::<Vec<_>>().into());
        };
        let mut reading = self.read_share(&id, &group.objects, options).await?;
        for _ in 0..READINGS_MAX {
            if reading.found.findings.is_empty() && !reading.moved {
                break;
            }
            // It may have changed while it was read. What is damaged is so in every reading.
            let listed = self.bucket.list_all(&group.prefix, None).await?;
            let before = std::mem::replace(&mut reading, self.read_share(&id, &listed, options).await?);
            let agree = before.found.findings == reading.found.findings;
            if agree && !reading.moved {
                break;
            }
            reading.found.findings.retain(|finding| before.moved || before.found.findings.contains(finding));
        }
        let Reading { mut found, opened, moved } = reading;
        // It never held still.
        found.young += u64::from(moved);
        for finding in found.findings.iter_mut().filter(|finding| options.repair && finding.problem.is_mendable()) {
            let done = match (finding.problem, &opened) {
                (Problem::ContentAfterDeletion, _) => self.clear_away(&id, None).await,
                (Problem::ShareWithoutClaim, Some(Opened { account, session, at, .. })) => {
                    self.reclaim(account, session, &id, *at).await.map(drop)
                }
                // Opening it finishes the deletion.
                _ => self.open_log(&id).await.map(drop),
            };
            mended(finding, done)?;
        }
        Ok(found)
    }

    async fn read_share(&self, id: &ShareId, listed: &[Listed], options: &CheckOptions) -> Result<Reading, StoreError> {
        let mut reading = Reading::default();
        if listed.is_empty() {
            return Ok(reading);
        }
        let (prefix, tombstone) = (key::share(id), key::tombstone(id));
        if let Some(buried) = self.bucket.written_at(&tombstone).await? {
            let (problem, since) = match listed.iter().any(|listed| listed.size > 0) {
                true => (Problem::ContentAfterDeletion, buried),
                false => (Problem::StubsLeft, newest(listed)),
            };
            reading.found.left_over(options, since, problem, &prefix);
            return Ok(reading);
        }
        let Verdict { findings, opened, last, ending, moved } = self.judge(id, listed).await?;
        (reading.found, reading.moved) = (findings.into(), moved);
        if moved {
            reading.found.findings.retain(|f| !matches!(f.problem, Problem::MissingSegment | Problem::NotOpened));
        } else if ending {
            reading.found.left_over(options, newest(listed), Problem::DeletionBegun, &prefix);
        } else if let Some(opened) = opened {
            let finding = match self.claimed(id, &opened).await? {
                Claimed::Yes { segments } if segments > last => {
                    let detail = (segments > last + 1).then(|| format!("and all up to {segments:012}"));
                    Some(Finding { detail, ..found(Problem::LostTail, &key::segment(id, last + 1)) })
                }
                Claimed::Yes { .. } => None,
                Claimed::Nobody => Some(found(Problem::ShareWithoutClaim, &prefix)),
                Claimed::ByAnother => Some(found(Problem::SessionTaken, &prefix)),
            };
            // A share has its claim before its first segment, and until its tombstone is there.
            if finding.is_some() && self.bucket.written_at(&tombstone).await?.is_none() {
                reading.found.findings.extend(finding);
            }
            reading.opened = Some(opened);
        }
        Ok(reading)
    }

    async fn claimed(&self, id: &ShareId, opened: &Opened) -> Result<Claimed, StoreError> {
        let Opened { account, session, .. } = opened;
        let claims = self.claims_on(&key::session(account, session)).await?;
        let Some(number) = claims.held() else { return Ok(Claimed::Nobody) };
        match self.read_claim(account, session, number).await {
            Ok(Some(claim)) if claim.share == *id => {
                let summary = if claims.has_companion(number) {
                    self.read_companion(account, session, number).await?
                } else {
                    None
                };
                let segments = summary.filter(|(share, _)| share == id).map_or(0, |(_, summary)| summary.segments);
                Ok(Claimed::Yes { segments })
            }
            Ok(Some(_)) => Ok(Claimed::ByAnother),
            Ok(None) | Err(StoreError::Corrupt { .. }) => Ok(Claimed::Nobody),
            Err(error) => Err(error),
        }
    }

    /// Whether what a claim names is there.
    pub(super) async fn judge_claim(
        &self,
        found: &mut Found,
        (share, claim): (&ShareId, &Path),
        (has_companion, newest): (bool, Timestamp),
        options: &CheckOptions,
    ) -> Result<(), StoreError> {
        // In this order: a tombstone is there before anything of its share goes.
        let there = self.bucket.list(&key::share(share), None).try_next().await?.is_some();
        if let Some(buried) = self.bucket.written_at(&key::tombstone(share)).await? {
            found.left_over(options, buried.max(newest), Problem::ClaimOnDeleted, claim);
        } else if !there {
            if has_companion {
                // It was folded once.
                found.findings.push(super::found(Problem::LostLog, claim));
            } else {
                found.left_over(options, newest, Problem::ClaimWithoutLog, claim);
            }
        }
        Ok(())
    }
}
