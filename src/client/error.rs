//! What a call can come to: few errors, each of which tells the caller what to do.

use std::time::Duration;

use crate::contract::convert::ReadError;
use crate::contract::error::{Fault, read_fault};
use crate::share::error::Refusal;

/// Why a call came to no result.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ClientError {
    /// The host said no, or the client saw that it would. Unless [`Refusal::is_transient`], mend the call or give up.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// Past what this connection may do at once. Slow down, then make the call again.
    #[error("too much at once: {0}")]
    Overloaded(Refusal),
    /// No connection came about in time, so the call was never sent. Make it again later; the client goes on dialling.
    #[error("the host could not be reached within {after:?}: {cause}")]
    Unreachable {
        /// The call timeout.
        after: Duration,
        /// What the last attempt met.
        cause: Lost,
    },
    /// The connection was lost while the call was on its way: it may or may not have been carried out. Only calls that
    /// must not happen twice end so; the others are made again by the client.
    #[error("the connection was lost while the call was on its way: {cause}")]
    Disconnected {
        /// How it was lost.
        cause: Lost,
    },
    /// The call was sent and not answered in time. It may or may not have been carried out.
    #[error("no answer within {after:?}")]
    Timeout {
        /// The call timeout.
        after: Duration,
    },
    /// The share's queue has no room for this. Wait, or use the waiting form.
    #[error("the share's queue is full: {items} items, {bytes} bytes")]
    QueueFull {
        /// Items in it.
        items: usize,
        /// Bytes in it.
        bytes: usize,
    },
    /// This client has ended for good, and no call of it will succeed. Build a new one once the reason is mended.
    #[error("the client is closed: {0}")]
    Closed(Closed),
    /// A fault of the host, or of this library. Do not repeat the call; report it.
    #[error("the host failed: {0}")]
    Failed(String),
}

/// Why a call of the service around the host came to no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CallError {
    /// It did not come to the service, or not back: as for every call.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// The service serves nothing of this name.
    #[error("the host serves no call {name}")]
    Unknown {
        /// The name.
        name: String,
    },
    /// The service's own error, as it words it.
    #[error("{code}: {message}")]
    Failed {
        /// For programs. `timeout`: it did not answer in time; `internal`: it broke.
        code: String,
        /// For people.
        message: String,
    },
}

/// Why a client ended for good.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Closed {
    /// The host will not have this client: a wrong credential, another version of the contract, the wrong door.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The credential was revoked while it was in use (close code 4001).
    #[error("the credential was revoked: {0}")]
    Revoked(String),
    /// The account has more connections than it may, and this was the oldest (close code 4004).
    #[error("the account opened too many connections: {0}")]
    TooManyConnections(String),
    /// [`Client::close`](crate::client::Client::close) was called, or every handle is gone.
    #[error("it was closed on this side")]
    Here,
}

/// How a connection, or an attempt at one, was lost. The client dials again by itself.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Lost {
    /// The host answered, and asked to come back later.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// A proxy, or whatever else stands in the host's place, answered the WebSocket upgrade; the host said nothing.
    #[error("a proxy answered {status} {answer}")]
    Proxy {
        /// The HTTP status; 101 for a WebSocket of another protocol.
        status: u16,
        /// In what form, and what it said, cut to a line: for people.
        answer: String,
    },
    /// Anything else, in words: no route, no such name, a bad certificate, a cut.
    #[error("{0}")]
    Connection(String),
}

impl ClientError {
    /// Whether the same call may succeed later, without anything being mended.
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

    /// Whether the call may have been carried out all the same.
    pub(crate) fn leaves_open(&self) -> bool {
        match self {
            Self::Disconnected { .. } | Self::Timeout { .. } | Self::Failed(_) => true,
            Self::Refused(refusal) => refusal.is_transient(),
            Self::Overloaded(_) | Self::Unreachable { .. } | Self::QueueFull { .. } | Self::Closed(_) => false,
        }
    }

    /// The refusal in it, whether of the call or of the connection.
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

/// Only for what was made of the call itself; a session looks at its connection first.
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
