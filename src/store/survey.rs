//! Surveys: passes over a whole bucket that check it, count it, or free what nobody needs.
//!
//! `capshare store check`, `stats` and `gc` call these, directly on the bucket and while hosts run. A survey goes share by
//! share and session by session ([`Groups`]), so that what it holds is bounded by one of these and not by the bucket.
//! Only [`Store::gc`](super::Store::gc), and [`Store::check`](super::Store::check) when it is told to repair, change anything.
//! They do what any host might do at any time: finish deletions, and delete objects that were superseded or belong to nothing for
//! longer than any host could still depend on them. An object that cannot be read is never changed.

use super::bucket::Listed;
use crate::share::time::Timestamp;

mod check;
mod expire;
mod finding;
mod gc;
mod share;
mod stats;
mod strays;
mod verdict;
mod walk;

pub use check::{CheckOptions, Checked};
pub use finding::{Finding, Problem};
pub use gc::{Freed, FreedKind, GcOptions};
pub use stats::{ShareSize, Stats};
use walk::Groups;

/// A callback that is told the number of objects that were met since its last call.
pub type Progress<'a> = &'a (dyn Fn(u64) + Sync);

/// Number of shares or sessions that are checked at once. Large shares also need places by their weight.
const GROUPS_AT_ONCE: usize = 8;

/// A number of objects, and their bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tally {
    /// Number of objects.
    pub objects: u64,
    /// Bytes of all these objects together.
    pub bytes: u64,
}

impl Tally {
    fn add(&mut self, listed: &Listed) {
        self.objects += 1;
        self.bytes += listed.size;
    }
}

/// When the newest of these objects was written, by the bucket's clock.
fn newest<'a>(listed: impl IntoIterator<Item = &'a Listed>) -> Timestamp {
    listed.into_iter().map(|listed| listed.modified).max().unwrap_or_default()
}
