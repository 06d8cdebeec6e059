//! Feeds: following a share, from any revision, at one's own pace.
//!
//! A feed has no queue of its own. It holds a cursor; when it is asked, it takes the next event from the few that the room
//! remembers, or, if it fell behind them, what changed since its cursor merged by key, or the whole state. So a follower
//! that never asks costs nothing and delays nobody, and one that is slow is late but never wrong: its revisions only rise,
//! and skip only across a reset. A reset that it did not ask for says [why](Resync).

use std::collections::VecDeque;
use std::sync::{Arc, OnceLock, Weak};

use bytes::Bytes;
use tokio::time::Instant;

use crate::hub::grants::Pass;
use crate::hub::news::News;
use crate::hub::room::{After, Room};
use crate::share::error::Refusal;
use crate::share::view::{Changed, Revision, Step};

/// How many events a room remembers for its followers.
const RECENT_MAX: usize = 256;

/// Bytes of events that a room remembers: 1 MiB. Followers further behind are told what changed, merged by key.
const RECENT_BYTES_MAX: usize = 1 << 20;

/// Why a follower that held something must forget it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resync {
    /// What was removed since its revision is no longer known.
    RemovalsForgotten,
    /// It stands at a revision that the share does not have.
    Ahead,
}

impl Resync {
    /// Why a follower at `cursor`, which is not 0, is told the whole state of `revision`.
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

/// A step, shared by all who follow, with room for its encodings: each is made once, when the first follower needs it.
#[derive(Debug)]
pub struct Event {
    step: Step,
    resync: Option<Resync>,
    encoded: OnceLock<Bytes>,
    framed: OnceLock<Bytes>,
}

impl Event {
    pub(super) fn new(step: Step) -> Self {
        Self { step, resync: None, encoded: OnceLock::new(), framed: OnceLock::new() }
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

    /// Its encoding: `encode`d if this is the first call, else what the first call made.
    pub fn encoded(&self, encode: impl FnOnce(&Self) -> Bytes) -> Bytes {
        self.encoded.get_or_init(|| encode(self)).clone()
    }

    /// The same for a second form, such as the encoding with what another transport puts around it.
    pub fn framed(&self, frame: impl FnOnce(&Self) -> Bytes) -> Bytes {
        self.framed.get_or_init(|| frame(self)).clone()
    }

    fn byte_count(&self) -> usize {
        self.step.changes.iter().map(Changed::byte_count).sum()
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
        let event = self.events.get(usize::try_from(cursor.checked_sub(first)?).ok()?)?;
        (event.step.base == cursor).then(|| Arc::clone(event))
    }

    /// The whole state at this revision, if somebody is being told it: whoever comes at the same time shares it.
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

/// One follower of one share. Dropping it ends the following.
#[derive(Debug)]
pub struct Feed {
    news: News,
    cursor: Revision,
    begun: bool,
    merging: bool,
    pass: Option<Pass>,
    pieces: VecDeque<Arc<Event>>,
}

impl Feed {
    pub(super) fn new(room: &Arc<Room>, since: Revision) -> Self {
        room.subscribe();
        let (news, pieces) = (News::of(room), VecDeque::new());
        Self { news, cursor: since, begun: false, merging: false, pass: None, pieces }
    }

    /// The same feed, for a follower to whom each event costs a round trip: whatever came while it was busy is merged by
    /// key into one event, which then is its own and not shared with others.
    #[must_use]
    pub fn merging(mut self) -> Self {
        self.merging = true;
        self
    }

    /// The same feed for as long as this pass is good, which lets the follower see the share. Nothing is told after a host
    /// knows that it is over, also not the rest of what was begun; the next event is then why.
    #[must_use]
    pub fn within(mut self, pass: Pass) -> Self {
        self.pass = Some(pass);
        self
    }

    /// The same feed, for a follower that has read this and was not told it:
    /// [`Mutation::ReadBeforeSubscribe`](crate::store::Mutation::ReadBeforeSubscribe).
    pub(super) fn having_read(mut self, read: After) -> Self {
        if let After::Events(events) = read {
            self.pieces = events;
        }
        self.begun = true;
        self
    }

    /// What lets its follower see the share, if that was said.
    #[must_use]
    pub fn pass(&self) -> Option<&Pass> {
        self.pass.as_ref()
    }

    /// The share that it follows.
    #[must_use]
    pub fn room(&self) -> &Arc<Room> {
        self.news.room()
    }

    /// The revision that it has been told of: with what it has still to take, it stands here.
    #[must_use]
    pub fn cursor(&self) -> Revision {
        self.cursor
    }

    /// The next event, when there is one. From revision 0 the first is the whole state, also of an empty share. Dropping
    /// the future loses nothing.
    ///
    /// # Errors
    /// [`Refusal::NotFound`] once the share was deleted, [`Refusal::Unauthorized`] once the pass is over; then always.
    pub async fn next(&mut self) -> Result<Arc<Event>, Refusal> {
        loop {
            if let Some(event) = self.take()? {
                return Ok(event);
            }
            self.news(None).await;
        }
    }

    /// The next event, if there is one now.
    ///
    /// # Errors
    /// As [`Feed::next`].
    pub fn take(&mut self) -> Result<Option<Arc<Event>>, Refusal> {
        self.see();
        self.look()
    }

    /// Marks the news as seen: what comes after this is looked at once more.
    pub fn see(&mut self) {
        self.news.see();
    }

    /// As [`take`](Feed::take), for a follower that looks at more than events, and marked the news as [seen](Feed::see)
    /// before all of it.
    ///
    /// # Errors
    /// As [`Feed::next`].
    pub fn look(&mut self) -> Result<Option<Arc<Event>>, Refusal> {
        if let Some(event) = self.pieces.pop_front() {
            self.check()?;
            return Ok(Some(event));
        }
        match self.room().after(self.cursor, self.begun, self.merging, self.pass.as_ref()) {
            After::Ended(refusal) => return Err(refusal),
            After::Events(events) => {
                self.cursor = events.back().map_or(self.cursor, |event| event.step.revision);
                self.pieces = events;
            }
            After::Nothing => {}
        }
        self.begun = true;
        Ok(self.pieces.pop_front())
    }

    /// Passes as long as the pass is good, as far as this host knows.
    ///
    /// # Errors
    /// As [`Feed::next`].
    pub fn check(&self) -> Result<(), Refusal> {
        match &self.pass {
            Some(pass) => self.room().read(|state| pass.holds(state, self.room().clock()))?,
            None => Ok(()),
        }
    }

    /// Waits for news, as [`News::wait`], and ends with the pass in any case. To be called when there was nothing to
    /// [take](Feed::take); afterwards there may be.
    pub async fn news(&mut self, until: Option<Instant>) {
        let until = until.into_iter().chain(self.over_at()).min();
        self.news.wait(until).await;
    }

    /// When the pass is to be looked at again because it may be over; `None`: only time does not end it.
    #[must_use]
    pub fn over_at(&self) -> Option<Instant> {
        let left = self.pass.as_ref()?.left(self.room().clock())?;
        Some(Instant::now() + left)
    }
}

impl Drop for Feed {
    fn drop(&mut self) {
        self.room().unsubscribe();
    }
}

/// Cuts a step into pieces of about `bytes_max`, each with at least one change; at least one piece.
pub(super) fn pieces(step: Step, mut resync: Option<Resync>, bytes_max: usize) -> VecDeque<Arc<Event>> {
    let Step { base, revision, sync_count, mut reset, changes, .. } = step;
    let mut pieces = VecDeque::new();
    let (mut piece, mut byte_count) = (Vec::new(), 0);
    let mut finish = |changes, more| {
        let reset = std::mem::take(&mut reset);
        let step = Step { base, revision, sync_count, reset, more, changes };
        pieces.push_back(Arc::new(Event { resync: resync.take(), ..Event::new(step) }));
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
