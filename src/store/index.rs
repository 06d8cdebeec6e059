//! Claims: which share a session is, decided for all hosts at once, and listed without reading any share.
//!
//! The claims on a session are a small log of their own, `index/<account>/<session>/<number>`, and the highest number counts. A
//! claim is created under the number after it, so of two hosts that claim at once one wins and the other reads who. To
//! release a claim is to make its object empty: whoever does that, however late and however often, hits that one claim
//! and never the next, which is another key. So the newest object always stays; a session that was ever shared
//! leaves one, empty if it is not shared now. A listing tells empty from full by size, and reads only the full ones.
//!
//! A claim on a deleted share that nobody released is released by whoever next claims the session. Numbers that were
//! passed long ago are freed in passing, by the bucket's own clock.
//!
//! Next to a claim stands its companion ([`Summary`](super::Summary)), once its share was folded, and is read in its stead by a
//! [listing].

use object_store::path::Path;

use super::Store;
use super::bucket::{Created, Listed};
use super::codec::{self, ClaimRecord};
use super::dates;
use super::error::{BucketRequest, StoreError};
use super::key::{self, Indexed, Number};
use super::lease::Lease;
use crate::share::id::{AccountId, SessionId, ShareId};
use crate::share::time::Timestamp;

mod listing;

pub use listing::{ClaimListing, DamagedClaim, ListCursor, ListPage, Usage};

/// How often a claim is tried before the session is reported as too contended.
const CLAIMS_MAX: usize = 16;

/// Whose the session is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Claim {
    /// It is the share that asked, now or since an earlier call.
    Ours,
    /// It is this share, which had no tombstone when it was looked for. Its log may not be there yet, or may hold its
    /// deletion: opening it tells, and mends it.
    Theirs(ShareId),
}

/// All that there is of a session in the index.
#[derive(Debug, Default)]
pub(super) struct Claims {
    /// The claims, by number.
    pub(super) claims: Vec<(Number, Listed)>,
    /// The companions' numbers, in no order.
    pub(super) companions: Vec<Number>,
}

impl Claims {
    fn newest(&self) -> Number {
        self.claims.last().map_or(0, |(number, _)| *number)
    }

    pub(super) fn of(listed: Vec<Listed>) -> Self {
        let mut found = Self::default();
        for listed in listed {
            match key::index_parts(&listed.key) {
                Some((_, _, number, Indexed::Claim)) => found.claims.push((number, listed)),
                Some((_, _, number, Indexed::Companion)) => found.companions.push(number),
                None => {}
            }
        }
        found.claims.sort_unstable_by_key(|(number, _)| *number);
        found
    }

    /// The newest claim, if it is not released.
    pub(super) fn held(&self) -> Option<Number> {
        self.claims.last().filter(|(_, listed)| listed.size > 0).map(|(number, _)| *number)
    }

    pub(super) fn has_companion(&self, number: Number) -> bool {
        self.companions.contains(&number)
    }
}

impl Store {
    /// Claims a session for a share. Of any number of hosts that claim at once, all get to know the same share.
    ///
    /// # Errors
    /// What the bucket said. The claim may have been made all the same: ask again with the same share.
    pub async fn claim(
        &self,
        account: &AccountId,
        session: &SessionId,
        share: &ShareId,
        at: Timestamp,
    ) -> Result<Claim, StoreError> {
        let prefix = key::session(account, session);
        let record = ClaimRecord { account: account.clone(), session: session.clone(), share: share.clone(), at };
        for _ in 0..CLAIMS_MAX {
            let issued = self.moment();
            let (claims, heard) = dates::listen(self.claims_on(&prefix)).await;
            let (mut claims, looked) = (claims?, Lease::of(issued, heard));
            let newest = claims.newest();
            if let Some(holder) = self.holder(account, session, &claims).await? {
                if holder == *share {
                    return Ok(Claim::Ours);
                }
                if self.bucket.written_at(&key::tombstone(&holder)).await?.is_none() {
                    return Ok(Claim::Theirs(holder));
                }
                self.let_go(account, session, &mut claims).await?;
            }
            let mine = key::claim(account, session, newest + 1);
            let (created, heard) = dates::listen(self.bucket.create(&mine, codec::encode_claim(&record))).await;
            let created = match created {
                Ok(created) => created,
                // The next round looks whether it is there; if that fails too, so does the claim.
                Err(error) if error.is_transient() => Created::Hint,
                Err(error) => return Err(error),
            };
            // After the lease the number may have been free because it was freed: look again.
            if created == Created::Yes && self.holds(&looked, heard) {
                self.free_passed(account, session, &claims).await;
                return Ok(Claim::Ours);
            }
        }
        Err(StoreError::unavailable(BucketRequest::Create, &prefix, "the claims on the session did not hold still"))
    }

    /// Releases a session from a share; nothing happens if it is another share's, or nobody's, but that companions that
    /// are left over of released claims are deleted.
    ///
    /// # Errors
    /// What the bucket said; ask again.
    pub async fn release(&self, account: &AccountId, session: &SessionId, share: &ShareId) -> Result<(), StoreError> {
        let mut claims = self.claims_on(&key::session(account, session)).await?;
        if self.holder(account, session, &claims).await?.is_some_and(|holder| holder == *share) {
            return self.let_go(account, session, &mut claims).await;
        }
        self.free_companions(account, session, &claims).await
    }

