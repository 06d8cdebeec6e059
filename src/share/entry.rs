//! Entries: what a share's log is made of.
//!
//! An entry is a request that reached the log, not yet its result: the fold ([`State::apply`](super::state::State::apply))
//! decides what it does, and every host that folds the same entries decides the same. So a host need not know the state
//! to append, and a batch that is in the log twice is applied once.

use crate::share::change::Batch;
use crate::share::grant::Grant;
use crate::share::id::{AccountId, GrantId, SessionId};
use crate::share::secret::SecretHash;
use crate::share::time::Timestamp;
use crate::share::visibility::Visibility;

/// One entry of a share's log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Entry {
    /// The first entry: whose share of what this is.
    Open {
        /// When.
        at: Timestamp,
        /// Who owns it.
        account: AccountId,
        /// What it shares.
        session: SessionId,
        /// The hash of its first secret.
        secret: SecretHash,
        /// From when on it is gone; `None`: it stays until it is deleted.
        expires_at: Option<Timestamp>,
    },
    /// A further secret is valid.
    Secret {
        /// When.
        at: Timestamp,
        /// Its hash.
        secret: SecretHash,
    },
    /// The share is gone from another time on than before.
    Expiry {
        /// When.
        at: Timestamp,
        /// From when on it is gone; `None`: it stays until it is deleted.
        expires_at: Option<Timestamp>,
    },
    /// Others may see the share than before.
    Visibility {
        /// When.
        at: Timestamp,
        /// Who.
        visibility: Visibility,
    },
    /// A sync.
    Sync {
        /// When the host accepted it.
        at: Timestamp,
        /// What it asks for.
        batch: Batch,
    },
    /// A capability was saved.
    Grant {
        /// As what. It says when.
        grant: Grant,
    },
    /// A saved capability is good no more, nor any that was saved by way of it.
    Revoke {
        /// When.
        at: Timestamp,
        /// Which.
        grant: GrantId,
    },
    /// The last entry that counts: nothing after it has any effect.
    Delete {
        /// When.
        at: Timestamp,
    },
}
