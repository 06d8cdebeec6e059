//! The registry: every connection of this host, of whichever door, from its upgrade to its end.
//!
//! A connection comes in two steps. [`Registry::register`] gives it a place: from then on it can be closed, but it receives
//! nothing, is not counted and closes nobody. Its door then looks at the credential once more
//! ([`Connections::admit`](crate::connections::Connections::admit)), and [`Pending::admit`] lets it in, unless it was closed in
//! between. So whatever is revoked during an upgrade either meets the entry here, or is seen by the second look.
//!
//! Closing takes the entry out first and tells its door then, by [`closing`](Entry::closing): a connection is
//! counted as closed once, however many close it. From that moment it [is closed](Entry::is_closed): its door
//! begins no call any more, cancels those that run, delivers nothing, and sends the Close frame. A place is given back by a
//! guard's `Drop` when all of that is done.
//!
//! Connections without a credential never keep the places of those with one: who goes when there are too many is in `crowd`.

mod crowd;
mod place;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;
use tokio::sync::futures::Notified;

use self::crowd::close_surplus;
use self::place::Place;
pub use self::place::{Connection, Departure, Pending, TurnedAway};
use crate::access::Principal;
use crate::access::address::AddressKey;
use crate::connections::close::CloseReason;
use crate::connections::comer::{Comer, Door};
use crate::connections::entry::{ConnectionId, Entry};
use crate::share::error::Refusal;
use crate::share::time::Timestamp;

/// The connections of one host.
#[derive(Debug)]
pub struct Registry {
    places: Mutex<Places>,
    left: Notify,
    /// Only ever lowered.
    connections_max: AtomicUsize,
    caps: Caps,
    incarnation: u32,
    /// It was said that an address has as many connections as it may: once is enough.
    is_address_told: AtomicBool,
}

/// How many connections of one kind there may be; past it the oldest of that kind is closed with 4004. `None`: any number.
#[derive(Debug, Clone, Copy, Default)]
pub struct Caps {
    /// Of one account, by its credentials.
    pub account: Option<NonZeroUsize>,
    /// Of one address, without a credential.
    pub address: Option<NonZeroUsize>,
}

#[derive(Debug, Default)]
struct Places {
    /// Those that wait to be admitted, by number.
    pending: BTreeMap<u64, Arc<Entry>>,
    /// Those that were, by number: the oldest first. With `pending` at most `connections_max`.
    admitted: BTreeMap<u64, Arc<Entry>>,
    /// Of the admitted, those that have shown no credential, by address and number: the oldest first.
    guests: HashMap<AddressKey, BTreeSet<u64>>,
    /// Guards that are alive: those of both, and of connections that were closed and still say goodbye.
    taken: usize,
    /// Those that were closed to make room and still say goodbye, by number: their places are given away already. Bound: as
    /// many as there may be connections; past it nobody is displaced.
    displaced: BTreeSet<u64>,
    numbered: u64,
    takes: Takes,
}

/// Whom a registry takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Takes {
    /// Everybody for whom there is a place.
    #[default]
    All,
    /// Administrators, because the host drains.
    Administrators,
    /// Nobody, because the host shuts down; that is final.
    Nobody,
}

impl Registry {
    /// An empty registry. `incarnation` are random bits that tell this run of the host from others in connection names;
    /// past `connections_max` nobody is registered but in the place of somebody without a credential, and past one of the
    /// `caps` the oldest is closed.
    #[must_use]
    pub fn new(incarnation: u32, connections_max: usize, caps: Caps) -> Arc<Self> {
        let (places, left, is_address_told) = (Mutex::default(), Notify::new(), AtomicBool::new(false));
        let connections_max = AtomicUsize::new(connections_max);
        Arc::new(Self { places, left, connections_max, caps, incarnation, is_address_told })
    }

    /// Admits at most this many from now on, if that is fewer than before: for a host that finds that the machine has room for
    /// no more. Those that are there stay.
    pub fn lower_max(&self, connections_max: usize) {
        self.connections_max.fetch_min(connections_max, Ordering::Relaxed);
    }

    /// How many connections there may be.
    #[must_use]
    pub fn connections_max(&self) -> usize {
        self.connections_max.load(Ordering::Relaxed)
    }

