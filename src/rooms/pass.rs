//! A pass: what a capability on a share may do, until when, and what can end it.
//!
//! Every capability is a room and a [`Pass`]. The pass is plain data: it reads a share's state and the clock, and asks nobody.

use std::time::Duration;

use crate::access;
use crate::ambient::Clock;
use crate::audit::Through;
use crate::share::error::Refusal;
use crate::share::grant::{Grant, Right};
use crate::share::id::{AccountId, GrantId};
use crate::share::secret::SecretHash;
use crate::share::state::State;
use crate::share::time::Timestamp;
use crate::share::visibility::Visibility;

/// The longest sleep of a wait for the end of a pass: a clock may be set, and a timer has an end.
pub(super) const PASS_WAIT_MAX: Duration = Duration::from_secs(24 * 60 * 60);

/// What the holder of a capability on a share may do, until when, and what gave the capability. A pass can be narrowed, and never widened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pass {
    right: Right,
    until: Option<Timestamp>,
    by: By,
}

/// What a caller showed to be given a pass.
#[derive(Debug, Clone, PartialEq, Eq)]
enum By {
    /// The share's id, which everybody may have.
    Id,
    /// A credential of this account, or the right to come as it; and the share's id.
    Account(AccountId),
    /// A secret of the share.
    Secret,
    /// The token of this grant.
    Grant(GrantId),
}

impl Pass {
    /// The pass of a caller who has the share's secret: everything.
    pub const OWNER: Self = Self { right: Right::Full, until: None, by: By::Secret };

    /// The pass of a caller who knows the share's id: reading, for as long as that is enough.
    pub const VIEWER: Self = Self { right: Right::Read, until: None, by: By::Id };

    /// The pass of an account that knows the share's id: reading, for as long as its visibility lets this account see it.
    pub(super) fn of_account(account: AccountId) -> Self {
        Self { right: Right::Read, until: None, by: By::Account(account) }
    }

    /// The pass that a grant gives to a caller who shows its token; `None` if the hash of what was shown is not the token's.
    pub(super) fn of_grant(grant: &Grant, shown: &SecretHash) -> Option<Self> {
        // The id of a grant is no secret, so the time may tell whether there is one of this id.
        access::same(&grant.token, shown).then(|| Self {
            right: grant.info.right,
            until: grant.info.expires_at,
            by: By::Grant(grant.info.id.clone()),
        })
    }

    /// The right that this pass gives.
    #[must_use]
    pub fn right(&self) -> Right {
        self.right
    }

    /// The time from which the pass gives nothing; `None`: it has no end of its own.
    #[must_use]
    pub fn until(&self) -> Option<Timestamp> {
        self.until
    }

    /// The grant whose token gave this pass; `None` if no token did.
    #[must_use]
    pub fn grant(&self) -> Option<&GrantId> {
        match &self.by {
            By::Grant(id) => Some(id),
            By::Id | By::Account(_) | By::Secret => None,
        }
    }

    /// Whether the pass was given to somebody who showed nothing but the share's id, or the id and a credential of an account.
    pub(super) fn came_by_id(&self) -> bool {
        matches!(self.by, By::Id | By::Account(_))
    }

    /// Whether what is in the share's log can end the pass.
    pub(super) fn can_be_taken(&self) -> bool {
        match self.by {
            By::Id | By::Account(_) | By::Grant(_) => true,
            By::Secret => false,
        }
    }

    /// Succeeds if the pass is valid in this state of its share, which is not deleted.
    ///
    /// # Errors
    /// [`Refusal::Unauthorized`], with what to do.
    pub(super) fn holds(&self, state: &State, clock: &dyn Clock) -> Result<(), Refusal> {
        let visibility = state.visibility();
        let refused = match &self.by {
            By::Secret => None,
            By::Grant(id) => state.grant(id).is_none().then_some(
                "the token that this capability came through was revoked: ask the share's owner for another",
            ),
            By::Id => (visibility != Visibility::Link).then(|| private(visibility)),
            By::Account(account) => {
                let is_owner = || state.opened().is_some_and(|opened| opened.account == *account);
                (visibility == Visibility::Grant && !is_owner()).then(|| private(visibility))
            }
        };
        match (refused, self.until) {
            (Some(reason), _) => Err(Refusal::Unauthorized { reason: reason.into() }),
            (None, Some(until)) if clock.now() >= until => Err(Refusal::Unauthorized {
                reason: "this capability has expired: ask the share's owner for another".into(),
            }),
            (None, _) => Ok(()),
        }
    }

    /// Time until the pass ends by itself, at most a day; `None`: it has no end of its own.
    pub(super) fn left(&self, clock: &dyn Clock) -> Option<Duration> {
        let left = self.until?.0.saturating_sub(clock.now().0);
        Some(Duration::from_millis(u64::try_from(left).unwrap_or_default()).min(PASS_WAIT_MAX))
    }

    /// A pass that gives no more than this one: the full right becomes the right that is asked for, any other right stays what
    /// it is, and the end comes no later than `until`.
    #[must_use]
    pub fn narrowed(&self, right: Right, until: Option<Timestamp>) -> Self {
        let right = if self.right == Right::Full { right } else { self.right };
        Self { right, until: earlier(self.until, until), by: self.by.clone() }
    }
}

impl<'a> From<&'a Pass> for Through<'a> {
    fn from(pass: &'a Pass) -> Self {
        pass.grant().map_or(Self::Owner, Self::Grant)
    }
}

/// What somebody who may not see a share can do about it.
fn private(visibility: Visibility) -> &'static str {
    match visibility {
        Visibility::Link | Visibility::Account => {
            "this share is for those who have an account here: show a credential that reads (share:read), or ask the \
             share's owner for a token"
        }
        Visibility::Grant => {
            "this share is private: ask its owner for a token that reads it, and show that; its own account sees it with a \
             credential that reads (share:read)"
        }
    }
}

/// The earlier of two ends, where `None` is no end.
pub(super) fn earlier(one: Option<Timestamp>, other: Option<Timestamp>) -> Option<Timestamp> {
    one.into_iter().chain(other).min()
}
