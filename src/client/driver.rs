//! The driver: the one task that holds the connection. It stays on one thread, because Cap'n Proto RPC is not `Send`.
//!
//! It dials when the first call comes, says `hello`, and only then reports the connection as up. When the connection is lost it
//! dials again, after longer and longer delays, until the host itself refuses the client for good. It runs the handles' commands,
//! each as a task of its own, so that none can stop it: a panic in one ends that one.
//!
//! When the last handle is gone (or [`Client::close`](crate::client::Client::close) was called) it lets shares send what they
//! have queued (not after `close`), closes the connection with a Close frame, and ends; nothing it began outlives it.

pub(crate) mod greeting;
pub(crate) mod handle;
pub(crate) mod link;
pub(crate) mod offer;
pub(crate) mod upload;
pub(crate) mod watcher;

use std::rc::Rc;
use std::time::Duration;

use futures::future::LocalBoxFuture;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::client::defaults::{LINGER, NESTING_MAX, STABLE_AFTER};
use crate::client::dial::{Connection, Control, DialError, DialRequest};
use crate::client::driver::greeting::greet;
use crate::client::driver::link::Link;
use crate::client::driver::offer::keep_offering;
use crate::client::ending::Ending;
use crate::client::error::{ClientError, Closed, Lost};
use crate::client::session::Session;
use crate::client::state::ConnectionState;
use crate::share::limits::{CALLS_KEPT_MAX, MESSAGE_BYTES_MAX};
use crate::wire::vat::{Vat, VatLimits, connect};

/// A piece of work that a handle gives to the driver.
pub(crate) type Command = Box<dyn FnOnce(Rc<Link>) -> LocalBoxFuture<'static, ()> + Send>;

/// The driver of one client, to be [run](Self::run).
pub(crate) struct Driver {
    pub(crate) link: Rc<Link>,
    pub(crate) commands: mpsc::Receiver<Command>,
    pub(crate) state: watch::Sender<ConnectionState>,
    /// Cancelled when `Client::close` is called.
    pub(crate) close: CancellationToken,
}

impl Driver {
    /// Runs until every handle was dropped or the client is closed. It must be polled within a `LocalSet`.
    pub(crate) async fn run(self) {
        let Self { link, mut commands, state, close } = self;
        let stop = CancellationToken::new();
        let keeper = Keeper { link: &link, state: &state, stop: &stop };
        let mut keeping = std::pin::pin!(keeper.keep());
        let mut kept = false;
        let mut tasks = JoinSet::new();
        loop {
            tokio::select! {
                // The connection first: commands are of no use without it.
                biased;
                () = &mut keeping, if !kept => kept = true,
                () = close.cancelled() => break,
                Some(done) = tasks.join_next() => note_panic(done),
                command = commands.recv() => match command {
                    Some(command) => { tasks.spawn_local(command(link.clone())); }
                    None => {
                        // Nobody can queue any more. Queued items still go out, for at most `LINGER`.
                        link.tasks.close();
                        tokio::select! {
                            biased;
                            () = link.tasks.wait() => {}
                            () = sleep(LINGER) => {}
                            () = &mut keeping, if !kept => kept = true,
                        }
                        break;
                    }
                },
            }
        }
        stop.cancel();
        link.set_closed(Closed::Here);
        if !kept {
            keeping.await;
        }
        tasks.shutdown().await;
        link.tasks.close();
        link.tasks.wait().await;
        state.send_if_modified(|state| {
            let is_open = !matches!(state, ConnectionState::Closed(_));
            if is_open {
                *state = ConnectionState::Closed(Closed::Here);
            }
            is_open
        });
    }
}

fn note_panic(done: Result<(), tokio::task::JoinError>) {
    if let Err(error) = done
        && error.is_panic()
    {
        tracing::error!("a call of the client panicked; the client goes on");
    }
}

/// Keeps the link connected.
struct Keeper<'a> {
    link: &'a Rc<Link>,
    state: &'a watch::Sender<ConnectionState>,
    stop: &'a CancellationToken,
}

/// A connection on which the host answered `hello`, and the future that serves it.
struct Established {
    session: Rc<Session>,
    vat: Vat,
}

/// A failed attempt at a connection: what follows, and the shortest delay that the host asked for.
struct Failure {
    ending: Ending,
    after: Option<Duration>,
}

