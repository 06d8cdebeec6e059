//! The presence of one viewer in the audience of a share: from the moment that its door serves it until it goes.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use crate::rooms::audience::{Inner, Notice, Told, Watching};
use crate::rooms::room::Room;
use crate::share::error::Refusal;
use crate::share::limits::{Limit, VIEWER_NAME_BYTES_MAX};

/// Shortest time between two announcements of who watches, and of how a question stands.
const ANNOUNCE_EVERY: Duration = Duration::from_secs(1);

/// One viewer in the audience of a share. Dropping it takes the viewer out, and its answers to open questions too unless its
/// account is known.
#[derive(Debug)]
pub struct Presence {
    room: Arc<Room>,
    number: u64,
}

impl Room {
    /// Counts a viewer among the share's audience for as long as the value is kept.
    #[must_use]
    pub fn join_audience(self: &Arc<Self>) -> Presence {
        let number = self.audience().change(Inner::come);
        self.announce();
        Presence { room: Arc::clone(self), number }
    }

    /// The viewers that this host shows the share to now.
    #[must_use]
    pub fn watching(&self) -> Watching {
        self.audience().lock().watching()
    }

    /// Makes the audience look: now, if the last announcement is a second ago, and else when it will be.
    pub(super) fn announce(self: &Arc<Self>) {
        let audience = self.audience();
        let wait_until = {
            let mut inner = audience.lock();
            if inner.is_announcing {
                return;
            }
            let next_at = inner.announced_at.map(|at| at + ANNOUNCE_EVERY).filter(|at| *at > Instant::now());
            inner.is_announcing = next_at.is_some();
            next_at
        };
        let Some(at) = wait_until else { return self.announce_now() };
        let room = Arc::downgrade(self);
        // Nobody waits for it: an announcement that is lost with its runtime had nobody to hear it.
        tokio::spawn(async move {
            sleep_until(at).await;
            if let Some(room) = room.upgrade() {
                room.announce_now();
            }
        });
    }

    /// Makes the audience look now.
    pub(super) fn announce_now(&self) {
        self.audience().lock().announce(Instant::now());
        self.audience().rise();
        self.wake_followers();
    }
}

impl Presence {
    /// The share that this viewer watches.
    #[must_use]
    pub fn room(&self) -> &Arc<Room> {
        &self.room
    }

    /// The number of this viewer, unique among those of its share on this host.
    #[must_use]
    pub fn number(&self) -> u64 {
        self.number
    }

    /// Shows a name to the other viewers; `None`: shows none any more.
    ///
    /// # Errors
    /// The name is empty, longer than [`VIEWER_NAME_BYTES_MAX`], or has control characters.
    pub fn set_name(&self, name: Option<&str>) -> Result<(), Refusal> {
        let name = name.map(str::trim);
        if let Some(name) = name {
            if name.len() > VIEWER_NAME_BYTES_MAX {
                return Err(Refusal::limit(Limit::ViewerNameBytesMax, VIEWER_NAME_BYTES_MAX, name.len()));
            }
            if name.is_empty() || name.contains(char::is_control) {
                return Err(Refusal::invalid(0, "a name has a character that can be seen, and no control characters"));
            }
        }
        self.room.audience().change(|inner| inner.name(self.number, name));
        self.room.announce();
        Ok(())
    }

    /// The next notice for this viewer, if there is one. Cheap when there is nothing new.
    #[must_use]
    pub fn look(&self, told: &mut Told) -> Option<Notice> {
        self.room.audience().look(told)
    }
}

impl Drop for Presence {
    fn drop(&mut self) {
        self.room.audience().change(|inner| inner.go(self.number));
        self.room.announce();
    }
}
