//! Viewers that are parked: those of one share, looked after by one task.
//!
//! A viewer is parked when it was told all there is and nothing of it is under way. It costs no task of its own from then on:
//! no stack, no timer, no wake-up. [`Parked`] waits for news of the room, for the earliest time at which one of its viewers is
//! due, and for any of them to be heard or closed. Then it writes what there is to tell right into each socket: a thousand
//! viewers are a thousand writes of the same bytes, and one wake-up. Whoever needs more than that (its socket is full, it has
//! said something, it was closed) is [given out](Parked::next), and delays nobody here.

#![expect(clippy::vec_box, reason = "a viewer goes on from here as it came: in the box that its task had")]

use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use futures::StreamExt as _;
use futures::stream::FuturesUnordered;
use tokio::sync::Notify;
use tokio::task::yield_now;
use tokio::time::Instant;

use crate::rooms::news::News;
use crate::rooms::room::Room;
use crate::viewer::life::viewer::Viewer;

/// Number of viewers that are written to before other tasks of the runtime have their turn: some 0.4 ms.
const TURN: usize = 64;

/// Heartbeats and other times are looked at in this rhythm at most: to look at 10,000 viewers takes some 0.2 ms.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Viewers of one share that were parked and have not been seen yet by what looks after them.
#[derive(Debug)]
pub(super) struct Arrivals {
    room: Arc<Room>,
    viewers: Mutex<Vec<Box<Viewer>>>,
    came: Notify,
}

impl Arrivals {
    /// The arrivals of this room, of which there are none yet.
    pub(super) fn new(room: Arc<Room>) -> Self {
        Self { room, viewers: Mutex::default(), came: Notify::new() }
    }

    pub(super) fn room(&self) -> &Arc<Room> {
        &self.room
    }

    /// A viewer has come.
    pub(super) fn push(&self, viewer: Box<Viewer>) {
        self.viewers().push(viewer);
        self.came.notify_one();
    }

    pub(super) fn is_empty(&self) -> bool {
        self.viewers().is_empty()
    }

    /// All that have come.
    pub(super) fn take(&self) -> Vec<Box<Viewer>> {
        std::mem::take(&mut *self.viewers())
    }

    fn viewers(&self) -> MutexGuard<'_, Vec<Box<Viewer>>> {
        self.viewers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The parked viewers of one share.
#[derive(Debug)]
pub(super) struct Parked<'a> {
    arrivals: &'a Arrivals,
    news: News,
    waiting: FuturesUnordered<Waiting>,
    /// The earliest time at which one of them is to be looked at though there are no news.
    due: Option<Instant>,
}

impl<'a> Parked<'a> {
    /// Those that arrive here.
    pub(super) fn new(arrivals: &'a Arrivals) -> Self {
        Self { arrivals, news: News::of(arrivals.room()), waiting: FuturesUnordered::new(), due: None }
    }

    /// Whether nobody is parked, but for those that have just arrived.
    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// The next viewer that needs to be served. Until then all others are told what there is to tell.
    pub(super) async fn next(&mut self) -> Box<Viewer> {
        loop {
            // In no order: viewers who always have something to say must not keep news from the others, nor a busy producer them.
            tokio::select! {
                () = self.arrivals.came.notified() => {
                    for viewer in self.arrivals.take() {
                        let now = Instant::now();
                        let mut arrived = Waiting { viewer: Some(viewer), due: Some(now) };
                        self.due = earlier(self.due, arrived.tend(now));
                        self.waiting.push(arrived);
                    }
                }
                Some(viewer) = self.waiting.next(), if !self.waiting.is_empty() => {
                    if let Some(viewer) = viewer {
                        return viewer;
                    }
                }
                () = self.news.wait(self.due) => {
                    self.news.see();
                    self.due = tend_all(&mut self.waiting).await;
                }
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

/// A viewer that is parked: done when it needs to be served.
#[derive(Debug)]
struct Waiting {
    /// `None` once it is given out.
    viewer: Option<Box<Viewer>>,
    /// When it is to be looked at though there are no news; `None`: it needs to be served.
    due: Option<Instant>,
}

impl Waiting {
    /// Tells the viewer what there is to tell, and says when it is to be looked at again; `None`: it needs more than that.
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
        let is_called = is_called || viewer.connection.is_closed() || viewer.channel.is_to_move();
        if is_called || viewer.transport.poll_readable(cx).is_ready() {
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

    /// Whether it was silent for too long, or its credential has expired.
    fn is_over(&self, now: Instant) -> bool {
        let good_for = self.channel.hub().connections().good_for(&self.connection);
        self.pong_by.is_some_and(|by| by <= now) || good_for.is_some_and(|left| left.is_zero())
    }

    /// When it is to be looked at though there are no news.
    fn due_at(&self, now: Instant) -> Instant {
        let expires_at = self.channel.hub().connections().good_for(&self.connection).map(|left| now + left);
        self.pong_by.into_iter().chain(expires_at).fold(self.channel.due_at(), Instant::min)
    }
}
