//! The driver's end of a watch: it gives whole steps, one after the other, over as many connections as it takes.
//!
//! A [`Watch`](crate::client::Watch) is the consumer's end. Its other end is a [`Watcher`], a task of the driver, which subscribes at the host
//! with an [`Observer`] and, when the connection or the host ended that, subscribes again from the revision after which it
//! has handed nothing on: no gap, no repeat. A connection that the client has left for another one may still carry calls of an
//! observer; these hand nothing on any more. Pieces of a step are gathered until the step is whole; the memory for that is
//! what the step holds, at most the share. The observer's return, which is the host's leave to send more, waits until the
//! consumer took the step, so a slow consumer gets later and larger steps, never more than one at a time.
//!
//! Dropping the `Watch` ends the subscription on the host.

mod observer;

use std::cell::Cell;
use std::rc::Rc;

use tokio::sync::{mpsc, oneshot};

pub(crate) use self::observer::Delivery;
use self::observer::{Observer, Over, Position};
use crate::client::access::ReadAccess;
use crate::client::driver::link::{Link, Policy};
use crate::client::error::ClientError;
use crate::client::session::Session;
use crate::contract::error::read_refusal;
use crate::share::revision::Revision;
use crate::share_capnp::{observer as observer_capability, watch, watch_result};
use crate::wire::guard::{Budget, guard};

/// Calls of the host that an observer answers at once: the host has one open, and may tell the end of the watch beside it.
const OBSERVER_CALLS_MAX: u32 = 2;

/// The driver's end of one watch, to be [run](Self::run).
#[derive(Debug)]
pub(crate) struct Watcher {
    pub(crate) access: ReadAccess,
    pub(crate) since: Revision,
    pub(crate) steps: mpsc::Sender<Delivery>,
}

/// One subscription at the host. Dropping it ends the subscription.
struct Subscription {
    session: Rc<Session>,
    _watch: watch::Client,
    over: oneshot::Receiver<Over>,
}

impl Watcher {
    pub(crate) async fn run(self, link: Rc<Link>) {
        // Where this sends no error, the consumer finds the channel closed, and asks the client why.
        tokio::select! {
            biased;
            () = self.steps.closed() => {}
            _closed = link.closed() => {}
            () = async {
                let (taken, _) = oneshot::channel();
                let step = Err(self.follow(&link).await);
                let _gone = self.steps.send(Delivery { step, taken }).await;
            } => {}
        }
    }

    /// Subscribes again and again, until an answer is final; gives that.
    async fn follow(&self, link: &Rc<Link>) -> ClientError {
        let position = Rc::new(Position { revision: Cell::new(self.since), sync_count: Cell::new(None) });
        let fresh_delays = || link.settings.backoff.delays(&mut link.random.borrow_mut());
        let (mut delays, mut stood_at) = (fresh_delays(), self.since);
        loop {
            // While a step waits to be taken, no more is asked for.
            let Ok(place) = self.steps.reserve().await else { return link.closed().await.into() };
            drop(place);
            if position.revision.get() != stood_at {
                stood_at = position.revision.get();
                delays = fresh_delays();
            }
            let subscribed = link.call(Policy::Again, |session| self.subscribe(session, position.clone())).await;
            match subscribed {
                Ok(subscription) => {
                    let Subscription { session, _watch, over } = subscription;
                    let over = tokio::select! {
                        biased;
                        over = over => over.ok(),
                        // It goes on where it stood, as soon as there is a connection.
                        () = session.gone.cancelled() => continue,
                    };
                    match over {
                        Some(Over::Refused(refusal)) if !refusal.is_transient() => return refusal.into(),
                        Some(Over::Failed(text)) => return ClientError::Failed(text),
                        Some(Over::Refused(_)) | None => {}
                    }
                }
                Err(error) if error.is_transient() => {
                    tracing::debug!(share = %self.access.id(), %error, "the watch is begun again");
                }
                Err(error) => return error,
            }
            link.pause(delays.next()).await;
        }
    }

    /// Subscribes once. The view and the watch on it go out together, in one round trip.
    async fn subscribe(&self, session: Rc<Session>, position: Rc<Position>) -> Result<Subscription, ClientError> {
        let mut request = self.access.view(&session)?.watch_request();
        request.get().set_since(position.revision.get().0);
        let (observer, over) = Observer::new(self.steps.clone(), position, &session);
        let observer: observer_capability::Client = capnp_rpc::new_client(observer);
        request.get().set_observer(guard(observer, &Budget::new(OBSERVER_CALLS_MAX, 0)));
        let response = session.ask(request).await?;
        let answer = response.get()?;
        match answer.get_result()?.which()? {
            watch_result::Which::Watching(_) => {
                let watch = answer.get_watch()?;
                drop(response);
                Ok(Subscription { session, _watch: watch, over })
            }
            watch_result::Which::Refused(refusal) => Err(read_refusal(refusal?)?.into()),
        }
    }
}
