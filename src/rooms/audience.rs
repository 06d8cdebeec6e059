//! The audience of a share: who watches it on this host, by count and, if they wish, by name.
//!
//! A viewer's door takes a [`Presence`](crate::rooms::presence::Presence) for each viewer that it serves; dropping it takes the
//! viewer out of the audience. A change is announced at most once a second, so that a thousand viewers who come at once make one
//! notice and not a thousand. Viewers pull notices, as they pull events, each what it was not [told](Told) yet. Nothing of this is
//! in the log: it is about this host, now, and ends with it.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::time::Instant;

use crate::rooms::ballot::{Asked, Asks, BallotNotice, Settled};
use crate::share::limits::VIEWER_NAMES_MAX;

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

impl From<BallotNotice> for Notice {
    fn from(notice: BallotNotice) -> Self {
        match notice {
            BallotNotice::Asked(asked) => Self::Asked(asked),
            BallotNotice::Settled(settled) => Self::Settled(settled),
        }
    }
}

/// The audience of one share on this host.
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
    /// Number of the viewer who came last.
    numbered: u64,
    /// Rises when somebody comes, goes or is named.
    changes: u64,
    /// The value of `changes` that was announced last.
    announced: u64,
    pub(super) announced_at: Option<Instant>,
    /// Whether a task waits to announce.
    pub(super) is_announcing: bool,
    pub(super) asks: Asks,
}

/// How much one viewer was told of its audience, and of the questions.
#[derive(Debug, Default)]
pub struct Told {
    version: Option<u64>,
    watching: Option<u64>,
    /// By question: the version that it was told, and its name. At most as many as were open at once since it looked last.
    asks: BTreeMap<u64, (u64, Arc<str>)>,
}

impl Audience {
    /// Whether a question is open.
    pub(super) fn is_asked(&self) -> bool {
        !self.lock().asks.are_settled()
    }

    /// Changes who watches; what is changed counts for the next announcement.
    pub(super) fn change<T>(&self, change: impl FnOnce(&mut Inner) -> T) -> T {
        let mut inner = self.lock();
        inner.changes += 1;
        change(&mut inner)
    }

    /// Makes every viewer look once more.
    pub(super) fn rise(&self) {
        self.version.fetch_add(1, Ordering::Relaxed);
    }

    /// The next notice for a viewer who was told this much, if there is one. Costs one load when there is nothing new.
    pub(super) fn look(&self, told: &mut Told) -> Option<Notice> {
        let version = self.version.load(Ordering::Relaxed);
        if told.version == Some(version) {
            return None;
        }
        let inner = self.lock();
        if let Some(notice) = inner.asks.look(&mut told.asks) {
            return Some(notice.into());
        }
        // The first time it is told how things are, after that what was announced.
        if told.watching.is_none_or(|changes| changes < inner.announced) {
            told.watching = Some(inner.changes);
            return Some(Notice::Watching(inner.watching()));
        }
        told.version = Some(version);
        None
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    /// Counts a viewer who comes, and gives its number.
    pub(super) fn come(&mut self) -> u64 {
        self.viewers += 1;
        self.numbered += 1;
        self.numbered
    }

    /// Forgets a viewer who goes, its name, and what it answered if its account is not known.
    pub(super) fn go(&mut self, viewer: u64) {
        self.viewers -= 1;
        self.names.remove(&viewer);
        self.asks.take_back(viewer);
    }

    /// Notes the name of a viewer; `None`: it shows none any more.
    pub(super) fn name(&mut self, viewer: u64, name: Option<&str>) {
        match name {
            Some(name) => self.names.insert(viewer, name.to_owned()),
            None => self.names.remove(&viewer),
        };
    }

    /// What is so now is what viewers are told from here on.
    pub(super) fn announce(&mut self, now: Instant) {
        self.is_announcing = false;
        self.announced = self.changes;
        self.announced_at = Some(now);
    }

    /// Who watches.
    pub(super) fn watching(&self) -> Watching {
        let names = self.names.values().take(VIEWER_NAMES_MAX).cloned();
        Watching { viewers: self.viewers, names: names.collect() }
    }
}
