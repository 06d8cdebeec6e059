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

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::str::FromStr;

use futures::stream::{self, StreamExt as _, TryStreamExt as _};
use object_store::path::Path;
use tokio::time::Instant;

use super::Store;
use super::bucket::{Created, Listed, REQUESTS_AT_ONCE};
use super::codec::{self, ClaimRecord};
use super::error::{BucketRequest, StoreError};
use super::key::{self, Number};
use crate::share::id::{AccountId, BadName, SessionId, ShareId};
use crate::share::limits::LIST_PAGE_MAX;
use crate::share::time::Timestamp;

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

/// A page of a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListPage {
    /// The claims, in the order of their keys.
    pub claims: Vec<ClaimListing>,
    /// Where the next page begins; `None`: there is none.
    pub next: Option<ListCursor>,
}

/// One claim of a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClaimListing {
    /// Whose session it is.
    pub account: AccountId,
    /// The session.
    pub session: SessionId,
    /// The share that it is.
    pub share: ShareId,
    /// When it was claimed.
    pub at: Timestamp,
}

/// A place in a listing: after this session's claim. As text, `<account>/<session>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListCursor {
    account: AccountId,
    session: SessionId,
}

impl fmt::Display for ListCursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.account, self.session)
    }
}

impl FromStr for ListCursor {
    type Err = BadName;

    fn from_str(text: &str) -> Result<Self, BadName> {
        let bad = BadName { what: "a cursor", shape: "one that a listing gave" };
        let (account, session) = text.split_once('/').ok_or(bad)?;
        Ok(Self { account: account.parse().map_err(|_| bad)?, session: session.parse().map_err(|_| bad)? })
    }
}

/// What an account's shares hold.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Usage {
    /// Its shares, and the bytes of keys and texts that each holds as far as the index knows.
    pub shares: HashMap<ShareId, u64>,
}

/// What the index knows of a share's size. Nothing so far: the claim does not say it.
fn byte_count(_: &ClaimListing) -> u64 {
    0
}

