//! Listings of the sessions that are shared, from the keys below `index/` and, for each line, the companion or the claim.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::str::FromStr;

use futures::stream::{self, StreamExt as _, TryStreamExt as _};
use object_store::path::Path;

use super::super::Store;
use super::super::bucket::REQUESTS_AT_ONCE;
use super::super::codec::ClaimRecord;
use super::super::error::StoreError;
use super::super::key::{self, Indexed, Number};
use super::super::records::Summary;
use crate::share::id::{AccountId, BadName, SessionId, ShareId};
use crate::share::limits::LIST_PAGE_MAX;
use crate::share::time::Timestamp;

/// A page of a listing of shares.
#[derive(Debug)]
pub struct ListPage {
    /// The claims of this page, in the order of their keys.
    pub claims: Vec<ClaimListing>,
    /// The sessions of this page whose claims cannot be read, in the order of their keys.
    pub damaged: Vec<DamagedClaim>,
    /// The cursor of the next page; `None` if this was the last one.
    pub next: Option<ListCursor>,
}

/// One line of a listing: a claim that is not released.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClaimListing {
    /// The account whose session it is.
    pub account: AccountId,
    /// The session that is shared.
    pub session: SessionId,
    /// The share that has the session.
    pub share: ShareId,
    /// When the share was created.
    pub at: Timestamp,
    /// The share's summary; `None` if the share was never folded.
    pub summary: Option<Summary>,
}

/// A claim that cannot be read and has no companion that tells what it should say.
#[derive(Debug)]
pub struct DamagedClaim {
    /// The account whose session it is, by the claim's key.
    pub account: AccountId,
    /// The session, by the claim's key.
    pub session: SessionId,
    /// What is wrong with the claim: a [`StoreError::Corrupt`].
    pub error: StoreError,
}

impl ClaimListing {
    /// The cursor of a page that begins after this line.
    #[must_use]
    pub fn place(&self) -> ListCursor {
        ListCursor { account: self.account.clone(), session: self.session.clone() }
    }
}

/// A place in a listing, after the claim of a session. As text it is `<account>/<session>`.
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
        let bad = BadName { what: "cursor", shape: "one that a listing gave" };
        let (account, session) = text.split_once('/').ok_or(bad)?;
        Ok(Self { account: account.parse().map_err(|_| bad)?, session: session.parse().map_err(|_| bad)? })
    }
}

/// How much an account's shares hold.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Usage {
    /// The account's shares, each with the bytes of its items' keys and JSON texts, 0 if the index does not know them.
    pub shares: HashMap<ShareId, u64>,
}

/// The newest claim on a session, while a listing is gathered.
struct Newest {
    place: ListCursor,
    number: Number,
    /// Whether the claim is released, which is to say empty.
    free: bool,
    /// The number of the newest companion; 0 if there is none.
    companion: Number,
}

impl Store {
    /// A page of the sessions that are shared, of one account or of all accounts, after the cursor `after`: at most `limit`, in the
    /// order of their keys. A page may hold fewer, or none, and still have a next page. Reads only `index/`: the keys, and for each
    /// line the companion or, if there is none, the claim.
    ///
    /// # Errors
    /// The bucket failed. A claim that cannot be read does not keep the others from being listed.
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
            let known = newest.entry(key).or_insert(Newest { place, number: 0, free: true, companion: 0 });
            match what {
                Indexed::Claim if number > known.number => (known.number, known.free) = (number, listed.size == 0),
                Indexed::Claim => {}
                Indexed::Companion => known.companion = known.companion.max(number),
            }
        }
        drop(listing);
        let mut page: Vec<_> = newest.into_values().filter(|claim| !claim.free).take(limit + 1).collect();
        let more = page.len() > limit;
        page.truncate(limit);
        let next = page.last().filter(|_| more).map(|claim| claim.place.clone());
        let mut reading = stream::iter(page)
            .map(|newest| async move { (self.read_listed(&newest).await, newest.place) })
            .buffered(REQUESTS_AT_ONCE);
        let (mut claims, mut damaged) = (Vec::new(), Vec::new());
        while let Some((read, ListCursor { account, session })) = reading.next().await {
            match read {
                Ok(claim) => claims.extend(claim),
                Err(error @ StoreError::Corrupt { .. }) => damaged.push(DamagedClaim { account, session, error }),
                Err(error) => return Err(error),
            }
        }
        Ok(ListPage { claims, damaged, next })
    }

    /// Reads a line of a listing from the companion, or from the claim if there is no companion that can be read.
    async fn read_listed(&self, newest: &Newest) -> Result<Option<ClaimListing>, StoreError> {
        let (ListCursor { account, session }, number) = (&newest.place, newest.number);
        if newest.companion == number
            && let Some((share, summary)) = self.read_companion(account, session, number).await?
        {
            let (account, session, at) = (summary.account.clone(), summary.session.clone(), summary.created_at);
            return Ok(Some(ClaimListing { account, session, share, at, summary: Some(summary) }));
        }
        let claim = self.read_claim(account, session, number).await?;
        Ok(claim.map(|ClaimRecord { account, session, share, at }| ClaimListing {
            account,
            session,
            share,
            at,
            summary: None,
        }))
    }

    /// Number of an account's sessions that are shared, from one listing of its keys.
    ///
    /// # Errors
    /// The bucket failed.
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

    /// How much an account's shares hold, by the index. Claims that cannot be read do not count.
    ///
    /// # Errors
    /// The bucket failed.
    pub async fn usage(&self, account: &AccountId) -> Result<Usage, StoreError> {
        let mut usage = Usage::default();
        let mut next = None;
        loop {
            let page = self.list(Some(account), next.as_ref(), LIST_PAGE_MAX).await?;
            let sizes = page.claims.into_iter().map(|claim| {
                let byte_count = claim.summary.map_or(0, |summary| summary.byte_count);
                (claim.share, byte_count)
            });
            usage.shares.extend(sizes);
            match page.next {
                Some(after) => next = Some(after),
                None => return Ok(usage),
            }
        }
    }
}
