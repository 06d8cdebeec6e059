//! How a pipe ends: one name for each way, and the one map from WebSocket errors to them and on to I/O errors.

use std::io;

use async_tungstenite::tungstenite::error::{CapacityError, Error as WsError, ProtocolError};
use async_tungstenite::tungstenite::protocol::CloseFrame;
use async_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

/// How a pipe ended. The first reason stays.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum PipeEnd {
    /// The peer sent a Close frame.
    #[error("the peer closed the WebSocket: {code} {reason}")]
    ClosedByPeer {
        /// The close code; 1005 when the frame had none.
        code: u16,
        /// What the peer said, perhaps nothing.
        reason: String,
    },
    /// [`PipeControl::close`](super::PipeControl::close) was called on this side.
    #[error("the WebSocket was closed here: {code} {reason}")]
    ClosedHere {
        /// The close code that was sent.
        code: u16,
        /// The reason that was sent.
        reason: String,
    },
    /// The peer sent a text frame. It was closed with 1003.
    #[error("ProtocolMismatch: this door takes binary messages of Cap'n Proto RPC, not text")]
    TextFrame,
    /// The peer sent a message past the limit. It was closed with 1009.
    #[error("LimitExceeded messageBytesMax max={max} got={got}")]
    TooLarge {
        /// Bytes of the message, as far as they had been counted.
        got: u64,
        /// Bytes that a message may have.
        max: u64,
    },
    /// This side was to send a message that a peer with the same limit would refuse. Nothing of it was sent.
    #[error("LimitExceeded messageBytesMax max={max}: an outgoing message is larger")]
    TooLargeToSend {
        /// Bytes that a message may have.
        max: u64,
    },
    /// The peer broke the WebSocket protocol. It was closed with 1002.
    #[error("WebSocket protocol violation: {0}")]
    Violation(String),
    /// The stream below ended without a Close frame.
    #[error("the connection was cut")]
    Cut,
    /// The stream below failed.
    #[error("the connection failed: {0}")]
    Transport(String),
    /// Nothing was heard from the peer for two ping intervals.
    #[error("the peer was silent for two ping intervals")]
    Idle,
    /// The peer took no more bytes for as long as a write may be stuck.
    #[error("the peer stopped reading")]
    Stalled,
}

impl PipeEnd {
    pub(super) fn closed_by_peer(frame: Option<CloseFrame>) -> Self {
        match frame {
            Some(frame) => Self::ClosedByPeer { code: frame.code.into(), reason: frame.reason.as_str().to_owned() },
            None => Self::ClosedByPeer { code: CloseCode::Status.into(), reason: String::new() },
        }
    }

    /// What capnp-rpc is told. Aborted and reset become its disconnected, so that callers may dial again; invalid data
    /// becomes failed, because the same would happen again.
    pub(super) fn to_io_error(&self) -> io::Error {
        let kind = match self {
            Self::ClosedByPeer { .. } | Self::ClosedHere { .. } | Self::Idle | Self::Stalled => {
                io::ErrorKind::ConnectionAborted
            }
            Self::Cut | Self::Transport(_) => io::ErrorKind::ConnectionReset,
            Self::TextFrame | Self::TooLarge { .. } | Self::TooLargeToSend { .. } | Self::Violation(_) => {
                io::ErrorKind::InvalidData
            }
        };
        io::Error::new(kind, self.clone())
    }

    /// The Close frame that this end owes the peer; `None` where it closed itself, is gone, or is not listening.
    pub(super) fn farewell(&self) -> Option<(CloseCode, String)> {
        match self {
            Self::TextFrame => Some((CloseCode::Unsupported, self.to_string())),
            Self::TooLarge { .. } => Some((CloseCode::Size, self.to_string())),
            Self::TooLargeToSend { .. } => Some((CloseCode::Error, self.to_string())),
            Self::Violation(_) => Some((CloseCode::Protocol, "ProtocolMismatch: broken WebSocket frame".into())),
            Self::ClosedHere { code, reason } => Some(((*code).into(), reason.clone())),
            Self::Stalled => Some((CloseCode::Policy, self.to_string())),
            // Who keeps the pipe alive knows the code for silence.
            Self::Idle | Self::ClosedByPeer { .. } | Self::Cut | Self::Transport(_) => None,
        }
    }
}

impl From<WsError> for PipeEnd {
    fn from(error: WsError) -> Self {
        match error {
            WsError::ConnectionClosed
            | WsError::AlreadyClosed
            | WsError::Protocol(ProtocolError::ResetWithoutClosingHandshake | ProtocolError::SendAfterClosing) => {
                Self::Cut
            }
            WsError::Capacity(CapacityError::MessageTooLong { size, max_size }) => {
                Self::TooLarge { got: size as u64, max: max_size as u64 }
            }
            WsError::Io(error) => Self::Transport(error.to_string()),
            WsError::Tls(error) => Self::Transport(error.to_string()),
            WsError::Capacity(CapacityError::TooManyHeaders)
            | WsError::Protocol(_)
            | WsError::WriteBufferFull(_)
            | WsError::Utf8(_)
            | WsError::AttackAttempt
            | WsError::Url(_)
            | WsError::Http(_)
            | WsError::HttpFormat(_) => Self::Violation(error.to_string()),
        }
    }
}