impl Keeper<'_> {
    /// Dials, serves and dials again, until the client is stopped or refused for good.
    async fn keep(&self) {
        tokio::select! {
            biased;
            () = self.stop.cancelled() => return,
            () = self.link.is_wanted() => {}
        }
        let settings = &self.link.settings;
        let fresh_delays = || settings.backoff.delays(&mut self.link.random.borrow_mut());
        let (mut attempt, mut delays) = (0, fresh_delays());
        loop {
            attempt += 1;
            self.state.send_replace(ConnectionState::Connecting { attempt });
            let dialled = tokio::select! {
                biased;
                () = self.stop.cancelled() => return,
                dialled = timeout(settings.connect_timeout, self.establish()) => dialled,
            };
            let failure = match dialled {
                Ok(Ok(established)) => {
                    let since = Instant::now();
                    attempt = 0;
                    let ending = self.serve(established).await;
                    if since.elapsed() >= STABLE_AFTER {
                        delays = fresh_delays();
                    }
                    Failure { ending, after: None }
                }
                Ok(Err(failure)) => failure,
                Err(_late) => {
                    let text = format!("the host did not answer within {:?}", settings.connect_timeout);
                    Failure { ending: Ending::Again(Lost::Connection(text)), after: None }
                }
            };
            let cause = match failure.ending {
                Ending::Again(cause) => cause,
                Ending::Final(closed) => {
                    tracing::info!(reason = %closed, "the client has ended");
                    self.link.set_closed(closed.clone());
                    self.state.send_replace(ConnectionState::Closed(closed));
                    return;
                }
            };
            let delay = delays.next().max(failure.after.unwrap_or_default());
            tracing::debug!(%cause, ?delay, "no connection");
            self.link.set_down(cause.clone());
            self.state.send_replace(ConnectionState::Waiting { delay, cause });
            tokio::select! {
                biased;
                () = self.stop.cancelled() => return,
                () = sleep(delay) => {}
            }
        }
    }

    /// Makes one attempt at a connection, up to the answer to `hello`.
    async fn establish(&self) -> Result<Established, Failure> {
        let settings = &self.link.settings;
        let request = DialRequest {
            token: settings.token.clone().filter(|_| !settings.in_band),
            in_band: settings.in_band,
            message_bytes_max: MESSAGE_BYTES_MAX,
        };
        let Connection { reader, writer, control } = settings.dialer.dial(&request).await?;
        let control: Option<Rc<dyn Control>> = control.map(Rc::from);
        let limits = VatLimits {
            message_bytes_max: MESSAGE_BYTES_MAX,
            nesting_max: NESTING_MAX,
            queued_bytes_max: None,
            calls_kept_max: CALLS_KEPT_MAX,
        };
        let (mut vat, root) = connect(reader, writer, limits);
        let greeted = tokio::select! {
            biased;
            greeted = greet(root, settings) => Some(greeted),
            _ended = &mut vat => None,
        };
        let ended = || control.as_ref().and_then(|control| control.end_reason());
        let failure = match (greeted, ended()) {
            (Some(Ok((rpc, hello))), _) => {
                let session = Rc::new(Session {
                    rpc,
                    hello: hello.into(),
                    control,
                    meter: vat.meter(),
                    planted: settings.planted,
                    gone: CancellationToken::new(),
                });
                return Ok(Established { session, vat });
            }
            // How the connection ended says more than how its calls failed.
            (_, Some(end)) => Failure { ending: end.into(), after: None },
            (Some(Err(error)), None) => error.into(),
            (None, None) => {
                let text = "the connection ended before the host had answered hello";
                Failure { ending: Ending::Again(Lost::Connection(text.into())), after: None }
            }
        };
        drop(vat);
        say_goodbye(control);
        Err(failure)
    }

    /// Reports the connection as up, and serves it until it ends.
    async fn serve(&self, established: Established) -> Ending {
        let Established { session, mut vat } = established;
        let control = session.control.clone();
        self.state.send_replace(ConnectionState::Connected(session.hello.clone()));
        self.link.set_up(session.clone());
        let keepalive = async {
            match &control {
                Some(control) => control.keepalive().await,
                None => std::future::pending().await,
            }
        };
        let ending = tokio::select! {
            biased;
            () = self.stop.cancelled() => None,
            end = keepalive => Some(Ending::from(end)),
            never = keep_offering(&self.link.offers, &session) => match never {},
            result = &mut vat => Some(match control.as_ref().and_then(|control| control.end_reason()) {
                Some(end) => Ending::from(end),
                None => Ending::Again(Lost::Connection(match result {
                    Ok(()) => "the connection was cut".into(),
                    Err(error) => error.to_string(),
                })),
            }),
        };
        drop(session);
        let Some(ending) = ending else {
            // Everything that the connection held is released before the goodbye.
            self.link.set_closed(Closed::Here);
            drop(vat);
            if let Some(control) = control {
                control.close(1000, "").await;
            }
            return Ending::Final(Closed::Here);
        };
        if let Ending::Again(cause) = &ending {
            self.link.set_down(cause.clone());
        }
        drop(vat);
        say_goodbye(control);
        ending
    }
}

/// Closes a connection in the background.
fn say_goodbye(control: Option<Rc<dyn Control>>) {
    if let Some(control) = control {
        tokio::task::spawn_local(async move { control.close(1000, "").await });
    }
}

impl From<DialError> for Failure {
    fn from(error: DialError) -> Self {
        match error {
            DialError::Final(refusal) => Self { ending: Ending::Final(refusal.into()), after: None },
            DialError::Later { cause, after } => {
                let after = after.map(|after| after.min(crate::client::defaults::RETRY_AFTER_MAX));
                Self { ending: Ending::Again(cause), after }
            }
        }
    }
}

impl From<ClientError> for Failure {
    fn from(error: ClientError) -> Self {
        match error {
            ClientError::Refused(refusal) => DialError::from(refusal).into(),
            ClientError::Closed(closed) => Self { ending: Ending::Final(closed), after: None },
            other @ (ClientError::Overloaded(_)
            | ClientError::Unreachable { .. }
            | ClientError::Disconnected { .. }
            | ClientError::Timeout { .. }
            | ClientError::QueueFull { .. }
            | ClientError::Failed(_)) => {
                Self { ending: Ending::Again(Lost::Connection(other.to_string())), after: None }
            }
        }
    }
}
