//! The registry: every connection of this host, of whichever door, from its upgrade to its end.
//!
//! A connection comes in two steps. [`Registry::register`] gives it a place: from then on it can be closed, but it receives
//! nothing, is not counted and closes nobody. Its door then looks at the credential once more
//! ([`Hub::admit`](crate::hub::Hub::admit)), and [`Pending::admit`] lets it in, unless it was closed in between. So whatever
//! is revoked during an upgrade either meets the entry here, or is seen by the second look.
//!
//! Closing takes the entry out first and tells its door then, by the [`closing`](Entry::closing) token: a connection is
//! counted as closed once, however many close it. From that moment it [is closed](Entry::is_closed): its door
//! begins no call any more, cancels those that run, delivers nothing, and sends the Close frame. A place is given back by a
//! guard's `Drop` when all of that is done.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use tokio::sync::Notify;
use tokio::sync::futures::Notified;
use tokio_util::sync::CancellationToken;

use crate::hub::access::{Credential, Principal};
use crate::hub::admission::ConnectionHooks;
use crate::hub::audit;
use crate::hub::push::{Outlet, States};
use crate::hub::traffic::Traffic;
use crate::share::error::Refusal;
use crate::share::id::AccountId;
use crate::share::time::Timestamp;

/// A connection's name: unique on its host, also across restarts, for logs and administrators.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ConnectionId(String);

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

/// Which door a connection came through.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Door {
    /// `/rpc/share`, or an in-process pipe.
    Rpc,
    /// `/ws/{id}`.
    Viewer,
    /// `/events/{id}`.
    Sse,
}

impl Door {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Rpc, Self::Viewer, Self::Sse];

    /// Its name in logs, listings and metrics.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Rpc => "rpc",
            Self::Viewer => "viewer",
            Self::Sse => "sse",
        }
    }
}

/// Why the host closes a connection: a WebSocket close code and its reason. `schema/share.capnp` says what a client does
/// on each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CloseReason {
    /// RFC 6455 section 7.4, or 4000 and above for our own.
    pub code: u16,
    /// At most 123 bytes.
    pub reason: &'static str,
}

impl CloseReason {
    /// The host is shutting down: come back, here or elsewhere.
    pub const GOING_AWAY: Self = Self { code: 1012, reason: "the host is restarting: come back" };
    /// A viewer may not see its share any more: do not come back by yourself.
    pub const HIDDEN: Self =
        Self { code: 4001, reason: "Unauthorized: the share is not visible to this viewer any more" };
    /// The credential is not valid any more, or an administrator closed the connection: do not come back by yourself.
    pub const REVOKED: Self = Self { code: 4001, reason: "revoked: connect again with a credential that is valid" };
    /// The credential's time is over; as [`REVOKED`](Self::REVOKED).
    pub const EXPIRED: Self = Self { code: 4001, reason: "the credential has expired: connect again with a newer one" };
    /// Nothing was heard from the peer: come back.
    pub const SILENT: Self = Self { code: 4003, reason: "nothing was heard from this side for two ping intervals" };
    /// The account has more connections than it may, and this was the oldest: do not come back by yourself.
    pub const TOO_MANY: Self =
        Self { code: 4004, reason: "the account has more connections than it may, and this was its oldest" };
    /// The host could not tell whether to let the connection in: come back later.
    pub const FAULT: Self = Self { code: 1011, reason: "the host failed to admit this connection: see its log" };
}

/// The connections of one host.
#[derive(Debug)]
pub struct Registry {
    places: Mutex<Places>,
    left: Notify,
    connections_max: usize,
    account_connections_max: Option<NonZeroUsize>,
    incarnation: u32,
}

#[derive(Debug, Default)]
struct Places {
    /// By number: the oldest first. At most `connections_max`.
    slots: BTreeMap<u64, Slot>,
    /// Guards that are alive: those of `slots`, and of connections that were closed and still say goodbye.
    taken: usize,
    numbered: u64,
    /// From now on nobody is registered.
    shut: bool,
}

