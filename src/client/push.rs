//! Pushes: calls that the host makes to the client, and the handler that answers them.
//!
//! [`Client::on_push`](crate::client::Client::on_push) hands the host a sink, on this connection and on every one after it. The
//! sink answers pings by itself, and gives everything else to the handler, each push in its turn of arrival, more than one at once
//! if they take their time. A handler runs on the thread of the client's driver: it must not block, and may call the client. It is
//! cancelled when the connection is lost. If it panics, the host gets an error, and the connection goes on.

use std::fmt;

use futures::future::BoxFuture;

#[cfg(doc)]
use crate::share::limits::PUSH_BYTES_MAX;
pub use crate::share::push::Answer;

/// A push: what the host calls this client with.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Push {
    /// A text to show to people. The handler answers [`Answer::Done`].
    Notice(String),
    /// A request that the two services have agreed on. The handler answers [`Answer::custom`]; the answer to a broadcast is not
    /// read.
    Custom {
        /// The name of the request.
        name: String,
        /// The argument of the request, as JSON text.
        data: String,
    },
}

/// Answers pushes. A closure from a [`Push`] to a future is a handler; one that has its answer at once returns
/// `std::future::ready(answer)`.
pub trait PushHandler: Send + Sync {
    /// Answers one push, with at most 64 KiB of JSON ([`PUSH_BYTES_MAX`]); in place of a larger answer the host gets an error.
    /// The text of an error goes to the host, cut at 64 KiB.
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
