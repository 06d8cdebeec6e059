//! The way from anywhere in the host to one connection's client.
//!
//! A client's sink lives on the thread of its connection, and the code that pushes lives anywhere. An [`Outlet`] is what stands
//! between them: a bounded queue into the connection's own task, open while the client offers a sink. What takes a place in
//! it keeps that place until the client has returned, so that the places bound the queue and the open calls at once. Pushes
//! and casts (what is sent to many) have places of their own, and go out in the order in which they came.
//!
//! A second sink takes the place of the first, and gets what is still queued; what withdraws the first then changes nothing.
//! The places stay the connection's, however many sinks it offers.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use crate::share::error::Refusal;
use crate::share::limits::CASTS_IN_FLIGHT_MAX;
use crate::share::push::{Action, Answer};

/// Why a push came to no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PushError {
    /// The client did not answer in time. It may have done what it was asked; what it still answers changes nothing.
    #[error("the client did not answer within {after:?}")]
    Timeout {
        /// The deadline.
        after: Duration,
    },
    /// There is no such connection, or no longer. Whether the client got the push is not known.
    #[error("the connection is gone")]
    ConnectionGone,
    /// As many pushes to this connection are in flight as may be. Nothing was sent; other connections have room of their own.
    #[error("{max} pushes to this connection are in flight, as many as may be")]
    TooManyInFlight {
        /// See [`PUSHES_IN_FLIGHT_MAX`](crate::share::limits::PUSHES_IN_FLIGHT_MAX).
        max: usize,
    },
    /// The client has offered no sink, or has withdrawn it. Nothing was sent, or it was withdrawn while it waited.
    #[error("the client has offered no way to push to it")]
    NoReturnPath,
    /// The client's own error, in its own words.
    #[error("{0}")]
    ClientError(String),
    /// A ping came back with another number.
    #[error("the client answered a ping of {sent} with {got}")]
    WrongNonce {
        /// What it was asked.
        sent: u64,
        /// What it answered.
        got: u64,
    },
    /// The answer is of another kind than the action asks for, or what it carries is not JSON, or is too large.
    #[error("the client's answer has the wrong shape: {reason}")]
    InvalidAnswer {
        /// What is wrong with it.
        reason: String,
    },
    /// The action itself is past a limit or carries no JSON. Nothing was sent.
    #[error("the action cannot be sent: {0}")]
    InvalidAction(Refusal),
}

/// One connection's way to its client. A fresh one has none yet.
#[derive(Default)]
pub struct Outlet {
    state: Mutex<State>,
    /// Made for the first sink. Boxed, as most connections are viewers', who have none.
    queue: OnceLock<Box<Queue>>,
    /// The connection is over: every push that waits is settled. Made for the first who waits for that.
    ended: OnceLock<CancellationToken>,
}

#[derive(Default)]
struct State {
    newest: SinkNumber,
    /// Whether there is a sink.
    is_open: bool,
    has_ended: bool,
}

struct Queue {
    pushes: Arc<Semaphore>,
    pushes_max: usize,
    casts: Arc<Semaphore>,
    /// Bound: as many as there are places. Policy: a push that gets no place is refused, a cast is skipped.
    deliveries: mpsc::Sender<Delivery>,
}

/// Which of a connection's sinks, in the order in which they were offered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SinkNumber(u64);

/// An action on its way to a client. It holds its place until it is dropped.
#[derive(Debug)]
pub struct Delivery {
    action: Arc<Action>,
    /// `None`: nobody waits for the answer.
    reply: Option<oneshot::Sender<Result<Answer, PushError>>>,
    _place: OwnedSemaphorePermit,
}

impl Delivery {
    /// What the client is asked.
    #[must_use]
    pub fn action(&self) -> &Arc<Action> {
        &self.action
    }

    /// Whether the asker has stopped waiting. What was not sent yet need not be sent.
    #[must_use]
    pub fn is_given_up(&self) -> bool {
        self.reply.as_ref().is_some_and(oneshot::Sender::is_closed)
    }

    /// Whether somebody asked for the answer; if not, it was sent to many.
    #[must_use]
    pub fn is_awaited(&self) -> bool {
        self.reply.is_some()
    }

