//! Lists of shares, a page at a time, as the index of the bucket has them.

use crate::access::Principal;
use crate::rooms::Rooms;
use crate::share::error::{Refusal, StoreOperation, chain};
use crate::share::view::{DamagedListing, ShareListing, page_limit};
use crate::store::{ClaimListing, DamagedClaim};

/// A page of a listing.
#[derive(Debug, Clone)]
pub struct Page {
    /// The shares, in no promised order.
    pub shares: Vec<ShareListing>,
    /// Sessions of which cannot be told which share they are.
    pub damaged: Vec<DamagedListing>,
    /// Where the next page begins; empty after the last.
    pub next_cursor: String,
}

impl Rooms {
    /// A page of the principal's own shares, or of everybody's for an administrator.
    ///
    /// # Errors
    /// The principal may not, or the bucket failed.
    pub async fn list(&self, who: &Principal, everybody: bool, cursor: &str, limit: usize) -> Result<Page, Refusal> {
        who.may_read()?;
        if everybody {
            who.may_administer()?;
        }
        let limit = page_limit(limit)?;
        let account = (!everybody).then_some(&who.account);
        let cursor = match cursor {
            "" => None,
            cursor => Some(cursor.parse().map_err(Refusal::from)?),
        };
        let page = self.store.list(account, cursor.as_ref(), limit).await;
        let page = page.map_err(|error| self.context.health.refused(StoreOperation::List, &error))?;
        let shares = page.claims.into_iter().map(|claim| self.listed(claim)).collect();
        let next_cursor = page.next.map(|next| next.to_string()).unwrap_or_default();
        Ok(Page { shares, damaged: damaged(page.damaged), next_cursor })
    }

    pub(super) fn listed(&self, claim: ClaimListing) -> ShareListing {
        let ClaimListing { account, session, share, at, summary } = claim;
        let summary = summary.as_ref();
        ShareListing {
            url: self.url(&share),
            id: share,
            session,
            account,
            created_at: at,
            expires_at: summary.and_then(|summary| summary.expires_at),
            title: summary.and_then(|summary| summary.title.clone()),
            updated_at: summary.map(|summary| summary.updated_at),
            sync_count: summary.map_or(0, |summary| summary.sync_count),
            item_count: summary.map_or(0, |summary| summary.item_count),
            byte_count: summary.map_or(0, |summary| summary.byte_count),
        }
    }
}

/// The claims of a listing that are damaged, each of which is logged here.
pub(super) fn damaged(claims: Vec<DamagedClaim>) -> Vec<DamagedListing> {
    let told = claims.into_iter().map(|DamagedClaim { account, session, error }| {
        tracing::error!(%account, %session, error = %chain(&error), "a claim is damaged and left out of a listing");
        DamagedListing { account, session }
    });
    told.collect()
}
