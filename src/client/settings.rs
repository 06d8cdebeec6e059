//! The settings that the driver works by: those of a [`Builder`](crate::client::Builder), after they were checked.

use std::time::Duration;

use crate::client::hosts::{Naming, Way};
use crate::client::mutation::Planted;
use crate::client::queue::QueueBounds;
use crate::client::random::Backoff;
use crate::client::token::Token;

/// The settings of one client.
#[derive(Debug)]
pub(crate) struct Settings {
    /// The hosts that the client was given: at least one.
    pub(crate) ways: Vec<Way>,
    /// How hosts that a host names are reached.
    pub(crate) naming: Naming,
    /// Whether the client shows a credential: its token, or headers.
    pub(crate) has_credential: bool,
    pub(crate) token: Option<Token>,
    pub(crate) in_band: bool,
    pub(crate) agent: String,
    pub(crate) connect_timeout: Duration,
    pub(crate) call_timeout: Duration,
    pub(crate) backoff: Backoff,
    pub(crate) sync_window: Duration,
    pub(crate) queue_bounds: QueueBounds,
    pub(crate) seed: Option<u64>,
    pub(crate) planted: Planted,
}
