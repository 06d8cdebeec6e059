//! The driver's side of every call: which connection is up, and how a call is made again when it is lost.
//!
//! A [`Link`] lives on the driver's thread. The [driver](crate::client::driver) keeps it up; calls, uploads and watches ask it for
//! the [`Session`] of the hour. No borrow of anything here is held across an await.

use std::cell::RefCell;
use std::fmt;
use std::rc::Rc;
use std::sync::Arc;

use capnp::capability::{FromTypelessPipeline, Request, Response};
use capnp::traits::{Owned, Pipelined};
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, sleep, timeout_at};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::client::builder::Settings;
use crate::client::defaults::BACKOFF_MIN;
use crate::client::dial::Control;
use crate::client::driver::offer::{Offer, Offered};
use crate::client::error::{ClientError, Closed, Ending, Lost, too_large};
use crate::client::mutation::{Mutation, Planted};
use crate::client::random::Random;
use crate::client::send::send;
use crate::client::state::Hello;
use crate::share_capnp::share_rpc;
use crate::wire::vat::VatMeter;

/// What all tasks of one driver share.
pub(crate) struct Link {
    pub(crate) settings: Arc<Settings>,
    state: RefCell<LinkState>,
    /// The state is another. It wakes those who wait in the order in which they came, so that a seed repeats a history.
    changed: Notify,
    /// The first call dials.
    wanted: Notify,
    pub(crate) random: RefCell<Random>,
    /// What answers pushes, to be offered on each connection.
    pub(crate) offer: watch::Sender<Offer>,
    /// What became of it on the connection of the hour.
    pub(crate) offered: watch::Sender<Offered>,
    /// Tasks that outlive the call that began them: one for each share, which may linger, and one for each watch.
    pub(crate) tasks: TaskTracker,
}

#[derive(Clone)]
enum LinkState {
    Down(Lost),
    Up(Rc<Session>),
    Closed(Closed),
}

/// One connection that answered `hello`.
pub(crate) struct Session {
    pub(crate) rpc: share_rpc::Client,
    pub(crate) hello: Arc<Hello>,
    pub(crate) control: Option<Rc<dyn Control>>,
    /// How large what it sent was, and whether it has ended.
    pub(crate) meter: VatMeter,
    /// Only tests set it.
    pub(crate) planted: Planted,
    /// The driver has taken note that it ended.
    pub(crate) gone: CancellationToken,
}

/// What becomes of a call whose connection was lost while it was on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Policy {
    /// It fails as disconnected: it must not happen twice.
    Once,
    /// It is made again: twice is as good as once.
    Again,
}

impl Link {
    pub(crate) fn new(settings: Arc<Settings>) -> Rc<Self> {
        let random = RefCell::new(Random::new(settings.seed));
        let down = LinkState::Down(Lost::Connection("nothing has been dialled yet".into()));
        Rc::new(Self {
            settings,
            state: RefCell::new(down),
            changed: Notify::new(),
            wanted: Notify::new(),
            random,
            offer: watch::Sender::default(),
            offered: watch::Sender::default(),
            tasks: TaskTracker::new(),
        })
    }

    /// Makes a call, on this connection or, if its policy allows, on the next, within the call timeout.
    pub(crate) async fn call<T, F>(&self, policy: Policy, call: impl Fn(Rc<Session>) -> F) -> Result<T, ClientError>
    where
        F: Future<Output = Result<T, ClientError>>,
    {
        let after = self.settings.call_timeout;
        let deadline = Instant::now() + after;
        loop {
            let session = match timeout_at(deadline, self.session()).await {
                Ok(session) => session.map_err(ClientError::Closed)?,
                Err(_late) => return Err(ClientError::Unreachable { after, cause: self.last_loss() }),
            };
            match timeout_at(deadline, call(session.clone())).await {
                Ok(Err(ClientError::Disconnected { .. })) if policy == Policy::Again => session.is_over().await,
                Ok(settled) => return settled,
                Err(_late) => return Err(ClientError::Timeout { after }),
            }
        }
    }

