//! Which connection is let go when. Pure, but for the randomness that it is given.

use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::time::Instant;

use crate::ambient::Ambient;
use crate::connections::entry::Entry;
use crate::connections::moving::Moving;
use crate::share::host::HostUrl;

/// How long after it was told to move a connection is closed at the latest, if it is idle: enough to connect to another host, of
/// which a client over TLS on a bad line needs a second.
const GRACE_MAX: Duration = Duration::from_secs(2);

/// The shortest and the longest time after which a client that only waits is to come back.
const RETRY_MS: (u64, u64) = (200, 3_000);

/// A connection that is to be let go.
#[derive(Debug)]
pub(super) struct Going {
    /// When it is told to move.
    pub(super) at: Instant,
    pub(super) entry: Weak<Entry>,
    pub(super) moving: Option<Arc<Moving>>,
}

/// How long after it was told a connection is closed, in a drain of this length: at most a fifth of it, so that those that are told last,
/// after four fifths, have as much time as all others.
pub(super) fn grace(within: Duration) -> Duration {
    GRACE_MAX.min(within / 5)
}

/// Gives each connection its time within four fifths of a drain: in a random order, each at a random point of an equal part of that
/// time, so that no moment has more than two parts' worth of them. Without a time everybody goes now, and is told nothing.
pub(super) fn plan(
    mut there: Vec<Arc<Entry>>,
    drain: u64,
    now: Instant,
    within: Duration,
    urls: &[HostUrl],
    ambient: &Ambient,
) -> Vec<Going> {
    // Without randomness all go in the order in which they came; that is no reason not to drain.
    let random = || ambient.bits().unwrap_or_default();
    for at in (1..there.len()).rev() {
        there.swap(at, below(random() as u64, at as u64 + 1) as usize);
    }
    let count = there.len().max(1) as u64;
    let time_ms = u64::try_from((within * 4 / 5).as_millis()).unwrap_or(u64::MAX);
    let going = (0..).zip(there).map(|(rank, entry)| {
        let bits = random();
        let (part, spread) = (bits as u64, (bits >> 64) as u64);
        // In thousandths of a part, as there may be more connections than milliseconds.
        let at_us = (rank * 1_000 + below(part, 1_000)) * time_ms / count;
        let retry = Duration::from_millis(RETRY_MS.0 + below(spread, RETRY_MS.1 - RETRY_MS.0 + 1));
        let mut urls = urls.to_vec();
        if !urls.is_empty() {
            let first = below(spread, urls.len() as u64) as usize;
            urls.rotate_left(first);
        }
        let moving = Arc::new(Moving { drain, urls, within: grace(within), retry });
        let moving = (!within.is_zero()).then_some(moving);
        Going { at: now + Duration::from_micros(at_us), entry: Arc::downgrade(&entry), moving }
    });
    going.collect()
}

/// A number below `end`, which is not 0, from random bits.
fn below(random: u64, end: u64) -> u64 {
    ((u128::from(random) * u128::from(end)) >> 64) as u64
}
