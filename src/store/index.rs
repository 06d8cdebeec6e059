//! Claims: which share a session is. All hosts agree on it, and a listing reads no share for it.
//!
//! The claims on a session are a small log of their own, `index/<account>/<session>/<number>`, and the highest number counts. A
//! claim is created under the number after it, so of two hosts that claim at once one wins, and the other reads the winner's
//! share. A claim is released by making its object empty: a release that is late or repeated hits that one claim and never the
//! next, which is another key. So the newest object always stays; a session that was ever shared leaves one, which is empty if
//! the session is not shared now. A listing tells empty objects from full ones by size, and reads only the full ones.
//!
//! A claim on a deleted share that nobody released is released by the host that claims the session next, which also frees
//! numbers that were passed long ago, by the bucket's own clock.
//!
//! Once the share was folded, the claim has a companion with the share's [`Summary`](super::Summary), which a [listing] reads in
//! place of the claim.

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

/// Number of times that a claim is tried before it fails because other hosts claim and release the session too fast.
const CLAIMS_MAX: usize = 16;

/// The result of claiming a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Claim {
    /// The share that claims has the session, now or since an earlier call.
    Ours,
    /// This share has the session, and had no tombstone when that was looked for. Its log may not be there yet, or may say that it
    /// was deleted: opening it tells, and finishes the deletion.
    Theirs(ShareId),
}

/// The objects of a session in the index.
#[derive(Debug, Default)]
pub(super) struct Claims {
    /// The claims, in the order of their numbers.
    pub(super) claims: Vec<(Number, Listed)>,
    /// The numbers of the companions, in no order.
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

    /// Number of the newest claim; `None` if it is released, or if the session never had a claim.
    pub(super) fn held(&self) -> Option<Number> {
        self.claims.last().filter(|(_, listed)| listed.size > 0).map(|(number, _)| *number)
    }

    pub(super) fn has_companion(&self, number: Number) -> bool {
        self.companions.contains(&number)
    }
}

impl Store {
    /// Claims a session for a share. Of any number of hosts that claim at once one wins, and all are told the winner's share.
    ///
    /// # Errors
    /// The bucket failed. The claim may have been made all the same: call again with the same share.
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
                // The next round looks whether the claim is there; if that fails too, so does the call.
                Err(error) if error.is_transient() => Created::Hint,
                Err(error) => return Err(error),
            };
            // After the lease the number may have been free because it was freed: look again.
            if created == Created::Yes && self.holds(&looked, heard) {
                self.free_passed(account, session, &claims).await;
                return Ok(Claim::Ours);
            }
        }
        Err(StoreError::unavailable(
            BucketRequest::Create,
            &prefix,
            "other hosts claim and release the session too fast",
        ))
    }

    /// Releases a session from a share. If another share has the session, or none, only companions that released claims have left
    /// are deleted.
    ///
    /// # Errors
    /// The bucket failed; call again.
    pub async fn release(&self, account: &AccountId, session: &SessionId, share: &ShareId) -> Result<(), StoreError> {
        let mut claims = self.claims_on(&key::session(account, session)).await?;
        if self.holder(account, session, &claims).await?.is_some_and(|holder| holder == *share) {
            return self.let_go(account, session, &mut claims).await;
        }
        self.free_companions(account, session, &claims).await
    }

    /// Claims a session again for a share whose log names that session, after the claim was lost or cannot be read. `at` is when the
    /// share was created. Returns whether the share has the claim now; it does not if another share has it, or if the share was
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

    /// Releases the newest claim, and deletes its companion.
    async fn let_go(&self, account: &AccountId, session: &SessionId, claims: &mut Claims) -> Result<(), StoreError> {
        if let Some((number, newest)) = claims.claims.last_mut() {
            self.bucket.make_empty(&key::claim(account, session, *number)).await?;
            newest.size = 0;
        }
        self.free_companions(account, session, claims).await
    }

    /// Deletes the companions of claims that are released or passed, which nobody needs any more.
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

    /// Deletes the companions of claims on this session that are released or passed.
    pub(super) async fn free_companions_of(&self, account: &AccountId, session: &SessionId) -> Result<(), StoreError> {
        self.free_companions(account, session, &self.claims_on(&key::session(account, session)).await?).await
    }

    /// Lists the objects of a session in the index.
    pub(super) async fn claims_on(&self, prefix: &Path) -> Result<Claims, StoreError> {
        Ok(Claims::of(self.bucket.list_all(prefix, None).await?))
    }

    /// The share that a session is, by its newest claim; `None` if it is not shared. The share may have been deleted all the same.
    ///
    /// # Errors
    /// The bucket failed, or the claim cannot be read.
    pub async fn shared(&self, account: &AccountId, session: &SessionId) -> Result<Option<ShareId>, StoreError> {
        let claims = self.claims_on(&key::session(account, session)).await?;
        self.holder(account, session, &claims).await
    }

    /// Whether a session was ever claimed, even if its share is gone, because the newest claim stays.
    ///
    /// # Errors
    /// The bucket failed.
    pub async fn was_claimed(&self, account: &AccountId, session: &SessionId) -> Result<bool, StoreError> {
        Ok(!self.claims_on(&key::session(account, session)).await?.claims.is_empty())
    }

    /// The share that has the session, by its newest claim.
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

    /// Reads a claim; `None` if it is released.
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
        // A file system may take two spellings for one name.
        if claim.account != *account || claim.session != *session {
            return Err(StoreError::corrupt(&key, "it is a claim on another session"));
        }
        Ok(Some(claim))
    }

    /// Frees the claims that were passed so long ago that no host can still be about to claim their numbers, which are those whose
    /// successor is older than the newest by that delay, and the companions of all passed claims. `claims` are those before the
    /// newest. What fails is left to the next claim.
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
            tracing::warn!(%account, %session, error = &error as &dyn std::error::Error, "cannot free passed claims; the next claim of the session tries again");
        }
    }
}
