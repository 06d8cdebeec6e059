//! Pushes: the host calls its clients, one and waits for the answer, or many and does not wait.
//!
//! [`Connections::push`] ends in the client's [`Answer`] or in a [`PushError`], never later than its deadline, and at once when the
//! connection closes, from whichever side. An answer travels on the connection that its question went out on, in the place
//! that it took there, so one connection's answer can never settle another's push; one that comes late finds nobody.
//!
//! [`Connections::broadcast`] and [`Connections::send_to_account`] check an action once, share it among the queues of all connections, and
//! count those that took it: accepted for sending, not delivered. A connection whose queue is full is skipped and not
//! counted; nobody is waited for. One that reads nothing is closed by its door, as for anything else that it does not read.
//!
//! Any thread may call these. The connection's own end of an [`Outlet`](crate::connections::outlet::Outlet) is in `rpc`; viewers have none.

use std::sync::Arc;
use std::time::Duration;

use serde::de::IgnoredAny;

use crate::access::Principal;
use crate::audit::{self, By};
use crate::connections::Connections;
use crate::connections::entry::{ConnectionId, Entry};
use crate::connections::outlet::PushError;
pub use crate::share::admin::BroadcastFilter;
use crate::share::error::Refusal;
use crate::share::id::AccountId;
use crate::share::item::nesting;
use crate::share::limits::{ITEM_NESTING_MAX, Limit};
pub use crate::share::push::{Action, Answer};

/// How a push is made.
#[derive(Debug, Clone, Copy, Default)]
#[non_exhaustive]
pub struct PushOptions {
    /// How long the client may take to answer. Default `None`: as the host has it
    /// ([`push_within`](crate::hub::HubSettings::push_within), 10 s).
    pub within: Option<Duration>,
}

impl PushOptions {
    /// For a client that may take so long, shorter or longer than the default.
    #[must_use]
    pub const fn within(within: Duration) -> Self {
        Self { within: Some(within) }
    }
}

impl BroadcastFilter {
    /// Whether it lets this connection through.
    #[must_use]
    pub fn matches(&self, entry: &Entry) -> bool {
        let is = |wanted: &Option<String>, is: &dyn Fn(&str) -> bool| wanted.as_deref().is_none_or(is);
        is(&self.account, &|account| entry.any_principal(|who| who.account.as_str() == account))
            && is(&self.door, &|door| entry.door.as_str() == door)
            && is(&self.state, &|state| entry.states.has(state))
    }
}

impl Connections {
    /// Pushes to one connection, and waits for the client's answer.
    ///
    /// # Errors
    /// See [`PushError`].
    pub async fn push(&self, to: &ConnectionId, action: Action, options: PushOptions) -> Result<Answer, PushError> {
        check(&action).map_err(PushError::InvalidAction)?;
        let entry = self.registry.get(to.as_str()).ok_or(PushError::ConnectionGone)?;
        push_to(&entry, action, options.within.unwrap_or(self.settings.push_within)).await
    }

    /// Sends to every connection that `filter` lets through, but for `except`, and says to how many it is on its way. The
    /// filter sees identity and [states](Entry::states), and runs on this thread, outside of any lock.
    ///
    /// Nobody waits for answers: what clients answer to it is not read. A [`Action::Ping`], which is nothing but its answer,
    /// is not sent. What cannot be sent is logged and reaches 0.
    pub fn broadcast(&self, action: &Action, except: &[ConnectionId], filter: impl Fn(&Entry) -> bool) -> usize {
        self.cast(action, |entry| !except.contains(&entry.id) && filter(entry)).unwrap_or_else(|refusal| {
            tracing::error!(%refusal, "a broadcast was not sent");
            0
        })
    }

    /// Sends to every connection of an account, of whatever credential, and says to how many it is on its way; as
    /// [`Connections::broadcast`].
    pub fn send_to_account(&self, account: &AccountId, action: &Action) -> usize {
        self.broadcast(action, &[], |entry| entry.is_of(account))
    }

    /// What an administrator sends to an account, with the rights of `who`; as [`Connections::send_to_account`].
    ///
    /// # Errors
    /// The principal may not, or the action cannot be sent.
    pub fn admin_send(
        &self,
        by: By<'_>,
        who: &Principal,
        account: &AccountId,
        action: &Action,
    ) -> Result<usize, Refusal> {
        who.may_administer()?;
        self.send_by(by, account, action)
    }

    /// What somebody sends to an account whose rights were looked at already, here or at another host.
    ///
    /// # Errors
    /// The action cannot be sent.
    pub fn send_by(&self, by: By<'_>, account: &AccountId, action: &Action) -> Result<usize, Refusal> {
        let reached = self.cast(action, |entry| entry.is_of(account))?;
        audit::administered(by, "send_to_account", account.as_str(), reached);
        Ok(reached)
    }

