//! What some calls give.

use std::time::Duration;

use crate::share::time::Timestamp;
use crate::share::view::{DamagedListing, ShareListing};

/// What [`Client::probe_value`](crate::client::Client::probe_value) sends and gets back.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ProbeValue {
    /// A time.
    pub when: Timestamp,
    /// Any bytes.
    pub bytes: Vec<u8>,
    /// A number in a struct within the struct.
    pub x: f64,
}

/// An answer, and how long it took from the sending of the call.
#[derive(Debug, Clone, PartialEq)]
pub struct Measured<T> {
    /// The answer.
    pub value: T,
    /// One round trip, with the host's work in it.
    pub round_trip: Duration,
}

/// A page of a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// Its lines.
    pub shares: Vec<ShareListing>,
    /// Sessions that belong on it, and of which the host cannot tell which share they are.
    pub damaged: Vec<DamagedListing>,
    /// Where to go on; `None` after the last.
    pub next_cursor: Option<String>,
}
