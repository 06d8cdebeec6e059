//! The places of a host's sockets: how many there may be, how long each may show nothing, and which is closed when there are
//! too many.
//!
//! A socket is a stranger until a request on it shows a right credential. Strangers never keep a place from anybody: when all
//! places are taken, a new socket is given the place of the stranger that has been without a new request for longest, and one
//! address (see [`AddressKey`]) has at most half of all places for its strangers, past which it displaces its own. A socket
//! that a connection of the [registry](crate::connections::registry) came by is no stranger for as long as that connection lasts: the
//! registry has its own rules. The sockets of a trusted proxy are many people's, and no strangers.
//!
//! A place is held until its socket is closed. A socket that HTTP gives away to a connection is held by that connection.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::access::address::AddressKey;

/// The sockets of one host.
#[derive(Debug)]
pub struct Sockets {
    max: usize,
    address_max: usize,
    state: Mutex<State>,
    freed: Notify,
}

#[derive(Debug, Default)]
struct State {
    /// Places that are alive. At most `max`, and those whose tasks have yet to hear that they were displaced.
    held: usize,
    numbered: u64,
    /// By when they last began a request, or came: the one that goes first is the first.
    strangers: BTreeMap<u64, Stranger>,
    /// The numbers of an address's strangers.
    addresses: HashMap<AddressKey, BTreeSet<u64>>,
}

#[derive(Debug)]
struct Stranger {
    address: AddressKey,
    cut: CancellationToken,
}

/// A socket's place. Dropping the last clone gives it back.
#[derive(Debug, Clone)]
pub struct SocketPlace(Arc<Place>);

#[derive(Debug)]
struct Place {
    sockets: Arc<Sockets>,
    address: AddressKey,
    cut: CancellationToken,
    /// Locked only while the state of all is.
    standing: Mutex<Standing>,
}

#[derive(Debug, Default)]
struct Standing {
    /// Its number among the strangers.
    number: Option<u64>,
    /// A right credential was shown, or it is a proxy's.
    is_known: bool,
    /// Connections of the registry that share it.
    connections: usize,
}

impl Sockets {
    /// Room for so many sockets, at least one.
    #[must_use]
    pub fn new(max: usize) -> Arc<Self> {
        let max = max.max(1);
        Arc::new(Self { max, address_max: max.div_ceil(2), state: Mutex::default(), freed: Notify::new() })
    }

    /// Waits until another socket may be accepted: one has left, or there is a stranger to displace.
    pub async fn room(&self) {
        loop {
            let freed = self.freed.notified();
            {
                let state = self.lock();
                if state.held < self.max || !state.strangers.is_empty() {
                    return;
                }
            }
            freed.await;
        }
    }

    /// Gives a socket that was accepted its place, and displaces a stranger if there are too many. `is_known`: it is a trusted
    /// proxy's.
    #[must_use]
    pub fn enter(self: &Arc<Self>, peer: IpAddr, is_known: bool) -> SocketPlace {
        let (address, cut) = (AddressKey::from(peer), CancellationToken::new());
        let mut state = self.lock();
        let own = state.addresses.get(&address).filter(|own| !is_known && own.len() >= self.address_max);
        let goes = match own {
            Some(own) => own.first().copied(),
            None if state.held >= self.max => state.strangers.keys().next().copied(),
            None => None,
        };
        if let Some(stranger) = goes.and_then(|number| state.remove(number)) {
            stranger.cut.cancel();
        }
        state.held += 1;
        let number = (!is_known).then(|| state.list(address, cut.clone()));
        let standing = Mutex::new(Standing { number, is_known, connections: 0 });
        SocketPlace(Arc::new(Place { sockets: Arc::clone(self), address, cut, standing }))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn list(&mut self, address: AddressKey, cut: CancellationToken) -> u64 {
        self.numbered += 1;
        self.strangers.insert(self.numbered, Stranger { address, cut });
        self.addresses.entry(address).or_default().insert(self.numbered);
        self.numbered
    }

    fn remove(&mut self, number: u64) -> Option<Stranger> {
        let stranger = self.strangers.remove(&number)?;
        if let Some(numbers) = self.addresses.get_mut(&stranger.address) {
            numbers.remove(&number);
            if numbers.is_empty() {
                self.addresses.remove(&stranger.address);
            }
        }
        Some(stranger)
    }
}

impl SocketPlace {
    /// Resolves when the socket is to be closed at once, because somebody else needs its place.
    pub async fn displaced(&self) {
        self.0.cut.cancelled().await;
    }

    /// A request has begun on it.
    pub fn asked(&self) {
        self.0.list_anew(|_| {});
    }

    /// A right credential was shown on it.
    pub fn know(&self) {
        self.0.list_anew(|standing| standing.is_known = true);
    }