    /// The connection that is up, once there is one. The first to ask makes the driver dial.
    pub(crate) async fn session(&self) -> Result<Rc<Session>, Closed> {
        self.wanted.notify_one();
        self.until(|state| match state {
            LinkState::Up(session) => Some(Ok(session.clone())),
            LinkState::Closed(closed) => Some(Err(closed.clone())),
            LinkState::Down(_) => None,
        })
        .await
    }

    /// Waits until the state gives something.
    async fn until<T>(&self, gives: impl Fn(&LinkState) -> Option<T>) -> T {
        loop {
            let mut changed = std::pin::pin!(self.changed.notified());
            // From here on no change is missed.
            changed.as_mut().enable();
            if let Some(given) = gives(&self.state.borrow()) {
                return given;
            }
            changed.await;
        }
    }

    /// Resolves when the first call has asked for a connection.
    pub(crate) async fn is_wanted(&self) {
        self.wanted.notified().await;
    }

    /// Resolves when the client has ended for good.
    pub(crate) async fn closed(&self) -> Closed {
        self.until(|state| if let LinkState::Closed(closed) = state { Some(closed.clone()) } else { None }).await
    }

    pub(crate) fn set_up(&self, session: Rc<Session>) {
        self.set(LinkState::Up(session));
    }

    pub(crate) fn set_down(&self, cause: Lost) {
        self.set(LinkState::Down(cause));
    }

    /// The first reason stays.
    pub(crate) fn set_closed(&self, closed: Closed) {
        let was_closed = matches!(*self.state.borrow(), LinkState::Closed(_));
        if !was_closed {
            self.set(LinkState::Closed(closed));
        }
    }

    fn set(&self, state: LinkState) {
        let before = self.state.replace(state);
        self.changed.notify_waiters();
        if let LinkState::Up(session) = before {
            session.gone.cancel();
        }
    }

    fn last_loss(&self) -> Lost {
        match &*self.state.borrow() {
            LinkState::Down(cause) => cause.clone(),
            LinkState::Up(_) | LinkState::Closed(_) => Lost::Connection("no connection".into()),
        }
    }
}

impl Session {
    /// Makes a call, and waits for its answer.
    ///
    /// # Errors
    /// What the host or the connection said. [`Refusal::LimitExceeded`](crate::share::error::Refusal::LimitExceeded)
    /// (`messageBytesMax`) if this very message was too large, here or for the host: it was then not carried out. Where the
    /// connection ended because of another message, or otherwise, it may have been: [`ClientError::Disconnected`].
    pub(crate) async fn ask<P, R>(&self, request: Request<P, R>) -> Result<Response<R>, ClientError>
    where
        R: Pipelined + Owned + Unpin + 'static,
        R::Pipeline: FromTypelessPipeline,
    {
        let (sent, bytes) = self.meter.measure(|| send(request));
        sent?.promise.await.map_err(|error| self.explain(error.into(), bytes))
    }

    /// What an error of a call means, of which the message had so many bytes, knowing how the connection ended.
    fn explain(&self, error: ClientError, bytes: u64) -> ClientError {
        let of_connection = matches!(error, ClientError::Disconnected { .. } | ClientError::Failed(_));
        match self.control.as_ref().and_then(|control| control.end_reason()) {
            Some(end) if of_connection => {
                let bytes = if self.planted.is(Mutation::BlameEveryCall) { u64::MAX } else { bytes };
                match too_large(&end, bytes, self.meter.largest_message()) {
                    Some(refusal) => refusal.into(),
                    None => Ending::from(end).into_error(),
                }
            }
            // Without a word of the transport: the connection failed, and no call of it.
            None if self.meter.is_over()
                && let ClientError::Failed(text) = error =>
            {
                ClientError::Disconnected { cause: Lost::Connection(text) }
            }
            Some(_) | None => error,
        }
    }

    /// Waits for the driver to note the loss. A host may also say "disconnected" for reasons of its own, on a connection
    /// that lives: then a moment is enough.
    pub(crate) async fn is_over(&self) {
        tokio::select! {
            biased;
            () = self.gone.cancelled() => {}
            () = sleep(BACKOFF_MIN) => {}
        }
    }
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Link").finish_non_exhaustive()
    }
}