    /// Claims a session once more for a share whose log says that it is that session's, after its claim was lost or cannot be
    /// read. `at`: when the share was created. Says whether the share has the claim now: not if another has it, or if the share was
    /// deleted meanwhile.
    pub(super) async fn reclaim(
        &self,
        account: &AccountId,
        session: &SessionId,
        share: &ShareId,
        at: Timestamp,
    ) -> Result<bool, StoreError> {
        let claims = self.claims_on(&key::session(account, session)).await?;
        match self.holder(account, session, &claims).await {
            Ok(Some(holder)) => return Ok(holder == *share),
            Ok(None) | Err(StoreError::Corrupt { .. }) => {}
            Err(error) => return Err(error),
        }
        let number = claims.newest() + 1;
        let record = ClaimRecord { account: account.clone(), session: session.clone(), share: share.clone(), at };
        self.bucket.create(&key::claim(account, session, number), codec::encode_claim(&record)).await?;
        let claim = self.read_claim(account, session, number).await?;
        if claim.is_none_or(|claim| claim.share != *share) {
            return Ok(false);
        }
        // A deletion that came between released the session before this claim was there.
        let deleted = self.bucket.written_at(&key::tombstone(share)).await?.is_some();
        if deleted {
            self.release(account, session, share).await?;
        }
        Ok(!deleted)
    }

    /// Releases the newest claim, and deletes what its companion said.
    async fn let_go(&self, account: &AccountId, session: &SessionId, claims: &mut Claims) -> Result<(), StoreError> {
        if let Some((number, newest)) = claims.claims.last_mut() {
            self.bucket.make_empty(&key::claim(account, session, *number)).await?;
            newest.size = 0;
        }
        self.free_companions(account, session, claims).await
    }

    /// Deletes the companions of claims that are released or passed. They are nobody's any more, at any time.
    async fn free_companions(
        &self,
        account: &AccountId,
        session: &SessionId,
        claims: &Claims,
    ) -> Result<(), StoreError> {
        let held = claims.held();
        let over = claims.companions.iter().filter(|number| Some(**number) != held);
        self.bucket.delete(over.map(|number| key::companion(account, session, *number)).collect()).await
    }

    /// As [`Store::free_companions`], of what is there now.
    pub(super) async fn free_companions_of(&self, account: &AccountId, session: &SessionId) -> Result<(), StoreError> {
        self.free_companions(account, session, &self.claims_on(&key::session(account, session)).await?).await
    }

    /// What there is of a session.
    pub(super) async fn claims_on(&self, prefix: &Path) -> Result<Claims, StoreError> {
        Ok(Claims::of(self.bucket.list_all(prefix, None).await?))
    }

    /// Which share a session is, if it is one, as its newest claim says. The share may be deleted all the same.
    ///
    /// # Errors
    /// What the bucket said, or that the claim cannot be read.
    pub async fn shared(&self, account: &AccountId, session: &SessionId) -> Result<Option<ShareId>, StoreError> {
        let claims = self.claims_on(&key::session(account, session)).await?;
        self.holder(account, session, &claims).await
    }

    /// Whether a session was ever claimed, also if its share is gone: the newest claim stays.
    ///
    /// # Errors
    /// What the bucket said.
    pub async fn was_claimed(&self, account: &AccountId, session: &SessionId) -> Result<bool, StoreError> {
        Ok(!self.claims_on(&key::session(account, session)).await?.claims.is_empty())
    }

    /// Which share holds the session, by its newest claim.
    async fn holder(
        &self,
        account: &AccountId,
        session: &SessionId,
        claims: &Claims,
    ) -> Result<Option<ShareId>, StoreError> {
        match claims.held() {
            Some(number) => Ok(self.read_claim(account, session, number).await?.map(|claim| claim.share)),
            None => Ok(None),
        }
    }

    /// A claim, if it is not released.
    pub(super) async fn read_claim(
        &self,
        account: &AccountId,
        session: &SessionId,
        number: Number,
    ) -> Result<Option<ClaimRecord>, StoreError> {
        let key = key::claim(account, session, number);
        let Some((bytes, _)) = self.bucket.read(&key).await?.filter(|(bytes, _)| !bytes.is_empty()) else {
            return Ok(None);
        };
        let claim = codec::decode_claim(&key, &bytes)?;
        // Such as on a file system that takes two spellings for one.
        if claim.account != *account || claim.session != *session {
            return Err(StoreError::corrupt(&key, "it is a claim on another session"));
        }
        Ok(Some(claim))
    }

    /// Superseded the numbers that were passed so long ago that no host can still be about to claim them: those whose
    /// successor is older, by that delay, than the newest; and the companions of all that is passed. `claims` are those
    /// from before the newest. What fails is left to the next claim.
    async fn free_passed(&self, account: &AccountId, session: &SessionId, claims: &Claims) {
        let Some((_, newest)) = claims.claims.last() else { return };
        let settled = newest.modified.0 - self.settings.free_after().as_millis() as i64;
        let passed = claims
            .claims
            .windows(2)
            .filter(|pair| pair[1].1.modified.0 < settled)
            .map(|pair| key::claim(account, session, pair[0].0));
        let companions = claims.companions.iter().map(|number| key::companion(account, session, *number));
        let passed: Vec<_> = passed.chain(companions).collect();
        if let Err(error) = self.bucket.delete(passed).await {
            tracing::warn!(%account, %session, error = &error as &dyn std::error::Error, "could not free passed claims");
        }
    }
}
