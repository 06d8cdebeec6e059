//! The driver: the one task that holds the connection. It stays on one thread, because Cap'n Proto RPC is not `Send`.
//!
//! Its [keeper] dials when the first call comes, says `hello`, and only then reports the connection as up. When the connection
//! is lost it dials again, the next host at once and after longer and longer delays once all have failed, until a host itself refuses
//! the client for good. The driver runs the handles' commands, each as a task of its own, so that none can stop it: a panic in one
//! ends that one.
//!
//! When the last handle is gone (or [`Client::close`](crate::client::Client::close) was called) it lets shares send what they
//! have queued (not after `close`), closes the connection with a Close frame, and ends; nothing it began outlives it.

mod attempt;
pub(crate) mod greeting;
pub(crate) mod handle;
mod keeper;
pub(crate) mod link;
mod moving;
pub(crate) mod offer;
pub(crate) mod upload;
pub(crate) mod watcher;

use std::rc::Rc;

use futures::future::LocalBoxFuture;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::client::defaults::LINGER;
use crate::client::driver::keeper::Keeper;
use crate::client::driver::link::Link;
use crate::client::error::Closed;
use crate::client::state::ConnectionState;

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
