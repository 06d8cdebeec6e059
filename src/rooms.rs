//! The shares of one host, as rooms: loaded when they are needed, written by one committer each, followed by any number.

use crate::share::error::chain;
use crate::share::view::{DamagedListing, ShareListing};
use crate::store::DamagedClaim;

pub mod asks;
pub mod audience;
pub mod ballot;
pub(crate) mod cache;
mod create;
pub mod event;
mod expiry;
pub mod feed;
pub mod grants;
pub mod news;
mod own;
pub mod pass;
pub mod presence;
pub mod quota;
pub mod room;
mod shares;
mod strangers;
pub mod visibility;

pub use create::{Created, Terms};

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

/// The claims of a listing that are damaged, each of which is logged here.
pub(crate) fn damaged(claims: Vec<DamagedClaim>) -> Vec<DamagedListing> {
    let told = claims.into_iter().map(|DamagedClaim { account, session, error }| {
        tracing::error!(%account, %session, error = %chain(&error), "a claim is damaged and left out of a listing");
        DamagedListing { account, session }
    });
    told.collect()
}
