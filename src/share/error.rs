//! Refusals: every answer "no" that is expected, with its facts, told apart by type on both ends of the wire.
//!
//! A refusal is data and travels in result unions (`contract::error` is its one map to the wire). What is not expected
//! is a fault and travels as an exception; this module has none.

use std::borrow::Cow;

use crate::share::id::{BadName, ShareId};
use crate::share::limits::Limit;

/// Why a request was refused. Its `Display` is a sentence for people that says what to do; it holds no secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// The request has no credential, a wrong one, or one without the right that the request needs.
    #[error("unauthorized: {reason}")]
    Unauthorized {
        /// What was missing and what to do; never the credential that was sent.
        reason: Cow<'static, str>,
    },

    /// There is no such share, or it was deleted or has expired.
    #[error("there is no share {id}: it was never created, was deleted, or has expired")]
    NotFound {
        /// The id in the request, which may be invalid.
        id: Cow<'static, str>,
    },

    /// The secret in the request is not one of the share's.
    #[error("wrong secret for share {id}: use the one that createShare returned")]
    InvalidSecret {
        /// The share that the secret does not open.
        id: ShareId,
    },

    /// A request came to a door that serves another protocol.
    #[error(
        "{route} does not serve this request: use /rpc/share for Cap'n Proto RPC, /rpc/share/web for Cap'n Web, /ws/ID for viewers"
    )]
    RouteMismatch {
        /// The path of the request.
        route: Cow<'static, str>,
    },

    /// The peer speaks another protocol, or another version of this one.
    #[error("expected {expected}, got {got}: use a client of the host's version, on the door for its protocol")]
    ProtocolMismatch {
        /// The protocol that the host speaks, such as `capshare.1`.
        expected: Cow<'static, str>,
        /// The protocol that the peer offered.
        got: Cow<'static, str>,
    },

    /// The bucket did not carry out an operation. A failed create or delete changed nothing that can be seen; a failed sync
    /// may have been applied all the same, so send it again with its stamp.
    #[error("the store could not {operation}: {trouble}")]
    StorageFailure {
        /// The operation that failed.
        operation: StoreOperation,
        /// What is wrong, which says whether trying again helps.
        trouble: StorageTrouble,
    },

    /// The host did not accept an HTTP request as a WebSocket upgrade, or it came from a web page of an origin that may not
    /// connect.
    #[error("{reason}")]
    UpgradeFailed {
        /// The HTTP status of the answer: 403, 405 or 426.
        status: u16,
        /// What is wrong with the request and what to do.
        reason: Cow<'static, str>,
    },

    /// The request is past one of the contract's or the host's [limits](crate::share::limits).
    #[error("past the limit {limit} of {max}{}{}", got_text(*got), advice(limit, *max, *got))]
    LimitExceeded {
        /// Which limit.
        limit: Limit,
        /// The limit's value.
        max: u64,
        /// How much the request asked for; 0 if that was not counted to the end.
        got: u64,
    },

    /// An argument of the request is invalid.
    #[error("item {index}: {reason}")]
    InvalidInput {
        /// The place of the invalid item in its list, counted from 0; 0 for an argument that is not a list.
        index: usize,
        /// What is wrong, and what would be right.
        reason: Cow<'static, str>,
    },

    /// Another producer has taken over under this producer's id.
    #[error("another producer has taken over with epoch {epoch}: stop, or take over with a higher epoch")]
    StaleProducer {
        /// The epoch of the producer that has taken over.
        epoch: u64,
    },

    /// The request needs a part of the contract that this host does not serve.
    #[error("this host does not serve {feature} yet: use a newer host")]
    NotYet {
        /// The part of the contract.
        feature: Cow<'static, str>,
    },

    /// The host is shutting down, or is full.
    #[error("the host is not available: try again in {retry_after_ms} ms")]
    Unavailable {
        /// Milliseconds after which to try again.
        retry_after_ms: u32,
    },

    /// The host gave a reason that this version of the contract does not know.
    #[error("{message}")]
    Unspecified {
        /// The host's message.
        message: Cow<'static, str>,
    },
}

/// What a host asked its bucket to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StoreOperation {
    /// Create a share.
    Create,
    /// Apply a batch.
    Sync,
    /// Delete a share.
    Delete,
    /// Read a share.
    Read,
    /// List shares.
    List,
}

impl StoreOperation {
    /// All operations.
    pub const ALL: [Self; 5] = [Self::Create, Self::Sync, Self::Delete, Self::Read, Self::List];

    /// The operation's name on the wires.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Sync => "sync",
            Self::Delete => "delete",
            Self::Read => "read",
            Self::List => "list",
        }
    }
}

impl std::fmt::Display for StoreOperation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Why the bucket did not do what it was asked. Its `Display` says what to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StorageTrouble {
    /// The bucket did not answer, or cannot do it now. The request may succeed later.
    Passing,
    /// What is stored cannot be read: an object is missing, empty or cut off. Until somebody restores it, the request fails
    /// again. The share was not deleted.
    Damaged,
    /// The bucket has stopped honouring conditional writes, without which hosts overwrite each other's objects. The host writes
    /// nothing until the bucket honours them again. The request may succeed later, or on another host.
    Unconditional,
}

