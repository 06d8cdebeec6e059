//! The sink: what the host calls to push, offered on each connection while the client has a handler.

use std::convert::Infallible;
use std::rc::Rc;
use std::sync::Arc;

use futures::FutureExt as _;
use tokio::sync::watch;

use crate::client::calls;
use crate::client::error::ClientError;
use crate::client::mutation::{Mutation, Planted};
use crate::client::push::{Answer, Push, PushHandler};
use crate::client::session::Session;
use crate::contract::push::{read_action, write_answer};
use crate::share::limits::{CASTS_IN_FLIGHT_MAX, PUSH_BYTES_MAX, PUSHES_IN_FLIGHT_MAX};
use crate::share::push::Action;
use crate::share_capnp::client_sink;
use crate::wire::guard::{Budget, guard};

/// The current handler and its number, which rises with each new handler.
#[derive(Clone, Default)]
struct Offer {
    number: u64,
    handler: Option<Arc<dyn PushHandler>>,
}

/// The number of an offer, and the host's answer to it.
#[derive(Clone)]
struct Offered {
    number: u64,
    result: Result<(), ClientError>,
}

impl Default for Offered {
    fn default() -> Self {
        Self { number: 0, result: Ok(()) }
    }
}

/// The handler of a client, as those who set it and the driver who offers it share it.
#[derive(Default)]
pub(crate) struct Offers {
    /// The handler to offer on each connection.
    offer: watch::Sender<Offer>,
    /// The host's answer to the newest offer on the current connection.
    offered: watch::Sender<Offered>,
}

impl Offers {
    /// Sets the handler. The future waits for the host's answer to it or to a later one, and gives `None` when the client is gone.
    pub(crate) fn set(
        &self,
        handler: Option<Arc<dyn PushHandler>>,
    ) -> impl Future<Output = Option<Result<(), ClientError>>> + use<> {
        let mut number = 0;
        let mut offered = self.offered.subscribe();
        self.offer.send_modify(|offer| {
            number = offer.number + 1;
            *offer = Offer { number, handler };
        });
        async move {
            let offered = offered.wait_for(|offered| offered.number >= number).await;
            offered.ok().map(|offered| offered.result.clone())
        }
    }
}

/// Offers the current handler on one connection, and the next when it changes. The registration lives in this future, so dropping
/// the future withdraws the handler; nothing waits for that.
pub(crate) async fn keep_offering(all: &Offers, session: &Session) -> Infallible {
    let mut offers = all.offer.subscribe();
    let mut _registration = None;
    loop {
        let Offer { number, handler } = offers.borrow_and_update().clone();
        let result = match handler {
            // The new sink is offered before the one before is withdrawn, so that the host always has one.
            Some(handler) => {
                let sink = sink(handler, session.planted);
                calls::offer_sink(session, sink).await.map(|taken| _registration = Some(taken))
            }
            None => {
                _registration = None;
                Ok(())
            }
        };
        match &result {
            Err(error @ ClientError::Disconnected { .. }) => {
                tracing::debug!(%error, "the handler of pushes is offered again on the next connection")
            }
            Err(error) => {
                tracing::warn!(%error, "the host does not take the handler of pushes");
                all.offered.send_replace(Offered { number, result });
            }
            Ok(()) => drop(all.offered.send_replace(Offered { number, result })),
        }
        if offers.changed().await.is_err() {
            return std::future::pending().await;
        }
    }
}

/// The object that the host calls to push. It runs as many calls at once as the host may have open.
fn sink(handler: Arc<dyn PushHandler>, planted: Planted) -> client_sink::Client {
    let calls_max = u32::try_from(PUSHES_IN_FLIGHT_MAX + CASTS_IN_FLIGHT_MAX).unwrap_or(u32::MAX);
    guard(capnp_rpc::new_client(Sink { handler, planted }), &Budget::new(calls_max, 0))
}

struct Sink {
    handler: Arc<dyn PushHandler>,
    planted: Planted,
}

impl client_sink::Server for Sink {
    async fn push(
        self: Rc<Self>,
        params: client_sink::PushParams,
        mut results: client_sink::PushResults,
    ) -> Result<(), capnp::Error> {
        let action = read_action(params.get()?.get_action()?);
        drop(params);
        let push = match action.map_err(|error| capnp::Error::failed(error.to_string()))? {
            Action::Ping(nonce) => {
                write_answer(&Answer::Pong(nonce), results.get().init_answer());
                return Ok(());
            }
            Action::Notice(text) => Push::Notice(text),
            Action::Custom { name, data } => Push::Custom { name, data },
        };
        let answer = std::panic::AssertUnwindSafe(self.handler.push(push)).catch_unwind().await;
        let answer = answer.unwrap_or_else(|_panic| {
            tracing::error!("the handler of a push panicked; the client goes on");
            Err("internal error".into())
        });
        write_answer(&self.checked(answer).map_err(capnp::Error::failed)?, results.get().init_answer());
        Ok(())
    }
}

impl Sink {
    /// Checks the size of an answer. One past the limit would end the connection, and every other call on it.
    fn checked(&self, answer: Result<Answer, String>) -> Result<Answer, String> {
        if self.planted.is(Mutation::UncheckedAnswer) {
            return answer;
        }
        let answer = answer.map_err(|mut text| {
            text.truncate(text.floor_char_boundary(PUSH_BYTES_MAX));
            text
        })?;
        answer.check_size().map_err(|refusal| {
            tracing::warn!(%refusal, "the handler's answer to a push is too large; the host is told so instead");
            refusal.to_string()
        })?;
        Ok(answer)
    }
}
