//! What a log takes in the bucket.

use super::key::{Number, Stretch};
use crate::share::revision::Revision;

/// What is in the bucket of a log.
#[derive(Debug, Clone, Default)]
pub(super) struct Extent {
    /// The runs that hold the log's beginning; each begins where the one before ends, or within it.
    pub(super) runs: Vec<Run>,
    /// Bytes of all segments that were ever written.
    pub(super) log_bytes: u64,
    /// Bytes of all runs that were ever written.
    pub(super) run_bytes: u64,
}

/// A run that is in the bucket.
#[derive(Debug, Clone, Copy)]
pub(super) struct Run {
    pub(super) stretch: Stretch,
    pub(super) bytes: u64,
    /// The share's revision at the run's end.
    pub(super) revision: Revision,
    /// Bytes of all segments up to the run's end.
    pub(super) log_bytes: u64,
}

impl Extent {
    /// Number of the last segment that a run covers.
    pub(super) fn covered(&self) -> Number {
        self.runs.last().map_or(0, |run| run.stretch.to)
    }
}
