//! The client itself: a handle on the driver, by which every call gets to it.

use std::fmt;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use futures::future::LocalBoxFuture;
use tokio::sync::{Semaphore, mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;

use crate::client::defaults;
use crate::client::driver::Command;
use crate::client::driver::link::Link;
use crate::client::error::{ClientError, Closed};
use crate::client::items::Items;
use crate::client::mutation::Planted;
use crate::client::queue::QueueBounds;
use crate::client::redact::{self, Redaction};
use crate::client::settings::Settings;
use crate::client::state::ConnectionState;
use crate::share::change::Change;

/// A client of one host, or of several with the same shares: a handle on its connection, to be cloned freely. See the [module](crate::client).
#[derive(Clone)]
pub struct Client {
    /// Commands to the driver. Bound: [`defaults`]'s `COMMANDS_MAX`; past it, calls wait.
    commands: mpsc::Sender<Command>,
    /// Places for calls that are on their way. Bound: `CALLS_AT_ONCE_MAX`; past it, calls wait.
    turns: Arc<Semaphore>,
    state: watch::Receiver<ConnectionState>,
    close: CancellationToken,
    pub(crate) queue_bounds: QueueBounds,
    call_timeout: Duration,
    redaction: Redaction,
    pub(crate) planted: Planted,
}

impl Client {
    pub(crate) fn new(
        commands: mpsc::Sender<Command>,
        state: watch::Receiver<ConnectionState>,
        close: CancellationToken,
        settings: &Settings,
        redaction: Redaction,
    ) -> Self {
        let turns = Arc::new(Semaphore::new(defaults::CALLS_AT_ONCE_MAX));
        Self {
            commands,
            turns,
            state,
            close,
            queue_bounds: settings.queue_bounds,
            call_timeout: settings.call_timeout,
            redaction,
            planted: settings.planted,
        }
    }

    /// The state of the connection, in a channel to be read and watched.
    #[must_use]
    pub fn state(&self) -> watch::Receiver<ConnectionState> {
        self.state.clone()
    }

    /// Ends this client for all its handles, and waits until its connection is closed and everything that it held is released.
    /// Queued items that were not [flushed](crate::client::Share::flush) are given up.
    pub async fn close(&self) {
        self.close.cancel();
        let mut state = self.state.clone();
        // The guard that this gives is dropped at once: it is a lock on the state, which the driver needs to end. An error says
        // that the driver is gone, and with it the connection.
        drop(state.wait_for(|state| matches!(state, ConnectionState::Closed(_))).await);
        self.commands.closed().await;
    }

    /// The changes of items, with their secrets masked.
    pub(crate) fn redacted(&self, items: Items) -> Result<Vec<Change>, ClientError> {
        Ok(redact::redacted(&self.redaction, items.into_changes())?)
    }

    pub(crate) fn call_timeout(&self) -> Duration {
        self.call_timeout
    }

    /// Has the driver run a task, and waits for its result. Dropping the future drops the task.
    pub(crate) async fn run<T, F>(&self, task: F) -> Result<T, ClientError>
    where
        T: Send + 'static,
        F: FnOnce(Rc<Link>) -> LocalBoxFuture<'static, Result<T, ClientError>> + Send + 'static,
    {
        let turn = Arc::clone(&self.turns).acquire_owned().await.map_err(|_closed| self.ended())?;
        let (mut reply, answer) = oneshot::channel();
        let command: Command = Box::new(move |link| {
            Box::pin(async move {
                // From here on the call holds its place, and not its caller. A stream that waits for a place, and is then left
                // alone, may keep one.
                let _turn = turn;
                tokio::select! {
                    biased;
                    () = reply.closed() => {}
                    // The caller may have gone.
                    result = task(link) => drop(reply.send(result)),
                }
            })
        });
        self.commands.send(command).await.map_err(|_gone| self.ended())?;
        answer.await.unwrap_or_else(|_gone| Err(self.ended()))
    }

    /// The error of a call that the driver did not answer.
    pub(crate) fn ended(&self) -> ClientError {
        match &*self.state.borrow() {
            ConnectionState::Closed(closed) => ClientError::Closed(closed.clone()),
            _ if self.commands.is_closed() || self.close.is_cancelled() => ClientError::Closed(Closed::Here),
            ConnectionState::Idle
            | ConnectionState::Connecting { .. }
            | ConnectionState::Connected(_)
            | ConnectionState::Waiting { .. } => ClientError::Failed("a call panicked in the client".into()),
        }
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("state", &*self.state.borrow()).finish_non_exhaustive()
    }
}
