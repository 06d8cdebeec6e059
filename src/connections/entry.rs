//! A connection as the registry knows it: its name and door, who it is, the ways to its client, and why it was closed.

use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::task::Waker;

use futures::task::AtomicWaker;
use tokio::sync::Notify;
use tokio::sync::futures::Notified;

use crate::access::{Principal, Way};
use crate::audit::{self, By};
use crate::connections::close::CloseReason;
use crate::connections::comer::{Comer, Door, Shown};
use crate::connections::moving::Moving;
use crate::connections::outlet::Outlet;
use crate::connections::states::States;
use crate::connections::traffic::Traffic;
use crate::share::error::Refusal;
use crate::share::id::AccountId;
use crate::share::limits::Limit;
use crate::share::time::Timestamp;

/// A connection's name: unique on its host, also across restarts, for logs and administrators.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ConnectionId(pub(super) String);

impl ConnectionId {
    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Display for ConnectionId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// What the registry knows of a connection.
#[derive(Debug)]
pub struct Entry {
    /// Its name.
    pub id: ConnectionId,
    /// Where it came in.
    pub door: Door,
    /// Who it was as it came in; `None` for viewers without a credential, and for clients that authenticate in-band. Ask
    /// [`is_of`](Self::is_of) or [`any_principal`](Self::any_principal) for who it is.
    pub principal: Option<Principal>,
    /// Since when.
    pub since: Timestamp,
    /// Where its socket comes from; `None` within the process.
    pub address: Option<IpAddr>,
    /// How it came.
    pub way: Way,
    /// The way to its client, if that offered one.
    #[doc(hidden)]
    pub outlet: Outlet,
    /// What the service around the host remembers of it.
    pub states: States,
    /// What goes over it.
    #[doc(hidden)]
    pub traffic: Traffic,
    /// The task that waits with this connection, and not for it: woken when it is closed, or is to be looked at.
    attendant: AtomicWaker,
    pub(super) number: u64,
    /// What it had shown as it came.
    pub(super) came_with: Shown,
    /// Whether it has shown a right credential. Changed under the registry's lock only.
    pub(super) has_shown: AtomicBool,
    later: Mutex<Later>,
    /// See [`DENIALS_MAX`].
    denials_left: AtomicU32,
    /// What only administrators may was done over it.
    administers: AtomicBool,
    /// Its door is to close it.
    is_told: AtomicBool,
    /// It joined another, or its door was told.
    stirred: Notify,
    pub(super) reason: OnceLock<CloseReason>,
}

/// What a connection came by after it was there. Most have nothing of it, so it is kept in as few bytes as can be.
#[derive(Debug, Default)]
struct Later {
    /// Who it authenticated as in-band. At most [`JOINED_MAX`].
    joined: Box<[Principal]>,
    /// What its client is to be told, where it is to go to another host.
    moving: Option<Arc<Moving>>,
}

/// Number of lines in the audit log about what one connection tried without the right to. The first are enough to know it by,
/// and nobody fills a disk by trying on.
const DENIALS_MAX: u32 = 100;

/// Different principals that one connection may authenticate as in-band: a few accounts of one person.
const JOINED_MAX: usize = 8;

impl Entry {
    /// What is known of a connection as it comes.
    pub(super) fn new(id: ConnectionId, number: u64, comer: Comer, since: Timestamp) -> Self {
        let Comer { door, principal, shown, address, way } = comer;
        Self {
            id,
            door,
            principal,
            since,
            address,
            way,
            outlet: Outlet::default(),
            states: States::default(),
            traffic: Traffic::default(),
            attendant: AtomicWaker::new(),
            number,
            came_with: shown,
            has_shown: AtomicBool::new(shown == Shown::Credential),
            later: Mutex::default(),
            denials_left: AtomicU32::new(DENIALS_MAX),
            administers: AtomicBool::new(false),
            is_told: AtomicBool::new(false),
            stirred: Notify::new(),
            reason: OnceLock::new(),
        }
    }

    /// Notes somebody whom it authenticated as.
    ///
    /// # Errors
    /// It has authenticated as too many.
    pub(super) fn join(&self, who: &Principal) -> Result<(), Refusal> {
        let mut later = self.later();
        if !later.joined.contains(who) {
            if later.joined.len() >= JOINED_MAX {
                return Err(Refusal::limit(Limit::PrincipalsMax, JOINED_MAX, JOINED_MAX + 1));
            }
            later.joined = later.joined.iter().chain([who]).cloned().collect();
        }
        drop(later);
        self.stirred.notify_waiters();
        Ok(())
    }

    /// Why the host closes it, once it does.
    #[must_use]
    pub fn close_reason(&self) -> Option<&CloseReason> {
        self.reason.get()
    }

    /// Whether it has shown no right credential yet.
    #[must_use]
    pub fn is_guest(&self) -> bool {
        !self.has_shown.load(Ordering::Relaxed)
    }

    /// Whether the host has closed it, so that nothing more may be begun or delivered.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.reason.get().is_some()
    }

