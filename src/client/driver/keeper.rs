//! Keeps the client connected: it dials the hosts one after the other, serves the connection that is up, and when the host asks for it
//! goes on at another one.
//!
//! *Make before break*: a client that is asked to move dials first. When the new connection is up, every call and every watch goes over
//! it from then on; the old one is kept in the background until what is in flight there is answered, and then closed. If it ends
//! before that, this is the loss of any connection.

use std::rc::Rc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until};
use tokio_util::sync::CancellationToken;

use crate::client::defaults::{LEAVE_WITHIN, MOVE_AFTER, NEW_ROUND_AFTER, STABLE_AFTER};
use crate::client::driver::attempt::{Established, Failure, attempt, say_goodbye};
use crate::client::driver::link::Link;
use crate::client::driver::moving::{Moving, Requests};
use crate::client::driver::offer::keep_offering;
use crate::client::ended::Ended;
use crate::client::ending::Ending;
use crate::client::error::{Closed, Lost};
use crate::client::hosts::Next;
use crate::client::random::Delays;
use crate::client::session::Session;
use crate::client::state::ConnectionState;
use crate::contract::moving::urls_in;
use crate::wire::vat::Vat;

/// Keeps the link connected.
pub(super) struct Keeper<'a> {
    pub(super) link: &'a Rc<Link>,
    pub(super) state: &'a watch::Sender<ConnectionState>,
    pub(super) stop: &'a CancellationToken,
}

/// How serving a connection ended.
enum Served {
    /// It is over. With the URLs that the host named as it closed it.
    Over(Ending, Vec<String>),
    /// The client goes on over another one.
    Moved { from: Box<Left>, to: Box<Established> },
}

/// A connection that the client has left for another one.
struct Left {
    session: Rc<Session>,
    vat: Vat,
    within: Duration,
}

