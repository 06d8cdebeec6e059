//! Sending a call. Its size is measured first, so that a call that is too large fails by itself.
//!
//! A message past the contract's limit ends the connection that it is sent on, and with it every other call there. So
//! every request with parameters goes through [`send`], which refuses one that is too large and leaves the connection as it is. A
//! host, or a proxy in front of it, may take less than the contract allows. The fate of the calls that were on their way then is
//! described at [`Session::ask`](crate::client::session::Session::ask).

use capnp::capability::{FromTypelessPipeline, RemotePromise, Request};
use capnp::traits::{Owned, Pipelined};

use crate::client::defaults::PARAMS_BYTES_MAX;
use crate::client::error::ClientError;
use crate::share::error::Refusal;
use crate::share::limits::{Limit, MESSAGE_BYTES_MAX};

/// Sends a request, unless it is larger than a message may be.
///
/// # Errors
/// [`Refusal::LimitExceeded`] (`messageBytesMax`): nothing was sent.
pub(crate) fn send<P, R>(mut request: Request<P, R>) -> Result<RemotePromise<R>, ClientError>
where
    R: Pipelined + Owned + Unpin + 'static,
    R::Pipeline: FromTypelessPipeline,
{
    let words = usize::try_from(request.hook.get().target_size()?.word_count).unwrap_or(usize::MAX);
    let bytes = words.saturating_mul(size_of::<u64>());
    if bytes > PARAMS_BYTES_MAX {
        let envelope = MESSAGE_BYTES_MAX - PARAMS_BYTES_MAX;
        return Err(Refusal::limit(Limit::MessageBytesMax, MESSAGE_BYTES_MAX, bytes.saturating_add(envelope)).into());
    }
    Ok(request.send())
}
