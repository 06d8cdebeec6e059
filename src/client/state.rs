//! The state of a client's connection, for callers to watch.

use std::sync::Arc;
use std::time::Duration;

use crate::client::error::{Closed, Lost};
use crate::share::id::StoreId;

/// The state of a client's connection. [`Client::state`](crate::client::Client::state) gives a channel of it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConnectionState {
    /// There was no call yet, and so no connection: the first call dials.
    Idle,
    /// The client is connecting; this lasts until the host has answered `hello`.
    Connecting {
        /// Number of this attempt since the last connection, counted from 1.
        attempt: u32,
    },
    /// The connection is up: the host has answered `hello`, with these facts.
    Connected(Arc<Hello>),
    /// There is no connection; the client waits, then tries again.
    Waiting {
        /// Time from the beginning of this state to the next attempt.
        delay: Duration,
        /// How the last connection was lost, or the last attempt failed.
        cause: Lost,
    },
    /// The client has ended for good, for this reason.
    Closed(Closed),
}

/// Facts about the host and this connection: from where it was reached, and from its answer to `hello`.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Hello {
    /// The version of the contract that the host speaks: the client's own.
    pub contract_version: u32,
    /// Name and version of the host, such as `capshare/0.1.0`.
    pub agent: String,
    /// The host's name for this connection, under which its log has it.
    pub connection_id: String,
    /// The account whose rights this connection has.
    pub account: String,
    /// Where the host was reached: scheme, name and port of its URL, such as `wss://share.example.org`. Empty if the connection came
    /// from a dialer.
    pub host: String,
    /// URLs of the other hosts of the deployment, as far as the host named them.
    pub others: Vec<String>,
    /// The id of the store, which all hosts over one bucket have in common. `None` if the host did not tell it.
    pub store: Option<StoreId>,
}
