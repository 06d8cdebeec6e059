//! Why a message could not be read: what all of the maps fail with.

use crate::share::error::Refusal;

/// Why a message of a peer could not be read.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ReadError {
    /// A value in the message is invalid, or the message is a refusal. It is answered as data.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The message is malformed. It is answered as an exception.
    #[error(transparent)]
    Fault(#[from] capnp::Error),
}