#[derive(Debug)]
struct Slot {
    entry: Arc<Entry>,
    admitted: bool,
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
    /// Where its socket comes from; set by its door, not set within the process.
    pub address: OnceLock<IpAddr>,
    /// Cancelled when the host closes it.
    pub closing: CancellationToken,
    /// The way to its client, if that offered one.
    pub outlet: Outlet,
    /// What the service around the host remembers of it.
    pub states: States,
    /// What goes over it.
    pub traffic: Traffic,
    number: u64,
    /// Who it authenticated as in-band. At most [`JOINED_MAX`].
    joined: Mutex<Vec<Principal>>,
    joins: Notify,
    reason: OnceLock<CloseReason>,
}

/// Different principals that one connection may authenticate as in-band: a few accounts of one person.
const JOINED_MAX: usize = 8;

impl Entry {
    /// Why the host closes it, once it does.
    #[must_use]
    pub fn close_reason(&self) -> Option<&CloseReason> {
        self.reason.get()
    }

    /// Whether the host has closed it, so that nothing more may be begun or delivered.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.reason.get().is_some()
    }

    /// Whether this holds for one of those that it came or authenticated as.
    #[must_use]
    pub fn any_principal(&self, fact: impl Fn(&Principal) -> bool) -> bool {
        self.principal.iter().any(&fact) || self.joined().iter().any(fact)
    }

    /// All that it came or authenticated as.
    #[must_use]
    pub fn principals(&self) -> Vec<Principal> {
        self.principal.iter().cloned().chain(self.joined().iter().cloned()).collect()
    }

    /// Whether it has the rights of an account.
    #[must_use]
    pub fn is_of(&self, account: &AccountId) -> bool {
        self.any_principal(|who| who.account == *account)
    }

    /// Who it is: as it came in, else as it authenticated first.
    #[must_use]
    pub fn identity(&self) -> Option<Principal> {
        self.principal.clone().or_else(|| self.joined().first().cloned())
    }

    /// When the first of its credentials expires; `None`: never.
    #[must_use]
    pub fn expires_at(&self) -> Option<Timestamp> {
        let joined = self.joined();
        self.principal.iter().chain(joined.iter()).filter_map(|who| who.expires_at).min()
    }

    /// Resolves when it authenticates as somebody else.
    pub(super) fn joined_another(&self) -> Notified<'_> {
        self.joins.notified()
    }

    fn joined(&self) -> MutexGuard<'_, Vec<Principal>> {
        self.joined.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A place in the registry. Dropping it gives it back.
#[derive(Debug)]
struct Place {
    entry: Arc<Entry>,
    registry: Arc<Registry>,
    /// Told when the connection goes; set once its `opened` was begun.
    hooks: Option<Arc<dyn ConnectionHooks>>,
}

impl Drop for Place {
    fn drop(&mut self) {
        {
            let mut places = self.registry.lock();
            // Not there any more if it was closed.
            places.slots.remove(&self.entry.number);
            places.taken -= 1;
        }
        self.entry.outlet.end();
        self.entry.states.end();
        self.registry.left.notify_waiters();
        if let Some(hooks) = &self.hooks {
            hooks.tell_closed(&self.entry);
        }
    }
}

/// A connection that has a place and is not admitted yet.
#[derive(Debug)]
#[must_use = "dropping it gives the place back"]
pub struct Pending(Place);

/// An admitted connection. Dropping it takes it out of the registry.
#[derive(Debug)]
pub struct Connection(Place);

/// A connection that was not admitted. It keeps its place until its door has said why.
#[derive(Debug)]
pub struct TurnedAway {
    /// What to close with.
    pub reason: CloseReason,
    place: Place,
}

impl Connection {
    /// What the registry knows of it, to be kept beside it.
    #[must_use]
    pub fn entry(&self) -> &Arc<Entry> {
        &self.0.entry
    }
}

