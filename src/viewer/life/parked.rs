//! Where viewers wait that nothing is to be done for: one gallery for each share that has such viewers, and one task for each
//! gallery.
//!
//! A viewer comes here when it was told all there is and nothing of it is under way, and costs no task of its own from then
//! on: no stack, no timer, no wake-up. The gallery's task waits for news of the room, for the earliest time at which one of its
//! viewers is due, and for any of them to be heard or closed. Then it writes what there is to tell right into each socket: a
//! thousand viewers are a thousand writes of the same bytes, and one wake-up. Whoever needs more than that (its socket is
//! full, it has said something, it was closed) is [attended](crate::viewer::life::served) to by a task of its own, delays nobody
//! here, and comes back when that is done.
//!
//! Bound: the viewers that the registry admits. Dropping a gallery's task drops its viewers, which gives back their places.

#![expect(clippy::vec_box, reason = "a viewer goes on from here as it came: in the box that its task had")]

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use futures::StreamExt as _;
use futures::stream::FuturesUnordered;
use tokio::sync::Notify;
use tokio::task::yield_now;
use tokio::time::Instant;

use crate::hub::Hub;
use crate::rooms::news::News;
use crate::rooms::room::Room;
use crate::viewer::ViewerSettings;
use crate::viewer::life::served::{Viewer, attend};

/// So many viewers are written to before others of the runtime have their turn: some 0.4 ms.
const TURN: usize = 64;

/// Heartbeats and other times are looked at in this rhythm at most: to look at 10,000 viewers takes some 0.2 ms.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// The galleries of one host.
#[derive(Debug)]
pub struct Galleries {
    hub: Arc<Hub>,
    settings: ViewerSettings,
    /// By the address of the room, which the gallery keeps: a share that left memory and came back has another.
    by_room: Mutex<HashMap<usize, Arc<Gallery>>>,
}

#[derive(Debug)]
struct Gallery {
    room: Arc<Room>,
    /// Those that came and were not seen yet.
    arrivals: Mutex<Vec<Box<Viewer>>>,
    came: Notify,
}

impl Galleries {
    /// None yet.
    #[must_use]
    pub fn new(hub: Arc<Hub>, settings: ViewerSettings) -> Arc<Self> {
        Arc::new(Self { hub, settings, by_room: Mutex::default() })
    }

    /// Whose viewers.
    #[must_use]
    pub fn hub(&self) -> &Arc<Hub> {
        &self.hub
    }

    /// How they are kept.
    #[must_use]
    pub fn settings(&self) -> &ViewerSettings {
        &self.settings
    }

    /// A viewer waits from now on.
    pub(in crate::viewer) fn enter(viewer: Box<Viewer>) {
        let galleries = Arc::clone(&viewer.galleries);
        let room = Arc::clone(viewer.channel.member().presence.room());
        let mut by_room = galleries.by_room();
        let gallery = by_room.entry(address(&room)).or_insert_with(|| {
            let gallery = Arc::new(Gallery { room, arrivals: Mutex::default(), came: Notify::new() });
            tokio::spawn(keep(Arc::clone(&galleries), Arc::clone(&gallery)));
            gallery
        });
        gallery.arrivals().push(viewer);
        gallery.came.notify_one();
    }

    /// Closes a gallery, unless somebody came.
    fn shut(&self, gallery: &Gallery) -> bool {
        let mut by_room = self.by_room();
        let is_empty = gallery.arrivals().is_empty();
        if is_empty {
            by_room.remove(&address(&gallery.room));
        }
        is_empty
    }

