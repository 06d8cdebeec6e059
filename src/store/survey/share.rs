//! Judges one share: whether its segments and runs hold what they should, and lead to a state.
//!
//! All objects of the share are read, the segments in order, and their entries are applied on the way; each run is compared with
//! what its segments come to, as far as these are still there. No other share is read.

use std::collections::BTreeMap;

use futures::stream::{self, StreamExt as _};

use super::super::Store;
use super::super::bucket::{Listed, REQUESTS_AT_ONCE};
use super::super::codec::{self, Identity, RunHeader, Segment};
use super::super::error::StoreError;
use super::super::key::{self, Number, Stretch};
use super::super::log::chain;
use super::finding::Problem;
use super::strays::Strays;
use super::verdict::Verdict;
use crate::share::entry::Entry;
use crate::share::id::ShareId;
use crate::share::revision::Revision;
use crate::share::state::{Opened, Saved, State};

type Runs = BTreeMap<Stretch, (RunHeader, Saved)>;

/// How far a log was read and applied.
struct Walk {
    /// Number of the last segment that was read; below, its identity if it could be read.
    last: Number,
    this: Option<Identity>,
    /// The state after that segment, if it is known.
    state: Option<State>,
    /// Number of the segment after which the state comes from segments alone, and from no run.
    since: Number,
    covered: Number,
    /// Numbers that a run covers, of segments that do not follow the one before: one of the two is stray, or the chain is broken.
    torn: Vec<Number>,
}

impl Store {
    /// Judges a share by its objects. An error is the bucket's: what is wrong with an object is a finding.
    pub(super) async fn judge(&self, id: &ShareId, listed: &[Listed]) -> Result<Verdict, StoreError> {
        let mut verdict = Verdict::default();
        let mut numbers = Vec::new();
        let mut stretches = Vec::new();
        for listed in listed {
            if let Some(number) = key::segment_number(id, &listed.key) {
                numbers.push((number, listed.size));
            } else if let Some(stretch) = key::run_stretch(id, &listed.key) {
                stretches.push(stretch);
            } else {
                verdict.find(Problem::UnknownKey, &listed.key, None);
            }
        }
        numbers.sort_unstable();
        let runs = self.read_runs(id, &stretches, &mut verdict).await?;
        let way = chain(runs.keys().copied().collect());
        let covered = way.last().map_or(0, |stretch| stretch.to);
        let mut walk = Walk { last: 0, this: None, state: Some(State::default()), since: 0, covered, torn: Vec::new() };
        let mut strays = Strays::default();
        let mut reading = stream::iter(numbers)
            .map(|(number, size)| async move { (number, size, self.bucket.read(&key::segment(id, number)).await) })
            .buffered(REQUESTS_AT_ONCE);
        while let Some((number, size, read)) = reading.next().await {
            let key = key::segment(id, number);
            let segment = match read? {
                Some((bytes, _)) if bytes.is_empty() && size == 0 => {
                    verdict.find(Problem::EmptySegment, &key, None);
                    None
                }
                Some((bytes, _)) if !bytes.is_empty() => match codec::decode_segment(&key, id, number, &bytes) {
                    Ok(segment) => Some(segment),
                    Err(error) => {
                        verdict.unreadable(&key, &error);
                        None
                    }
                },
                Some(_) | None => {
                    verdict.moved = true;
                    continue;
                }
            };
            if let (1, Some(segment)) = (number, &segment) {
                verdict.opened = opened_by(segment);
            }
            if let Some(segment) = &segment {
                strays.met(number, segment);
            }
            walk.step(id, number, segment, &runs, &mut verdict);
        }
        drop(reading);
        verdict.last = walk.last.max(covered);
        if walk.last < covered || (walk.last == covered && walk.state.is_none()) {
            walk.go_on_from(&way, &runs);
        }
        let folded = walk.state.as_ref().and_then(State::opened);
        if let Some(opened) = folded.or(runs.values().next().map(|(_, saved)| &saved.opened)) {
            verdict.opened = Some(opened.clone());
        }
        // What cannot be read, or is not there, has been told.
        let is_whole = verdict.findings.is_empty() && walk.torn.is_empty() && verdict.last > 0 && !verdict.moved;
        if is_whole && folded.is_none() && !verdict.ending {
            verdict.find(Problem::NotOpened, &key::share(id), None);
        }
        let ends = runs.iter().map(|(stretch, (header, _))| (*stretch, header.this)).collect();
        let told = strays.tell(id, listed, &ends, &mut verdict);
        for number in walk.torn.into_iter().filter(|number| !told.contains(number) && !told.contains(&(number - 1))) {
            verdict.find(Problem::BrokenChain, &key::segment(id, number), None);
        }
        Ok(verdict)
    }

