//! The alarm of a room: a small task that sleeps until something is to be done, and starts the [driver](super::driver) then. It keeps no
//! room in memory, and ends with it, or when nothing is to be done at any time.
//!
//! One that is set too early looks again when it rings, so a room that is written to all the time does not set it anew each time.

use std::sync::{Arc, Weak};

use tokio::runtime::Handle;
use tokio::sync::Notify;
use tokio::task::AbortHandle;
use tokio::time::Instant;

use super::agenda::SPACING;
use super::{Inner, Room};

/// A task that sleeps, and how it is told that it is to wake up sooner.
#[derive(Debug)]
pub(super) struct Alarm {
    task: AbortHandle,
    until: Instant,
    sooner: Arc<Notify>,
}

impl Drop for Alarm {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Room {
    /// Makes sure that the alarm rings when the next thing is to be done, if there is any. The log is here: a driver that works asks
    /// for itself.
    pub(super) fn plan(&self, inner: &mut Inner) {
        let Some(at) = inner.agenda.later() else { return };
        // The runtime of the alarm may have ended.
        if let Some(alarm) = inner.alarm.as_mut().filter(|alarm| !alarm.task.is_finished()) {
            if at < alarm.until {
                alarm.until = at;
                alarm.sooner.notify_one();
            }
            return;
        }
        // Without a runtime, as when one ends, the next caller sees to it.
        if let Ok(runtime) = Handle::try_current() {
            let sooner = Arc::<Notify>::default();
            let task = runtime.spawn(sleep(Weak::clone(&self.this), Arc::clone(&sooner))).abort_handle();
            inner.alarm = Some(Alarm { task, until: at, sooner });
        }
    }

    /// The alarm has rung: starts a driver if something is to be done. Says until when the alarm sleeps then; `None`: it ends.
    fn rings(self: &Arc<Self>) -> Option<Instant> {
        let mut inner = self.lock();
        let now = Instant::now();
        let Some(at) = inner.agenda.later() else {
            inner.alarm = None;
            return None;
        };
        let is_due = at <= now;
        let until = if is_due { now + SPACING } else { at };
        if let Some(alarm) = &mut inner.alarm {
            alarm.until = until;
        }
        // A driver at work sees to it itself, and sets the alarm when it ends.
        if is_due {
            self.start(inner);
        }
        Some(until)
    }
}

/// Tells the room that its alarm is gone, if that is dropped with its runtime.
struct Sleeper(Weak<Room>);

impl Drop for Sleeper {
    fn drop(&mut self) {
        if let Some(room) = self.0.upgrade() {
            room.deserted();
        }
    }
}

async fn sleep(room: Weak<Room>, sooner: Arc<Notify>) {
    let mut sleeper = Sleeper(room);
    loop {
        let Some(until) = sleeper.0.upgrade().and_then(|room| room.rings()) else {
            // It ends as it should.
            sleeper.0 = Weak::new();
            return;
        };
        // Whichever comes first.
        let _ = tokio::time::timeout_at(until, sooner.notified()).await;
    }
}