    /// What somebody broadcasts whose rights were looked at already, here or at another host.
    ///
    /// # Errors
    /// The action cannot be sent.
    pub fn broadcast_by(
        &self,
        by: By<'_>,
        action: &Action,
        except: &[impl AsRef<str>],
        filter: &BroadcastFilter,
    ) -> Result<usize, Refusal> {
        let is_excepted = |entry: &Entry| except.iter().any(|id| id.as_ref() == entry.id.as_str());
        let reached = self.cast(action, |entry| !is_excepted(entry) && filter.matches(entry))?;
        audit::administered(by, "broadcast", "everybody", reached);
        Ok(reached)
    }

    /// What an administrator broadcasts, with the rights of `who`; as [`Connections::broadcast`], with the names of connections as they
    /// were sent.
    ///
    /// # Errors
    /// The principal may not, or the action cannot be sent.
    pub fn admin_broadcast(
        &self,
        by: By<'_>,
        who: &Principal,
        action: &Action,
        except: &[impl AsRef<str>],
        filter: &BroadcastFilter,
    ) -> Result<usize, Refusal> {
        who.may_administer()?;
        self.broadcast_by(by, action, except, filter)
    }

    fn cast(&self, action: &Action, filter: impl Fn(&Entry) -> bool) -> Result<usize, Refusal> {
        check_cast(action)?;
        let action = Arc::new(action.clone());
        let (mut reached, mut skipped) = (0, 0_usize);
        for entry in self.registry.matching(filter) {
            match entry.outlet.cast(&action) {
                Ok(()) => reached += 1,
                Err(PushError::TooManyInFlight { .. }) => skipped += 1,
                Err(_) => {}
            }
        }
        if skipped > 0 {
            tracing::warn!(reached, skipped, "slow connections were left out of a broadcast");
        }
        Ok(reached)
    }
}

/// Pushes to a connection, whose action was checked.
pub(super) async fn push_to(entry: &Entry, action: Action, within: Duration) -> Result<Answer, PushError> {
    if entry.is_closing() {
        return Err(PushError::ConnectionGone);
    }
    let action = Arc::new(action);
    let answer = entry.outlet.push(Arc::clone(&action))?;
    let answer = tokio::select! {
        // The end first: what is closed delivers nothing more.
        biased;
        () = entry.closing() => return Err(PushError::ConnectionGone),
        // An answer that is there counts, though the client left after it.
        answer = answer => answer,
        () = entry.outlet.ended() => return Err(PushError::ConnectionGone),
        () = tokio::time::sleep(within) => return Err(PushError::Timeout { after: within }),
    };
    match answer {
        Ok(answer) => answer.and_then(|answer| fitting(&action, answer)),
        Err(_dropped) => Err(entry.outlet.lost()),
    }
}

/// Passes an answer of the kind that the action asks for.
fn fitting(action: &Action, answer: Answer) -> Result<Answer, PushError> {
    let wanted = match (action, &answer) {
        (Action::Ping(sent), Answer::Pong(got)) if sent == got => return Ok(answer),
        (Action::Ping(sent), Answer::Pong(got)) => return Err(PushError::WrongNonce { sent: *sent, got: *got }),
        (Action::Notice(_), Answer::Done) | (Action::Custom { .. }, Answer::Custom(_)) => return Ok(answer),
        (Action::Ping(_), _) => "pong",
        (Action::Notice(_), _) => "done",
        (Action::Custom { .. }, _) => "custom",
    };
    Err(PushError::InvalidAnswer { reason: format!("expected {wanted}, got {}", answer.kind()) })
}

/// Passes an action that can be sent.
///
/// # Errors
/// It is past a limit, has no name, or what it carries is not JSON.
pub fn check(action: &Action) -> Result<(), Refusal> {
    action.check_size()?;
    let Some(json) = action.json() else { return Ok(()) };
    if nesting(json) > ITEM_NESTING_MAX {
        return Err(Refusal::limit(Limit::ItemNestingMax, ITEM_NESTING_MAX, nesting(json)));
    }
    serde_json::from_str::<IgnoredAny>(json)
        .map(|_| ())
        .map_err(|_| Refusal::invalid(0, "the data of a push must be JSON: write for example {\"text\": \"hello\"}"))
}

/// Passes an action that can be sent to many, whose answers nobody reads.
///
/// # Errors
/// As [`check`], and for a ping.
pub fn check_cast(action: &Action) -> Result<(), Refusal> {
    match action {
        Action::Ping(_) => Err(Refusal::invalid(0, "a ping asks for an answer: push it to one connection")),
        Action::Notice(_) | Action::Custom { .. } => check(action),
    }
}
