//! What administrators do with shares: find them, hide one, delete one, and erase all of an account.
//!
//! The doors ask for the scope `admin` before they come here. Each call looks at one page, begins nothing more after [`BEGIN_WITHIN`],
//! and says where the next goes on: so however many shares there are, no call takes long, and one that was cut off is made again.
//! What is done to a share is a line of the audit log, with whose share it was; what could not be done is one too.

use std::future::ready;
use std::pin::pin;
use std::time::Duration;

use futures::stream::{self, StreamExt as _};
use tokio::time::Instant;

use crate::audit::{self, By, Through};
use crate::rooms::Rooms;
use crate::rooms::listing::{Page, damaged};
use crate::share::admin::{Erased, ShareFilter};
use crate::share::error::{Refusal, StoreOperation};
use crate::share::id::{AccountId, ShareId};
use crate::share::limits::{LIST_PAGE_DEFAULT, Limit, TITLE_TEXT_BYTES_MAX};
use crate::share::time::Timestamp;
use crate::share::view::{ShareListing, page_limit};
use crate::share::visibility::Visibility;
use crate::store::{ClaimListing, ListCursor, ListPage, Summary};

/// How long a call goes on beginning: with what it has begun it is done within the 10 s that a client waits.
const BEGIN_WITHIN: Duration = Duration::from_secs(3);

/// Shares of a call that are looked into or deleted at once. Each is read whole, which is at most 256 MiB.
const AT_ONCE: usize = 4;

impl Rooms {
    /// A page of the shares that a filter lets through, in no promised order. `limit` is how many are looked at, 0 for 100; so a
    /// page may hold fewer, also none, and yet have a next one.
    ///
    /// Title and size are as of a share's last fold, up to a minute behind. Where they are asked for and a share was never folded,
    /// the share itself is read; one that cannot be read is left out, and the host's log says so.
    ///
    /// # Errors
    /// A cursor that no page gave, more than 1,000 at once, a text that is too long, or the bucket failed.
    pub async fn find_shares(
        &self,
        by: By<'_>,
        filter: &ShareFilter,
        cursor: &str,
        limit: usize,
    ) -> Result<Page, Refusal> {
        let found = self.find_page(filter, cursor, limit).await;
        match &found {
            Ok(page) => {
                let of = filter.account.as_ref().map_or("everybody", AccountId::as_str);
                audit::administered(by, "list_shares", of, page.shares.len());
            }
            Err(refusal) => audit::denied(by, "list_shares", None, refusal),
        }
        found
    }

    async fn find_page(&self, filter: &ShareFilter, cursor: &str, limit: usize) -> Result<Page, Refusal> {
        let title = filter.title.as_deref().unwrap_or_default();
        if title.len() > TITLE_TEXT_BYTES_MAX {
            return Err(Refusal::limit(Limit::TitleTextBytesMax, TITLE_TEXT_BYTES_MAX, title.len()));
        }
        let mut page = self.list_page(filter.account.as_ref(), cursor, page_limit(limit)?).await?;
        let damaged = damaged(std::mem::take(&mut page.damaged));
        let now = self.ambient.clock.now();
        let looks_inside = filter.looks_inside();
        let (found, next_cursor) = self
            .each(page, |claim| async move {
                let claim = if looks_inside { self.described(claim).await? } else { claim };
                Some(self.listed(claim)).filter(|share| lets_through(filter, share, now))
            })
            .await;
        Ok(Page { shares: found.into_iter().flatten().collect(), damaged, next_cursor })
    }

    /// Hides a share from those who have no more than its link or an account: as its owner's [`Visibility::Grant`]. Its own account,
    /// and those who have a token that reads it, still see it, and its owner may show it again.
    ///
    /// # Errors
    /// [`Refusal::NotFound`], or the bucket failed.
    pub async fn hide_share(&self, by: By<'_>, id: &str) -> Result<(), Refusal> {
        let hidden = async {
            let room = self.room(id).await?;
            self.set_visibility(&room, Visibility::Grant).await?;
            audit::visibility_set(by, room.audited(), Visibility::Grant, Through::Admin);
            Ok(())
        };
        hidden.await.inspect_err(|refusal| audit::denied(by, "hide_share", id.parse().ok().as_ref(), refusal))
    }

    /// Deletes a share for good, whosever it is.
    ///
    /// # Errors
    /// [`Refusal::NotFound`], or the bucket failed.
    pub async fn delete_share(&self, by: By<'_>, id: &str) -> Result<(), Refusal> {
        let deleted = async {
            let room = self.room(id).await?;
            self.delete_room(&room).await?;
            audit::share_deleted(by, room.audited(), Through::Admin);
            Ok(())
        };
        deleted.await.inspect_err(|refusal| audit::denied(by, "delete_share", id.parse().ok().as_ref(), refusal))
    }

