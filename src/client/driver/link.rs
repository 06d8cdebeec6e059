//! The driver's side of every call: which connection is up, and how a call is made again when its connection is lost.
//!
//! A [`Link`] lives on the driver's thread. The [driver](crate::client::driver) keeps it up; calls, uploads and watches ask it for
//! the current [`Session`]. No borrow of anything here is held across an await.

use std::cell::RefCell;
use std::fmt;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, sleep, timeout_at};
use tokio_util::task::TaskTracker;

use crate::client::driver::offer::Offers;
use crate::client::error::{ClientError, Closed, Lost};
use crate::client::hosts::Hosts;
use crate::client::random::Random;
use crate::client::session::Session;
use crate::client::settings::Settings;

/// State that all tasks of one driver share.
pub(crate) struct Link {
    pub(crate) settings: Arc<Settings>,
    state: RefCell<LinkState>,
    /// Wakes those who wait for a new state, in the order in which they came, so that a seed repeats a history.
    changed: Notify,
    /// Notified by the first call, which makes the driver dial.
    wanted: Notify,
    pub(crate) random: RefCell<Random>,
    /// The hosts that the client knows, and the one that it is at.
    pub(crate) hosts: RefCell<Hosts>,
    /// The handler of pushes, and whether the host has taken it on the current connection.
    pub(crate) offers: Offers,
    /// Tasks that outlive the call that began them: one for each share, which may linger, and one for each watch.
    pub(crate) tasks: TaskTracker,
}

#[derive(Clone)]
enum LinkState {
    Down(Lost),
    Up(Rc<Session>),
    Closed(Closed),
}

/// Whether a call is made again if its connection is lost while it is on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Policy {
    /// The call must not happen twice: it fails as [`ClientError::Disconnected`].
    Once,
    /// The call is made again on the next connection: carried out twice, it does what it does once.
    Again,
}

impl Link {
    pub(crate) fn new(settings: Arc<Settings>) -> Rc<Self> {
        let mut random = Random::new(settings.seed);
        let hosts = Hosts::new(&settings.ways, settings.naming.clone(), settings.has_credential, &mut random);
        let down = LinkState::Down(Lost::Connection("the client has not dialled yet".into()));
        Rc::new(Self {
            settings,
            state: RefCell::new(down),
            changed: Notify::new(),
            wanted: Notify::new(),
            random: RefCell::new(random),
            hosts: RefCell::new(hosts),
            offers: Offers::default(),
            tasks: TaskTracker::new(),
        })
    }

    /// Makes a call within the call timeout: on the connection that is up and, if its policy allows, again on the next.
    pub(crate) async fn call<T, F>(&self, policy: Policy, call: impl Fn(Rc<Session>) -> F) -> Result<T, ClientError>
    where
        F: Future<Output = Result<T, ClientError>>,
    {
        self.call_within(policy, self.settings.call_timeout, call).await
    }

    /// Makes a call as [`Link::call`] does, within a time of its own. A connection is waited for no longer than by other calls.
    pub(crate) async fn call_within<T, F>(
        &self,
        policy: Policy,
        after: Duration,
        call: impl Fn(Rc<Session>) -> F,
    ) -> Result<T, ClientError>
    where
        F: Future<Output = Result<T, ClientError>>,
    {
        let deadline = Instant::now() + after;
        let reach_within = after.min(self.settings.call_timeout);
        loop {
            let reached_by = deadline.min(Instant::now() + reach_within);
            let session = match timeout_at(reached_by, self.session()).await {
                Ok(session) => session.map_err(ClientError::Closed)?,
                Err(_late) => return Err(ClientError::Unreachable { after: reach_within, cause: self.last_loss() }),
            };
            match timeout_at(deadline, call(session.clone())).await {
                Ok(Err(ClientError::Disconnected { .. })) if policy == Policy::Again => session.is_over().await,
                Ok(settled) => return settled,
                Err(_late) => return Err(ClientError::Timeout { after }),
            }
        }
    }

    /// Waits for a connection that is up. The first caller makes the driver dial.
    pub(crate) async fn session(&self) -> Result<Rc<Session>, Closed> {
        self.wanted.notify_one();
        self.until(|state| match state {
            LinkState::Up(session) => Some(Ok(session.clone())),
            LinkState::Closed(closed) => Some(Err(closed.clone())),
            LinkState::Down(_) => None,
        })
        .await
    }

    /// Waits for this time, or until the client goes on over another connection than it has now: what a host that is going refused may be
    /// asked of the next at once.
    pub(crate) async fn pause(&self, delay: Duration) {
        let now = if let LinkState::Up(session) = &*self.state.borrow() { Some(session.clone()) } else { None };
        let is_now = |session: &Rc<Session>| now.as_ref().is_some_and(|now| Rc::ptr_eq(now, session));
        let another = self.until(|state| match state {
            LinkState::Up(session) if !is_now(session) => Some(()),
            LinkState::Up(_) | LinkState::Down(_) | LinkState::Closed(_) => None,
        });
        tokio::select! {
            biased;
            () = another => {}
            () = sleep(delay) => {}
        }
    }

    /// Waits until `gives` gives something for the state.
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

    /// Sets the state to closed, unless it is closed already: the first reason stays.
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
            LinkState::Up(_) | LinkState::Closed(_) => Lost::Connection("there is no connection".into()),
        }
    }
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Link").finish_non_exhaustive()
    }
}