/// The newest claim on a session.
struct Newest {
    number: Number,
    /// Released, which is to say empty.
    free: bool,
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
            let issued = Instant::now();
            let claims = self.claims_on(&prefix).await?;
            let newest = claims.last().map_or(0, |(number, _)| *number);
            if let Some(holder) = self.holder(account, session, &claims).await? {
                if holder == *share {
                    return Ok(Claim::Ours);
                }
                if self.bucket.written_at(&key::tombstone(&holder)).await?.is_none() {
                    return Ok(Claim::Theirs(holder));
                }
                self.bucket.make_empty(&key::claim(account, session, newest)).await?;
            }
            let mine = key::claim(account, session, newest + 1);
            let created = match self.bucket.create(&mine, codec::encode_claim(&record)).await {
                Ok(created) => created,
                // The next round looks whether it is there; if that fails too, so does the claim.
                Err(error) if error.is_transient() => Created::Hint,
                Err(error) => return Err(error),
            };
            // After the lease the number may have been free because it was freed: look again.
            if created == Created::Yes && issued.elapsed() <= self.settings.lease {
                self.free_passed(account, session, &claims).await;
                return Ok(Claim::Ours);
            }
        }
        Err(StoreError::unavailable(BucketRequest::Create, &prefix, "the claims on the session did not hold still"))
    }

    /// Releases a session from a share; nothing happens if it is another share's, or nobody's.
    ///
    /// # Errors
    /// What the bucket said; ask again.
    pub async fn release(&self, account: &AccountId, session: &SessionId, share: &ShareId) -> Result<(), StoreError> {
        let claims = self.claims_on(&key::session(account, session)).await?;
        match (claims.last(), self.holder(account, session, &claims).await?) {
            (Some((number, _)), Some(holder)) if holder == *share => {
                self.bucket.make_empty(&key::claim(account, session, *number)).await
            }
            _ => Ok(()),
        }
    }

    /// A page of the sessions that are shared, of one account or of all, from `after` on: at most `limit`, in the order of
    /// their keys. A page may hold fewer, also none, and yet have a next one. Reads only `index/`: the keys, and the
    /// claims of the page.
    ///
    /// # Errors
    /// What the bucket said, or which claim cannot be read.
    pub async fn list(
        &self,
        account: Option<&AccountId>,
        after: Option<&ListCursor>,
        limit: usize,
    ) -> Result<ListPage, StoreError> {
        let prefix = account.map_or_else(key::index, key::account);
        let after = after.map(|cursor| key::after_claims(&cursor.account, &cursor.session));
        let mut listing = self.bucket.list(&prefix, after.as_ref());
        let mut newest: BTreeMap<Path, (ListCursor, Newest)> = BTreeMap::new();
        let mut full = 0;
        while let Some(listed) = listing.try_next().await? {
            let Some((account, session, number)) = key::claim_parts(&listed.key) else { continue };
            let claim = Newest { number, free: listed.size == 0 };
            // Keyed as the bucket sorts, so that pages follow one another also where listings are not sorted.
            let key = key::after_claims(&account, &session);
            // In a sorted listing a session is complete when the next one comes.
            if self.settings.sorted_listings && !newest.contains_key(&key) {
                full += usize::from(newest.last_key_value().is_some_and(|(_, (_, last))| !last.free));
                if full > limit {
                    break;
                }
            }
            let known =
                newest.entry(key).or_insert((ListCursor { account, session }, Newest { number: 0, free: true }));
            if number > known.1.number {
                known.1 = claim;
            }
        }
        drop(listing);
        let mut page: Vec<_> = newest.into_values().filter(|(_, claim)| !claim.free).take(limit + 1).collect();
        let more = page.len() > limit;
        page.truncate(limit);
        let next = page.last().filter(|_| more).map(|(place, _)| place.clone());
        let claims = stream::iter(page)
            .map(|(place, claim)| async move { self.read_claim(&place.account, &place.session, claim.number).await })
            .buffered(REQUESTS_AT_ONCE)
            .try_filter_map(|claim| async move { Ok(claim) })
            .map_ok(|ClaimRecord { account, session, share, at }| ClaimListing { account, session, share, at })
            .try_collect()
            .await?;
        Ok(ListPage { claims, next })
    }

    /// Which share a session is, if it is one, as its newest claim says. The share may be deleted all the same.
    ///
    /// # Errors
    /// What the bucket said, or that the claim cannot be read.
    pub async fn shared(&self, account: &AccountId, session: &SessionId) -> Result<Option<ShareId>, StoreError> {
        let claims = self.claims_on(&key::session(account, session)).await?;
        self.holder(account, session, &claims).await
    }

    /// How many sessions of an account are shared: one listing of its keys.
    ///
    /// # Errors
    /// What the bucket said.
    pub async fn share_count(&self, account: &AccountId) -> Result<u64, StoreError> {
        let mut newest: HashMap<SessionId, Newest> = HashMap::new();
        let mut listing = self.bucket.list(&key::account(account), None);
        while let Some(listed) = listing.try_next().await? {
            let Some((_, session, number)) = key::claim_parts(&listed.key) else { continue };
            let claim = newest.entry(session).or_insert(Newest { number: 0, free: true });
            if number > claim.number {
                *claim = Newest { number, free: listed.size == 0 };
            }
        }
        Ok(newest.values().filter(|claim| !claim.free).count() as u64)
    }

    /// What an account's shares hold, as the index says: its listing, with all claims.
    ///
    /// # Errors
    /// What the bucket said, or which claim cannot be read.
    pub async fn usage(&self, account: &AccountId) -> Result<Usage, StoreError> {
        let mut usage = Usage::default();
        let mut next = None;
        loop {
            let page = self.list(Some(account), next.as_ref(), LIST_PAGE_MAX).await?;
            usage.shares.extend(page.claims.iter().map(|claim| (claim.share.clone(), byte_count(claim))));
            match page.next {
                Some(after) => next = Some(after),
                None => return Ok(usage),
            }
        }
    }

    /// The claims on a session, by number.
    async fn claims_on(&self, prefix: &Path) -> Result<Vec<(Number, Listed)>, StoreError> {
        let listed = self.bucket.list_all(prefix, None).await?;
        let mut claims: Vec<_> =
            listed.into_iter().filter_map(|l| key::claim_parts(&l.key).map(|(_, _, number)| (number, l))).collect();
        claims.sort_unstable_by_key(|(number, _)| *number);
        Ok(claims)
    }

    /// Which share holds the session, by its newest claim.
    async fn holder(
        &self,
        account: &AccountId,
        session: &SessionId,
        claims: &[(Number, Listed)],
    ) -> Result<Option<ShareId>, StoreError> {
        match claims.last() {
            Some((number, listed)) if listed.size > 0 => {
                Ok(self.read_claim(account, session, *number).await?.map(|claim| claim.share))
            }
            _ => Ok(None),
        }
    }

    /// A claim, if it is not released.
    async fn read_claim(
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

    /// Frees the numbers that were passed so long ago that no host can still be about to claim them: those whose
    /// successor is older, by that delay, than the newest. What fails is left to the next claim.
    async fn free_passed(&self, account: &AccountId, session: &SessionId, claims: &[(Number, Listed)]) {
        let Some((_, newest)) = claims.last() else { return };
        let settled = newest.modified.0 - self.settings.free_after().as_millis() as i64;
        let passed: Vec<_> = claims
            .windows(2)
            .filter(|pair| pair[1].1.modified.0 < settled)
            .map(|pair| key::claim(account, session, pair[0].0))
            .collect();
        if let Err(error) = self.bucket.delete(passed).await {
            tracing::warn!(%account, %session, error = &error as &dyn std::error::Error, "could not free passed claims");
        }
    }
}