impl TurnedAway {
    /// For a transport that has no close codes.
    #[must_use]
    pub fn into_refusal(self) -> Refusal {
        match self.reason.code {
            4001 => Refusal::Unauthorized { reason: self.reason.reason.into() },
            _ => Refusal::Unavailable { retry_after_ms: 1_000 },
        }
    }

    /// Which connection it was.
    #[must_use]
    pub fn entry(&self) -> &Arc<Entry> {
        &self.place.entry
    }
}

impl std::ops::Deref for Pending {
    type Target = Arc<Entry>;

    fn deref(&self) -> &Arc<Entry> {
        &self.0.entry
    }
}

impl std::ops::Deref for Connection {
    type Target = Arc<Entry>;

    fn deref(&self) -> &Arc<Entry> {
        &self.0.entry
    }
}

impl Pending {
    /// Admits it. If its account has more connections than it may now, the oldest of them are closed.
    ///
    /// # Errors
    /// It was closed meanwhile.
    pub fn admit(self) -> Result<Connection, TurnedAway> {
        let Self(place) = self;
        let registry = Arc::clone(&place.registry);
        let surplus = {
            let mut places = registry.lock();
            match places.slots.get_mut(&place.entry.number) {
                Some(slot) => slot.admitted = true,
                None => {
                    let reason = place.entry.close_reason().cloned().unwrap_or(CloseReason::REVOKED);
                    return Err(TurnedAway { reason, place });
                }
            }
            let who = place.entry.principal.as_ref();
            who.map(|who| registry.take_surplus(&mut places, who, place.entry.number)).unwrap_or_default()
        };
        close_surplus(&surplus);
        Ok(Connection(place))
    }

    /// Closes it before it was admitted.
    #[must_use]
    pub fn turn_away(self, reason: CloseReason) -> TurnedAway {
        self.0.turn_away(reason)
    }
}

impl Connection {
    /// Closes it before its door served it.
    #[must_use]
    pub fn turn_away(self, reason: CloseReason) -> TurnedAway {
        self.0.turn_away(reason)
    }

    /// From now on these are told when it goes.
    pub(super) fn set_hooks(&mut self, hooks: Option<Arc<dyn ConnectionHooks>>) {
        self.0.hooks = hooks;
    }
}

impl Place {
    fn turn_away(self, reason: CloseReason) -> TurnedAway {
        self.registry.close_matching(reason.clone(), |entry| entry.number == self.entry.number);
        let reason = self.entry.close_reason().cloned().unwrap_or(reason);
        TurnedAway { reason, place: self }
    }
}

impl Registry {
    /// An empty registry. `incarnation` are random bits that tell this run of the host from others in connection names;
    /// past `connections_max` nobody is registered, and past `account_connections_max` the account's oldest is closed.
    #[must_use]
    pub fn new(incarnation: u32, connections_max: usize, account_connections_max: Option<NonZeroUsize>) -> Arc<Self> {
        let (places, left) = (Mutex::default(), Notify::new());
        Arc::new(Self { places, left, connections_max, account_connections_max, incarnation })
    }

    /// Gives a connection a place.
    ///
    /// # Errors
    /// The host has as many as it may have, or takes no more.
    pub fn register(
        self: &Arc<Self>,
        door: Door,
        principal: Option<Principal>,
        since: Timestamp,
    ) -> Result<Pending, Refusal> {
        let mut places = self.lock();
        if places.shut {
            return Err(Refusal::Unavailable { retry_after_ms: 1_000 });
        }
        if places.taken >= self.connections_max {
            return Err(Refusal::limit("connectionsMax", self.connections_max, places.taken + 1));
        }
        places.taken += 1;
        places.numbered += 1;
        let number = places.numbered;
        let entry = Arc::new(Entry {
            id: ConnectionId(format!("{:08x}-{number}", self.incarnation)),
            door,
            principal,
            since,
            address: OnceLock::new(),
            closing: CancellationToken::new(),
            outlet: Outlet::default(),
            states: States::default(),
            traffic: Traffic::default(),
            number,
            joined: Mutex::default(),
            joins: Notify::new(),
            reason: OnceLock::new(),
        });
        places.slots.insert(number, Slot { entry: Arc::clone(&entry), admitted: false });
        Ok(Pending(Place { entry, registry: Arc::clone(self), hooks: None }))
    }

