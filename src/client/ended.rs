//! How a connection ended, as its transport tells the client.

use crate::wire::websocket::PipeEnd;

/// How a connection ended. The transport tells it by [`Control`](crate::client::Control), and the client decides by it whether to
/// dial again.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Ended {
    /// The host closed the connection, and said why: in a WebSocket by a Close frame.
    #[error("the host closed the connection with code {code}: {reason}")]
    ClosedByHost {
        /// The code, as of a WebSocket's Close frame; 1005 if the host gave none.
        code: u16,
        /// The host's words; may be empty.
        reason: String,
    },
    /// The host sent what is no message of this protocol: it speaks another one.
    #[error("the host speaks another protocol: it sent {got}")]
    AnotherProtocol {
        /// What the host sent, such as "a text frame".
        got: String,
    },
    /// The host sent a message that is larger than the client takes.
    #[error("the host sent a message of {got} bytes; this client takes {max}")]
    TooLarge {
        /// Bytes of the message, as far as they had been counted.
        got: u64,
        /// Bytes that a message may have.
        max: u64,
    },
    /// The client was about to send a message that is larger than the host takes. Nothing of it was sent.
    #[error("a message of this client is larger than the {max} bytes that the host takes")]
    TooLargeToSend {
        /// Bytes that a message may have.
        max: u64,
    },
    /// Anything else, in words: a cut, a silent host, a broken frame.
    #[error("{0}")]
    Lost(String),
}

impl From<PipeEnd> for Ended {
    fn from(end: PipeEnd) -> Self {
        match end {
            PipeEnd::ClosedByPeer { code, reason } => Self::ClosedByHost { code, reason },
            PipeEnd::TextFrame => Self::AnotherProtocol { got: "a text frame".into() },
            PipeEnd::TooLarge { got, max } => Self::TooLarge { got, max },
            PipeEnd::TooLargeToSend { max } => Self::TooLargeToSend { max },
            PipeEnd::ClosedHere { .. }
            | PipeEnd::Violation(_)
            | PipeEnd::Cut
            | PipeEnd::Transport(_)
            | PipeEnd::Idle
            | PipeEnd::Stalled => Self::Lost(end.to_string()),
        }
    }
}