    /// Deletes a page of an account's shares for good: at most 100, from the cursor on. Go on with the next cursor until there is
    /// none. A share that was created meanwhile may lie before the cursor, so the account is erased when a whole run from the
    /// beginning deleted nothing and failed at nothing. Its tokens stay what they are.
    ///
    /// # Errors
    /// A cursor that no page gave, or the bucket failed to list. What it failed to delete is in the answer.
    pub async fn erase_account(&self, by: By<'_>, account: &AccountId, cursor: &str) -> Result<Erased, Refusal> {
        let erased = async {
            let mut page = self.list_page(Some(account), cursor, LIST_PAGE_DEFAULT).await?;
            // Which share it is cannot be told: the host's log names the session, and the listing does.
            damaged(std::mem::take(&mut page.damaged));
            let (deletions, next_cursor) = self
                .each(page, |claim| async move {
                    match self.delete_share(by, claim.share.as_str()).await {
                        Ok(()) => Deletion::Done,
                        // Somebody else did, and the claim is about to go.
                        Err(Refusal::NotFound { .. }) => Deletion::Needless,
                        Err(_) => Deletion::Failed(claim.share),
                    }
                })
                .await;
            let mut erased =
                Erased { next_cursor: Some(next_cursor).filter(|next| !next.is_empty()), ..Erased::default() };
            for deletion in deletions {
                match deletion {
                    Deletion::Done => erased.deleted += 1,
                    Deletion::Needless => {}
                    Deletion::Failed(share) => erased.failed.push(share),
                }
            }
            Ok(erased)
        };
        let erased: Result<Erased, Refusal> = erased.await;
        match &erased {
            Ok(erased) => {
                let count = usize::try_from(erased.deleted).unwrap_or(usize::MAX);
                audit::administered(by, "erase_account", account.as_str(), count);
            }
            Err(refusal) => audit::denied(by, "erase_account", None, refusal),
        }
        erased
    }

    async fn list_page(&self, account: Option<&AccountId>, cursor: &str, limit: usize) -> Result<ListPage, Refusal> {
        let after = match cursor {
            "" => None,
            cursor => Some(cursor.parse::<ListCursor>().map_err(Refusal::from)?),
        };
        let page = self.store.list(account, after.as_ref(), limit).await;
        page.map_err(|error| self.context.health.refused(StoreOperation::List, &error))
    }

    /// Does something with each line of a page, a few at once, and begins none after [`BEGIN_WITHIN`] but the first. Gives what
    /// it came to in the page's order, and the cursor after the last; empty: there is no more.
    async fn each<T, F>(&self, page: ListPage, act: impl Fn(ClaimListing) -> F) -> (Vec<T>, String)
    where
        F: Future<Output = T>,
    {
        let places: Vec<ListCursor> = page.claims.iter().map(ClaimListing::place).collect();
        let began = Instant::now();
        let claims = stream::iter(page.claims.into_iter().enumerate());
        let begun = claims.take_while(|(at, _)| ready(*at == 0 || began.elapsed() < BEGIN_WITHIN));
        let done: Vec<T> = pin!(begun.map(|(_, claim)| act(claim)).buffered(AT_ONCE)).collect().await;
        let next = if done.len() < places.len() {
            done.len().checked_sub(1).map(|last| &places[last])
        } else {
            page.next.as_ref()
        };
        let next = next.map(ToString::to_string).unwrap_or_default();
        (done, next)
    }

    /// A line with what it says of a share that was never folded; `None` if the share is gone or cannot be read.
    async fn described(&self, claim: ClaimListing) -> Option<ClaimListing> {
        if claim.summary.is_some() {
            return Some(claim);
        }
        let read = match self.room(claim.share.as_str()).await {
            Ok(room) => room.read(|state| Summary::of(state, 0, 0)),
            Err(refusal) => Err(refusal),
        };
        match read {
            Ok(summary) => Some(ClaimListing { summary, ..claim }),
            Err(Refusal::NotFound { .. }) => None,
            Err(refusal) => {
                tracing::warn!(share = %claim.share, %refusal, "a share cannot be read, and is left out of an administrator's list");
                None
            }
        }
    }
}

/// What became of one share.
enum Deletion {
    Done,
    Needless,
    Failed(ShareId),
}

fn lets_through(filter: &ShareFilter, share: &ShareListing, now: Timestamp) -> bool {
    let age_ms = u64::try_from(now.0.saturating_sub(share.created_at.0)).unwrap_or_default();
    let is_old = filter.older_than.is_none_or(|than| u128::from(age_ms) > than.as_millis());
    let is_large = filter.larger_than.is_none_or(|than| share.byte_count > than);
    let is_titled = filter.title.as_ref().is_none_or(|text| {
        share.title.as_ref().is_some_and(|title| title.to_lowercase().contains(&text.to_lowercase()))
    });
    is_old && is_large && is_titled
}
