//! The linked client: what another service holds to publish sessions and to follow shares.
//!
//! ```no_run
//! # async fn scene() -> Result<(), Box<dyn std::error::Error>> {
//! use capshare::{Client, client::Items};
//!
//! let client = Client::builder("wss://share.example.org").token("the token").build()?;
//! let share = client.create(&"ses_1".parse()?, None).await?;
//! let mut items = Items::new();
//! items.put("session", r#"{"id": "ses_1", "title": "A session"}"#)?;
//! share.queue(items).await?; // sent within a second, newest value per key, exactly once
//! println!("{}", share.url());
//! share.close().await?; // everything queued is in the bucket
//! # Ok(())
//! # }
//! ```
//!
//! A [`Client`] is a handle: `Clone + Send + Sync`, for any runtime. Its connection lives with the driver, on a thread of its own
//! ([`Builder::build`]) or on the caller's `LocalSet` ([`Builder::build_local`]), because Cap'n Proto RPC is not `Send`.
//! The driver dials when the first call comes and keeps the connection up: it dials again after a loss, with capped and
//! jittered delays, and [`Client::state`] says `Connected` only after the answer to `hello`. Calls wait for a connection,
//! and those that may be carried out twice without harm are made again when it is lost; the others fail as
//! [`ClientError::Disconnected`]. [`Share`] queues are sent exactly once; a [`Watch`] goes on where it stood. A share is narrowed to
//! a [`Writer`] or a [`View`], saved as a token, and [restored](Client::restore) from one; those handles outlive connections too.
//!
//! Dropping the future of a call cancels the call on the host. Dropping a [`Watch`] ends it on the host. When the last
//! [`Client`], [`Share`], [`Writer`], [`View`], [`Watch`] and [`Listing`] is dropped, the driver sends what shares have queued if it can, closes
//! the connection with a Close frame, and ends, and its thread with it.
//!
//! A client that was built with a [`Redact`](redact::Redact) takes out of every value what that finds, before it is queued or sent.
//!
//! It refuses on this side what the host would refuse: items that are none, batches past the contract's limits.

mod access;
mod builder;
mod calls;
pub mod defaults;
mod dial;
mod driver;
mod error;
mod handles;
mod items;
mod mutation;
mod queue;
mod random;
pub mod redact;
mod replica;
mod send;
mod state;
mod verbs;
mod websocket;

use std::fmt;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use futures::future::LocalBoxFuture;
use tokio::sync::{Semaphore, mpsc, oneshot, watch as channel};
use tokio_util::sync::CancellationToken;

pub use self::builder::{BuildError, Builder, Token};
pub use self::calls::{CallError, Measured, Page, ProbeValue};
pub use self::dial::{Connection, Control, Dial, DialError, DialRequest};
use self::driver::Command;
use self::driver::link::Link;
pub use self::driver::offer::{Answer, Push, PushHandler};
pub use self::driver::upload::Progress;
pub use self::driver::watcher::Watch;
pub use self::error::{ClientError, Closed, Lost};
pub use self::handles::admin::Admin;
pub use self::handles::create::CreateOptions;
pub use self::handles::listing::Listing;
pub use self::handles::share::Share;
pub use self::handles::view::View;
pub use self::handles::writer::Writer;
pub use self::items::Items;
#[cfg(feature = "mutations")]
pub use self::mutation::Mutation;
use self::mutation::Planted;
pub use self::random::Backoff;
use self::redact::Redaction;
pub use self::replica::{Gap, Replica};
pub use self::state::{ConnectionState, Hello};
pub use self::verbs::grants::Restored;
use crate::share::change::Change;

/// A handle on a connection to a host. See the [module](self).
#[derive(Clone)]
pub struct Client {
    /// To the driver. Bound: [`defaults`]'s `COMMANDS_MAX`; past it, calls wait.
    commands: mpsc::Sender<Command>,
    /// Turns for calls. Past `CALLS_AT_ONCE_MAX`, calls wait.
    turns: Arc<Semaphore>,
    state: channel::Receiver<ConnectionState>,
    close: CancellationToken,
    limits: QueueSettings,
    redaction: Redaction,
    planted: Planted,
}

