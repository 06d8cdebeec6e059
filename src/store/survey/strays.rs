//! Finds stray segments: a run covers their number, and they are not what it covers.
//!
//! A writer whose request was held up on its way, for example because its machine slept, may take a number that was freed
//! meanwhile; it finds that out, and acknowledges nothing. A writer that relies on its clocks too far acknowledges it. Nobody reads
//! such a segment. It looks like a superseded segment that was not freed yet, but for two things: the segment after it, or a run,
//! has the identity of the right one; and what a run covers was written before the run.

use std::collections::BTreeMap;

use super::super::bucket::Listed;
use super::super::codec::{Identity, Segment};
use super::super::key::{self, Number, Stretch};
use super::finding::Problem;
use super::verdict::Verdict;
use crate::share::id::ShareId;

/// Milliseconds of the bucket's clock by which a segment must be younger than a run so that the run cannot cover it: some buckets
/// tell whole seconds.
const LATER_MS: i64 = 2_000;

/// The segments of a share that were read: for each number the identity, and that of the segment before.
#[derive(Default)]
pub(super) struct Strays(BTreeMap<Number, (Identity, Option<Identity>)>);

impl Strays {
    /// Notes a segment that was read.
    pub(super) fn met(&mut self, number: Number, segment: &Segment) {
        self.0.insert(number, (segment.this, segment.prev));
    }

    /// Reports the segments that no chain leads to, and gives their numbers. `runs` are the runs that could be read, each with the
    /// identity of the segment that it ends with.
    pub(super) fn tell(
        &self,
        id: &ShareId,
        listed: &[Listed],
        runs: &BTreeMap<Stretch, Identity>,
        verdict: &mut Verdict,
    ) -> Vec<Number> {
        let mut told = Vec::new();
        let covered = runs.keys().map(|run| run.to).max().unwrap_or_default();
        let ends: BTreeMap<Number, Identity> = runs.iter().map(|(run, this)| (run.to, *this)).collect();
        // Number and identity of the segment before the last one that was proved right.
        let mut before: Option<(Number, Identity)> = None;
        for (number, (this, prev)) in self.0.range(..=covered).rev() {
            let named = before.filter(|(other, _)| other == number).map(|(_, this)| this);
            let is_proved = match named.or_else(|| ends.get(number).copied()) {
                Some(known) => known == *this,
                None => !was_written_later(id, *number, listed, runs),
            };
            if is_proved {
                before = prev.map(|prev| (number - 1, prev));
            } else if !ends.contains_key(number) {
                verdict.find(Problem::StraySegment, &key::segment(id, *number), None);
                told.push(*number);
            }
        }
        told
    }
}

/// Whether a segment was written after a run that covers it.
fn was_written_later(id: &ShareId, number: Number, listed: &[Listed], runs: &BTreeMap<Stretch, Identity>) -> bool {
    let covers = |listed: &&Listed| {
        key::run_stretch(id, &listed.key)
            .is_some_and(|run| runs.contains_key(&run) && run.from < number && run.to >= number)
    };
    let covered_at = listed.iter().filter(covers).map(|listed| listed.modified.0).min();
    let written_at = listed.iter().find(|listed| key::segment_number(id, &listed.key) == Some(number));
    covered_at.zip(written_at).is_some_and(|(covered, written)| written.modified.0 >= covered + LATER_MS)
}
