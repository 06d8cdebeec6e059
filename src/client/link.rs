//! The driver's side of every call: which connection is up, and how a call is made again when it is lost.
//!
//! A [`Link`] lives on the driver's thread. The [driver](super::driver) keeps it up; calls, uploads and watches ask it for
//! the [`Session`] of the hour. No borrow of anything here is held across an await.

use std::cell::RefCell;
use std::fmt;
use std::rc::Rc;
use std::sync::Arc;

use tokio::sync::{Notify, watch};
use tokio::time::{Instant, sleep, timeout_at};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::client::builder::Settings;
use crate::client::defaults::BACKOFF_MIN;
use crate::client::dial::Control;
use crate::client::error::{ClientError, Closed, Ending, Lost};
use crate::client::push::{Offer, Offered};
use crate::client::random::Random;
use crate::client::state::Hello;
use crate::share::error::Refusal;
use crate::share_capnp::share_rpc;

/// What all tasks of one driver share.
pub(crate) struct Link {
    pub(crate) settings: Arc<Settings>,
    state: watch::Sender<LinkState>,
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
    /// The same, unless the connection ended because a message was too large and this one, of so many bytes, would be.
    AgainIfFits { bytes: usize },
}

impl Link {
    pub(crate) fn new(settings: Arc<Settings>) -> Rc<Self> {
        let random = RefCell::new(Random::new(settings.seed));
        let down = LinkState::Down(Lost::Connection("nothing has been dialled yet".into()));
        Rc::new(Self {
            settings,
            state: watch::Sender::new(down),
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
            let result = match timeout_at(deadline, call(session.clone())).await {
                Ok(result) => result.map_err(|error| session.explain(error)),
                Err(_late) => return Err(ClientError::Timeout { after }),
            };
            let cause = match result {
                Err(ClientError::Disconnected { cause }) => cause,
                settled => return settled,
            };
            match (policy, cause) {
                (Policy::Once, cause) => return Err(ClientError::Disconnected { cause }),
                (Policy::AgainIfFits { bytes }, Lost::Refused(refusal)) if !fits(bytes, &refusal) => {
                    return Err(ClientError::Refused(refusal));
                }
                (Policy::Again | Policy::AgainIfFits { .. }, _) => session.is_over().await,
            }
        }
    }

    /// The connection that is up, once there is one. The first to ask makes the driver dial.
    pub(crate) async fn session(&self) -> Result<Rc<Session>, Closed> {
        self.wanted.notify_one();
        let mut state = self.state.subscribe();
        loop {
            match &*state.borrow_and_update() {
                LinkState::Up(session) => return Ok(session.clone()),
                LinkState::Closed(closed) => return Err(closed.clone()),
                LinkState::Down(_) => {}
            }
            if state.changed().await.is_err() {
                return Err(Closed::Here);
            }
        }
    }

    /// Resolves when the first call has asked for a connection.
    pub(crate) async fn is_wanted(&self) {
        self.wanted.notified().await;
    }

    /// Resolves when the client has ended for good.
    pub(crate) async fn closed(&self) -> Closed {
        let mut state = self.state.subscribe();
        loop {
            if let LinkState::Closed(closed) = &*state.borrow_and_update() {
                return closed.clone();
            }
            if state.changed().await.is_err() {
                return Closed::Here;
            }
        }
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
        let before = self.state.send_replace(state);
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
    /// What an error of a call means, knowing how the connection ended.
    fn explain(&self, error: ClientError) -> ClientError {
        let of_connection = matches!(error, ClientError::Disconnected { .. } | ClientError::Failed(_));
        match self.control.as_ref().and_then(|control| control.end_reason()) {
            Some(end) if of_connection => Ending::from(end).into_error(),
            Some(_) | None => error,
        }
    }

    /// Waits for the driver to note the loss. A host may also say "disconnected" for reasons of its own, on a connection
    /// that lives: then a moment is enough.
    pub(crate) async fn is_over(&self) {
        tokio::select! {
            () = self.gone.cancelled() => {}
            () = sleep(BACKOFF_MIN) => {}
        }
    }
}

fn fits(bytes: usize, refusal: &Refusal) -> bool {
    if let Refusal::LimitExceeded { max, .. } = refusal { bytes as u64 <= *max } else { true }
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Link").finish_non_exhaustive()
    }
}
