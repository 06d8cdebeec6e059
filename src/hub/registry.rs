//! The registry: every connection of this host, of whichever door, from its upgrade to its end.
//!
//! A connection comes in two steps. [`Registry::register`] gives it a place: from then on it can be closed, but it receives
//! nothing, is not counted and closes nobody. Its door then looks at the credential once more
//! ([`Hub::admit`](crate::hub::Hub::admit)), and [`Pending::admit`] lets it in, unless it was closed in between. So whatever
//! is revoked during an upgrade either meets the entry here, or is seen by the second look.
//!
//! Closing takes the entry out first and tells its door then, by [`closing`](Entry::closing): a connection is
//! counted as closed once, however many close it. From that moment it [is closed](Entry::is_closed): its door
//! begins no call any more, cancels those that run, delivers nothing, and sends the Close frame. A place is given back by a
//! guard's `Drop` when all of that is done.

mod entry;
mod place;

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

pub use self::entry::{CloseReason, ConnectionId, Door, Entry};
use self::place::Place;
pub use self::place::{Connection, Departure, Pending, TurnedAway};
use crate::hub::access::Principal;
use crate::hub::audit;
use crate::share::error::Refusal;
use crate::share::time::Timestamp;

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
    /// Those that wait to be admitted, by number.
    pending: BTreeMap<u64, Arc<Entry>>,
    /// Those that were, by number: the oldest first. With `pending` at most `connections_max`.
    admitted: BTreeMap<u64, Arc<Entry>>,
    /// Guards that are alive: those of both, and of connections that were closed and still say goodbye.
    taken: usize,
    numbered: u64,
    /// From now on nobody is registered.
    shut: bool,
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
        let id = ConnectionId(format!("{:08x}-{number}", self.incarnation));
        let entry = Arc::new(Entry::new(id, number, door, principal, since));
        places.pending.insert(number, Arc::clone(&entry));
        Ok(Pending(Place { entry, registry: Arc::clone(self), hooks: None }))
    }

    /// Notes that a connection authenticated in-band, so that whatever closes this principal's connections closes it too.
    ///
    /// # Errors
    /// It was closed meanwhile, or has authenticated as too many.
    pub fn join(&self, entry: &Entry, who: &Principal) -> Result<(), Refusal> {
        let surplus = {
            let mut places = self.lock();
            if !places.holds(entry.number) {
                return Err(Refusal::Unauthorized { reason: "this connection was closed by the host".into() });
            }
            entry.join(who)?;
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
        let counts = |other: &Principal| other.account == who.account && other.credential.is_shown();
        if !counts(who) {
            return Vec::new();
        }
        let others =
            places.admitted.iter().filter(|(number, entry)| **number != newcomer && entry.any_principal(counts));
        let others: Vec<u64> = others.map(|(number, _)| *number).collect();
        let surplus = (others.len() + 1).saturating_sub(max.get());
        others[..surplus].iter().filter_map(|number| places.take(*number, &CloseReason::TOO_MANY)).collect()
    }

    /// Closes every connection that matches, admitted or not, and says how many they were. They are out of the registry
    /// when this returns; each door sends its Close frame by itself, so that none waits for, or fails with, another.
    pub fn close_matching(&self, reason: CloseReason, matches: impl Fn(&Entry) -> bool) -> usize {
        let taken = self.take_matching(&reason, matches);
        taken.iter().for_each(|entry| entry.tell_door());
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
                entry.tell_door();
            }
        }
        (taken.len(), departure)
    }

    fn take_matching(&self, reason: &CloseReason, matches: impl Fn(&Entry) -> bool) -> Vec<Arc<Entry>> {
        // Matched without the lock, because it is the caller's code; taken out one by one, by whoever comes first.
        let found: Vec<_> = {
            let places = self.lock();
            places.admitted.values().chain(places.pending.values()).cloned().collect()
        };
        let numbers = found.iter().filter(|entry| matches(entry)).map(|entry| entry.number);
        let numbers: Vec<u64> = numbers.collect();
        let mut places = self.lock();
        numbers.into_iter().filter_map(|number| places.take(number, reason)).collect()
    }

    /// How many connections are admitted, a peer that closed but was not yet taken out included.
    #[must_use]
    pub fn count(&self) -> usize {
        self.lock().admitted.len()
    }

    /// How many connections wait to be admitted.
    #[must_use]
    pub fn count_pending(&self) -> usize {
        self.lock().pending.len()
    }

    /// How many admitted connections of a door there are.
    #[must_use]
    pub fn count_of(&self, door: Door) -> usize {
        self.lock().admitted.values().filter(|entry| entry.door == door).count()
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
        let mut found = self.connections();
        found.retain(|entry| matches(entry));
        found
    }

    /// All admitted connections, the oldest first.
    #[must_use]
    pub fn connections(&self) -> Vec<Arc<Entry>> {
        self.lock().admitted.values().cloned().collect()
    }

    /// The admitted connection of this name.
    #[must_use]
    pub fn get(&self, id: &str) -> Option<Arc<Entry>> {
        let number: u64 = id.rsplit_once('-')?.1.parse().ok()?;
        let places = self.lock();
        places.admitted.get(&number).filter(|entry| entry.id.as_str() == id).cloned()
    }

    /// The admitted connections after the one with this number, the oldest first, and the number to go on after; `None`:
    /// there are no more.
    #[must_use]
    pub fn page(&self, after: u64, limit: usize) -> (Vec<Arc<Entry>>, Option<u64>) {
        let places = self.lock();
        let later = places.admitted.range(after.saturating_add(1)..).map(|(_, entry)| entry);
        let mut page: Vec<_> = later.take(limit + 1).cloned().collect();
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

    fn lock(&self) -> MutexGuard<'_, Places> {
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn close_surplus(surplus: &[Arc<Entry>]) {
    for entry in surplus {
        entry.tell_door();
        audit::over_cap(entry);
    }
}

impl Places {
    /// Whether it is there, admitted or not.
    fn holds(&self, number: u64) -> bool {
        self.admitted.contains_key(&number) || self.pending.contains_key(&number)
    }

    /// Takes an entry out, wherever it is.
    fn remove(&mut self, number: u64) -> Option<Arc<Entry>> {
        self.admitted.remove(&number).or_else(|| self.pending.remove(&number))
    }

    /// Takes an entry out and says why; its door is still to be told. `None` if somebody else has.
    fn take(&mut self, number: u64, reason: &CloseReason) -> Option<Arc<Entry>> {
        let entry = self.remove(number)?;
        let _first = entry.reason.set(reason.clone());
        Some(entry)
    }
}
