//! Refusals: every expected "no", with its facts, told apart by type on both sides of the wire.
//!
//! A refusal is data and travels in result unions (`contract::error` is its one map to the wire). What is not expected
//! is a fault and travels as an exception; it has no place here.

use std::borrow::Cow;

use crate::share::id::{BadName, ShareId};
use crate::share::limits::Limit;

/// Why the answer is no. Its `Display` is a sentence for people that says what to do; it holds no secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// No credential, a wrong one, or one without the right that this needs.
    #[error("unauthorized: {reason}")]
    Unauthorized {
        /// What was missing and what to do, never what was sent.
        reason: Cow<'static, str>,
    },

    /// There is no such share, or no longer.
    #[error("there is no share {id}: it was never created, was deleted, or has expired")]
    NotFound {
        /// The id as it was asked for, which need not be an id.
        id: Cow<'static, str>,
    },

    /// The share's secret is another.
    #[error("wrong secret for share {id}: use the one that createShare returned")]
    InvalidSecret {
        /// Whose secret it is not.
        id: ShareId,
    },

    /// A request came to a door that is not for it.
    #[error("{route} is not the door for this request: use /rpc/share for RPC, /ws/ID for viewers")]
    RouteMismatch {
        /// The path asked for.
        route: Cow<'static, str>,
    },

    /// The peer speaks another protocol, or another version of this one.
    #[error("expected {expected}, got {got}: use a client of the host's version, on the door for its protocol")]
    ProtocolMismatch {
        /// What is spoken here, such as `capshare.1`.
        expected: Cow<'static, str>,
        /// What came.
        got: Cow<'static, str>,
    },

    /// The bucket did not carry out an operation. Nothing of a failed create or delete is visible; a failed sync may turn
    /// out to have been applied, so send it again with its stamp.
    #[error("the store could not {operation}: {trouble}")]
    StorageFailure {
        /// Which.
        operation: StoreOperation,
        /// Why, and with that whether trying again helps.
        trouble: StorageTrouble,
    },

    /// The host did not take an HTTP request for what it was to be: a WebSocket upgrade, or a web page's of an origin that may
    /// connect.
    #[error("{reason}")]
    UpgradeFailed {
        /// The HTTP status of the answer: 426 or 403.
        status: u16,
        /// What is wrong with the request and what to do.
        reason: Cow<'static, str>,
    },

    /// Past a limit of [`limits`](crate::share::limits).
    #[error("past the limit {limit} of {max}{}{}", got_text(*got), advice(limit, *max, *got))]
    LimitExceeded {
        /// Which limit.
        limit: Limit,
        /// Its value.
        max: u64,
        /// How many there were; 0 when they were not counted to the end.
        got: u64,
    },

    /// An argument has the wrong shape.
    #[error("item {index}: {reason}")]
    InvalidInput {
        /// Which item of the list; 0 for anything that is not a list.
        index: usize,
        /// What is wrong with it and what is right.
        reason: Cow<'static, str>,
    },

    /// Another producer has taken over under this producer's id.
    #[error("another producer has taken over with epoch {epoch}: stop, or take over with a higher one")]
    StaleProducer {
        /// The epoch in force.
        epoch: u64,
    },

    /// A part of the contract that this host does not serve yet.
    #[error("this host does not serve {feature} yet")]
    NotYet {
        /// Which.
        feature: Cow<'static, str>,
    },

    /// The host is going away, or has no room.
    #[error("the host is not available: come back in {retry_after_ms} ms")]
    Unavailable {
        /// When to come back.
        retry_after_ms: u32,
    },

    /// A reason that this version of the contract has no name for.
    #[error("{message}")]
    Unspecified {
        /// The host's sentence.
        message: Cow<'static, str>,
    },
}

/// What the bucket was asked to do.
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
    /// Every operation.
    pub const ALL: [Self; 5] = [Self::Create, Self::Sync, Self::Delete, Self::Read, Self::List];

    /// Its name on the wire.
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
    /// It did not answer, or cannot do it just now. The same call may succeed later.
    Passing,
    /// What is stored cannot be read: an object is missing, empty or torn. It stays so until it is restored, and the share was
    /// not deleted.
    Damaged,
    /// The bucket has stopped honouring conditional writes, without which hosts overwrite each other's, so this host writes
    /// nothing until the bucket honours them again. The same call may succeed later, or at another host.
    Unconditional,
}

impl StorageTrouble {
    /// Every trouble.
    pub const ALL: [Self; 3] = [Self::Passing, Self::Damaged, Self::Unconditional];

    /// Its name on the wires.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Passing => "passing",
            Self::Damaged => "damaged",
            Self::Unconditional => "unconditional",
        }
    }

    /// Whether the same call may succeed later with nobody restoring anything.
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
                 does; the host's operator looks at what was changed about the bucket, such as its versioning"
            }
        })
    }
}

impl Refusal {
    /// No such share, by an id as it was asked for (cut to what an id could have).
    #[must_use]
    pub fn not_found(id: &str) -> Self {
        Self::NotFound { id: id.chars().take(64).collect::<String>().into() }
    }

    /// Past a limit.
    #[must_use]
    pub fn limit(limit: Limit, max: usize, got: usize) -> Self {
        Self::LimitExceeded { limit, max: max as u64, got: got as u64 }
    }

    /// A wrong shape, of the item with this index.
    #[must_use]
    pub fn invalid(index: usize, reason: impl Into<Cow<'static, str>>) -> Self {
        Self::InvalidInput { index, reason: reason.into() }
    }

    /// The same, of another item: for lists that are read piece by piece.
    #[must_use]
    pub fn at(self, at: usize) -> Self {
        if let Self::InvalidInput { reason, .. } = self { Self::InvalidInput { index: at, reason } } else { self }
    }

    /// Whether the same call may succeed later; if not, mend it or give up.
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

/// What to do about a limit that its holder can do something about other than asking for less.
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
