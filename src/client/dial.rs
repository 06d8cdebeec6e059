//! How a client gets a connection: the contract of a dialer. The usual dialer is the one for WebSockets.
//!
//! The driver calls [`Dial::dial`] for each attempt, on its own thread, under the connect timeout; dropping the future gives the
//! attempt up. What it returns is a byte stream in two halves and, if the transport has one, a [`Control`] that keeps it alive,
//! says why it ended, and closes it with a reason. A service that needs another transport (a pipe within the process, a proxy)
//! implements [`Dial`] and gives it to [`Builder::dialer`](crate::client::Builder::dialer).

use std::fmt;
use std::time::Duration;

use futures::future::LocalBoxFuture;
use futures::{AsyncRead, AsyncWrite};

use crate::client::ended::Ended;
use crate::client::error::Lost;
use crate::client::token::Token;
use crate::share::error::Refusal;

/// Opens connections to a host, over a transport of its own.
pub trait Dial: fmt::Debug + Send + Sync {
    /// Makes one attempt at a connection. The client calls it on its driver's thread, whose tokio runtime it may use, and drops the
    /// future when the connect timeout is over.
    fn dial<'a>(&'a self, request: &'a DialRequest) -> LocalBoxFuture<'a, Result<Connection, DialError>>;
}

/// A client's request for a connection.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct DialRequest {
    /// The credential to show while connecting; `None` if the client has none, or shows it in-band.
    pub token: Option<Token>,
    /// Whether the client shows its credential in-band: it calls `authenticate` once the connection is open.
    pub in_band: bool,
    /// Bytes that one message may have, either way.
    pub message_bytes_max: usize,
}

/// An open connection to a host: two byte streams, and a control if the transport has one.
#[non_exhaustive]
pub struct Connection {
    /// Bytes that the host sends.
    pub reader: Box<dyn AsyncRead + Unpin>,
    /// Takes the bytes that the client sends. They must go out when the client flushes.
    pub writer: Box<dyn AsyncWrite + Unpin>,
    /// Keeps the connection alive and says how it ended. With `None`, the connection ends when its byte stream does, and the client
    /// learns no reason.
    pub control: Option<Box<dyn Control>>,
}

impl Connection {
    /// A connection of two byte streams, without a control.
    pub fn of_stream(reader: impl AsyncRead + Unpin + 'static, writer: impl AsyncWrite + Unpin + 'static) -> Self {
        Self { reader: Box::new(reader), writer: Box::new(writer), control: None }
    }

    /// Gives the connection a control, which keeps it alive, says how it ended, and closes it.
    #[must_use]
    pub fn controlled_by(mut self, control: impl Control + 'static) -> Self {
        self.control = Some(Box::new(control));
        self
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection").field("has_control", &self.control.is_some()).finish_non_exhaustive()
    }
}

/// What a transport can do for a connection beside carrying its bytes.
pub trait Control {
    /// Keeps the connection alive, and resolves when it has ended, with how. Dropping the future does not end the connection.
    fn keepalive(&self) -> LocalBoxFuture<'_, Ended>;

    /// Closes the connection, and tells the host a close code and a reason.
    fn close<'a>(&'a self, code: u16, reason: &'a str) -> LocalBoxFuture<'a, ()>;

    /// How the connection ended; `None` while it is open.
    fn end_reason(&self) -> Option<Ended>;
}

/// Why an attempt at a connection failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DialError {
    /// The host refused the client, and would again: the client ends for good.
    #[error(transparent)]
    Final(Refusal),
    /// Another attempt may succeed: the client dials again.
    #[error("{cause}")]
    Later {
        /// What this attempt failed with.
        cause: Lost,
        /// Shortest time until the next attempt, if the host asked for one.
        after: Option<Duration>,
    },
}

impl DialError {
    /// An attempt that reached no host, with the reason in words. Another may succeed.
    pub fn unreachable(cause: impl fmt::Display) -> Self {
        Self::Later { cause: Lost::Connection(cause.to_string()), after: None }
    }
}

/// A refusal ends the client, unless it is transient.
impl From<Refusal> for DialError {
    fn from(refusal: Refusal) -> Self {
        if refusal.is_transient() {
            let after = if let Refusal::Unavailable { retry_after_ms } = refusal {
                Some(Duration::from_millis(retry_after_ms.into()))
            } else {
                None
            };
            Self::Later { cause: Lost::Refused(refusal), after }
        } else {
            Self::Final(refusal)
        }
    }
}