    /// Gives a connection a place. If there is none, one that has a credential, or is about to show one, is given the place
    /// of one that has none, which is closed with 1013.
    ///
    /// # Errors
    /// The host has as many as it may have, or takes no more.
    pub fn register(self: &Arc<Self>, comer: Comer, since: Timestamp) -> Result<Pending, Refusal> {
        let mut places = self.lock();
        let is_taken = match places.takes {
            Takes::All => true,
            Takes::Administrators => comer.may_administer(),
            Takes::Nobody => false,
        };
        if !is_taken {
            return Err(Refusal::Unavailable { retry_after_ms: 1_000 });
        }
        let displaced = self.make_room(&mut places, comer.shown)?;
        places.taken += 1;
        places.numbered += 1;
        let number = places.numbered;
        let id = ConnectionId(format!("{:08x}-{number}", self.incarnation));
        let entry = Arc::new(Entry::new(id, number, comer, since));
        places.pending.insert(number, Arc::clone(&entry));
        drop(places);
        if let Some(displaced) = displaced {
            crowd::close_displaced(&displaced);
        }
        Ok(Pending(Place { entry, registry: Arc::clone(self), hooks: None, socket: None }))
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
            if who.is_somebody() {
                places.shows(entry);
            }
            self.take_surplus_of_account(&mut places, who, entry.number)
        };
        close_surplus(&surplus);
        Ok(())
    }

    /// Notes that a connection has shown a right credential that is nobody's in particular: the token of a grant.
    pub fn note_shown(&self, entry: &Entry) {
        self.lock().shows(entry);
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

    /// Closes one connection, if it was not closed yet, as [`close_matching`](Self::close_matching) does.
    pub(super) fn close_one(&self, entry: &Entry, reason: &CloseReason) {
        let taken = self.lock().take(entry.number, reason);
        if let Some(entry) = taken {
            entry.tell_door();
        }
    }

    fn take_matching(&self, reason: &CloseReason, matches: impl Fn(&Entry) -> bool) -> Vec<Arc<Entry>> {
        // Matched without the lock, because it is the caller's code; taken out one by one, by the first who comes.
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

    /// How many places are [taken](Self::taken), and how many of them by admitted connections over which an administrator works.
    #[must_use]
    pub fn taken_and_administering(&self) -> (usize, usize) {
        let places = self.lock();
        (places.taken, places.admitted.values().filter(|entry| entry.is_administering()).count())
    }

    /// Resolves when a connection has given its place back, after this was called.
    pub fn somebody_leaves(&self) -> Notified<'_> {
        self.left.notified()
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

    /// Registers nobody but administrators from now on, and gives all connections that there are, pending ones included.
    pub(super) fn take_administrators_only(&self) -> Vec<Arc<Entry>> {
        self.turn(Takes::Administrators)
    }

    /// Registers everybody again, and gives all connections that there are, pending ones included.
    pub(super) fn take_all(&self) -> Vec<Arc<Entry>> {
        self.turn(Takes::All)
    }

    fn turn(&self, takes: Takes) -> Vec<Arc<Entry>> {
        let mut places = self.lock();
        if places.takes != Takes::Nobody {
            places.takes = takes;
        }
        places.admitted.values().chain(places.pending.values()).cloned().collect()
    }

    /// Registers nobody any more, for good.
    pub fn shut(&self) {
        self.lock().takes = Takes::Nobody;
    }

    /// Whether the host drains or shuts down, so that it registers nobody any more, or administrators only.
    #[must_use]
    pub fn is_shut(&self) -> bool {
        self.lock().takes != Takes::All
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

impl Places {
    /// Whether it is there, admitted or not.
    fn holds(&self, number: u64) -> bool {
        self.admitted.contains_key(&number) || self.pending.contains_key(&number)
    }

    /// Takes an entry out, wherever it is.
    fn remove(&mut self, number: u64) -> Option<Arc<Entry>> {
        let entry = self.admitted.remove(&number).or_else(|| self.pending.remove(&number));
        if let Some(entry) = &entry {
            self.leaves_guests(entry);
        }
        entry
    }

    /// Takes an entry out and says why; its door is still to be told. `None` if somebody else has.
    fn take(&mut self, number: u64, reason: &CloseReason) -> Option<Arc<Entry>> {
        let entry = self.remove(number)?;
        let _first = entry.reason.set(reason.clone());
        Some(entry)
    }
}
