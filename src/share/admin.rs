//! What administrators see of a host and tell it, the same on both ends of the wire.

use std::time::Duration;

use crate::share::id::{AccountId, ShareId};
use crate::share::time::Timestamp;

/// Which connections to close.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CloseWhich {
    /// All of an account.
    Account(String),
    /// Those that came with this login session of an account; not the agent's session that is shared.
    Session(String),
    /// Those that came with the token of this id.
    Token(String),
    /// The one of this name.
    Connection(String),
}

impl CloseWhich {
    /// Its kind and what it names, for logs.
    #[must_use]
    pub fn parts(&self) -> (&'static str, &str) {
        match self {
            Self::Account(name) => ("account", name),
            Self::Session(id) => ("session", id),
            Self::Token(id) => ("token", id),
            Self::Connection(id) => ("connection", id),
        }
    }
}

/// Whom a broadcast of an administrator goes to. What is `None` lets everybody through.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct BroadcastFilter {
    /// Those of this account.
    pub account: Option<String>,
    /// Those that came through the door of this name.
    pub door: Option<String>,
    /// Those that have a state of this name.
    pub state: Option<String>,
}

/// One connection, as an administrator sees it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ConnectionInfo {
    /// The host's name for it.
    pub id: String,
    /// Whose rights it has; empty for viewers without a credential and before authentication in-band.
    pub account: String,
    /// The kind of its credential: `session`, `token`, `key`, `machine` (it showed nothing, on a host for its own machine) or `none`.
    pub credential: String,
    /// The id of the session or token, which is no secret; empty for the other kinds.
    pub credential_id: String,
    /// `rpc`, `viewer` or `sse`.
    pub door: String,
    /// When it came.
    pub since: Timestamp,
    /// Bytes received from it, without the frames of the transport.
    pub bytes_in: u64,
    /// Bytes sent to it, likewise.
    pub bytes_out: u64,
    /// Its calls without an answer.
    pub calls_in_flight: u32,
    /// Bytes that wait for it to read.
    pub queued_bytes: u64,
    /// The names of the states that were set on it.
    pub states: Vec<String>,
}

/// A page of connections.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ConnectionPage {
    /// The connections, the oldest first.
    pub connections: Vec<ConnectionInfo>,
    /// Where the next page begins; `None` after the last.
    pub next_cursor: Option<String>,
}

/// Which shares an administrator looks for. What is `None` lets every share through.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ShareFilter {
    /// Those of this account.
    pub account: Option<AccountId>,
    /// Those that were created longer ago than this, by the host's clock.
    pub older_than: Option<Duration>,
    /// Those that hold more bytes of keys and texts than this.
    pub larger_than: Option<u64>,
    /// Those whose title has this text in it, in capitals or not. At most
    /// [`TITLE_TEXT_BYTES_MAX`](crate::share::limits::TITLE_TEXT_BYTES_MAX).
    pub title: Option<String>,
}

impl ShareFilter {
    /// Whether it asks for what only a share itself tells, or a listing once the share was folded.
    #[must_use]
    pub fn looks_inside(&self) -> bool {
        self.larger_than.is_some() || self.title.is_some()
    }
}

/// What one call of erasing an account came to.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Erased {
    /// Shares that were deleted.
    pub deleted: u64,
    /// Shares that could not be deleted now; the host's log says why.
    pub failed: Vec<ShareId>,
    /// Where to go on; `None`: there is no more.
    pub next_cursor: Option<String>,
}

/// What a host counts, as of now; totals are since it started.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct HostStats {
    /// Admitted RPC connections.
    pub rpc_connections: u64,
    /// Admitted viewers.
    pub viewers: u64,
    /// Connections that wait to be admitted.
    pub pending: u64,
    /// Accounts that have a connection.
    pub accounts: u64,
    /// RPC calls without an answer.
    pub calls_in_flight: u64,
    /// Capabilities held open for clients.
    pub capabilities_held: u64,
    /// Shares in memory.
    pub rooms: u64,
    /// Followers of shares: viewers and watches.
    pub followers: u64,
    /// Syncs applied.
    pub syncs: u64,
    /// Shares created.
    pub shares_created: u64,
    /// Shares deleted.
    pub shares_deleted: u64,
    /// Operations that the bucket did not carry out.
    pub storage_failures: u64,
    /// It takes no more connections.
    pub draining: bool,
}
