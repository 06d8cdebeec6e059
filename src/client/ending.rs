//! What the end of a connection means: for the client, and for the calls that were on their way.

use crate::client::ended::Ended;
use crate::client::error::{ClientError, Closed, Lost};
use crate::share::error::Refusal;
use crate::share::limits::Limit;

/// What the client does after the end of a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Ending {
    /// The client ends for good, and dials no more.
    Final(Closed),
    /// The client dials again. Calls that were on their way fail with this cause, unless they are made again.
    Again(Lost),
}

impl From<Ended> for Ending {
    fn from(end: Ended) -> Self {
        match end {
            Ended::ClosedByHost { code: 4001, reason } => Self::Final(Closed::Revoked(reason)),
            Ended::ClosedByHost { code: 4004, reason } => Self::Final(Closed::TooManyConnections(reason)),
            Ended::ClosedByHost { code, reason } if code == 1003 || reason.starts_with("ProtocolMismatch") => {
                Self::Final(Closed::Refused(Refusal::ProtocolMismatch {
                    expected: if reason.is_empty() { "another protocol".into() } else { reason.into() },
                    got: crate::contract::SUBPROTOCOL.into(),
                }))
            }
            Ended::ClosedByHost { code: 1009, reason } => {
                Self::Again(Lost::Refused(crate::contract::error::read_limit(&reason)))
            }
            Ended::AnotherProtocol { got } => Self::Final(Closed::Refused(Refusal::ProtocolMismatch {
                expected: crate::contract::SUBPROTOCOL.into(),
                got: got.into(),
            })),
            Ended::TooLarge { got, max } => {
                Self::Again(Lost::Refused(Refusal::LimitExceeded { limit: Limit::MessageBytesMax, max, got }))
            }
            Ended::TooLargeToSend { max } => {
                Self::Again(Lost::Refused(Refusal::LimitExceeded { limit: Limit::MessageBytesMax, max, got: 0 }))
            }
            Ended::ClosedByHost { .. } | Ended::Lost(_) => Self::Again(Lost::Connection(end.to_string())),
        }
    }
}

impl Ending {
    /// The error of a call that was on its way when the connection ended. The call may have been carried out.
    pub(crate) fn into_error(self) -> ClientError {
        match self {
            Self::Final(closed) => ClientError::Closed(closed),
            Self::Again(cause) => ClientError::Disconnected { cause },
        }
    }
}

/// The refusal of a message of this number of bytes, if the connection ended because a message was too large, and this message was
/// too large as well: then the host has not read it. `largest` is the size of the largest message that was sent on the connection.
pub(crate) fn too_large(end: &Ended, bytes: u64, largest: u64) -> Option<Refusal> {
    let max = if let Ended::TooLargeToSend { max } = end {
        *max
    } else if let Ended::ClosedByHost { code: 1009, reason } = end {
        if let Refusal::LimitExceeded { max, .. } = crate::contract::error::read_limit(reason) {
            max
        } else if bytes >= largest {
            // A proxy that does not say how much it takes. It took nothing that was as large as what it refused, so the
            // largest of all was not taken; how much would be is a guess.
            bytes / 2
        } else {
            return None;
        }
    } else {
        return None;
    };
    (bytes > max).then_some(Refusal::LimitExceeded { limit: Limit::MessageBytesMax, max, got: bytes })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_held_to_be_too_large_only_if_the_host_cannot_have_read_it() {
        let told = Ended::ClosedByHost { code: 1009, reason: "LimitExceeded messageBytesMax max=1000 got=1500".into() };
        let silent = Ended::ClosedByHost { code: 1009, reason: "message too big".into() };
        let here = Ended::TooLargeToSend { max: 1_000 };
        let max = |end: &Ended, bytes| match too_large(end, bytes, 1_500) {
            Some(Refusal::LimitExceeded { max, got, .. }) => {
                assert_eq!(got, bytes);
                Some(max)
            }
            _ => None,
        };
        assert_eq!((max(&told, 1_000), max(&told, 1_001), max(&told, 1_500)), (None, Some(1_000), Some(1_000)));
        assert_eq!((max(&here, 1_000), max(&here, 1_500)), (None, Some(1_000)));
        // Of what was smaller than the largest, the host may have read some.
        assert_eq!((max(&silent, 1_499), max(&silent, 1_500)), (None, Some(750)));
        for other in [Ended::TooLarge { got: 1_500, max: 1_000 }, Ended::Lost("the connection was cut".into())] {
            assert_eq!(max(&other, 1_500), None, "{other:?}");
        }
    }
}
