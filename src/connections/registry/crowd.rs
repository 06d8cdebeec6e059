//! Who goes when there are too many connections.
//!
//! Three rules, each of which takes the oldest first:
//!
//! - An account has a number of connections by its credentials; past it, its oldest is closed with 4004.
//! - An address (see [`AddressKey`]) has a number of connections without a credential, at whatever door; past it, its oldest is
//!   closed with 4004.
//! - When the host is full, a newcomer who has shown a credential is given the place of the oldest that has not, which is closed with
//!   1013 and may come back. So is a newcomer who is going to show one in-band, because nobody can tell before; of those a tenth of all
//!   places may wait, and past that they displace one another. Each of them has to authenticate within seconds. Who has nothing
//!   to show displaces nobody.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::{Places, Registry};
use crate::access::Principal;
use crate::access::address::AddressKey;
use crate::audit;
use crate::connections::close::CloseReason;
use crate::connections::comer::Shown;
use crate::connections::entry::Entry;
use crate::share::error::Refusal;
use crate::share::limits::Limit;

/// Of the places of a host, one in so many may be taken from others by connections that have yet to authenticate.
const LATER_SHARE: usize = 10;

impl Registry {
    /// Makes sure that there is a place for a newcomer. Gives the connection that has to go for it, already taken out.
    pub(super) fn make_room(&self, places: &mut Places, newcomer: Shown) -> Result<Option<Arc<Entry>>, Refusal> {
        let (held, max) = (places.taken - places.displaced.len(), self.connections_max());
        if held < max {
            return Ok(None);
        }
        let goes = match newcomer {
            // So many say goodbye at once that their sockets count as well.
            _ if places.displaced.len() >= max => None,
            Shown::Credential => places.oldest_guest(|_| true),
            Shown::Later => {
                let waits = |entry: &Entry| entry.came_with == Shown::Later;
                let waiting = places.guests().filter(|entry| waits(entry)).count();
                if waiting >= max.div_ceil(LATER_SHARE) {
                    places.oldest_guest(waits)
                } else {
                    places.oldest_guest(|_| true)
                }
            }
            Shown::Nothing => None,
        };
        let goes = goes.and_then(|number| places.take(number, &CloseReason::DISPLACED));
        let goes = goes.ok_or_else(|| Refusal::limit(Limit::ConnectionsMax, max, held + 1))?;
        places.displaced.insert(goes.number);
        Ok(Some(goes))
    }

    /// Takes the oldest connections of an account out until it has as many as it may; never the newcomer. Those without a
    /// credential are nobody's in particular: a newcomer on a host that needs none closes no stranger's connection.
    ///
    /// It looks at all connections: some 100 µs with 10,000 of them, which is what their upgrade took.
    pub(super) fn take_surplus_of_account(
        &self,
        places: &mut Places,
        who: &Principal,
        newcomer: u64,
    ) -> Vec<Arc<Entry>> {
        let Some(max) = self.caps.account.filter(|_| who.credential.is_shown()) else { return Vec::new() };
        let counts = |other: &Principal| other.account == who.account && other.credential.is_shown();
        let others =
            places.admitted.iter().filter(|(number, entry)| **number != newcomer && entry.any_principal(counts));
        let others: Vec<u64> = others.map(|(number, _)| *number).collect();
        let surplus = (others.len() + 1).saturating_sub(max.get());
        others[..surplus].iter().filter_map(|number| places.take(*number, &CloseReason::TOO_MANY)).collect()
    }

    /// Counts an admitted connection among those of its address without a credential, if it is one, and takes the oldest of
    /// them out until there are as many as there may be; never the newcomer.
    pub(super) fn take_surplus_of_address(&self, places: &mut Places, newcomer: &Entry) -> Vec<Arc<Entry>> {
        let Some(address) = newcomer.address.map(AddressKey::from).filter(|_| newcomer.is_guest()) else {
            return Vec::new();
        };
        let guests = places.guests.entry(address).or_default();
        guests.insert(newcomer.number);
        let Some(max) = self.caps.address else { return Vec::new() };
        let surplus: Vec<u64> = guests.iter().copied().take(guests.len().saturating_sub(max.get())).collect();
        if !surplus.is_empty() && !self.is_address_told.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                %address,
                max = max.get(),
                "this address has as many connections without a credential as it may, and the oldest of them are closed; if it \
                 is a proxy, name it with --trusted-proxy, and its clients are counted; said once"
            );
        }
        surplus.into_iter().filter_map(|number| places.take(number, &CloseReason::ADDRESS_FULL)).collect()
    }
}

impl Places {
    /// Notes that a connection has shown a right credential.
    pub(super) fn shows(&mut self, entry: &Entry) {
        self.leaves_guests(entry);
        entry.has_shown.store(true, Ordering::Relaxed);
    }

    /// Takes a connection from among those of its address without a credential, if it is there.
    pub(super) fn leaves_guests(&mut self, entry: &Entry) {
        let Some(address) = entry.address.map(AddressKey::from) else { return };
        if let Some(guests) = self.guests.get_mut(&address) {
            guests.remove(&entry.number);
            if guests.is_empty() {
                self.guests.remove(&address);
            }
        }
    }

    /// Those without a credential: the oldest first, and then those that are not admitted yet.
    fn guests(&self) -> impl Iterator<Item = &Arc<Entry>> {
        self.admitted.values().chain(self.pending.values()).filter(|entry| entry.is_guest())
    }

    fn oldest_guest(&self, matches: impl Fn(&Entry) -> bool) -> Option<u64> {
        self.guests().find(|entry| matches(entry)).map(|entry| entry.number)
    }
}

/// Tells the doors of connections that were taken out because there were too many of their kind.
pub(super) fn close_surplus(surplus: &[Arc<Entry>]) {
    for entry in surplus {
        entry.tell_door();
        audit::over_cap(entry.by(entry.identity().as_ref()));
    }
}

/// Tells the door of a connection whose place was given away.
pub(super) fn close_displaced(entry: &Arc<Entry>) {
    entry.tell_door();
    audit::displaced(entry.by(None), entry.door.as_str());
}