    /// Notes that a connection authenticated in-band, so that whatever closes this principal's connections closes it too.
    ///
    /// # Errors
    /// It was closed meanwhile, or has authenticated as too many.
    pub fn join(&self, entry: &Entry, who: &Principal) -> Result<(), Refusal> {
        let surplus = {
            let mut places = self.lock();
            if !places.slots.contains_key(&entry.number) {
                return Err(Refusal::Unauthorized { reason: "this connection was closed by the host".into() });
            }
            let mut joined = entry.joined();
            if !joined.contains(who) {
                if joined.len() >= JOINED_MAX {
                    return Err(Refusal::limit("principalsMax", JOINED_MAX, JOINED_MAX + 1));
                }
                joined.push(who.clone());
            }
            drop(joined);
            entry.joins.notify_waiters();
            self.take_surplus(&mut places, who, entry.number)
        };
        close_surplus(&surplus);
        Ok(())
    }

    /// Takes the oldest connections of an account out until it has as many as it may; never the newcomer. Those without a
    /// credential are nobody's in particular: whoever comes to a host that needs none closes no stranger's connection.
    ///
    /// It looks at all connections: some 100 µs with 10,000 of them, which is what their upgrade took.
    fn take_surplus(&self, places: &mut Places, who: &Principal, newcomer: u64) -> Vec<Arc<Entry>> {
        let Some(max) = self.account_connections_max else { return Vec::new() };
        let counts = |other: &Principal| other.account == who.account && !matches!(other.credential, Credential::None);
        if !counts(who) {
            return Vec::new();
        }
        let others = places
            .slots
            .iter()
            .filter(|(number, slot)| slot.admitted && **number != newcomer && slot.entry.any_principal(counts));
        let others: Vec<u64> = others.map(|(number, _)| *number).collect();
        let surplus = (others.len() + 1).saturating_sub(max.get());
        others[..surplus].iter().filter_map(|number| places.take(*number, &CloseReason::TOO_MANY)).collect()
    }

    /// Closes every connection that matches, admitted or not, and says how many they were. They are out of the registry
    /// when this returns; each door sends its Close frame by itself, so that none waits for, or fails with, another.
    pub fn close_matching(&self, reason: CloseReason, matches: impl Fn(&Entry) -> bool) -> usize {
        let taken = self.take_matching(&reason, matches);
        taken.iter().for_each(|entry| entry.closing.cancel());
        taken.len()
    }

    /// As [`close_matching`](Self::close_matching), for a caller that may be among them: its own entry is closed as well, but
    /// its door is told only when the [`Departure`] is dropped, so that the caller's answer goes out first.
    pub fn close_matching_from(
        &self,
        own: &ConnectionId,
        reason: CloseReason,
        matches: impl Fn(&Entry) -> bool,
    ) -> (usize, Option<Departure>) {
        let taken = self.take_matching(&reason, matches);
        let mut departure = None;
        for entry in &taken {
            if entry.id == *own {
                departure = Some(Departure(Arc::clone(entry)));
            } else {
                entry.closing.cancel();
            }
        }
        (taken.len(), departure)
    }

    fn take_matching(&self, reason: &CloseReason, matches: impl Fn(&Entry) -> bool) -> Vec<Arc<Entry>> {
        // Matched without the lock, because it is the caller's code; taken out one by one, by whoever comes first.
        let found = self.snapshot(|_| true);
        let numbers = found.iter().filter(|entry| matches(entry)).map(|entry| entry.number);
        let numbers: Vec<u64> = numbers.collect();
        let mut places = self.lock();
        numbers.into_iter().filter_map(|number| places.take(number, reason)).collect()
    }

    /// How many connections are admitted, a peer that closed but was not yet taken out included.
    #[must_use]
    pub fn count(&self) -> usize {
        self.lock().slots.values().filter(|slot| slot.admitted).count()
    }

