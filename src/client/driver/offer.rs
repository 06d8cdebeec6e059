//! Being called: what the host pushes, and the handler that answers it.
//!
//! [`Client::on_push`] hands the host a sink, on this connection and on every one after it. The sink answers pings by
//! itself, and gives everything else to the handler, each push in its turn of arrival, more than one at once if they take
//! their time. A handler runs on the thread of the client's driver: it must not block, and may call the client. It is
//! cancelled when the connection is lost. If it panics, the host gets an error, and the connection goes on.

use std::convert::Infallible;
use std::fmt;
use std::rc::Rc;
use std::sync::Arc;

use futures::FutureExt as _;
use futures::future::BoxFuture;
use tokio::time::timeout;

use crate::client::Client;
use crate::client::calls;
use crate::client::driver::link::{Link, Session};
use crate::client::error::ClientError;
use crate::client::mutation::{Mutation, Planted};
use crate::contract::push::{read_action, write_answer};
use crate::share::limits::{CASTS_IN_FLIGHT_MAX, PUSH_BYTES_MAX, PUSHES_IN_FLIGHT_MAX};
use crate::share::push::Action;
pub use crate::share::push::Answer;
use crate::share_capnp::client_sink;
use crate::wire::guard::{Budget, guard};

/// What the host pushes.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Push {
    /// A text to show to people. Answer [`Answer::Done`].
    Notice(String),
    /// Whatever the two services have agreed on. Answer [`Answer::custom`]; of a broadcast nobody reads it.
    Custom {
        /// What is asked.
        name: String,
        /// JSON.
        data: String,
    },
}

/// Answers pushes. Closures of a [`Push`] that give a future are handlers; one that has its answer at once gives
/// `std::future::ready(answer)`.
pub trait PushHandler: Send + Sync {
    /// Answers one push: at most 64 KiB of JSON ([`PUSH_BYTES_MAX`]), or the host gets
    /// an error instead. The text of an error is what the host gets, cut at as many bytes.
    fn push(&self, push: Push) -> BoxFuture<'static, Result<Answer, String>>;
}

impl<F, R, E> PushHandler for F
where
    F: Fn(Push) -> R + Send + Sync,
    R: Future<Output = Result<Answer, E>> + Send + 'static,
    E: fmt::Display,
{
    fn push(&self, push: Push) -> BoxFuture<'static, Result<Answer, String>> {
        let answer = self(push);
        Box::pin(async move { answer.await.map_err(|error| error.to_string()) })
    }
}

impl Client {
    /// Answers what the host pushes with `handler` from now on, over this connection and all that come after it, in the
    /// place of any handler before. Dials if there is no connection. When this returns the host can push.
    ///
    /// ```no_run
    /// # async fn scene(client: capshare::Client) -> Result<(), capshare::client::ClientError> {
    /// use capshare::client::{Answer, Push};
    ///
    /// client
    ///     .on_push(|push| async move {
    ///         match push {
    ///             Push::Notice(_text) => Ok(Answer::Done),
    ///             Push::Custom { name, .. } if name == "version" => Ok(Answer::custom(r#"{"version": 3}"#)),
    ///             _ => Err("not known here"),
    ///         }
    ///     })
    ///     .await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As every call. The handler stays all the same, and is offered on the next connection.
    pub async fn on_push(&self, handler: impl PushHandler + 'static) -> Result<(), ClientError> {
        let handler: Arc<dyn PushHandler> = Arc::new(handler);
        self.run(move |link| Box::pin(async move { set_handler(&link, Some(handler)).await })).await
    }

    /// Takes the handler back: the host can push no more.
    ///
    /// # Errors
    /// As every call.
    pub async fn stop_pushes(&self) -> Result<(), ClientError> {
        self.run(|link| Box::pin(async move { set_handler(&link, None).await })).await
    }
}

/// The handler of the hour, and the how-manieth it is.
#[derive(Clone, Default)]
pub(crate) struct Offer {
    number: u64,
    handler: Option<Arc<dyn PushHandler>>,
}

/// What became of an offer: its number, and the host's answer.
#[derive(Clone)]
pub(crate) struct Offered {
    number: u64,
    result: Result<(), ClientError>,
}

impl Default for Offered {
    fn default() -> Self {
        Self { number: 0, result: Ok(()) }
    }
}

/// Sets the handler, and waits until the host has taken it.
async fn set_handler(link: &Link, handler: Option<Arc<dyn PushHandler>>) -> Result<(), ClientError> {
    let mut number = 0;
    let mut offered = link.offered.subscribe();
    link.offer.send_modify(|offer| {
        number = offer.number + 1;
        *offer = Offer { number, handler };
    });
    let after = link.settings.call_timeout;
    let taken = async {
        // The first call dials.
        link.session().await.map_err(ClientError::Closed)?;
        tokio::select! {
            biased;
            closed = link.closed() => Err(ClientError::Closed(closed)),
            offered = offered.wait_for(|offered| offered.number >= number) => match offered {
                Ok(offered) => offered.result.clone(),
                Err(_gone) => Err(ClientError::Closed(crate::client::error::Closed::Here)),
            },
        }
    };
    timeout(after, taken).await.unwrap_or(Err(ClientError::Timeout { after }))
}

/// Offers the handler of the hour on one connection, and the next when it changes. The registration lives in here, so what
/// drops this withdraws it; nobody waits for its end.
pub(crate) async fn keep_offering(link: &Link, session: &Session) -> Infallible {
    let mut offers = link.offer.subscribe();
    let mut _registration = None;
    loop {
        let Offer { number, handler } = offers.borrow_and_update().clone();
        let result = match handler {
            // Offered before the one before is withdrawn, so that there is always a way.
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
            Err(error @ ClientError::Disconnected { .. }) => tracing::debug!(%error, "a sink waits for a connection"),
            Err(error) => {
                tracing::warn!(%error, "the host takes no sink");
                link.offered.send_replace(Offered { number, result });
            }
            Ok(()) => drop(link.offered.send_replace(Offered { number, result })),
        }
        if offers.changed().await.is_err() {
            return std::future::pending().await;
        }
    }
}

/// The object that the host calls. As many calls run at once as the host may have open.
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
    /// The answer as it may be sent: one past the limit would end the connection, and with it every other call there.
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
