//! What followers are told, shared by all of them, and what of it a room remembers.
//!
//! An [`Event`] is made when an entry is folded, and costs the fold nothing but references to texts that are there. Whatever
//! is to be made of it for a wire is made by the first follower who needs it.

use std::collections::VecDeque;
use std::sync::{Arc, OnceLock, Weak};

use bytes::Bytes;
use flate2::Crc;

use crate::share::error::Refusal;
use crate::share::revision::Revision;
use crate::share::state::Replaced;
use crate::share::view::{Changed, Step};

/// How many events a room remembers for its followers.
const RECENT_MAX: usize = 256;

/// Bytes of events that a room remembers: 1 MiB. Followers further behind are told what changed, merged by key.
const RECENT_BYTES_MAX: usize = 1 << 20;

/// How a follower wants to be told of an item that it holds already.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Values {
    /// By what is different from the value that it holds, where that is less.
    #[default]
    Patched,
    /// By the value, whatever it was.
    Whole,
}

/// A step, shared by all who follow, with room for its encodings: each is made once, when the first follower needs it.
#[derive(Debug)]
pub struct Event {
    step: Step,
    replaced: Vec<Replaced>,
    resync: Option<Resync>,
    patched: Encodings,
    whole: Encodings,
}

/// One wire's encoding, another's around it, and that packed.
#[derive(Debug, Default)]
struct Encodings {
    encoded: OnceLock<Bytes>,
    framed: OnceLock<Bytes>,
    packed: OnceLock<(Bytes, Arc<Crc>)>,
}

impl Event {
    /// A step of whole values, for followers of whom it is not known what they hold.
    fn new(step: Step) -> Self {
        Self::live(step, Vec::new())
    }

    /// One sync, with what it replaced: for followers who stood at the revision before it.
    pub(super) fn live(step: Step, replaced: Vec<Replaced>) -> Self {
        Self { step, replaced, resync: None, patched: Encodings::default(), whole: Encodings::default() }
    }

    /// Why the follower must forget what it held; `None` if it held nothing, or is to keep it.
    #[must_use]
    pub fn resync(&self) -> Option<Resync> {
        self.resync
    }

    /// The step.
    #[must_use]
    pub fn step(&self) -> &Step {
        &self.step
    }

    /// The values that a follower that is told this event holds, of those that it changes; empty if that is not known, or not asked for.
    #[must_use]
    pub fn replaced(&self, values: Values) -> &[Replaced] {
        match values {
            Values::Patched => &self.replaced,
            Values::Whole => &[],
        }
    }

    /// Its encoding for followers who want values like this: `encode`d if this is the first call, else what the first call
    /// made.
    pub fn encoded(&self, values: Values, encode: impl FnOnce(&Self) -> Bytes) -> Bytes {
        self.encodings(values).encoded.get_or_init(|| encode(self)).clone()
    }

    /// The encoding in a second form, such as with what another transport puts around it; made once as well.
    pub fn framed(&self, values: Values, frame: impl FnOnce(&Self) -> Bytes) -> Bytes {
        self.encodings(values).framed.get_or_init(|| frame(self)).clone()
    }

    /// The encoding in the second form, packed, with the checksum of what was packed; made once as well.
    pub fn packed(&self, values: Values, pack: impl FnOnce(&Self) -> (Bytes, Arc<Crc>)) -> (Bytes, Arc<Crc>) {
        self.encodings(values).packed.get_or_init(|| pack(self)).clone()
    }

    fn encodings(&self, values: Values) -> &Encodings {
        match values {
            // Where nothing was replaced, both are the same.
            Values::Whole if !self.replaced.is_empty() => &self.whole,
            Values::Patched | Values::Whole => &self.patched,
        }
    }

    /// The larger of each value and of the one that it replaced. The latter is the value of an earlier event, if that is
    /// remembered, and the newest are the state's own, so that a room's events hold at most twice this in texts.
    fn byte_count(&self) -> usize {
        let mut replaced = self.replaced.iter().peekable();
        let size = |(at, changed): (usize, &Changed)| {
            let before = replaced.next_if(|replaced| replaced.at == at).map_or(0, |it| it.value.as_str().len());
            changed.byte_count().max(changed.key.as_str().len() + before)
        };
        self.step.changes.iter().enumerate().map(size).sum()
    }
}

/// What happened lately, for followers that keep up.
#[derive(Debug, Default)]
pub(super) struct Recent {
    events: VecDeque<Arc<Event>>,
    byte_count: usize,
    /// The whole state at a revision, in pieces, for as long as somebody is being told it.
    whole: Option<(Revision, Vec<Weak<Event>>)>,
}

