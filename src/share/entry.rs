//! Entries: what a share's log is made of.
//!
//! An entry is a request that reached the log, not yet its result: the fold ([`State::apply`](super::state::State::apply))
//! decides what it does, and every host that folds the same entries decides the same. So a host need not know the state
//! to append, and a batch that is in the log twice is applied once.

use crate::share::change::{Batch, Stamp};
use crate::share::grant::Grant;
use crate::share::id::{AccountId, GrantId, SessionId};
use crate::share::secret::SecretHash;
use crate::share::time::Timestamp;
use crate::share::visibility::Visibility;

/// One entry of a share's log, with the time of the host that appended it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Entry {
    /// Opens the share; the first entry of every log.
    Open {
        /// When the share was created.
        at: Timestamp,
        /// The account that owns the share.
        account: AccountId,
        /// The session that is shared.
        session: SessionId,
        /// The hash of the share's first secret.
        secret: SecretHash,
        /// When the share expires; `None` if it stays until it is deleted.
        expires_at: Option<Timestamp>,
    },
    /// Makes a further secret valid.
    Secret {
        /// When the secret was made.
        at: Timestamp,
        /// The hash of the secret.
        secret: SecretHash,
    },
    /// Gives the share another expiry, or takes it away.
    Expiry {
        /// When the expiry was set.
        at: Timestamp,
        /// When the share expires; `None` if it stays until it is deleted.
        expires_at: Option<Timestamp>,
    },
    /// Sets who may see the share.
    Visibility {
        /// When the visibility was set.
        at: Timestamp,
        /// Who may see the share from here on.
        visibility: Visibility,
    },
    /// Applies a batch of changes.
    Sync {
        /// When the host accepted the batch.
        at: Timestamp,
        /// The batch of changes.
        batch: Batch,
    },
    /// Makes a grant: a capability that was saved as a token.
    Grant {
        /// The grant, with the time at which it was made.
        grant: Grant,
    },
    /// Revokes a grant, and all grants that were made by way of it.
    Revoke {
        /// When the grant was revoked.
        at: Timestamp,
        /// The grant that is revoked.
        grant: GrantId,
    },
    /// Deletes the share. Nothing after this entry has any effect.
    Delete {
        /// When the share was deleted.
        at: Timestamp,
    },
}

impl Entry {
    /// The stamp by which a batch is known; `None`: the entry is no batch, or its producer gave it no stamp.
    #[must_use]
    pub fn stamp(&self) -> Option<&Stamp> {
        match self {
            Self::Sync { batch, .. } => batch.stamp.as_ref(),
            Self::Open { .. }
            | Self::Secret { .. }
            | Self::Expiry { .. }
            | Self::Visibility { .. }
            | Self::Grant { .. }
            | Self::Revoke { .. }
            | Self::Delete { .. } => None,
        }
    }
}