    async fn read_runs(&self, id: &ShareId, stretches: &[Stretch], verdict: &mut Verdict) -> Result<Runs, StoreError> {
        let mut runs = Runs::new();
        for stretch in stretches {
            let key = key::run(id, *stretch);
            match self.bucket.read(&key).await? {
                Some((bytes, _)) => match codec::decode_run(&key, id, *stretch, &bytes) {
                    Ok(run) => drop(runs.insert(*stretch, run)),
                    Err(error) => verdict.unreadable(&key, &error),
                },
                None => verdict.moved = true,
            }
        }
        Ok(runs)
    }
}

impl Walk {
    /// Takes the next segment that is there.
    fn step(&mut self, id: &ShareId, number: Number, segment: Option<Segment>, runs: &Runs, verdict: &mut Verdict) {
        let key = key::segment(id, number);
        if number > self.last + 1 {
            let missing = self.last.max(self.covered) + 1;
            if missing < number {
                let more = (missing + 1 < number).then(|| format!("and all up to {:012}", number - 1));
                verdict.find(Problem::MissingSegment, &key::segment(id, missing), more);
            }
            // What runs cover may be gone.
            (self.this, self.state) = (None, None);
        }
        if self.state.is_none() && number == self.covered + 1 {
            self.last = self.covered;
            self.go_on_from(&chain(runs.keys().copied().collect()), runs);
        }
        let Some(segment) = segment else {
            (self.last, self.this, self.state) = (number, None, None);
            return;
        };
        let follows = self.this.is_none() && number > 1 || segment.prev == self.this;
        if !follows && number <= self.covered {
            // What is stray is known when all is read, and the state has it in it perhaps.
            self.torn.push(number);
            self.state = None;
        } else if !follows {
            verdict.find(Problem::BrokenChain, &key, None);
        }
        (self.last, self.this) = (number, Some(segment.this));
        verdict.ending |= segment.entries.iter().any(|entry| matches!(entry, Entry::Delete { .. }));
        if let Some(state) = &mut self.state {
            for entry in &segment.entries {
                state.apply(entry);
            }
        }
        for (stretch, (header, _)) in runs.iter().filter(|(stretch, _)| stretch.to == number) {
            let same = header.this == segment.this && self.confirms(*stretch, runs);
            if !same {
                verdict.find(Problem::WrongRun, &key::run(id, *stretch), None);
            }
        }
    }

    /// Whether a run that ends here is what was folded; also if that cannot be told.
    fn confirms(&self, stretch: Stretch, runs: &Runs) -> bool {
        let from = stretch.from;
        let Some(walked) = self.state.as_ref().filter(|_| self.since <= from) else { return true };
        let before = chain(runs.keys().copied().filter(|other| other.to <= from).collect());
        if from > 0 && before.last().is_none_or(|other| other.to != from) {
            return true;
        }
        let way: Vec<_> = before.into_iter().filter(|_| from > 0).chain([stretch]).collect();
        restored(&way, runs).save(Revision::EMPTY) == walked.save(Revision::EMPTY)
    }

    /// Goes on from what runs come to.
    fn go_on_from(&mut self, way: &[Stretch], runs: &Runs) {
        let Some(last) = way.last() else { return };
        self.this = runs.get(last).map(|(header, _)| header.this);
        (self.last, self.since) = (last.to, last.to);
        self.state = Some(restored(way, runs));
    }
}

fn opened_by(segment: &Segment) -> Option<Opened> {
    let mut state = State::default();
    for entry in &segment.entries {
        state.apply(entry);
    }
    state.opened().cloned()
}

fn restored(way: &[Stretch], runs: &Runs) -> State {
    let mut state = State::default();
    for (_, saved) in way.iter().filter_map(|stretch| runs.get(stretch)) {
        state.restore(saved.clone());
    }
    state
}
