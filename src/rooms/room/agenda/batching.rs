//! How long an append waits for the callers whom the last one answered.

use std::time::Duration;

/// The part of an append's time that the next one waits for as many calls as the last one answered: a twentieth.
const BATCHING_PART: u32 = 20;

/// It waits no shorter than this, which is what the runtime's timers tell apart, ...
const BATCHING_TIME_MIN: Duration = Duration::from_millis(1);

/// ... no longer than this, however slow the bucket is, ...
const BATCHING_TIME_MAX: Duration = Duration::from_millis(10);

/// ... and not at all where an append takes less than this: then waiting costs more than a segment.
const BATCHING_WORTH: Duration = Duration::from_millis(5);

/// What the last append was: how many it answered at once, who may well all come again at once, and how long it took.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Batching {
    pub(super) count: usize,
    pub(super) took: Duration,
}

impl Batching {
    /// How long to wait for as many again; `None`: it is not worth it.
    pub(super) fn patience(self) -> Option<Duration> {
        let worth_it = self.count > 1 && self.took >= BATCHING_WORTH;
        worth_it.then(|| (self.took / BATCHING_PART).clamp(BATCHING_TIME_MIN, BATCHING_TIME_MAX))
    }
}