/// What handles need of the settings.
#[derive(Debug, Clone, Copy)]
struct QueueSettings {
    items_max: usize,
    bytes_max: usize,
    call_timeout: Duration,
}

const _: () = {
    const fn is_send_and_sync<T: Clone + Send + Sync>() {}
    is_send_and_sync::<Client>();
    is_send_and_sync::<Share>();
    is_send_and_sync::<Writer>();
    is_send_and_sync::<View>();
    const fn is_send<T: Send>() {}
    is_send::<Watch>();
    is_send::<Listing>();
};

impl Client {
    /// Builds a client of the host at this URL.
    pub fn builder(url: impl Into<String>) -> Builder {
        Builder::new(url)
    }

    fn new(
        commands: mpsc::Sender<Command>,
        state: channel::Receiver<ConnectionState>,
        close: CancellationToken,
        settings: &builder::Settings,
        redaction: Redaction,
    ) -> Self {
        let limits = QueueSettings {
            items_max: settings.queue_items_max,
            bytes_max: settings.queue_bytes_max,
            call_timeout: settings.call_timeout,
        };
        let turns = Arc::new(Semaphore::new(defaults::CALLS_AT_ONCE_MAX));
        Self { commands, turns, state, close, limits, redaction, planted: settings.planted }
    }

    /// What the connection is doing, to be read and to be watched.
    #[must_use]
    pub fn state(&self) -> channel::Receiver<ConnectionState> {
        self.state.clone()
    }

    /// Ends this client for all its handles, and waits until its connection is closed and everything it held released.
    /// What shares have queued and not [flushed](Share::flush) is given up.
    pub async fn close(&self) {
        self.close.cancel();
        let mut state = self.state.clone();
        // Let go of at once: what it gives is a lock on the state, which the driver needs to end. Without a sender the
        // driver is gone, and with it the connection.
        drop(state.wait_for(|state| matches!(state, ConnectionState::Closed(_))).await);
        self.commands.closed().await;
    }

    /// The changes that items are, without what must not leave.
    fn redacted(&self, items: Items) -> Result<Vec<Change>, ClientError> {
        Ok(redact::redacted(&self.redaction, items.into_changes())?)
    }

    fn call_timeout(&self) -> Duration {
        self.limits.call_timeout
    }

    /// Has the driver run a task, and waits for what it comes to. Dropping the future drops the task.
    async fn run<T, F>(&self, task: F) -> Result<T, ClientError>
    where
        T: Send + 'static,
        F: FnOnce(Rc<Link>) -> LocalBoxFuture<'static, Result<T, ClientError>> + Send + 'static,
    {
        let _turn = self.turns.acquire().await.map_err(|_closed| self.ended())?;
        let (mut reply, answer) = oneshot::channel();
        let command: Command = Box::new(move |link| {
            Box::pin(async move {
                tokio::select! {
                    biased;
                    () = reply.closed() => {}
                    // A caller who has gone need not be told.
                    result = task(link) => drop(reply.send(result)),
                }
            })
        });
        self.commands.send(command).await.map_err(|_gone| self.ended())?;
        answer.await.unwrap_or_else(|_gone| Err(self.ended()))
    }

    /// Why no answer came.
    fn ended(&self) -> ClientError {
        match &*self.state.borrow() {
            ConnectionState::Closed(closed) => ClientError::Closed(closed.clone()),
            _ if self.commands.is_closed() || self.close.is_cancelled() => ClientError::Closed(Closed::Here),
            ConnectionState::Idle
            | ConnectionState::Connecting { .. }
            | ConnectionState::Connected(_)
            | ConnectionState::Waiting { .. } => ClientError::Failed("the call panicked".into()),
        }
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("state", &*self.state.borrow()).finish_non_exhaustive()
    }
}
