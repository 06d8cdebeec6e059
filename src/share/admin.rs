//! What administrators see of a host and ask of it: types that both ends of the wire use.

use std::time::Duration;

use crate::share::id::{AccountId, ShareId};
use crate::share::time::Timestamp;

/// Which connections an administrator closes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CloseWhich {
    /// All connections of the account with this name.
    Account(String),
    /// The connections that showed the login session with this id; not the agent's session that is shared.
    Session(String),
    /// The connections that showed the token with this id.
    Token(String),
    /// The connection with this id.
    Connection(String),
}

impl CloseWhich {
    /// The kind of choice (`account`, `session`, `token` or `connection`) and the name or id in it, for logs.
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

/// Which connections an administrator's broadcast goes to: those that meet every condition that is not `None`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct BroadcastFilter {
    /// Only connections of this account.
    pub account: Option<String>,
    /// Only connections that came through the door with this name: `rpc`, `viewer` or `sse`.
    pub door: Option<String>,
    /// Only connections on which a state with this name was set.
    pub state: Option<String>,
}

/// One connection, as an administrator sees it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ConnectionInfo {
    /// The connection's id, by which the host names it in its logs.
    pub id: String,
    /// The account whose rights the connection has; empty for viewers without a credential, and before a client has
    /// authenticated over the connection.
    pub account: String,
    /// The kind of the connection's credential: `session`, `token`, `key`, `machine` (it showed nothing, on a host for its own machine) or `none`.
    pub credential: String,
    /// The id of the login session or token, which is not secret; empty for other kinds of credentials.
    pub credential_id: String,
    /// The door that the connection came through: `rpc`, `viewer` or `sse`.
    pub door: String,
    /// When the connection was admitted.
    pub since: Timestamp,
    /// Bytes received on the connection, without the transport's framing.
    pub bytes_in: u64,
    /// Bytes sent on the connection, without the transport's framing.
    pub bytes_out: u64,
    /// Number of the connection's calls that were not answered yet.
    pub calls_in_flight: u32,
    /// Bytes that wait to be sent because the peer has not read them yet.
    pub queued_bytes: u64,
    /// The names of the states that were set on the connection.
    pub states: Vec<String>,
}

/// A page of a listing of connections.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ConnectionPage {
    /// The connections of this page, the oldest first.
    pub connections: Vec<ConnectionInfo>,
    /// The cursor to ask with for the next page; `None` if this was the last one.
    pub next_cursor: Option<String>,
}

/// Which shares an administrator looks for: those that meet every condition that is not `None`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ShareFilter {
    /// Only shares of this account.
    pub account: Option<AccountId>,
    /// Only shares that were created longer ago than this, by the host's clock.
    pub older_than: Option<Duration>,
    /// Only shares whose keys and JSON texts have more bytes than this.
    pub larger_than: Option<u64>,
    /// Only shares whose title contains this text, whatever the case of its letters. The text has at most
    /// [`TITLE_TEXT_BYTES_MAX`](crate::share::limits::TITLE_TEXT_BYTES_MAX) bytes.
    pub title: Option<String>,
}

impl ShareFilter {
    /// Whether the filter asks for sizes or titles, which a listing knows only of shares that were folded, so that the host may
    /// have to read the others.
    #[must_use]
    pub fn looks_inside(&self) -> bool {
        self.larger_than.is_some() || self.title.is_some()
    }
}

/// The result of one call that erases shares of an account.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Erased {
    /// Number of shares that this call deleted.
    pub deleted: u64,
    /// The shares that could not be deleted; the host's log says why.
    pub failed: Vec<ShareId>,
    /// The cursor for the next call; `None` if no shares are left.
    pub next_cursor: Option<String>,
}

/// A host's counts: current figures as of now, totals since the host started.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct HostStats {
    /// RPC connections that are admitted now.
    pub rpc_connections: u64,
    /// Viewers that are admitted now.
    pub viewers: u64,
    /// Connections that wait to be admitted now.
    pub pending: u64,
    /// Accounts that have a connection now.
    pub accounts: u64,
    /// RPC calls that were not answered yet.
    pub calls_in_flight: u64,
    /// Capabilities that the host holds for its clients now.
    pub capabilities_held: u64,
    /// Shares that are in the host's memory now.
    pub rooms: u64,
    /// Followers of shares now: viewers, and clients that watch.
    pub followers: u64,
    /// Total of syncs that were applied.
    pub syncs: u64,
    /// Total of shares that were created.
    pub shares_created: u64,
    /// Total of shares that were deleted.
    pub shares_deleted: u64,
    /// Total of operations that the bucket did not carry out.
    pub storage_failures: u64,
    /// Whether the host is draining: it takes no more connections.
    pub draining: bool,
}