impl StorageTrouble {
    /// All kinds of trouble.
    pub const ALL: [Self; 3] = [Self::Passing, Self::Damaged, Self::Unconditional];

    /// The trouble's name on the wires.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Passing => "passing",
            Self::Damaged => "damaged",
            Self::Unconditional => "unconditional",
        }
    }

    /// Whether the request may succeed later though nobody restores anything.
    #[must_use]
    pub fn is_transient(self) -> bool {
        match self {
            Self::Passing | Self::Unconditional => true,
            Self::Damaged => false,
        }
    }
}

impl std::fmt::Display for StorageTrouble {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Passing => "try again later",
            Self::Damaged => {
                "what is stored is damaged, and trying again does not help; the host's operator finds the objects by \
                 `capshare store check` and restores them from a backup"
            }
            Self::Unconditional => {
                "the bucket has stopped honouring conditional writes (If-None-Match: *), so the host writes nothing until it \
                 does; the host's operator checks what was changed in the bucket's settings, such as its versioning"
            }
        })
    }
}

impl Refusal {
    /// There is no share with this id. The id is kept as it was asked for, cut at 64 characters.
    #[must_use]
    pub fn not_found(id: &str) -> Self {
        Self::NotFound { id: id.chars().take(64).collect::<String>().into() }
    }

    /// The request is past `limit`, whose value is `max`, with `got`.
    #[must_use]
    pub fn limit(limit: Limit, max: usize, got: usize) -> Self {
        Self::LimitExceeded { limit, max: max as u64, got: got as u64 }
    }

    /// The item at `index`, counted from 0, is invalid.
    #[must_use]
    pub fn invalid(index: usize, reason: impl Into<Cow<'static, str>>) -> Self {
        Self::InvalidInput { index, reason: reason.into() }
    }

    /// Puts another index into a refusal of invalid input, for lists that are read item by item. Other refusals stay as they
    /// are.
    #[must_use]
    pub fn at(self, at: usize) -> Self {
        if let Self::InvalidInput { reason, .. } = self { Self::InvalidInput { index: at, reason } } else { self }
    }

    /// The refusal's name in every JSON answer, in Cap'n Web's errors and in logs.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Unauthorized { .. } => "Unauthorized",
            Self::NotFound { .. } => "NotFound",
            Self::InvalidSecret { .. } => "InvalidSecret",
            Self::RouteMismatch { .. } => "RouteMismatch",
            Self::ProtocolMismatch { .. } => "ProtocolMismatch",
            Self::StorageFailure { .. } => "StorageFailure",
            Self::UpgradeFailed { .. } => "UpgradeFailed",
            Self::LimitExceeded { .. } => "LimitExceeded",
            Self::InvalidInput { .. } => "InvalidInput",
            Self::StaleProducer { .. } => "StaleProducer",
            Self::NotYet { .. } => "NotYet",
            Self::Unavailable { .. } => "Unavailable",
            Self::Unspecified { .. } => "Unspecified",
        }
    }

    /// Whether the request may succeed later as it is; if not, change it or give up.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        match self {
            Self::StorageFailure { trouble, .. } => trouble.is_transient(),
            Self::Unavailable { .. } => true,
            Self::UpgradeFailed { .. }
            | Self::Unauthorized { .. }
            | Self::NotFound { .. }
            | Self::InvalidSecret { .. }
            | Self::RouteMismatch { .. }
            | Self::ProtocolMismatch { .. }
            | Self::LimitExceeded { .. }
            | Self::InvalidInput { .. }
            | Self::StaleProducer { .. }
            | Self::NotYet { .. }
            | Self::Unspecified { .. } => false,
        }
    }
}

impl From<BadName> for Refusal {
    fn from(bad: BadName) -> Self {
        Self::invalid(0, bad.to_string())
    }
}

/// What to do about a limit, where there is something to do but to ask for less.
#[expect(clippy::wildcard_enum_match_arm, reason = "for most limits there is nothing else to do")]
fn advice(limit: &Limit, max: u64, got: u64) -> String {
    const OPERATOR: &str = "or ask the host's operator for more";
    match limit {
        Limit::AccountSharesMax => format!("; delete a share, {OPERATOR}"),
        Limit::AccountBytesMax => format!("; delete shares or remove items, {OPERATOR}"),
        Limit::AccountBytesPerDayMax => {
            // It refills evenly over 24 hours.
            let minutes = u128::from(got.saturating_sub(max)) * 24 * 60 / u128::from(max.max(1)) + 1;
            format!("; come back in {} h {} min, {OPERATOR}", minutes / 60, minutes % 60)
        }
        Limit::RequestBytesMax => "; send it in several requests".to_owned(),
        Limit::BodyMsMax => "; send the body faster, or in several requests".to_owned(),
        Limit::BodiesBytesMax => "; send fewer or smaller requests at once".to_owned(),
        Limit::AnswersMax => "; read the answers that are on their way, or close them".to_owned(),
        _ => String::new(),
    }
}

fn got_text(got: u64) -> String {
    if got == 0 { String::new() } else { format!(": there were {got}") }
}

/// The texts of an error and of all its sources, in one line, for a log.
#[cfg(feature = "server")]
#[must_use]
pub(crate) fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text.push_str(": ");
        text.push_str(&error.to_string());
        source = error.source();
    }
    text
}
