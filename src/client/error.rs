//! How calls fail: few errors, each of which tells the caller what to do.

use std::time::Duration;

use crate::contract::error::{Fault, read_fault};
use crate::contract::read_error::ReadError;
use crate::share::error::Refusal;

/// Why a call failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ClientError {
    /// The host refused the call, or the client did because the host would. Unless [`Refusal::is_transient`], change the call or
    /// give it up.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The connection has more calls on their way than the host takes at once. Wait, then make the call again.
    #[error("too many calls at once: {0}")]
    Overloaded(Refusal),
    /// There was no connection within the call timeout, so the call was never sent. Make it again later; the client goes on
    /// dialling.
    #[error("the host could not be reached within {after:?}: {cause}")]
    Unreachable {
        /// The call timeout.
        after: Duration,
        /// How the last attempt at a connection failed.
        cause: Lost,
    },
    /// The connection was lost while the call was on its way, so the call may or may not have been carried out. Only calls that
    /// must not happen twice fail like this; the client makes the others again.
    #[error("the connection was lost while the call was on its way, so it may have been carried out: {cause}")]
    Disconnected {
        /// How the connection was lost.
        cause: Lost,
    },
    /// The call was sent, and not answered within the call timeout. It may or may not have been carried out.
    #[error("the host did not answer within {after:?}; the call may have been carried out")]
    Timeout {
        /// The call timeout.
        after: Duration,
    },
    /// The share's queue cannot take these items as well. Wait until some are sent, or use [`queue`](crate::client::Share::queue),
    /// which waits.
    #[error("the share's queue is full: {items} items of {bytes} bytes wait to be sent")]
    QueueFull {
        /// Items that are in the queue.
        items: usize,
        /// Bytes of the items that are in the queue.
        bytes: usize,
    },
    /// This client has ended for good, and no call of it will succeed. Remove the reason, then build a new client.
    #[error("the client is closed: {0}")]
    Closed(Closed),
    /// A fault of the host or of this library. Do not make the call again; report the fault.
    #[error("internal fault of the host or the client: {0}")]
    Failed(String),
}

/// Why a call of the service that embeds the host failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CallError {
    /// The call did not reach the service, or its answer did not come back; see [`ClientError`].
    #[error(transparent)]
    Client(#[from] ClientError),
    /// The service has no call of this name.
    #[error("the host has no call named {name:?}")]
    Unknown {
        /// The name that was called.
        name: String,
    },
    /// The argument of [`Client::call_as`](crate::client::Client::call_as) cannot be written as JSON; nothing was sent.
    #[error("the argument of the call {name} cannot be written as JSON: {message}")]
    Argument {
        /// The name of the call.
        name: String,
        /// What is wrong with the argument.
        message: String,
    },
    /// The answer is not of the type that [`Client::call_as`](crate::client::Client::call_as) was asked for. The call was carried
    /// out.
    #[error("the answer to the call {name} is not of the type that was asked for: {message}")]
    Answer {
        /// The name of the call.
        name: String,
        /// What is wrong with the answer.
        message: String,
    },
    /// The service answered with an error of its own.
    #[error("{code}: {message}")]
    Failed {
        /// The error's name, for programs. The host itself gives `timeout` if the service did not answer in time, and `internal`
        /// if the service's handler panicked.
        code: String,
        /// The error's text, for people.
        message: String,
    },
}

/// Why a client ended for good. It dials no more.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Closed {
    /// The host refuses this client: its credential is invalid, it speaks another version of the contract, or its URL leads to
    /// another door of the host.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The credential was revoked, or expired, while it was in use (close code 4001). The text is the host's.
    #[error("the credential was revoked: {0}")]
    Revoked(String),
    /// The account has more connections than the host allows, and this one was the oldest (close code 4004). The text is the
    /// host's.
    #[error("the account opened too many connections: {0}")]
    TooManyConnections(String),
    /// This program called [`Client::close`](crate::client::Client::close), or dropped every handle of the client.
    #[error("this program closed it")]
    Here,
}

/// How a connection was lost, or an attempt at one failed. The client dials again by itself.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Lost {
    /// The host answered with a refusal that may pass: it asks to come back later.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// A proxy, or another program in the host's place, answered the WebSocket upgrade; the host itself was not reached.
    #[error("a proxy answered {status} {answer}")]
    Proxy {
        /// The HTTP status; 101 for a WebSocket of another protocol.
        status: u16,
        /// The form of the answer, and its first line if it is a text, for people: such as `in HTML`.
        answer: String,
    },
    /// Anything else, in words: no route, an unknown name, a certificate that is not trusted, a connection that was cut.
    #[error("{0}")]
    Connection(String),
}

impl ClientError {
    /// Whether the call may succeed later as it is, without a change by the caller.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Refused(refusal) => refusal.is_transient(),
            Self::Overloaded(_)
            | Self::Unreachable { .. }
            | Self::Disconnected { .. }
            | Self::Timeout { .. }
            | Self::QueueFull { .. } => true,
            Self::Closed(_) | Self::Failed(_) => false,
        }
    }

    /// Whether the call may have been carried out though it failed.
    pub(crate) fn leaves_open(&self) -> bool {
        match self {
            Self::Disconnected { .. } | Self::Timeout { .. } | Self::Failed(_) => true,
            Self::Refused(refusal) => refusal.is_transient(),
            Self::Overloaded(_) | Self::Unreachable { .. } | Self::QueueFull { .. } | Self::Closed(_) => false,
        }
    }

    /// The host's refusal that this error holds, of the call or of the connection; `None` if it holds no refusal.
    #[must_use]
    pub fn refusal(&self) -> Option<&Refusal> {
        match self {
            Self::Refused(refusal) | Self::Overloaded(refusal) | Self::Closed(Closed::Refused(refusal)) => {
                Some(refusal)
            }
            Self::Unreachable { cause, .. } | Self::Disconnected { cause } => match cause {
                Lost::Refused(refusal) => Some(refusal),
                Lost::Proxy { .. } | Lost::Connection(_) => None,
            },
            Self::Closed(Closed::Revoked(_) | Closed::TooManyConnections(_) | Closed::Here)
            | Self::Timeout { .. }
            | Self::QueueFull { .. }
            | Self::Failed(_) => None,
        }
    }
}

/// Reads an error by itself. Where the end of the connection may say more, the client looks at that first.
impl From<capnp::Error> for ClientError {
    fn from(error: capnp::Error) -> Self {
        match read_fault(&error) {
            Fault::Disconnected(text) => Self::Disconnected { cause: Lost::Connection(text) },
            Fault::Overloaded(refusal) => Self::Overloaded(refusal),
            Fault::Failed(text) => Self::Failed(text),
            Fault::Unimplemented(text) => Self::Refused(Refusal::NotYet { feature: text.into() }),
        }
    }
}

impl From<ReadError> for ClientError {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Refused(refusal) => Self::Refused(refusal),
            ReadError::Fault(error) => error.into(),
        }
    }
}

impl From<capnp::NotInSchema> for ClientError {
    fn from(error: capnp::NotInSchema) -> Self {
        capnp::Error::from(error).into()
    }
}

impl From<Closed> for ClientError {
    fn from(closed: Closed) -> Self {
        Self::Closed(closed)
    }
}
