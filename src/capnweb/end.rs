//! How a session ends.

use super::value::Value;

/// Why a session ended. Its `Display` says nothing of what the peer sent.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum End {
    /// A frame that is not one of this protocol.
    #[error("the frame is malformed: {what}, at byte {at}")]
    Malformed {
        /// The byte at which it was noticed.
        at: usize,
        /// What is wrong there.
        what: &'static str,
    },
    /// A frame above [`Limits::frame_bytes`](super::Limits::frame_bytes).
    #[error("the frame has {got} bytes, more than the {max} that this session takes: send less at once")]
    FrameTooLarge {
        /// Bytes of the frame.
        got: usize,
        /// Bytes that it may have.
        max: usize,
    },
    /// A frame that names an id which was never given out.
    #[error("the frame names the id {id}, which this side never gave out")]
    UnknownId {
        /// The id.
        id: i64,
    },
    /// The peer released something more often than it was given it.
    #[error("the frame releases the id {id} {count} times, more often than it was given")]
    BadRelease {
        /// The id.
        id: i64,
        /// How often.
        count: i64,
    },
    /// The peer does not read: more than [`Limits::queue_bytes`](super::Limits::queue_bytes) wait to be sent.
    #[error("the peer does not read: {queued} bytes wait to be sent")]
    Overrun {
        /// Bytes that waited.
        queued: usize,
    },
    /// The peer ended the session, with this error or other value.
    #[error("the peer ended the session")]
    Aborted(Box<Value>),
    /// The embedder ended the session, or said that the connection is gone.
    #[error("the session was closed")]
    Closed,
}
