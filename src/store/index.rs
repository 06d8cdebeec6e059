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
//! Next to a claim stands its companion ([`About`]), once its share was folded, and is read in its stead by a listing.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::str::FromStr;

use futures::stream::{self, StreamExt as _, TryStreamExt as _};
use object_store::path::Path;

use super::Store;
use super::about::About;
use super::bucket::{Created, Listed, REQUESTS_AT_ONCE};
use super::codec::{self, ClaimRecord};
use super::dates;
use super::error::{BucketRequest, StoreError};
use super::key::{self, Indexed, Number};
use super::lease::Lease;
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
    /// What was last said of the share; `None` if it was never folded.
    pub about: Option<About>,
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

/// The newest claim on a session, while a listing is gathered.
struct Newest {
    place: ListCursor,
    number: Number,
    /// Released, which is to say empty.
    free: bool,
    /// The number of the newest companion; 0 if there is none.
    about: Number,
}

/// All that there is of a session in the index.
#[derive(Debug, Default)]
pub(super) struct Claims {
    /// The claims, by number.
    pub(super) claims: Vec<(Number, Listed)>,
    /// The companions' numbers, in no order.
    pub(super) abouts: Vec<Number>,
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
                Some((_, _, number, Indexed::About)) => found.abouts.push(number),
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

    pub(super) fn has_about(&self, number: Number) -> bool {
        self.abouts.contains(&number)
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
        self.free_abouts(account, session, &claims).await
    }

    /// Releases the newest claim, and deletes what its companion said.
    async fn let_go(&self, account: &AccountId, session: &SessionId, claims: &mut Claims) -> Result<(), StoreError> {
        if let Some((number, newest)) = claims.claims.last_mut() {
            self.bucket.make_empty(&key::claim(account, session, *number)).await?;
            newest.size = 0;
        }
        self.free_abouts(account, session, claims).await
    }

    /// Deletes the companions of claims that are released or passed. They are nobody's any more, at any time.
    async fn free_abouts(&self, account: &AccountId, session: &SessionId, claims: &Claims) -> Result<(), StoreError> {
        let held = claims.held();
        let over = claims.abouts.iter().filter(|number| Some(**number) != held);
        self.bucket.delete(over.map(|number| key::about(account, session, *number)).collect()).await
    }

    /// As [`Store::free_abouts`], of what is there now.
    pub(super) async fn free_abouts_of(&self, account: &AccountId, session: &SessionId) -> Result<(), StoreError> {
        self.free_abouts(account, session, &self.claims_on(&key::session(account, session)).await?).await
    }

    /// A page of the sessions that are shared, of one account or of all, from `after` on: at most `limit`, in the order of
    /// their keys. A page may hold fewer, also none, and yet have a next one. Reads only `index/`: the keys, and of each
    /// line of the page the companion or, if there is none, the claim.
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
        let mut newest: BTreeMap<Path, Newest> = BTreeMap::new();
        let mut full = 0;
        while let Some(listed) = listing.try_next().await? {
            let Some((account, session, number, what)) = key::index_parts(&listed.key) else { continue };
            // Keyed as the bucket sorts, so that pages follow one another also where listings are not sorted.
            let key = key::after_claims(&account, &session);
            // In a sorted listing a session is complete when the next one comes.
            if self.settings.sorted_listings && !newest.contains_key(&key) {
                full += usize::from(newest.last_key_value().is_some_and(|(_, last)| !last.free));
                if full > limit {
                    break;
                }
            }
            let place = ListCursor { account, session };
            let known = newest.entry(key).or_insert(Newest { place, number: 0, free: true, about: 0 });
            match what {
                Indexed::Claim if number > known.number => (known.number, known.free) = (number, listed.size == 0),
                Indexed::Claim => {}
                Indexed::About => known.about = known.about.max(number),
            }
        }
        drop(listing);
        let mut page: Vec<_> = newest.into_values().filter(|claim| !claim.free).take(limit + 1).collect();
        let more = page.len() > limit;
        page.truncate(limit);
        let next = page.last().filter(|_| more).map(|claim| claim.place.clone());
        let claims = stream::iter(page)
            .map(|claim| async move { self.read_listed(&claim).await })
            .buffered(REQUESTS_AT_ONCE)
            .try_filter_map(|claim| async move { Ok(claim) })
            .try_collect()
            .await?;
        Ok(ListPage { claims, next })
    }

    /// A line of a listing: the companion, or the claim if there is none that can be read.
    async fn read_listed(&self, newest: &Newest) -> Result<Option<ClaimListing>, StoreError> {
        let (ListCursor { account, session }, number) = (&newest.place, newest.number);
        if newest.about == number
            && let Some((share, about)) = self.read_about(account, session, number).await?
        {
            let (account, session, at) = (about.account.clone(), about.session.clone(), about.created_at);
            return Ok(Some(ClaimListing { account, session, share, at, about: Some(about) }));
        }
        let claim = self.read_claim(account, session, number).await?;
        Ok(claim.map(|ClaimRecord { account, session, share, at }| ClaimListing {
            account,
            session,
            share,
            at,
            about: None,
        }))
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

    /// How many sessions of an account are shared: one listing of its keys.
    ///
    /// # Errors
    /// What the bucket said.
    pub async fn share_count(&self, account: &AccountId) -> Result<u64, StoreError> {
        let mut newest: HashMap<SessionId, (Number, bool)> = HashMap::new();
        let mut listing = self.bucket.list(&key::account(account), None);
        while let Some(listed) = listing.try_next().await? {
            let Some((_, session, number, Indexed::Claim)) = key::index_parts(&listed.key) else { continue };
            let claim = newest.entry(session).or_insert((0, false));
            *claim = (*claim).max((number, listed.size > 0));
        }
        Ok(newest.values().filter(|(_, held)| *held).count() as u64)
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
            let sizes = page.claims.into_iter().map(|claim| {
                let byte_count = claim.about.map_or(0, |about| about.byte_count);
                (claim.share, byte_count)
            });
            usage.shares.extend(sizes);
            match page.next {
                Some(after) => next = Some(after),
                None => return Ok(usage),
            }
        }
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

    /// Frees the numbers that were passed so long ago that no host can still be about to claim them: those whose
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
        let abouts = claims.abouts.iter().map(|number| key::about(account, session, *number));
        let passed: Vec<_> = passed.chain(abouts).collect();
        if let Err(error) = self.bucket.delete(passed).await {
            tracing::warn!(%account, %session, error = &error as &dyn std::error::Error, "could not free passed claims");
        }
    }
}