impl Recent {
    pub(super) fn push(&mut self, event: Arc<Event>) {
        self.byte_count += event.byte_count();
        self.events.push_back(event);
        while self.events.len() > RECENT_MAX || self.byte_count > RECENT_BYTES_MAX {
            let Some(event) = self.events.pop_front() else { break };
            self.byte_count -= event.byte_count();
        }
    }

    /// The event that takes a follower on from this revision, if it is remembered.
    pub(super) fn after(&self, cursor: Revision) -> Option<Arc<Event>> {
        let first = self.events.front()?.step.base;
        // Each event raises the revision by one, so the position is the distance.
        let event = self.events.get(usize::try_from(cursor.0.checked_sub(first.0)?).ok()?)?;
        (event.step.base == cursor).then(|| Arc::clone(event))
    }

    /// The whole state at this revision, if somebody is being told it: a follower that comes meanwhile shares it.
    pub(super) fn whole(&self, revision: Revision) -> Option<VecDeque<Arc<Event>>> {
        let (_, pieces) = self.whole.as_ref().filter(|(at, _)| *at == revision)?;
        pieces.iter().map(Weak::upgrade).collect()
    }

    pub(super) fn set_whole(&mut self, revision: Revision, pieces: &VecDeque<Arc<Event>>) {
        self.whole = Some((revision, pieces.iter().map(Arc::downgrade).collect()));
    }

    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }
}

/// Why a follower that held something must forget it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resync {
    /// What was removed since its revision is no longer known.
    RemovalsForgotten,
    /// It stands at a revision that the share does not have.
    Ahead,
}

impl Resync {
    /// Why a follower at `cursor`, which is not [`Revision::EMPTY`], is told the whole state of `revision`.
    #[must_use]
    pub fn of(cursor: Revision, revision: Revision) -> Self {
        if cursor > revision { Self::Ahead } else { Self::RemovalsForgotten }
    }

    /// Its name in frames.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::RemovalsForgotten => "removals-forgotten",
            Self::Ahead => "ahead",
        }
    }
}

/// Where a follower stands.
#[derive(Debug)]
pub(super) enum After {
    /// Nothing came after.
    Nothing,
    /// This did.
    Events(VecDeque<Arc<Event>>),
    /// The share is gone.
    Ended(Refusal),
}

/// Cuts a step into events of about `bytes_max`, each with at least one change; at least one piece.
pub(super) fn pieces(step: Step, mut resync: Option<Resync>, bytes_max: usize) -> VecDeque<Arc<Event>> {
    let Step { base, revision, sync_count, mut reset, changes, .. } = step;
    let mut pieces = VecDeque::new();
    let (mut piece, mut byte_count) = (Vec::new(), 0);
    let mut finish = |changes, more| {
        let reset = std::mem::take(&mut reset);
        let mut event = Event::new(Step { base, revision, sync_count, reset, more, changes });
        event.resync = resync.take();
        pieces.push_back(Arc::new(event));
    };
    for changed in changes {
        let size = changed.byte_count();
        if byte_count + size > bytes_max && !piece.is_empty() {
            finish(std::mem::take(&mut piece), true);
            byte_count = 0;
        }
        byte_count += size;
        piece.push(changed);
    }
    finish(piece, false);
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::share::item::{ItemKey, Payload};

    /// One part's way from a value to the next, of so many bytes each.
    fn event(revision: Revision, before: usize, after: usize) -> Arc<Event> {
        let value = |bytes| Payload::from_checked_json(&format!("\"{}\"", "x".repeat(bytes - 2)));
        let key = ItemKey::part("m", "p").unwrap();
        let changed = Changed { key, revision, first: Some(Revision(1)), value: Some(value(after)) };
        let replaced = Replaced { at: 0, revision: revision.before(), value: value(before) };
        let base = revision.before();
        let step = Step::new(base, revision, revision.0, vec![changed]);
        Arc::new(Event::live(step, vec![replaced]))
    }

    #[test]
    fn as_much_is_remembered_as_the_larger_of_each_two_values_is() {
        const KEY: usize = "part/m/p".len();
        for (before, after, count) in [
            // A text that grows costs what it is, though each event holds it twice: the one before it has the same.
            ((64 << 10) - KEY, (64 << 10) - KEY, 16),
            ((64 << 10) - KEY, 10, 16),
            (10, (64 << 10) - KEY, 16),
            (10, (64 << 10) - KEY + 1, 15),
            (10, RECENT_BYTES_MAX, 0),
            (10, 10, RECENT_MAX),
        ] {
            let mut recent = Recent::default();
            (1..=300).for_each(|revision| recent.push(event(Revision(revision), before, after)));
            assert_eq!(recent.events.len(), count, "{before} and {after}");
            let oldest = 300 - count as u64;
            assert_eq!(recent.after(Revision(oldest)).is_some(), count > 0);
            assert!(recent.after(Revision(oldest - 1)).is_none() && recent.after(Revision(300)).is_none());
        }
    }
}