    /// Tells its door that it was closed.
    pub(super) fn tell_door(&self) {
        self.is_told.store(true, Ordering::Release);
        self.stirred.notify_waiters();
        self.attendant.wake();
    }

    /// Whether its door was told to close it.
    #[doc(hidden)]
    #[must_use]
    pub fn is_closing(&self) -> bool {
        self.is_told.load(Ordering::Acquire)
    }

    /// Resolves when its door is to close it. Dropping the future loses nothing.
    #[doc(hidden)]
    pub async fn closing(&self) {
        loop {
            // Whatever stirs after this wakes it.
            let stirred = self.stirred.notified();
            if self.is_closing() {
                return;
            }
            stirred.await;
        }
    }

    /// What its client is to be told if it is to go to another host; `None`: it may stay.
    #[doc(hidden)]
    #[must_use]
    pub fn moving(&self) -> Option<Arc<Moving>> {
        self.later().moving.clone()
    }

    /// What its client is to be told if it is to go to another host, and was not told yet: `told` is the number of the
    /// [drain](Moving::drain) of which it was told last, or 0.
    #[doc(hidden)]
    #[must_use]
    pub fn moving_after(&self, told: u64) -> Option<Arc<Moving>> {
        self.moving().filter(|moving| moving.drain > told)
    }

    /// Resolves when there is something that [`moving_after`](Self::moving_after) gives. Dropping the future loses nothing.
    #[doc(hidden)]
    pub async fn moves(&self, told: u64) -> Arc<Moving> {
        loop {
            // Whatever stirs after this wakes it.
            let stirred = self.stirred.notified();
            if let Some(moving) = self.moving_after(told) {
                return moving;
            }
            stirred.await;
        }
    }

    /// Says to its door what its client is to be told; `None`: it may stay after all.
    pub(super) fn set_moving(&self, moving: Option<Arc<Moving>>) {
        self.later().moving = moving;
        self.stirred.notify_waiters();
        self.attendant.wake();
    }

    /// Notes that an administrator does his work over it: a drain leaves it for as long as the host runs.
    #[doc(hidden)]
    pub fn administers(&self) {
        self.administers.store(true, Ordering::Relaxed);
    }

    /// Whether an administrator has done his work over it.
    #[doc(hidden)]
    #[must_use]
    pub fn is_administering(&self) -> bool {
        self.administers.load(Ordering::Relaxed)
    }

    /// Has this woken when the connection is closed, is to move, or is [nudged](Entry::nudge): the last one that was given. For who waits
    /// with ten thousand connections at once; anybody else awaits [`closing`](Entry::closing).
    #[doc(hidden)]
    pub fn attend(&self, waker: &Waker) {
        self.attendant.register(waker);
    }

    /// Wakes the task that [attends](Entry::attend) it.
    #[doc(hidden)]
    pub fn nudge(&self) {
        self.attendant.wake();
    }

    /// Whether this holds for one of those that it came or authenticated as.
    #[must_use]
    pub fn any_principal(&self, fact: impl Fn(&Principal) -> bool) -> bool {
        self.principal.iter().any(&fact) || self.later().joined.iter().any(fact)
    }

    /// All that it came or authenticated as.
    #[must_use]
    pub fn principals(&self) -> Vec<Principal> {
        self.principal.iter().cloned().chain(self.later().joined.iter().cloned()).collect()
    }

    /// Whether it has the rights of an account.
    #[must_use]
    pub fn is_of(&self, account: &AccountId) -> bool {
        self.any_principal(|who| who.account == *account)
    }

    /// Who it is: as it came in, else as it authenticated first.
    #[must_use]
    pub fn identity(&self) -> Option<Principal> {
        self.principal.clone().or_else(|| self.later().joined.first().cloned())
    }

    /// This connection, for a line of the audit log, with the rights of a principal; `None`: of nobody in particular.
    #[doc(hidden)]
    #[must_use]
    pub fn by<'a>(&'a self, who: Option<&'a Principal>) -> By<'a> {
        By::Connection { id: self.id.as_str(), address: self.address, who }
    }

    /// Writes the line of the audit log that somebody tried here what only an administrator or a share's owner may, for as
    /// many as a connection has.
    pub(crate) fn denied(&self, who: Option<&Principal>, action: &str, share: &str, refusal: &Refusal) {
        let less = |left: u32| left.checked_sub(1);
        if self.denials_left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less).is_ok() {
            let share = share.parse().ok();
            audit::denied(self.by(who), action, share.as_ref(), refusal);
        }
    }

    /// When the first of its credentials expires; `None`: never.
    #[must_use]
    pub fn expires_at(&self) -> Option<Timestamp> {
        let later = self.later();
        self.principal.iter().chain(later.joined.iter()).filter_map(|who| who.expires_at).min()
    }

    /// Resolves when it authenticates as somebody else, or is closed.
    pub(super) fn joined_another(&self) -> Notified<'_> {
        self.stirred.notified()
    }

    fn later(&self) -> MutexGuard<'_, Later> {
        self.later.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
