//! How a client gets a connection: a dialer, of which the WebSocket one is the usual.
//!
//! The driver calls [`Dial::dial`] for each attempt, on its own thread, under the connect timeout; dropping the future
//! gives the attempt up. What it returns is a byte stream in two halves and, if the transport has one, a [`Control`] that
//! keeps it alive, says why it ended, and closes it with a word. Who needs another transport (a pipe within the process, a
//! proxy) implements [`Dial`] and gives it to [`Builder::dialer`](crate::client::Builder::dialer).

use std::fmt;
use std::time::Duration;

use futures::future::LocalBoxFuture;
use futures::{AsyncRead, AsyncWrite};

use crate::client::error::Lost;
use crate::client::token::Token;
use crate::share::error::Refusal;
use crate::wire::websocket::PipeEnd;

/// Gets connections.
pub trait Dial: fmt::Debug + Send + Sync {
    /// Makes one attempt. It is called on the thread of the driver, and may use its runtime.
    fn dial<'a>(&'a self, request: &'a DialRequest) -> LocalBoxFuture<'a, Result<Connection, DialError>>;
}

/// What a connection is asked for.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct DialRequest {
    /// The credential, if it is shown while connecting; `None` with authentication in-band, or without a token.
    pub token: Option<Token>,
    /// The client is going to call `authenticate` on what it gets.
    pub in_band: bool,
    /// Bytes of one message.
    pub message_bytes_max: usize,
}

/// An open connection.
pub struct Connection {
    /// What the host sends.
    pub reader: Box<dyn AsyncRead + Unpin>,
    /// What the client sends; it goes out when it is flushed.
    pub writer: Box<dyn AsyncWrite + Unpin>,
    /// Without one, the connection ends when its stream does, and nothing says why.
    pub control: Option<Box<dyn Control>>,
}

impl Connection {
    /// A connection that is nothing but its bytes.
    pub fn of_stream(reader: impl AsyncRead + Unpin + 'static, writer: impl AsyncWrite + Unpin + 'static) -> Self {
        Self { reader: Box::new(reader), writer: Box::new(writer), control: None }
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection").field("has_control", &self.control.is_some()).finish_non_exhaustive()
    }
}

/// What a transport can do beside carrying bytes.
pub trait Control {
    /// Keeps the connection alive, and resolves with the way it ended. Dropping it ends nothing.
    fn keepalive(&self) -> LocalBoxFuture<'_, PipeEnd>;

    /// Ends the connection with a word to the peer.
    fn close<'a>(&'a self, code: u16, reason: &'a str) -> LocalBoxFuture<'a, ()>;

    /// How it ended; `None` while it is open.
    fn end_reason(&self) -> Option<PipeEnd>;
}

/// Why an attempt came to nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DialError {
    /// The same attempt would be refused again: the client ends.
    #[error(transparent)]
    Final(Refusal),
    /// Another attempt may succeed.
    #[error("{cause}")]
    Later {
        /// What this one met.
        cause: Lost,
        /// When the host wants to be asked again, if it said so.
        after: Option<Duration>,
    },
}

impl DialError {
    /// An attempt that met no host.
    pub fn unreachable(cause: impl fmt::Display) -> Self {
        Self::Later { cause: Lost::Connection(cause.to_string()), after: None }
    }
}

/// A refusal as its own kind says: final, unless it is transient.
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
