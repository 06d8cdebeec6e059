//! Being called: what the host pushes, and the handler that answers it.
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
