//! A listing as one stream of lines: its pages are fetched as they are asked for.

use std::collections::VecDeque;
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures::{Stream, StreamExt};
use tokio_util::sync::ReusableBoxFuture;

use crate::client::answers::Page;
use crate::client::driver::handle::Client;
use crate::client::error::ClientError;
use crate::client::options::{ListScope, PageRequest};
use crate::share::limits::LIST_PAGE_MAX;
use crate::share::view::{DamagedListing, ShareListing};

/// Lines of a listing, one after the other: a [`Stream`] that fetches a page when it has handed on the last one, and holds no more
/// than one page. [`Client::list`], [`Admin::shares`](crate::client::Admin::shares) and
/// [`Admin::connections`](crate::client::Admin::connections) give one.
///
/// [`next`](Self::next) and [`try_next`](Self::try_next) are methods of its own, so that a loop needs no trait in scope:
///
/// ```no_run
/// # use capshare::client::{Client, ClientError, ListScope};
/// # async fn scene(client: Client) -> Result<(), ClientError> {
/// let mut shares = client.list(ListScope::OwnAccount);
/// while let Some(share) = shares.try_next().await? {
///     println!("{} {}", share.id, share.url);
/// }
/// # Ok(())
/// # }
/// ```
///
/// A listing ends after an error. To go on from a page that failed, ask for pages: [`Client::list_page`].
pub struct Listing<T = ShareListing> {
    fetch: Box<dyn Fn(PageRequest) -> Fetching<T> + Send + Sync>,
    lines: VecDeque<T>,
    damaged: Vec<DamagedListing>,
    stage: Stage<T>,
}

/// A page on its way.
type Fetching<T> = ReusableBoxFuture<'static, Result<Fetched<T>, ClientError>>;

/// A page that has come.
pub(crate) struct Fetched<T> {
    pub(crate) lines: Vec<T>,
    pub(crate) damaged: Vec<DamagedListing>,
    pub(crate) next_cursor: Option<String>,
}

impl From<Page> for Fetched<ShareListing> {
    fn from(page: Page) -> Self {
        Self { lines: page.shares, damaged: page.damaged, next_cursor: page.next_cursor }
    }
}

enum Stage<T> {
    /// The page to ask for once the lines here are handed on.
    Next(PageRequest),
    Fetching(Fetching<T>),
    Ended,
}

impl Client {
    /// The shares of this client's account or of every account, in one stream; pages are fetched behind it.
    #[must_use]
    pub fn list(&self, scope: ListScope) -> Listing {
        let client = self.clone();
        Listing::new(move |page| {
            let client = client.clone();
            async move { Ok(client.list_page(scope, page).await?.into()) }
        })
    }
}

impl<T: 'static> Listing<T> {
    /// A listing of what `fetch` gives for each page.
    pub(crate) fn new<F>(fetch: impl Fn(PageRequest) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Result<Fetched<T>, ClientError>> + Send + 'static,
    {
        let lines = u32::try_from(LIST_PAGE_MAX).unwrap_or(u32::MAX);
        Self {
            fetch: Box::new(move |page| ReusableBoxFuture::new(fetch(page.limit(lines)))),
            lines: VecDeque::new(),
            damaged: Vec::new(),
            stage: Stage::Next(PageRequest::first()),
        }
    }
}

impl<T: Unpin> Listing<T> {
    /// The next line; `None` after the last, and after an error. May be dropped and called again without losing a line.
    ///
    /// # Errors
    /// [`ClientError`], as for every call.
    pub async fn next(&mut self) -> Option<Result<T, ClientError>> {
        StreamExt::next(self).await
    }

    /// The next line, with the error outside, for loops that end with it: `while let Some(line) = listing.try_next().await?`.
    ///
    /// # Errors
    /// [`ClientError`], as for every call.
    pub async fn try_next(&mut self) -> Result<Option<T>, ClientError> {
        self.next().await.transpose()
    }

    /// All lines that are left. They are all in memory then: for listings that are known to be short.
    ///
    /// # Errors
    /// [`ClientError`], as for every call.
    pub async fn into_vec(mut self) -> Result<Vec<T>, ClientError> {
        let mut all = Vec::new();
        while let Some(line) = self.try_next().await? {
            all.push(line);
        }
        Ok(all)
    }
}

impl Listing<ShareListing> {
    /// Sessions that belong into the pages fetched so far, and whose shares the host cannot tell, because their claims are damaged.
    /// Each is given once. At most [`LIST_PAGE_MAX`] are kept for the next time that this is called; what goes beyond is left out.
    pub fn take_damaged(&mut self) -> Vec<DamagedListing> {
        std::mem::take(&mut self.damaged)
    }
}

impl<T: Unpin> Stream for Listing<T> {
    type Item = Result<T, ClientError>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        loop {
            if let Some(line) = this.lines.pop_front() {
                return Poll::Ready(Some(Ok(line)));
            }
            match &mut this.stage {
                Stage::Next(page) => this.stage = Stage::Fetching((this.fetch)(std::mem::take(page))),
                Stage::Fetching(fetching) => match ready!(fetching.poll(cx)) {
                    Ok(page) => {
                        this.lines = page.lines.into();
                        let left = LIST_PAGE_MAX.saturating_sub(this.damaged.len());
                        this.damaged.extend(page.damaged.into_iter().take(left));
                        this.stage = page.next_cursor.map_or(Stage::Ended, |at| Stage::Next(PageRequest::at(at)));
                    }
                    Err(error) => {
                        this.stage = Stage::Ended;
                        return Poll::Ready(Some(Err(error)));
                    }
                },
                Stage::Ended => return Poll::Ready(None),
            }
        }
    }
}

impl<T> fmt::Debug for Listing<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let stage = match &self.stage {
            Stage::Next(_) => "next",
            Stage::Fetching(_) => "fetching",
            Stage::Ended => "ended",
        };
        f.debug_struct("Listing").field("lines", &self.lines.len()).field("stage", &stage).finish_non_exhaustive()
    }
}
