//! Lists the objects of a share, and passes over pages of the listing that are not needed.
//!
//! Keys sort so that a listing shows all runs first (`fold/` comes before `log/`), then the segments, oldest first. Those that
//! runs cover stay for a while, and a busy share has thousands of them, which come before the few that are to be read. So
//! when a page of a listing came and the runs in it go beyond its last segment, the pages in between are passed over: what
//! comes after the newest segment that need not be read is listed apart, while the runs are read.
//!
//! **What that rests on.** Only on keys coming in order, and it is seen whether they do: a bucket that lists in another
//! order is listed to the end.
//!
//! **What it may miss, and why that does no harm.** The second listing is later than the first, and the look counts as issued
//! with the first. In between, others may append, which the second shows; they may write a longer run, and free what
//! that covers, which takes them longer than a lease. Then a run that was to be read is gone, or the segments after it begin
//! with a gap, because the newest segment that is covered always stays; or with a segment that does not follow the one before it, because a
//! request landed late in a freed place; or the share was deleted, and its newest segment
//! stands there empty for as long as that. Each makes the look go round again, and that round lists everything. A look that
//! took longer than the lease goes round in any case. So an end of the log is believed only if the second listing was made
//! within a lease of the first, when nothing that came after the first can have been freed.
//!
//! What was passed over is superseded like what was listed, and is freed with it: its numbers are known without listing.

use std::cmp::Reverse;

use futures::TryStreamExt as _;
use object_store::path::Path;

use super::super::Mutation;
use super::super::bucket::Listed;
use super::super::error::StoreError;
use super::super::key::{self, Number, Stretch};
use super::Log;

/// Number of segments that are freed at once though they were passed over and not listed: what a share of 160 segments a second
/// leaves in the minute that they stay. The others are met when the log is opened again.
const UNLISTED_FREED_MAX: usize = 10_000;

/// The objects of a share that a listing found.
pub(super) struct Listing {
    objects: Vec<Listed>,
    /// Segments that were not listed, because none of them needs to be read.
    passed: Option<Passed>,
}

/// The segments after number `from` and up to number `to`.
struct Passed {
    from: Number,
    to: Number,
}

impl Listing {
    /// Whether segments were not listed.
    pub(super) fn has_passed(&self) -> bool {
        self.passed.is_some()
    }

    /// Whether all objects are empty.
    pub(super) fn is_clean(&self) -> bool {
        self.objects.iter().all(|listed| listed.size == 0)
    }
}

impl Log {
    /// Lists the share. With `lazily`, segments that runs cover or that come before `tail` are passed over if that saves pages;
    /// what comes after them is then [the rest](Self::list_rest).
    pub(super) async fn list(&self, tail: Number, lazily: bool) -> Result<Listing, StoreError> {
        let page = self.store.settings.listing_page.max(1);
        let mut listing = self.store.bucket.list(&key::share(&self.id), None);
        let (mut objects, mut in_order): (Vec<Listed>, _) = (Vec::new(), lazily);
        while let Some(listed) = listing.try_next().await? {
            in_order &= objects.last().is_none_or(|last| last.key < listed.key);
            objects.push(listed);
            if in_order
                && objects.len().is_multiple_of(page)
                && let Some(passed) = self.passed(&objects, tail)
            {
                return Ok(Listing { objects, passed: Some(passed) });
            }
        }
        Ok(Listing { objects, passed: None })
    }

    /// The segments that are to be passed over after these objects; `None` if none are.
    fn passed(&self, objects: &[Listed], tail: Number) -> Option<Passed> {
        let from = key::segment_number(&self.id, &objects.last()?.key)?;
        let covered = chain(self.runs(objects)).last().map_or(0, |stretch| stretch.to);
        let to = covered.max(tail);
        (from < to).then_some(Passed { from, to })
    }

    /// Lists what comes after the segments that were passed over; nothing if none were.
    pub(super) async fn list_rest(&self, listing: &Listing) -> Result<Vec<Listed>, StoreError> {
        let Some(Passed { to, .. }) = listing.passed else { return Ok(Vec::new()) };
        let too_late = u64::from(self.store.settings.is_wrong(Mutation::ResumeTooLate));
        let after = key::segment(&self.id, to + too_late);
        self.store.bucket.list_all(&key::share(&self.id), Some(&after)).await
    }

    /// The runs that together hold the log from its beginning, if they go further than `tail`; otherwise none.
    pub(super) fn chain_beyond(&self, tail: Number, listing: &Listing) -> Vec<Stretch> {
        let mut way = chain(self.runs(&listing.objects));
        if way.last().is_none_or(|last| last.to <= tail) {
            way.clear();
        }
        way
    }

    fn runs(&self, listed: &[Listed]) -> Vec<Stretch> {
        listed.iter().filter(|listed| listed.size > 0).filter_map(|l| key::run_stretch(&self.id, &l.key)).collect()
    }

    /// The numbers of the segments after `tail` that were listed, in order.
    pub(super) fn segments_after(&self, tail: Number, listing: &Listing, rest: &[Listed]) -> Vec<Number> {
        let listed = listing.objects.iter().chain(rest);
        let mut numbers: Vec<_> = listed.filter_map(|listed| key::segment_number(&self.id, &listed.key)).collect();
        numbers.retain(|number| *number > tail);
        numbers.sort_unstable();
        numbers
    }

    /// The objects that the runs of this chain supersede, whether they were listed or passed over.
    pub(super) fn superseded_by(&self, way: &[Stretch], listing: Listing, rest: Vec<Listed>) -> Vec<Path> {
        let covered = way.last().map_or(0, |stretch| stretch.to);
        let is_superseded = |key: &Path| match key::run_stretch(&self.id, key) {
            Some(run) => way.iter().any(|other| run.is_superseded_by(other)),
            None => key::segment_number(&self.id, key).is_some_and(|number| number < covered),
        };
        let listed = listing.objects.into_iter().chain(rest).map(|listed| listed.key).filter(is_superseded);
        let unlisted = listing.passed.map_or(0..0, |Passed { from, .. }| from + 1..covered);
        listed.chain(unlisted.take(UNLISTED_FREED_MAX).map(|number| key::segment(&self.id, number))).collect()
    }
}

/// The fewest runs that together hold the log from its beginning and go furthest: each begins where the one before it ends, or
/// within it. Hosts that write one log fold it each for itself, so their runs overlap.
pub(in crate::store) fn chain(runs: Vec<Stretch>) -> Vec<Stretch> {
    let (mut way, mut covered) = (Vec::new(), 0);
    let longest = |covered| {
        let fitting = runs.iter().filter(move |run| run.from <= covered);
        fitting.max_by_key(|run| (run.to, Reverse(run.from)))
    };
    while let Some(&run) = longest(covered).filter(|run| run.to > covered) {
        covered = run.to;
        way.push(run);
    }
    way
}
