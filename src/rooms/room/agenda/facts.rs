//! What an agenda is told, and what it says.

use std::time::Duration;

use tokio::time::Instant;

use crate::share::revision::Revision;
use crate::share::time::Timestamp;
use crate::store::Occasion;

/// What is to be done for a room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::rooms::room) enum Next {
    /// A round: what is queued is taken, appended, and answered.
    Append,
    /// A round: what other hosts appended is read, and all who wait for that are answered.
    Look,
    /// The log is folded if it is worth it on this occasion. `describe`: the index is told of the share even if it is not.
    Fold { occasion: Occasion, describe: bool },
    /// The share's time is over, unless the clock says otherwise by now: then it is deleted, beside the rounds.
    Delete,
    /// Something is queued. It waits until then for more to come, or for [`Upkeep::Sooner`].
    Gather(Instant),
    /// Nothing is queued, and nothing is to be done until then.
    Sleep(Instant),
    /// Nothing is queued, and nothing is to be done.
    Rest,
}

/// What an event from elsewhere means for the driver or the alarm that waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use = "the driver or the alarm may have to ask sooner what is next"]
pub(in crate::rooms::room) enum Upkeep {
    /// Nothing is due sooner than before.
    Unchanged,
    /// Something is due sooner than before.
    Sooner,
}

/// What waits in the queue of a room.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(in crate::rooms::room) struct Queued {
    /// Number of entries to append.
    pub(in crate::rooms::room) appends: usize,
    /// Number of those who wait for a look.
    pub(in crate::rooms::room) looks: usize,
    /// Bytes of the entries.
    pub(in crate::rooms::room) bytes: usize,
    /// Whether one of the entries must not wait for more to come.
    pub(in crate::rooms::room) urgent: bool,
}

impl Queued {
    /// Both of them.
    pub(in crate::rooms::room) fn and(self, more: Self) -> Self {
        Self {
            appends: self.appends + more.appends,
            looks: self.looks + more.looks,
            bytes: self.bytes + more.bytes,
            urgent: self.urgent || more.urgent,
        }
    }
}

/// What a log, and the state that it came to, leave to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::rooms::room) struct Facts {
    /// The share was opened and not deleted.
    pub(in crate::rooms::room) live: bool,
    /// Number of the last segment of the log that is known.
    pub(in crate::rooms::room) segments: u64,
    /// Reading the log takes more than one object.
    pub(in crate::rooms::room) unfolded: bool,
    /// This host wrote last. Other hosts wait twice as long before they fold the share.
    pub(in crate::rooms::room) own: bool,
    /// One object would cost next to nothing, and is this host's to make.
    pub(in crate::rooms::room) cheap: bool,
    /// What a listing of the state depends on.
    pub(in crate::rooms::room) stand: Stand,
}

/// What a listing of a state depends on: the number of syncs, the revision, and the expiry.
pub(in crate::rooms::room) type Stand = (u64, Revision, Option<Timestamp>);

/// What became of an attempt to delete a share whose time is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::rooms::room) enum Deletion {
    /// It is deleted, and its content is gone.
    Done,
    /// Its time is not over: the expiry was moved.
    Moved,
    /// It is to be tried again.
    Failed,
}

/// How a room's day is laid out.
#[derive(Debug, Clone, Copy)]
pub(in crate::rooms::room) struct Rules {
    /// How long after one append the next begins at the earliest.
    pub(in crate::rooms::room) linger: Duration,
    /// How long after its last growth a log is folded into one object.
    pub(in crate::rooms::room) fold_after: Duration,
    /// How often a room looks that is waited for; `None`: nobody else writes to the bucket.
    pub(in crate::rooms::room) polls: Option<Polls>,
}

/// How often a room looks for what other hosts wrote, while anybody waits for its news.
#[derive(Debug, Clone, Copy)]
pub(in crate::rooms::room) struct Polls {
    /// How often, without a carrier.
    pub(in crate::rooms::room) plain: Duration,
    /// How often, without a carrier, if the share has rested.
    pub(in crate::rooms::room) rested: Duration,
    /// How often, while a carrier brings hints.
    pub(in crate::rooms::room) hinted: Duration,
    /// Where in a stretch of time this room looks, so that the rooms of a host do not all look at once: in 2^32 parts.
    pub(in crate::rooms::room) phase: u32,
    /// From when on such stretches are counted.
    pub(in crate::rooms::room) since: Instant,
}

impl Polls {
    /// The room's part of a time.
    pub(super) fn part(&self, of: Duration) -> Duration {
        of.mul_f64(f64::from(self.phase) / 4_294_967_296.0)
    }

    /// When the room's turn comes next, while a carrier brings hints.
    pub(super) fn turn_after(&self, now: Instant) -> Instant {
        let own = self.since + self.part(self.hinted);
        let every = self.hinted.max(Duration::from_millis(1));
        let turns = now.saturating_duration_since(own).as_nanos() / every.as_nanos();
        let passed = every * u32::try_from(turns).unwrap_or(u32::MAX);
        if own > now { own } else { own + passed + every }
    }
}
