//! News of a room: what wakes its followers, be it by this host's syncs or by what other hosts wrote.

use std::pin::Pin;
use std::sync::Arc;

use tokio::time::{Instant, Sleep, sleep_until};

use crate::rooms::room::Room;

/// A way to wait for a room. It is no follower by itself: who holds only this is not counted, and what happened lately is
/// not kept for it.
#[derive(Debug)]
pub struct News {
    room: Arc<Room>,
    /// How often the room's bell had rung when it was looked at last.
    seen: u64,
    /// When it looks for what other hosts wrote.
    look_at: Option<Instant>,
    timer: Option<Pin<Box<Sleep>>>,
}

impl News {
    /// What happens from now on.
    #[must_use]
    pub fn of(room: &Arc<Room>) -> Self {
        Self { room: Arc::clone(room), seen: room.changes().rung(), look_at: None, timer: None }
    }

    /// Marks what there is as seen. To be called before one looks: what comes in between is looked at once more.
    pub fn see(&mut self) {
        self.seen = self.room.changes().rung();
    }

    /// Waits for news of this host, looks for those of others meanwhile, and ends at `until` in any case, perhaps earlier.
    /// Dropping the future loses nothing.
    pub async fn wait(&mut self, until: Option<Instant>) {
        let Self { room, seen, look_at, timer } = self;
        let poll = room.poll_interval();
        if let Some(poll) = poll {
            look_at.get_or_insert_with(|| Instant::now() + poll);
        }
        let wake_at = look_at.iter().copied().chain(until).min();
        tokio::select! {
            // News of this host first: always the same, and they need no request.
            biased;
            rung = room.changes().after(*seen) => {
                *seen = rung;
                return;
            }
            () = reach(timer, wake_at) => {}
        }
        let is_due = look_at.is_some_and(|at| at <= Instant::now());
        if let Some(poll) = poll.filter(|_| is_due) {
            *look_at = None;
            tokio::select! {
                biased;
                rung = room.changes().after(*seen) => *seen = rung,
                // A bucket that does not answer is logged where that is noticed; we ask again.
                _ = room.catch_up(poll) => {}
                () = reach(timer, until) => {}
            }
        }
    }

    /// The room.
    #[must_use]
    pub fn room(&self) -> &Arc<Room> {
        &self.room
    }
}

/// Waits for a moment, or for an earlier one that the timer was set to: to set it anew for each event would cost more than
/// a wake-up for nothing once a second.
async fn reach(timer: &mut Option<Pin<Box<Sleep>>>, at: Option<Instant>) {
    let Some(at) = at else { return std::future::pending().await };
    let timer = timer.get_or_insert_with(|| Box::pin(sleep_until(at)));
    if timer.is_elapsed() || timer.deadline() > at {
        timer.as_mut().reset(at);
    }
    timer.as_mut().await;
}
