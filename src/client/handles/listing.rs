//! A listing as one run of lines, fetched page by page as they are asked for.

use std::collections::VecDeque;

use crate::client::error::ClientError;
use crate::client::handles::client::Client;
use crate::share::admin::ShareFilter;
use crate::share::limits::LIST_PAGE_MAX;
use crate::share::view::{DamagedListing, ShareListing};

/// What [`Client::list`] gives, and [`Admin::shares`](crate::client::Admin::shares). It holds one page.
#[derive(Debug)]
pub struct Listing {
    client: Client,
    of: Lists,
    page: VecDeque<ShareListing>,
    damaged: Vec<DamagedListing>,
    cursor: Cursor,
}

/// What is listed.
#[derive(Debug)]
pub(crate) enum Lists {
    /// The account's shares, or everybody's.
    Shares { every_account: bool },
    /// What an administrator looks for.
    Filtered(ShareFilter),
}

#[derive(Debug)]
enum Cursor {
    Start,
    At(String),
    End,
}

impl Client {
    /// The account's shares, page by page behind the scenes; with `every_account` (for administrators) all of them.
    #[must_use]
    pub fn list(&self, every_account: bool) -> Listing {
        Listing::new(self.clone(), Lists::Shares { every_account })
    }
}

impl Listing {
    pub(crate) fn new(client: Client, of: Lists) -> Self {
        Self { client, of, page: VecDeque::new(), damaged: Vec::new(), cursor: Cursor::Start }
    }

    /// The next line; `None` after the last.
    ///
    /// # Errors
    /// As every call. Asking again tries the same page again.
    pub async fn next(&mut self) -> Result<Option<ShareListing>, ClientError> {
        loop {
            if let Some(line) = self.page.pop_front() {
                return Ok(Some(line));
            }
            let cursor = match &self.cursor {
                Cursor::Start => None,
                Cursor::At(cursor) => Some(cursor.as_str()),
                Cursor::End => return Ok(None),
            };
            let limit = u32::try_from(LIST_PAGE_MAX).unwrap_or(u32::MAX);
            let page = match &self.of {
                Lists::Shares { every_account } => self.client.list_page(cursor, limit, *every_account).await?,
                Lists::Filtered(filter) => self.client.admin().shares_page(filter, cursor, limit).await?,
            };
            self.page = page.shares.into();
            let room = LIST_PAGE_MAX.saturating_sub(self.damaged.len());
            self.damaged.extend(page.damaged.into_iter().take(room));
            self.cursor = page.next_cursor.map_or(Cursor::End, Cursor::At);
        }
    }

    /// The sessions that were met since this was last asked, and of which the host cannot tell which share they are, because
    /// their claims are damaged. At most [`LIST_PAGE_MAX`] are kept; those met beyond are left out.
    pub fn take_damaged(&mut self) -> Vec<DamagedListing> {
        std::mem::take(&mut self.damaged)
    }
}