    /// How many connections wait to be admitted.
    #[must_use]
    pub fn count_pending(&self) -> usize {
        self.lock().slots.values().filter(|slot| !slot.admitted).count()
    }

    /// How many admitted connections of a door there are.
    #[must_use]
    pub fn count_of(&self, door: Door) -> usize {
        self.lock().slots.values().filter(|slot| slot.admitted && slot.entry.door == door).count()
    }

    /// How many places are taken: by admitted connections, by pending ones, and by those that were closed and still say
    /// goodbye. What the host's limit is about.
    #[must_use]
    pub fn taken(&self) -> usize {
        self.lock().taken
    }

    /// The admitted connections that match, the oldest first.
    #[must_use]
    pub fn matching(&self, matches: impl Fn(&Entry) -> bool) -> Vec<Arc<Entry>> {
        let mut found = self.snapshot(|slot| slot.admitted);
        found.retain(|entry| matches(entry));
        found
    }

    /// All admitted connections, the oldest first.
    #[must_use]
    pub fn connections(&self) -> Vec<Arc<Entry>> {
        self.snapshot(|slot| slot.admitted)
    }

    /// The admitted connection of this name.
    #[must_use]
    pub fn get(&self, id: &str) -> Option<Arc<Entry>> {
        let number: u64 = id.rsplit_once('-')?.1.parse().ok()?;
        let places = self.lock();
        let slot = places.slots.get(&number).filter(|slot| slot.admitted && slot.entry.id.as_str() == id)?;
        Some(Arc::clone(&slot.entry))
    }

    /// The admitted connections after the one with this number, the oldest first, and the number to go on after; `None`:
    /// there are no more.
    #[must_use]
    pub fn page(&self, after: u64, limit: usize) -> (Vec<Arc<Entry>>, Option<u64>) {
        let places = self.lock();
        let later = places.slots.range(after.saturating_add(1)..).map(|(_, slot)| slot).filter(|slot| slot.admitted);
        let mut page: Vec<_> = later.take(limit + 1).map(|slot| Arc::clone(&slot.entry)).collect();
        let more = page.len() > limit;
        page.truncate(limit);
        let next = page.last().filter(|_| more).map(|entry| entry.number);
        (page, next)
    }

    /// Registers nobody any more.
    pub fn shut(&self) {
        self.lock().shut = true;
    }

    /// Whether nobody is registered any more.
    #[must_use]
    pub fn is_shut(&self) -> bool {
        self.lock().shut
    }

    /// Registers nobody any more, closes every connection, and waits until the last has left.
    pub async fn end(&self, reason: &CloseReason) {
        self.shut();
        self.close_matching(reason.clone(), |_| true);
        loop {
            let left = self.left.notified();
            if self.taken() == 0 {
                return;
            }
            left.await;
        }
    }

    fn snapshot(&self, which: impl Fn(&Slot) -> bool) -> Vec<Arc<Entry>> {
        self.lock().slots.values().filter(|slot| which(slot)).map(|slot| Arc::clone(&slot.entry)).collect()
    }

    fn lock(&self) -> MutexGuard<'_, Places> {
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn close_surplus(surplus: &[Arc<Entry>]) {
    for entry in surplus {
        entry.closing.cancel();
        audit::over_cap(entry);
    }
}

impl Places {
    /// Takes an entry out and says why; its door is still to be told. `None` if somebody else has.
    fn take(&mut self, number: u64, reason: &CloseReason) -> Option<Arc<Entry>> {
        let entry = self.slots.remove(&number)?.entry;
        let _first = entry.reason.set(reason.clone());
        Some(entry)
    }
}

/// A connection that closed itself and whose answer is on its way. Dropping it tells the door to close.
#[derive(Debug)]
#[must_use = "dropping it closes the connection at once"]
pub struct Departure(Arc<Entry>);

impl Drop for Departure {
    fn drop(&mut self) {
        self.0.closing.cancel();
    }
}
