//! What a client is doing about its connection, as anyone may watch it.

use std::sync::Arc;
use std::time::Duration;

use crate::client::error::{Closed, Lost};

/// What the connection is doing. [`Client::state`](crate::client::Client::state) gives a channel of it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConnectionState {
    /// Nothing has asked for a connection yet: the first call dials.
    Idle,
    /// On the way to the host, up to the answer to `hello`.
    Connecting {
        /// The how-manieth attempt since the last connection, from 1.
        attempt: u32,
    },
    /// The host has answered `hello`: a round trip was made.
    Connected(Arc<Hello>),
    /// The connection was lost, or did not come about; the next attempt comes after `delay`.
    Waiting {
        /// How long, from now.
        delay: Duration,
        /// What the last one met.
        cause: Lost,
    },
    /// Over for good.
    Closed(Closed),
}

/// What the host said in answer to `hello`.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Hello {
    /// The version of the contract that it speaks, which is ours.
    pub contract_version: u32,
    /// Its name and version, such as `capshare/0.1.0`.
    pub agent: String,
    /// Its name for this connection: give it to whoever looks into its logs.
    pub connection_id: String,
    /// Whose rights this connection has.
    pub account: String,
}