    fn by_room(&self) -> MutexGuard<'_, HashMap<usize, Arc<Gallery>>> {
        self.by_room.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn address(room: &Arc<Room>) -> usize {
    Arc::as_ptr(room).addr()
}

impl Gallery {
    fn arrivals(&self) -> MutexGuard<'_, Vec<Box<Viewer>>> {
        self.arrivals.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A gallery that is kept. Dropping it closes the gallery, with whoever came meanwhile.
struct Open(Arc<Galleries>, Arc<Gallery>);

impl Drop for Open {
    fn drop(&mut self) {
        let Self(galleries, gallery) = self;
        galleries.by_room().retain(|_, other| !Arc::ptr_eq(other, gallery));
        let _late = std::mem::take(&mut *gallery.arrivals());
    }
}

/// Keeps a gallery until nobody is in it.
async fn keep(galleries: Arc<Galleries>, gallery: Arc<Gallery>) {
    let _open = Open(Arc::clone(&galleries), Arc::clone(&gallery));
    let mut news = News::of(&gallery.room);
    let mut waiting = FuturesUnordered::new();
    let mut due = None;
    loop {
        // In no order: viewers who always have something to say must not keep news from the others, nor a busy producer them.
        tokio::select! {
            () = gallery.came.notified() => {
                let arrivals = std::mem::take(&mut *gallery.arrivals());
                for viewer in arrivals {
                    let now = Instant::now();
                    let mut arrived = Waiting { viewer: Some(viewer), due: Some(now) };
                    due = earlier(due, arrived.tend(now));
                    waiting.push(arrived);
                }
            }
            Some(viewer) = waiting.next(), if !waiting.is_empty() => {
                if let Some(viewer) = viewer {
                    tokio::spawn(attend(viewer));
                }
                if waiting.is_empty() && galleries.shut(&gallery) {
                    return;
                }
            }
            () = news.wait(due) => {
                news.see();
                due = tend_all(&mut waiting).await;
            }
        }
    }
}

/// Tells everybody what there is to tell, and says when somebody is due.
async fn tend_all(waiting: &mut FuturesUnordered<Waiting>) -> Option<Instant> {
    let (mut due, now) = (None, Instant::now());
    let mut all = Pin::new(waiting).iter_pin_mut();
    loop {
        for viewer in all.by_ref().take(TURN) {
            due = earlier(due, viewer.get_mut().tend(now));
        }
        if all.len() == 0 {
            break;
        }
        yield_now().await;
    }
    due.map(|due| due.max(now + LOOK_EVERY))
}

fn earlier(one: Option<Instant>, other: Option<Instant>) -> Option<Instant> {
    one.into_iter().chain(other).min()
}

/// A viewer that waits: done when it is to be attended to.
#[derive(Debug)]
struct Waiting {
    /// `None` once it is.
    viewer: Option<Box<Viewer>>,
    /// When it is to be looked at though there are no news; `None`: it was called.
    due: Option<Instant>,
}

impl Waiting {
    /// Tells the viewer what there is to tell, and says when it is to be looked at again; one that needs more is called.
    fn tend(&mut self, now: Instant) -> Option<Instant> {
        let (viewer, due) = (self.viewer.as_mut()?, self.due?);
        let is_due = due <= now;
        self.due = viewer.tell_all(now, is_due).then(|| if is_due { viewer.due_at(now) } else { due });
        if self.due.is_none() {
            viewer.connection.nudge();
        }
        self.due
    }
}

impl Future for Waiting {
    type Output = Option<Box<Viewer>>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let is_called = self.due.is_none();
        let Some(viewer) = &mut self.viewer else { return Poll::Ready(None) };
        viewer.connection.attend(cx.waker());
        if is_called || viewer.connection.is_closed() || viewer.transport.poll_readable(cx).is_ready() {
            return Poll::Ready(self.viewer.take());
        }
        Poll::Pending
    }
}

impl Viewer {
    /// Tells what there is to tell, and whether that was all that is to be done for it. `is_due`: its time has come.
    fn tell_all(&mut self, now: Instant, is_due: bool) -> bool {
        if self.connection.is_closed() || (is_due && self.is_over(now)) {
            return false;
        }
        loop {
            match self.channel.take(now) {
                Ok(Some(down)) => self.begin(&down),
                Ok(None) => return true,
                Err(_) => return false,
            }
            if !matches!(self.transport.try_write(&mut self.torn), Ok(true)) {
                return false;
            }
        }
    }

    /// Whether it was silent for too long, or a credential of it is good no more.
    fn is_over(&self, now: Instant) -> bool {
        let good_for = self.galleries.hub().good_for(&self.connection);
        self.pong_by.is_some_and(|by| by <= now) || good_for.is_some_and(|left| left.is_zero())
    }

    /// When it is to be looked at though there are no news.
    fn due_at(&self, now: Instant) -> Instant {
        let expires_at = self.galleries.hub().good_for(&self.connection).map(|left| now + left);
        self.pong_by.into_iter().chain(expires_at).fold(self.channel.due_at(), Instant::min)
    }
}
