//! News of a room: what wakes its followers, be it by this host's syncs or by what other hosts wrote.

use std::pin::Pin;
use std::sync::Arc;

use tokio::time::{Instant, Sleep, sleep_until};

use crate::rooms::room::Room;

/// A way to wait for a room. It is no follower by itself: who holds only this is not counted, what happened lately is not kept for it, and
/// the room does not look for it at what other hosts wrote.
#[derive(Debug)]
pub struct News {
    room: Arc<Room>,
    /// How often the room's bell had rung when it was looked at last.
    seen: u64,
    timer: Option<Pin<Box<Sleep>>>,
}

impl News {
    /// What happens from now on.
    #[must_use]
    pub fn of(room: &Arc<Room>) -> Self {
        Self { room: Arc::clone(room), seen: room.changes().rung(), timer: None }
    }

    /// Marks what there is as seen. To be called before one looks: what comes in between is looked at once more.
    pub fn see(&mut self) {
        self.seen = self.room.changes().rung();
    }

    /// Waits for news, and ends at `until` in any case, perhaps earlier. For what other hosts write the room looks while anybody follows
    /// it. Dropping the future loses nothing.
    pub async fn wait(&mut self, until: Option<Instant>) {
        let Self { room, seen, timer } = self;
        room.take_over();
        tokio::select! {
            // News first: always the same.
            biased;
            rung = room.changes().after(*seen) => *seen = rung,
            () = reach(timer, until) => {}
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
