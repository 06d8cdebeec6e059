//! How a pipe ends: a name for each way, and the only map from WebSocket errors to them and from them to I/O errors.

use std::io;

use async_tungstenite::tungstenite::error::{CapacityError, Error as WsError, ProtocolError};
use async_tungstenite::tungstenite::protocol::CloseFrame;
use async_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

/// How a pipe ended. Only the first reason is kept.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum PipeEnd {
    /// The peer sent a Close frame.
    #[error("the peer closed the WebSocket: {code} {reason}")]
    ClosedByPeer {
        /// The close code; 1005 if the frame had none.
        code: u16,
        /// The reason in the frame; may be empty.
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
    /// The peer sent a text frame. The WebSocket was closed with code 1003.
    #[error("ProtocolMismatch: this door takes binary messages of Cap'n Proto RPC, not text")]
    TextFrame,
    /// The peer sent a message past the limit. The WebSocket was closed with code 1009.
    #[error("LimitExceeded messageBytesMax max={max} got={got}")]
    TooLarge {
        /// Bytes of the message, as far as they were counted.
        got: u64,
        /// Bytes that a message may have.
        max: u64,
    },
    /// A message of this side is past the limit that both sides have. Nothing of it was sent.
    #[error("LimitExceeded messageBytesMax max={max}: an outgoing message is larger")]
    TooLargeToSend {
        /// Bytes that a message may have.
        max: u64,
    },
    /// The peer broke the WebSocket protocol. The WebSocket was closed with code 1002.
    #[error("WebSocket protocol violation: {0}")]
    Violation(String),
    /// The stream below ended without a Close frame.
    #[error("the connection was cut")]
    Cut,
    /// The stream below failed.
    #[error("the connection failed: {0}")]
    Transport(String),
    /// The peer was silent for two ping intervals.
    #[error("the peer was silent for two ping intervals")]
    Idle,
    /// The peer did not read for longer than [`KeepAlive::write_stall`](super::KeepAlive::write_stall).
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

    /// The error for capnp-rpc. It takes aborted and reset for disconnected, so that callers dial again, and invalid data for
    /// failed, because it would happen again.
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

    /// The Close frame that the peer is to get; `None` if it closed itself, is gone, or does not read.
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