    /// Holds a socket for a connection of the registry: `is_shared` with the requests of others, as in HTTP/2, or one that the
    /// connection is given for itself.
    #[must_use]
    pub fn hold(&self, is_shared: bool) -> SocketHold {
        SocketHold(if is_shared {
            self.0.list_anew(|standing| standing.connections += 1);
            Hold::Shared(self.clone())
        } else {
            self.0.sockets.lock().held += 1;
            Hold::Own(Arc::clone(&self.0.sockets))
        })
    }
}

/// A connection's hold on its socket. Dropping it lets go.
#[derive(Debug)]
pub struct SocketHold(Hold);

#[derive(Debug)]
enum Hold {
    /// HTTP's own place goes when it has given the socket away, which is a moment later.
    Own(Arc<Sockets>),
    Shared(SocketPlace),
}

impl Drop for SocketHold {
    fn drop(&mut self) {
        match &self.0 {
            Hold::Own(sockets) => {
                sockets.lock().held -= 1;
                sockets.freed.notify_one();
            }
            Hold::Shared(SocketPlace(place)) => place.list_anew(|standing| standing.connections -= 1),
        }
    }
}

impl Place {
    /// Changes its standing; if it is a stranger after that, it is the last that goes.
    fn list_anew(&self, change: impl FnOnce(&mut Standing)) {
        let mut state = self.sockets.lock();
        let mut standing = self.standing.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(number) = standing.number.take() {
            state.remove(number);
        }
        change(&mut standing);
        if !standing.is_known && standing.connections == 0 && !self.cut.is_cancelled() {
            standing.number = Some(state.list(self.address, self.cut.clone()));
        }
        drop((standing, state));
        // A socket that waits for a place may displace it now.
        self.sockets.freed.notify_one();
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut state = self.sockets.lock();
        let standing = self.standing.get_mut().unwrap_or_else(PoisonError::into_inner);
        if let Some(number) = standing.number {
            state.remove(number);
        }
        state.held -= 1;
        drop(state);
        self.sockets.freed.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;

    use super::*;

    fn peer(n: u8) -> IpAddr {
        [192, 0, 2, n].into()
    }

    fn is_displaced(place: &SocketPlace) -> bool {
        place.0.cut.is_cancelled()
    }

    /// Places that are held, strangers, and addresses that have some.
    fn counted(sockets: &Sockets) -> (usize, usize, usize) {
        let state = sockets.lock();
        (state.held, state.strangers.len(), state.addresses.len())
    }

    fn has_room(sockets: &Sockets) -> bool {
        sockets.room().now_or_never().is_some()
    }

    /// S125: sockets that have shown nothing keep nobody out, and the one that asked for nothing for longest goes first.
    #[test]
    fn when_all_places_are_taken_the_longest_silent_stranger_goes() {
        let sockets = Sockets::new(4);
        let places: Vec<_> = (0..4).map(|n| sockets.enter(peer(n), false)).collect();
        places[0].asked();
        assert!(has_room(&sockets));
        let fifth = sockets.enter(peer(9), false);
        assert_eq!(places.iter().map(is_displaced).collect::<Vec<_>>(), [false, true, false, false]);
        drop(places);
        assert_eq!(counted(&sockets), (1, 1, 1));
        drop(fifth);
        assert_eq!(counted(&sockets), (0, 0, 0));
    }

    /// S125: who has shown a credential keeps its place, and so does a connection of the registry while it lasts.
    #[test]
    fn who_is_known_or_has_a_connection_is_displaced_by_nobody() {
        let sockets = Sockets::new(3);
        let (known, connected, proxy) =
            (sockets.enter(peer(1), false), sockets.enter(peer(2), false), sockets.enter(peer(3), true));
        known.know();
        let held = connected.hold(true);
        assert!(!has_room(&sockets), "nobody can be displaced");
        drop(held);
        assert!(has_room(&sockets));
        let _newcomer = sockets.enter(peer(4), false);
        assert!(is_displaced(&connected) && !is_displaced(&known) && !is_displaced(&proxy));
        connected.asked();
        assert_eq!(counted(&sockets).1, 1, "who was displaced is not listed again");
    }

    /// A socket that was given away is held once, and by its connection alone.
    #[test]
    fn a_socket_that_was_given_away_is_its_connections() {
        let sockets = Sockets::new(1);
        let place = sockets.enter(peer(1), false);
        let held = place.hold(false);
        drop(place);
        assert_eq!((counted(&sockets).0, has_room(&sockets)), (1, false));
        drop(held);
        assert_eq!((counted(&sockets).0, has_room(&sockets)), (0, true));
    }

    /// S125: all sockets of one network without a credential have half of the places.
    #[test]
    fn one_network_displaces_its_own_past_half_of_the_places() {
        let sockets = Sockets::new(6);
        let others: Vec<_> = (0..2).map(|n| sockets.enter(peer(n), false)).collect();
        let of_network = |n: u16| IpAddr::from([0x2001, 0xdb8, 0, 0, 0, 0, 0, n]);
        let own: Vec<_> = (0..5).map(|n| sockets.enter(of_network(n), false)).collect();
        assert_eq!(own.iter().map(is_displaced).collect::<Vec<_>>(), [true, true, false, false, false]);
        assert!(!others.iter().any(is_displaced));
    }
}
