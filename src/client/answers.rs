//! Results of some calls: a page of a listing, and what the probes measure.

use std::time::Duration;

use crate::share::time::Timestamp;
use crate::share::view::{DamagedListing, ShareListing};

/// A value that [`Client::probe_value`](crate::client::Client::probe_value) sends to the host and gets back.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ProbeValue {
    /// Any time.
    pub when: Timestamp,
    /// Any bytes.
    pub bytes: Vec<u8>,
    /// Any number. On the wire it lies in a struct within the value.
    pub x: f64,
}

/// The answer to a call, and the time that it took.
#[derive(Debug, Clone, PartialEq)]
pub struct Measured<T> {
    /// The answer.
    pub value: T,
    /// Time from the sending of the call to its answer: one round trip, and the host's work.
    pub round_trip: Duration,
}

/// One page of a listing of shares.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Page {
    /// Lines of the page, one for each share. A page may have no lines and yet not be the last.
    pub shares: Vec<ShareListing>,
    /// Sessions that belong on this page, and whose shares the host cannot tell, because their claims are damaged.
    pub damaged: Vec<DamagedListing>,
    /// The cursor of the next page, for [`PageRequest::at`](crate::client::PageRequest::at); `None` on the last page.
    pub next_cursor: Option<String>,
}
