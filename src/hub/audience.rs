//! The audience of a share: who watches it on this host, by count and, if they wish, by name.
//!
//! A viewer's door takes a [`Seat`] for each viewer that it serves; dropping that gives it back. What changes is announced
//! at most once a second, so that a thousand who come at once make one notice and not a thousand. Viewers pull, as they
//! do events: [`Seat::look`] gives the next [`Notice`] that this one was not told, also of what the share's owner
//! [asks](crate::hub::asks). Nothing of this is in the log: it is about this host, now, and ends with it.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use crate::hub::asks::{Asked, Asks, Settled};
use crate::hub::room::Room;
use crate::share::error::Refusal;
use crate::share::limits::{VIEWER_NAME_BYTES_MAX, VIEWER_NAMES_MAX};

/// Between two announcements of who watches, and of how a question stands.
const ANNOUNCE_EVERY: Duration = Duration::from_secs(1);

/// Who watches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Watching {
    /// How many.
    pub viewers: usize,
    /// The names of those that gave one, in the order in which they came; at most
    /// [`VIEWER_NAMES_MAX`].
    pub names: Vec<String>,
}

/// What a viewer is told besides the share itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Notice {
    /// Who watches.
    Watching(Watching),
    /// A question is open, or stands differently than this viewer was told.
    Asked(Asked),
    /// A question that this viewer was told of is over.
    Settled(Settled),
}

/// One room's.
#[derive(Debug, Default)]
pub(super) struct Audience {
    inner: Mutex<Inner>,
    /// Rises when there is something to look at.
    version: AtomicU64,
}

#[derive(Debug, Default)]
pub(super) struct Inner {
    /// How many watch: as many as the registry admits at most.
    viewers: usize,
    /// The names of those that gave one, by number, so in the order in which they came.
    names: BTreeMap<u64, String>,
    seats_taken: u64,
    /// Rises when somebody comes, goes or is named.
    changes: u64,
    /// The same, as of the last announcement.
    announced: u64,
    announced_at: Option<Instant>,
    /// A task waits to announce.
    is_announcing: bool,
    pub(super) asks: Asks,
}

/// A viewer's place in the audience. Dropping it gives it back, and takes back what it answered, unless its account is
/// known.
#[derive(Debug)]
pub struct Seat {
    room: Arc<Room>,
    number: u64,
}

/// What one viewer was told.
#[derive(Debug, Default)]
pub struct Told {
    version: Option<u64>,
    watching: Option<u64>,
    /// By question: the version that it was told, and its name. At most as many as were open at once since it looked last.
    asks: BTreeMap<u64, (u64, Arc<str>)>,
}

impl Room {
    /// Takes a seat in the audience.
    #[must_use]
    pub fn take_seat(self: &Arc<Self>) -> Seat {
        let number = self.audience().change(|inner| {
            inner.viewers += 1;
            inner.seats_taken += 1;
            inner.seats_taken
        });
        self.announce();
        Seat { room: Arc::clone(self), number }
    }

    /// Who watches it on this host now.
    #[must_use]
    pub fn watching(&self) -> Watching {
        self.audience().lock().watching()
    }

    /// Makes the audience look: now, if that was not just done, and else in a while.
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

    pub(super) fn announce_now(&self) {
        {
            let mut inner = self.audience().lock();
            inner.is_announcing = false;
            inner.announced = inner.changes;
            inner.announced_at = Some(Instant::now());
        }
        self.audience().version.fetch_add(1, Ordering::Relaxed);
        self.stir();
    }
}

impl Audience {
    /// Whether a question is open.
    pub(super) fn is_asked(&self) -> bool {
        !self.lock().asks.are_settled()
    }

    fn change<T>(&self, change: impl FnOnce(&mut Inner) -> T) -> T {
        let mut inner = self.lock();
        inner.changes += 1;
        change(&mut inner)
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn watching(&self) -> Watching {
        let names = self.names.values().take(VIEWER_NAMES_MAX).cloned();
        Watching { viewers: self.viewers, names: names.collect() }
    }
}

impl Seat {
    /// The share that it watches.
    #[must_use]
    pub fn room(&self) -> &Arc<Room> {
        &self.room
    }

    /// Which it is, of its room.
    #[must_use]
    pub fn number(&self) -> u64 {
        self.number
    }

    /// Shows a name to the others; `None`: none any more.
    ///
    /// # Errors
    /// It is empty, longer than [`VIEWER_NAME_BYTES_MAX`], or has control
    /// characters.
    pub fn set_name(&self, name: Option<&str>) -> Result<(), Refusal> {
        let name = name.map(str::trim);
        if let Some(name) = name {
            if name.len() > VIEWER_NAME_BYTES_MAX {
                return Err(Refusal::limit("viewerNameBytesMax", VIEWER_NAME_BYTES_MAX, name.len()));
            }
            if name.is_empty() || name.contains(char::is_control) {
                return Err(Refusal::invalid(0, "a name has a character that can be seen, and no control characters"));
            }
        }
        self.room.audience().change(|inner| match name {
            Some(name) => inner.names.insert(self.number, name.to_owned()),
            None => inner.names.remove(&self.number),
        });
        self.room.announce();
        Ok(())
    }

    /// What this viewer is to be told next, if anything. Cheap when there is nothing new.
    #[must_use]
    pub fn look(&self, told: &mut Told) -> Option<Notice> {
        let audience = self.room.audience();
        let version = audience.version.load(Ordering::Relaxed);
        if told.version == Some(version) {
            return None;
        }
        let inner = audience.lock();
        if let Some(notice) = inner.asks.look(&mut told.asks) {
            return Some(notice);
        }
        // The first time it is told how things are, after that what was announced.
        if told.watching.is_none_or(|changes| changes < inner.announced) {
            told.watching = Some(inner.changes);
            return Some(Notice::Watching(inner.watching()));
        }
        told.version = Some(version);
        None
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.room.audience().change(|inner| {
            inner.viewers -= 1;
            inner.names.remove(&self.number);
            inner.asks.take_back(self.number);
        });
        self.room.announce();
    }
}
