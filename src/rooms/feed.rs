//! Feeds: following a share, from any revision, at one's own pace.
//!
//! A feed has no queue of its own. It holds a cursor; when it is asked, it takes the next event from the few that the room
//! remembers, or, if it fell behind them, what changed since its cursor merged by key, or the whole state. So a follower
//! that never asks costs nothing and delays nobody, and one that is slow is late but never wrong: its revisions only rise,
//! and skip only across a reset. A reset that it did not ask for says why, with a [`Resync`](crate::rooms::event::Resync).
//!
//! A follower that is told a single sync's event stood at the revision before it, and so holds the values that it
//! [replaced](Event::replaced): of these it may be told what is different, unless it [wants](Feed::telling) them whole. Merged
//! steps and states know nothing of what their follower holds, and carry values.

use std::collections::VecDeque;
use std::sync::Arc;

use tokio::time::Instant;

use crate::rooms::event::{After, Event, Values};
use crate::rooms::news::News;
use crate::rooms::pass::Pass;
use crate::rooms::room::Room;
use crate::share::error::Refusal;
use crate::share::revision::Revision;

/// One follower of one share. Dropping it ends the following.
#[derive(Debug)]
pub struct Feed {
    news: News,
    cursor: Revision,
    begun: bool,
    merging: bool,
    values: Values,
    pass: Option<Pass>,
    pieces: VecDeque<Arc<Event>>,
}

impl Feed {
    /// Follows a share from a revision on; from [`Revision::EMPTY`] on: from the whole state.
    #[must_use]
    pub fn of(room: &Arc<Room>, since: Revision) -> Self {
        room.subscribe();
        let (news, pieces) = (News::of(room), VecDeque::new());
        Self { news, cursor: since, begun: false, merging: false, values: Values::default(), pass: None, pieces }
    }

    /// This feed, for a follower to whom each event costs a round trip: whatever came while it was busy is merged by
    /// key into one event, which then is its own and not shared with others.
    #[must_use]
    pub fn merging(mut self) -> Self {
        self.merging = true;
        self
    }

    /// This feed, for a follower that wants values told like this.
    #[must_use]
    pub fn telling(mut self, values: Values) -> Self {
        self.values = values;
        self
    }

    /// How its follower wants values told.
    #[must_use]
    pub fn values(&self) -> Values {
        self.values
    }

    /// This feed for as long as this pass is good, which lets the follower see the share. Nothing is told after a host
    /// knows that it is over, also not the rest of what was begun; the next event is then why.
    #[must_use]
    pub fn within(mut self, pass: Pass) -> Self {
        self.pass = Some(pass);
        self
    }

    /// This feed, for a follower that has read this and was not told it:
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
        if let Some(event) = self.next_piece() {
            self.check()?;
            return Ok(Some(event));
        }
        match self.room().after(self.cursor, self.begun, self.merging, self.pass.as_ref()) {
            After::Ended(refusal) => return Err(refusal),
            After::Events(events) => {
                self.cursor = events.back().map_or(self.cursor, |event| event.step().revision);
                self.pieces = events;
            }
            After::Nothing => {}
        }
        self.begun = true;
        Ok(self.next_piece())
    }

    fn next_piece(&mut self) -> Option<Arc<Event>> {
        let piece = self.pieces.pop_front();
        if self.pieces.is_empty() {
            // Between two events it keeps no room for pieces.
            self.pieces = VecDeque::new();
        }
        piece
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
