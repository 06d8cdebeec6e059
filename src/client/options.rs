//! What callers may choose: how a share is created, where a watch begins, and which lines of a listing are wanted.

use std::time::Duration;

use crate::share::revision::Revision;
use crate::share::visibility::Visibility;

/// Options of a share that is to be created. They are set one after the other:
///
/// ```
/// # use std::time::Duration;
/// # use capshare::{client::CreateOptions, share::visibility::Visibility};
/// let options = CreateOptions::new().ttl(Duration::from_secs(3600)).visible_to(Visibility::Account);
/// ```
#[derive(Debug, Clone, Copy, Default)]
#[must_use]
pub struct CreateOptions {
    pub(crate) ttl: Option<Duration>,
    pub(crate) visibility: Option<Visibility>,
}

impl CreateOptions {
    /// Options as the host sets them for a new share; nothing changes for a session that was shared before.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the time that the share lives, from its creation. Default `None`: as long as the host gives a new share, and no change for a
    /// session that was shared before.
    pub fn ttl(mut self, ttl: impl Into<Option<Duration>>) -> Self {
        self.ttl = ttl.into();
        self
    }

    /// Sets who may see the share. Default `None`: as the host sets it for a new share, and no change for a session that was shared
    /// before.
    pub fn visible_to(mut self, visibility: impl Into<Option<Visibility>>) -> Self {
        self.visibility = visibility.into();
        self
    }
}

/// The beginning of a watch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum WatchFrom {
    /// With the whole state of the share as its first step.
    #[default]
    WholeState,
    /// After a revision whose state the caller has, such as [`Replica::revision`](crate::client::Replica::revision): the first
    /// step holds what changed since. If the host no longer knows that, the first step is the whole state, and says so by
    /// `reset`.
    After(Revision),
}

impl WatchFrom {
    /// The revision as the contract has it: [`Revision::EMPTY`] asks for the whole state.
    pub(crate) fn revision(self) -> Revision {
        match self {
            Self::WholeState => Revision::EMPTY,
            Self::After(revision) => revision,
        }
    }
}

/// The accounts whose shares a listing shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum ListScope {
    /// The shares of the client's own account.
    #[default]
    OwnAccount,
    /// The shares of every account. The host refuses this without the scope `admin`.
    EveryAccount,
}

/// A request for one page of a listing: where the page begins, and how long it may be.
///
/// ```
/// # use capshare::client::PageRequest;
/// let first = PageRequest::first().limit(100);
/// let next = PageRequest::at("the cursor that the first page gave").limit(100);
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[must_use]
pub struct PageRequest {
    pub(crate) cursor: String,
    pub(crate) limit: u32,
}

impl PageRequest {
    /// The first page, as long as the host makes it.
    pub fn first() -> Self {
        Self::default()
    }

    /// The page at a cursor that the page before it gave, as long as the host makes it.
    pub fn at(cursor: impl Into<String>) -> Self {
        Self { cursor: cursor.into(), limit: 0 }
    }

    /// At most this number of lines, up to [`LIST_PAGE_MAX`](crate::share::limits::LIST_PAGE_MAX). 0 leaves the length to the
    /// host.
    pub fn limit(mut self, lines: u32) -> Self {
        self.limit = lines;
        self
    }
}