    /// Says what it came to. If nobody waits for that any more, it changes nothing.
    pub fn settle(self, answer: Result<Answer, PushError>) {
        if let Some(reply) = self.reply {
            let _late = reply.send(answer);
        }
    }
}

impl Outlet {
    /// Opens the way for a sink, in the place of the one before. The first time it gives the end of the queue that the
    /// connection's task takes from, until the outlet has [ended](Self::ended). `pushes_max` counts the first time.
    pub fn open(&self, pushes_max: usize) -> (SinkNumber, Option<mpsc::Receiver<Delivery>>) {
        let mut receiver = None;
        self.queue.get_or_init(|| {
            let (deliveries, end) = mpsc::channel(pushes_max + CASTS_IN_FLIGHT_MAX);
            receiver = Some(end);
            let (pushes, casts) = (Semaphore::new(pushes_max), Semaphore::new(CASTS_IN_FLIGHT_MAX));
            Box::new(Queue { pushes: Arc::new(pushes), pushes_max, casts: Arc::new(casts), deliveries })
        });
        let mut state = self.state();
        state.newest.0 += 1;
        state.is_open = !state.has_ended;
        (state.newest, receiver)
    }

    /// Shuts the way, if it still leads to this sink. Says whether it did.
    pub fn withdraw(&self, number: SinkNumber) -> bool {
        let mut state = self.state();
        let is_newest = state.newest == number;
        if is_newest {
            state.is_open = false;
        }
        is_newest
    }

    /// Shuts it for good, because the connection is over, and settles all that waits as
    /// [`ConnectionGone`](PushError::ConnectionGone).
    pub fn end(&self) {
        {
            let mut state = self.state();
            (state.is_open, state.has_ended) = (false, true);
        }
        // A task that comes to wait after this sees it in the state.
        self.ended.get().inspect(|ended| ended.cancel());
    }

    /// Whether there is a way to the client now.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.state().is_open
    }

    /// Resolves when the connection is over.
    pub async fn ended(&self) {
        let ended = self.ended.get_or_init(CancellationToken::new);
        if !self.state().has_ended {
            ended.cancelled().await;
        }
    }

    /// Puts an action on its way, at once or not at all.
    pub(super) fn push(&self, action: Arc<Action>) -> Result<oneshot::Receiver<Result<Answer, PushError>>, PushError> {
        let (reply, answer) = oneshot::channel();
        self.send(action, Some(reply))?;
        Ok(answer)
    }

    /// Puts an action on its way, at once or not at all, where nobody waits for the answer.
    pub(super) fn cast(&self, action: &Arc<Action>) -> Result<(), PushError> {
        self.send(Arc::clone(action), None)
    }

    /// Why a push that was taken got no answer: its sink was withdrawn before it was sent, or it broke.
    pub(super) fn lost(&self) -> PushError {
        if self.state().has_ended { PushError::ConnectionGone } else { PushError::NoReturnPath }
    }

    fn send(
        &self,
        action: Arc<Action>,
        reply: Option<oneshot::Sender<Result<Answer, PushError>>>,
    ) -> Result<(), PushError> {
        let queue = match &*self.state() {
            State { has_ended: true, .. } => return Err(PushError::ConnectionGone),
            State { is_open: true, .. } => self.queue.get().ok_or(PushError::NoReturnPath)?,
            State { is_open: false, .. } => return Err(PushError::NoReturnPath),
        };
        let (places, max) = match reply {
            Some(_) => (&queue.pushes, queue.pushes_max),
            None => (&queue.casts, CASTS_IN_FLIGHT_MAX),
        };
        let full = PushError::TooManyInFlight { max };
        let place = Arc::clone(places).try_acquire_owned().map_err(|_| full.clone())?;
        queue.deliveries.try_send(Delivery { action, reply, _place: place }).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => full,
            // The connection's task is gone, and the connection is about to be.
            mpsc::error::TrySendError::Closed(_) => PushError::ConnectionGone,
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Outlet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outlet").field("is_open", &self.is_open()).finish_non_exhaustive()
    }
}
