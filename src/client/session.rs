//! A connection on which the host has answered `hello`, and how one call is made on it.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;

use capnp::capability::{FromTypelessPipeline, Request, Response};
use capnp::traits::{Owned, Pipelined};
use tokio::sync::Notify;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::client::defaults::BACKOFF_MIN;
use crate::client::dial::Control;
use crate::client::ending::{Ending, too_large};
use crate::client::error::{ClientError, Lost};
use crate::client::hosts::HostNumber;
use crate::client::mutation::{Mutation, Planted};
use crate::client::send::send;
use crate::client::state::Hello;
use crate::share_capnp::share_rpc;
use crate::wire::vat::VatMeter;

/// A connection on which the host has answered `hello`.
pub(crate) struct Session {
    pub(crate) rpc: share_rpc::Client,
    pub(crate) hello: Arc<Hello>,
    pub(crate) control: Option<Rc<dyn Control>>,
    /// Counts what the client sent, and knows whether the connection has ended.
    pub(crate) meter: VatMeter,
    /// A bug that a test planted.
    pub(crate) planted: Planted,
    /// The host that answered.
    pub(crate) host: HostNumber,
    /// Cancelled when the driver has noted that the connection ended, or that another has taken its place.
    pub(crate) gone: CancellationToken,
    /// The calls that are on their way.
    pub(crate) calls: CallsOnTheirWay,
}

/// Number of the calls that are on their way on a connection.
#[derive(Debug, Default)]
pub(crate) struct CallsOnTheirWay {
    count: Cell<usize>,
    /// Notified when there are none.
    none: Notify,
}

impl CallsOnTheirWay {
    /// Resolves when no call is on its way.
    pub(crate) async fn none(&self) {
        while self.count.get() > 0 {
            self.none.notified().await;
        }
    }

    fn begin(&self) -> CallOnItsWay<'_> {
        self.count.set(self.count.get() + 1);
        CallOnItsWay(self)
    }
}

/// One call that is on its way, until it is dropped.
struct CallOnItsWay<'a>(&'a CallsOnTheirWay);

impl Drop for CallOnItsWay<'_> {
    fn drop(&mut self) {
        self.0.count.set(self.0.count.get() - 1);
        if self.0.count.get() == 0 {
            self.0.none.notify_one();
        }
    }
}

impl Session {
    /// Makes a call, and waits for its answer.
    ///
    /// # Errors
    /// The host's refusal or fault, or the end of the connection.
    /// [`Refusal::LimitExceeded`](crate::share::error::Refusal::LimitExceeded) (`messageBytesMax`) if this very message was too
    /// large, here or for the host: it was then not carried out. Where the connection ended because of another message, or
    /// otherwise, it may have been: [`ClientError::Disconnected`].
    pub(crate) async fn ask<P, R>(&self, request: Request<P, R>) -> Result<Response<R>, ClientError>
    where
        R: Pipelined + Owned + Unpin + 'static,
        R::Pipeline: FromTypelessPipeline,
    {
        let _on_its_way = self.calls.begin();
        let (sent, bytes) = self.meter.measure(|| send(request));
        sent?.promise.await.map_err(|error| self.explain(error.into(), bytes))
    }

    /// The meaning of a call's error, now that it is known how the connection ended. `bytes` is the size of the call's message.
    fn explain(&self, error: ClientError, bytes: u64) -> ClientError {
        let of_connection = matches!(error, ClientError::Disconnected { .. } | ClientError::Failed(_));
        match self.control.as_ref().and_then(|control| control.end_reason()) {
            Some(end) if of_connection => {
                let bytes = if self.planted.is(Mutation::BlameEveryCall) { u64::MAX } else { bytes };
                match too_large(&end, bytes, self.meter.largest_message()) {
                    Some(refusal) => refusal.into(),
                    None => Ending::from(end).into_error(),
                }
            }
            // The transport gave no reason: the connection failed, and not this call.
            None if self.meter.is_over()
                && let ClientError::Failed(text) = error =>
            {
                ClientError::Disconnected { cause: Lost::Connection(text) }
            }
            Some(_) | None => error,
        }
    }

    /// Waits until the driver has noted that the connection was lost. A host may also answer "disconnected" on a connection that
    /// goes on: then this waits for [`BACKOFF_MIN`].
    pub(crate) async fn is_over(&self) {
        tokio::select! {
            biased;
            () = self.gone.cancelled() => {}
            () = sleep(BACKOFF_MIN) => {}
        }
    }
}
