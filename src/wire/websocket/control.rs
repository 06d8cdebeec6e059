//! The control of a pipe: keeping it alive, watching how it ends, and saying goodbye.

use std::cell::RefCell;
use std::fmt;
use std::future::poll_fn;
use std::pin::pin;
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use futures::{AsyncRead, AsyncWrite};
use tokio::time::{Instant, sleep_until, timeout};

use super::PipeEnd;
use super::shared::Shared;

/// How a pipe is kept alive. Both times must be long enough for the slowest peer to take the largest message, because progress
/// within one message is not seen: 4 MiB in 30 s is some 1.1 Mbit/s.
#[derive(Clone, Copy, Debug)]
pub struct KeepAlive {
    /// Time between two pings. A peer that is silent for two intervals counts as gone.
    pub interval: Duration,
    /// Time for which one message may be stuck in the socket before the peer counts as not reading.
    pub write_stall: Duration,
    /// The code of the Close frame for a peer that was silent.
    pub silence_code: u16,
}

/// Controls one pipe: pings, and closes it. Clones control the same pipe, but only one task at a time may run each of its futures.
pub struct PipeControl<S>(Rc<RefCell<Shared<S>>>);

impl<S: AsyncRead + AsyncWrite + Unpin> PipeControl<S> {
    pub(super) fn new(shared: Rc<RefCell<Shared<S>>>) -> Self {
        Self(shared)
    }

    /// Pings every interval, for as long as the pipe lives, and tells how it ended. It ends the pipe itself when the peer
    /// is silent or stuck. While received messages lie unread on this side, silence is not held against the peer.
    ///
    /// Dropping the future ends the pings and nothing else.
    pub async fn keepalive(&self, settings: KeepAlive) -> PipeEnd {
        let mut next_ping = Instant::now() + settings.interval;
        loop {
            let stuck_until = self.0.borrow().stuck_since.map(|since| since + settings.write_stall);
            let next = stuck_until.map_or(next_ping, |until| next_ping.min(until));
            let mut alarm = pin!(sleep_until(next));
            let ended = poll_fn(|cx| {
                let shared = self.0.borrow();
                shared.wakers.keeper.register(cx.waker());
                if let Some(end) = &shared.end {
                    return Poll::Ready(Some(end.clone()));
                }
                // A write that got stuck may want an earlier alarm.
                let stuck_anew = stuck_until.is_none() && shared.stuck_since.is_some();
                drop(shared);
                if stuck_anew { Poll::Ready(None) } else { alarm.as_mut().poll(cx).map(|()| None) }
            })
            .await;
            if let Some(end) = ended {
                return end;
            }
            let mut shared = self.0.borrow_mut();
            let now = Instant::now();
            if shared.stuck_since.is_some_and(|since| now >= since + settings.write_stall)
                && shared.poll_drain().is_pending()
            {
                shared.end_as(PipeEnd::Stalled);
            }
            if now >= next_ping {
                next_ping = now + settings.interval;
                // The reader may have paused: what lies in the socket counts as heard.
                if shared.poll_receive().is_ready() {
                    shared.wakers.reader.wake();
                }
                if !shared.is_unread() && now >= shared.last_heard + 2 * settings.interval {
                    let farewell = (settings.silence_code.into(), PipeEnd::Idle.to_string());
                    shared.end_saying(PipeEnd::Idle, Some(farewell));
                }
                shared.ping();
            }
        }
    }

    /// Begins to [`close`](Self::close), without waiting: the Close frame is the last that goes out. End a pipe so before the
    /// vat over it, which would say goodbye in its own words first, and the peer never look for this one.
    pub fn begin_close(&self, code: u16, reason: &str) {
        self.0.borrow_mut().end_as(PipeEnd::ClosedHere { code, reason: reason.to_owned() });
    }

    /// Ends the pipe: nothing more is read or written, a Close frame with `code` and `reason` (cut at 123 bytes) goes out,
    /// and what the peer still sends is thrown away until it has closed too. If the pipe has ended already, it only sees
    /// that farewell through. It takes at most [`close_within`](super::PipeOptions::close_within); after it, drop the pipe.
    pub async fn close(&self, code: u16, reason: &str) {
        self.begin_close(code, reason);
        let within = self.0.borrow().options.close_within;
        // Late or not, there is nothing more to be done for the peer.
        let _late = timeout(within, poll_fn(|cx| self.0.borrow_mut().poll_closed(cx))).await;
    }
}

impl<S> PipeControl<S> {
    /// How the pipe ended, or `None` while it is open.
    pub fn end_reason(&self) -> Option<PipeEnd> {
        self.0.borrow().end.clone()
    }
}

impl<S> Clone for PipeControl<S> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<S> fmt::Debug for PipeControl<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PipeControl").field("end", &self.end_reason()).finish_non_exhaustive()
    }
}
