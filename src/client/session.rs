//! A connection on which the host has answered `hello`, and how one call is made on it.

use std::rc::Rc;
use std::sync::Arc;

use capnp::capability::{FromTypelessPipeline, Request, Response};
use capnp::traits::{Owned, Pipelined};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::client::defaults::BACKOFF_MIN;
use crate::client::dial::Control;
use crate::client::ending::{Ending, too_large};
use crate::client::error::{ClientError, Lost};
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
    /// Cancelled when the driver has noted that the connection ended.
    pub(crate) gone: CancellationToken,
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