impl Keeper<'_> {
    /// Dials, serves and dials again, until the client is stopped or refused for good.
    pub(super) async fn keep(&self) {
        tokio::select! {
            biased;
            () = self.stop.cancelled() => return,
            () = self.link.is_wanted() => {}
        }
        // Bound: the connections that were left within `LEAVE_WITHIN`, of which one is left each `MOVE_AFTER`.
        let mut leaving = JoinSet::new();
        self.keep_connected(&mut leaving).await;
        while leaving.join_next().await.is_some() {}
    }

    async fn keep_connected(&self, leaving: &mut JoinSet<()>) {
        let (mut dialled, mut delays) = (0, self.fresh_delays());
        loop {
            dialled += 1;
            self.state.send_replace(ConnectionState::Connecting { attempt: dialled });
            let (host, way) = self.link.hosts.borrow().current();
            let attempted = tokio::select! {
                biased;
                () = self.stop.cancelled() => return,
                attempted = attempt(host, &way, &self.link.settings) => attempted,
            };
            let (failure, was_connected) = match attempted {
                Ok(established) => {
                    dialled = 0;
                    let (ending, lasted) = self.serve_all(established, leaving).await;
                    if lasted >= STABLE_AFTER {
                        delays = self.fresh_delays();
                    }
                    if lasted >= NEW_ROUND_AFTER {
                        self.link.hosts.borrow_mut().begin_round();
                    }
                    (Failure { ending, after: None }, true)
                }
                Err(failure) => (failure, false),
            };
            // Not the host that was dialled, if the client was asked to move from there.
            let at = self.link.hosts.borrow().current().1.url.map(|url| url.origin());
            let (cause, forgotten) = match failure.ending {
                Ending::Again(cause) => (cause, false),
                // What a host that was named says of a client that is new to it ends only what it was named for.
                Ending::Final(closed) if !was_connected && self.link.hosts.borrow_mut().forget() => {
                    (Lost::Connection(closed.to_string()), true)
                }
                Ending::Final(closed) => return self.close(closed),
            };
            let next = match forgotten {
                true => Next::After(Duration::ZERO),
                false => self.link.hosts.borrow_mut().failed(failure.after, Instant::now()),
            };
            self.link.set_down(cause.clone());
            let delay = match next {
                Next::AtOnce => {
                    tracing::debug!(at, %cause, "no connection; going on at the next host");
                    continue;
                }
                Next::After(least) => delays.next().max(least),
            };
            tracing::debug!(at, %cause, ?delay, "no connection");
            self.state.send_replace(ConnectionState::Waiting { delay, cause });
            tokio::select! {
                biased;
                () = self.stop.cancelled() => return,
                () = sleep(delay) => {}
            }
        }
    }

    fn fresh_delays(&self) -> Delays {
        self.link.settings.backoff.delays(&mut self.link.random.borrow_mut())
    }

    fn close(&self, closed: Closed) {
        tracing::info!(reason = %closed, "the client has ended");
        self.link.set_closed(closed.clone());
        self.state.send_replace(ConnectionState::Closed(closed));
    }

    /// Serves a connection, and those to which the client is asked to go from there. Gives how the last one ended, and how long it
    /// lasted.
    async fn serve_all(&self, first: Established, leaving: &mut JoinSet<()>) -> (Ending, Duration) {
        let mut established = first;
        loop {
            let since = Instant::now();
            match self.serve(established).await {
                Served::Over(ending, urls) => {
                    self.link.hosts.borrow_mut().prefer(&urls, &mut self.link.random.borrow_mut());
                    return (ending, since.elapsed());
                }
                Served::Moved { from, to } => {
                    self.link.hosts.borrow_mut().go_to(to.session.host, from.within, Instant::now());
                    while leaving.try_join_next().is_some() {}
                    leaving.spawn_local(leave(*from, self.stop.clone()));
                    established = *to;
                }
            }
        }
    }

    /// Reports the connection as up, and serves it until it ends, or until there is another one to go on at.
    async fn serve(&self, established: Established) -> Served {
        let Established { session, mut vat, mut requests } = established;
        let (control, since) = (session.control.clone(), Instant::now());
        {
            let mut hosts = self.link.hosts.borrow_mut();
            hosts.connected();
            hosts.named(&session.hello.others, &mut self.link.random.borrow_mut());
        }
        self.state.send_replace(ConnectionState::Connected(session.hello.clone()));
        self.link.set_up(session.clone());
        let keepalive = async {
            match &control {
                Some(control) => control.keepalive().await,
                None => std::future::pending().await,
            }
        };
        let end = tokio::select! {
            biased;
            () = self.stop.cancelled() => None,
            end = keepalive => Some(Ok(end)),
            never = keep_offering(&self.link.offers, &session) => match never {},
            result = &mut vat => Some(control.as_ref().and_then(|control| control.end_reason()).ok_or(result)),
            (to, within) = self.move_on(&mut requests, since) => {
                return Served::Moved { from: Box::new(Left { session, vat, within }), to: Box::new(to) };
            }
        };
        drop(session);
        let Some(end) = end else {
            // Everything that the connection held is released before the goodbye.
            self.link.set_closed(Closed::Here);
            drop(vat);
            if let Some(control) = control {
                control.close(1000, "").await;
            }
            return Served::Over(Ending::Final(Closed::Here), Vec::new());
        };
        let urls = match &end {
            Ok(Ended::ClosedByHost { code: 1012, reason }) => urls_in(reason),
            Ok(_) | Err(_) => Vec::new(),
        };
        let ending = end.map_or_else(
            |result| {
                let text =
                    result.map_or_else(|error: capnp::Error| error.to_string(), |()| "the connection was cut".into());
                Ending::Again(Lost::Connection(text))
            },
            Ending::from,
        );
        if let Ending::Again(cause) = &ending {
            self.link.set_down(cause.clone());
        }
        drop(vat);
        say_goodbye(control);
        Served::Over(ending, urls)
    }

    /// Waits until the host asks the client to move, and gives the connection to go on at, with the time in which the host will close
    /// the old one, which began at `since`. As long as no host takes the client it stays and tries again, after growing delays.
    async fn move_on(&self, requests: &mut Requests, since: Instant) -> (Established, Duration) {
        let Moving { urls, within } = match requests.wait_for(Option::is_some).await.map(|request| request.clone()) {
            Ok(Some(request)) => request,
            // The host has dropped what it could have asked by.
            Ok(None) | Err(_) => std::future::pending().await,
        };
        tracing::debug!(?urls, ?within, "the host asks the client to move");
        let asked = Instant::now();
        sleep_until(since + MOVE_AFTER).await;
        let mut delays = self.fresh_delays();
        loop {
            let hosts = self.link.hosts.borrow_mut().moving_to(&urls, &mut self.link.random.borrow_mut());
            for host in hosts {
                let Some(way) = self.link.hosts.borrow().way(host) else { continue };
                match attempt(host, &way, &self.link.settings).await {
                    Ok(established) => return (established, within.saturating_sub(asked.elapsed())),
                    Err(Failure { ending: Ending::Again(cause), .. }) => {
                        tracing::debug!(%cause, "this host does not take the client")
                    }
                    Err(Failure { ending: Ending::Final(closed), .. }) => {
                        tracing::debug!(%closed, "this host does not take the client");
                    }
                }
            }
            sleep(delays.next()).await;
        }
    }
}

/// Has what is in flight on a connection that the client has left answered, and closes it.
async fn leave(left: Left, stop: CancellationToken) {
    let Left { session, mut vat, within } = left;
    let control = session.control.clone();
    let keepalive = async {
        match &control {
            Some(control) => drop(control.keepalive().await),
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        biased;
        () = stop.cancelled() => {}
        () = keepalive => {}
        _ended = &mut vat => {}
        () = session.calls.none() => {}
        () = sleep(within.min(LEAVE_WITHIN)) => {}
    }
    drop(session);
    drop(vat);
    if let Some(control) = control {
        control.close(1000, "").await;
    }
}
