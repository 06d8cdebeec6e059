//! Segments in freed places: a run covers their number, and they are not what it covers.
//!
//! A writer whose request was held up on its way, as by a machine that slept, takes a number that was freed meanwhile; it
//! finds that out, and acknowledges nothing. One that trusts its clocks too far acknowledges it. Nobody reads what lies there. It
//! looks like what a collection has left of superseded segments, but for two things: a segment that is there, or a run, says who
//! is the one before it; and what a run covers was written before the run.

use std::collections::BTreeMap;

use super::super::bucket::Listed;
use super::super::codec::{Identity, Segment};
use super::super::key::{self, Number, Stretch};
use super::finding::Problem;
use super::share::Judged;
use crate::share::id::ShareId;

/// How much later than a run a segment must have been written to be none that it covers, in milliseconds of the bucket's clock:
/// some tell seconds.
const LATER_MS: i64 = 2_000;

/// The segments that were read of a share, and whom each follows.
#[derive(Default)]
pub(super) struct Strays(BTreeMap<Number, (Identity, Option<Identity>)>);

impl Strays {
    /// Takes note of a segment that is there.
    pub(super) fn met(&mut self, number: Number, segment: &Segment) {
        self.0.insert(number, (segment.this, segment.prev));
    }

    /// Names those that no chain leads to. `runs`: the runs that could be read, each with the identity of the segment that it
    /// ends with.
    pub(super) fn tell(
        &self,
        id: &ShareId,
        listed: &[Listed],
        runs: &BTreeMap<Stretch, Identity>,
        judged: &mut Judged,
    ) {
        let covered = runs.keys().map(|run| run.to).max().unwrap_or_default();
        let ends: BTreeMap<Number, Identity> = runs.iter().map(|(run, this)| (run.to, *this)).collect();
        // Who the segment before the last that was proved is.
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
                judged.find(Problem::StraySegment, &key::segment(id, *number), None);
            }
        }
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
