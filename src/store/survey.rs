//! Surveys: one pass over a whole bucket, to judge it, to count it, or to free what nobody needs.
//!
//! `capshare store check`, `stats` and `gc` call these, directly on the bucket and while hosts run. A survey goes share by
//! share and session by session ([`Groups`]), so that what it holds is bounded by one of these and not by the bucket.
//! Nothing is changed but by [`Store::gc`](super::Store::gc), and by [`Store::check`](super::Store::check) when it is told
//! to repair; and what these do is what any host might do at any time: finish deletions, and delete what was superseded or
//! is nobody's for longer than any host could still depend on it. What cannot be read is never touched.

use super::bucket::Listed;
use crate::share::time::Timestamp;

mod check;
mod expire;
mod finding;
mod gc;
mod share;
mod stats;
mod strays;
mod walk;

pub use check::{CheckOptions, Checked};
pub use finding::{Finding, Problem};
pub use gc::{Freed, FreedKind, GcOptions};
pub use stats::{ShareSize, Stats};
use walk::Groups;

/// Told how many objects were met since the last time.
pub type Progress<'a> = &'a (dyn Fn(u64) + Sync);

/// How many shares or sessions are judged at once. Shares that are large take more than one place ([`share`]).
const GROUPS_AT_ONCE: usize = 8;

/// Objects and their bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tally {
    /// How many.
    pub objects: u64,
    /// What they hold together.
    pub bytes: u64,
}

impl Tally {
    fn add(&mut self, listed: &Listed) {
        self.objects += 1;
        self.bytes += listed.size;
    }
}

/// When the newest of these was written.
fn newest<'a>(listed: impl IntoIterator<Item = &'a Listed>) -> Timestamp {
    listed.into_iter().map(|listed| listed.modified).max().unwrap_or_default()
}
