//! Feeds: following a share, from any revision, at one's own pace.
//!
//! A feed has no queue of its own. It holds a cursor; when it is asked, it takes the next event from the few that the room
//! remembers, or, if it fell behind them, what changed since its cursor merged by key, or the whole state. So a follower
//! that never asks costs nothing and delays nobody, and one that is slow is late but never wrong: its revisions only rise,
//! and skip only across a reset.

use std::collections::VecDeque;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use tokio::sync::watch;

use crate::hub::grants::Pass;
use crate::hub::room::{After, Room};
use crate::share::error::Refusal;
use crate::share::view::{Changed, Revision, Step};

/// How many events a room remembers for its followers.
const RECENT_MAX: usize = 256;

/// Bytes of events that a room remembers: 1 MiB. Followers further behind are told what changed, merged by key.
const RECENT_BYTES_MAX: usize = 1 << 20;

/// A step, shared by all who follow, with room for its encoding: encoded once, when the first follower needs it.
#[derive(Debug)]
pub struct Event {
    step: Step,
    encoded: OnceLock<Bytes>,
}

impl Event {
    pub(super) fn new(step: Step) -> Self {
        Self { step, encoded: OnceLock::new() }
    }

    /// The step.
    #[must_use]
    pub fn step(&self) -> &Step {
        &self.step
    }

    /// Its encoding: `encode`d if this is the first call, else what the first call made.
    pub fn encoded(&self, encode: impl FnOnce(&Step) -> Bytes) -> Bytes {
        self.encoded.get_or_init(|| encode(&self.step)).clone()
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

    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }
}

/// One follower of one share. Dropping it ends the following.
#[derive(Debug)]
pub struct Feed {
    room: Arc<Room>,
    news: watch::Receiver<u64>,
    cursor: Revision,
    begun: bool,
    merging: bool,
    pass: Option<Pass>,
    pieces: VecDeque<Arc<Event>>,
}

impl Feed {
    pub(super) fn new(room: Arc<Room>, since: Revision) -> Self {
        let news = room.subscribe();
        Self { room, news, cursor: since, begun: false, merging: false, pass: None, pieces: VecDeque::new() }
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

    /// The share that it follows.
    #[must_use]
    pub fn room(&self) -> &Arc<Room> {
        &self.room
    }

    /// The next event, when there is one. From revision 0 the first is the whole state, also of an empty share. Dropping
    /// the future loses nothing.
    ///
    /// # Errors
    /// [`Refusal::NotFound`] once the share was deleted, [`Refusal::Unauthorized`] once the pass is over; then always.
    pub async fn next(&mut self) -> Result<Arc<Event>, Refusal> {
        loop {
            if let Some(event) = self.pieces.pop_front() {
                if let Some(pass) = &self.pass {
                    self.room.read(|state| pass.holds(state, self.room.clock()))??;
                }
                return Ok(event);
            }
            // First mark the news as seen, then look: what comes in between is looked at once more.
            self.news.borrow_and_update();
            match self.room.after(self.cursor, self.begun, self.merging, self.pass.as_ref()) {
                After::Ended(refusal) => return Err(refusal),
                After::Events(events) => {
                    self.cursor = events.back().map_or(self.cursor, |event| event.step.revision);
                    self.begun = true;
                    self.pieces = events;
                }
                After::Nothing => {
                    self.begun = true;
                    self.wait().await;
                }
            }
        }
    }

    /// Waits for news of this host, looks for those of others, or waits for the end of the pass.
    async fn wait(&mut self) {
        let poll = self.room.poll_interval();
        let left = self.pass.as_ref().and_then(|pass| pass.left(self.room.clock()));
        // The room holds the sender, and we hold the room.
        let changed = async { drop(self.news.changed().await) };
        match poll.into_iter().chain(left).min() {
            None => changed.await,
            // News of this host first: always the same, and they need no request.
            Some(wait) => tokio::select! {
                biased;
                () = changed => {}
                () = tokio::time::sleep(wait) => {
                    if let Some(poll) = poll {
                        // A bucket that does not answer is logged where that is noticed; we ask again.
                        let _ = self.room.catch_up(poll).await;
                    }
                }
            },
        }
    }
}

impl Drop for Feed {
    fn drop(&mut self) {
        self.room.unsubscribe();
    }
}

/// Cuts a step into pieces of about `bytes_max`, each with at least one change; at least one piece.
pub(super) fn pieces(step: Step, bytes_max: usize) -> VecDeque<Arc<Event>> {
    let Step { base, revision, sync_count, mut reset, changes, .. } = step;
    let mut pieces = VecDeque::new();
    let (mut piece, mut byte_count) = (Vec::new(), 0);
    let mut finish = |changes, more| {
        let reset = std::mem::take(&mut reset);
        pieces.push_back(Arc::new(Event::new(Step { base, revision, sync_count, reset, more, changes })));
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
