//! Checks the objects of a session in the index: its claims and their companions.

use super::super::super::Store;
use super::super::super::codec;
use super::super::super::error::StoreError;
use super::super::super::index::Claims;
use super::super::super::key::{self, Indexed};
use super::super::walk::Group;
use super::super::{Problem, newest};
use super::{CheckOptions, Found, mended, unknown, unreadable};

impl Store {
    pub(super) async fn check_session(&self, group: Group, options: &CheckOptions) -> Result<Found, StoreError> {
        let (known, strays): (Vec<_>, Vec<_>) =
            group.objects.into_iter().partition(|listed| key::index_parts(&listed.key).is_some());
        let mut found = Found::from(strays.iter().map(unknown).collect::<Vec<_>>());
        let Some((account, session, ..)) = known.first().and_then(|listed| key::index_parts(&listed.key)) else {
            return Ok(found);
        };
        let newest = newest(&known);
        let claims = Claims::of(known.clone());
        let held = claims.held();
        let mut holder = None;
        for (number, listed) in claims.claims.iter().filter(|(_, listed)| listed.size > 0) {
            match self.read_claim(&account, &session, *number).await {
                Ok(claim) if Some(*number) == held => holder = claim.map(|claim| claim.share),
                Ok(_) => {}
                Err(error) => found.findings.push(unreadable(&listed.key, error)?),
            }
        }
        if let (Some(share), Some(number)) = (&holder, held) {
            let claim = key::claim(&account, &session, number);
            let facts = (claims.has_companion(number), newest);
            self.judge_claim(&mut found, (share, &claim), facts, options).await?;
        }
        for listed in known.iter().filter(|l| matches!(key::index_parts(&l.key), Some((.., Indexed::Companion)))) {
            let number = key::index_parts(&listed.key).map(|(_, _, number, _)| number);
            if number != held {
                found.left_over(options, newest, Problem::OrphanCompanion, &listed.key);
                continue;
            }
            let Some((bytes, _)) = self.bucket.read(&listed.key).await? else { continue };
            match codec::decode_companion(&listed.key, &bytes) {
                Ok((share, _)) if holder.as_ref().is_none_or(|holder| *holder == share) => {}
                Ok(_) => {
                    let other = StoreError::corrupt(&listed.key, "it is the companion of another share's claim");
                    found.findings.push(unreadable(&listed.key, other)?);
                }
                Err(error) => found.findings.push(unreadable(&listed.key, error)?),
            }
        }
        for finding in found.findings.iter_mut().filter(|finding| options.repair && finding.problem.is_mendable()) {
            let done = match (&holder, finding.problem) {
                (Some(holder), Problem::ClaimOnDeleted) => self.release(&account, &session, holder).await,
                _ => self.free_companions_of(&account, &session).await,
            };
            mended(finding, done)?;
        }
        Ok(found)
    }
}
