//! What rooms are told by the carrier of news between hosts.

use std::time::Duration;

use crate::hints::{Heard, Hint, Listener, Why};
use crate::rooms::Rooms;
use crate::share::id::ShareId;

/// The time over which all rooms look: with 10,000 of them, so many requests to the bucket in a second.
const SPREAD: Duration = Duration::from_secs(1);

impl Listener for Rooms {
    fn hinted(&self, hint: &Hint) -> Heard {
        self.absent.forget(&hint.share);
        self.cache.here(&hint.share).map_or(Heard::Useless, |room| room.hinted(hint))
    }

    fn look(&self, share: &ShareId, why: Why) {
        if let Some(room) = self.cache.here(share) {
            room.look_within(Duration::ZERO, why);
        }
    }

    fn look_all(&self, why: Why) {
        self.cache.all().iter().for_each(|room| room.look_within(SPREAD, why));
    }

    fn connected(&self, connected: bool) {
        self.cache.all().iter().for_each(|room| room.connection(connected));
    }
}
