//! The hosts that a client knows, and which of them is dialled next.
//!
//! Some were given to the [`Builder`](crate::client::Builder), others were named by a host: in its answer to `hello`, when it
//! asked the client to move, or as it closed the connection. All have the same shares. The client begins at a random one and stays
//! there. When its connection is lost, or an attempt fails, the next host is dialled at once; once all have failed, one *round* is
//! over, and only then there is a delay. A connection that lasted begins a new round. A host that asked to come back later is
//! passed over for that time, while there are others.
//!
//! Calls carry the client's credential and the secrets of shares. So a client with a credential takes the name of a host only from
//! one that it reaches over TLS, and only of one that is reached over TLS too; a client without one takes none that is less
//! protected than the host that named it. What is here may therefore be shown whatever the client shows.
//!
//! Pure: no socket, no clock. Bounded by [`HOSTS_KNOWN_MAX`].

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::client::defaults::HOSTS_KNOWN_MAX;
use crate::client::dial::Dial;
use crate::client::random::Random;
use crate::client::websocket::{Url, WebSocketWay};
use crate::share::limits::hosts::HOST_URL_BYTES_MAX;

/// The way to a host.
#[derive(Debug, Clone)]
pub(crate) struct Way {
    /// Where the host is; `None` if a dialer of the caller's knows it.
    pub(crate) url: Option<Url>,
    pub(crate) dialer: Arc<dyn Dial>,
}

/// How hosts that a host names are reached; `None` in a client whose connections come from a dialer of the caller's, or that is to
/// go nowhere else.
pub(crate) type Naming = Option<Arc<WebSocketWay>>;

/// A host, by which the driver knows it again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct HostNumber(u64);

#[derive(Debug)]
struct Host {
    number: HostNumber,
    way: Way,
    /// It was named by a host, and not by the caller.
    is_named: bool,
    /// The last connection or attempt failed, and it was not connected to since.
    has_failed: bool,
    /// It failed in this round.
    was_tried: bool,
    /// When it asked to be dialled again, at the earliest.
    not_before: Option<Instant>,
}

/// The hosts that a client knows. There is always one.
pub(crate) struct Hosts {
    all: Vec<Host>,
    /// The place in `all` of the host that is dialled next, or that the client is connected to.
    at: usize,
    next_number: u64,
    naming: Naming,
    has_credential: bool,
}

/// What comes after a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Next {
    /// The next host is dialled at once.
    AtOnce,
    /// All hosts have failed. The next may be dialled after a delay, and not before this time has passed.
    After(Duration),
}

impl Hosts {
    /// The hosts that the caller gave, of which there is at least one, in a random order.
    pub(crate) fn new(ways: &[Way], naming: Naming, has_credential: bool, random: &mut Random) -> Self {
        let mut hosts = Self { all: Vec::new(), at: 0, next_number: 0, naming, has_credential };
        for way in ways {
            hosts.insert(way.clone(), false, random);
        }
        hosts
    }

    /// The host that is dialled next, or that the client is connected to.
    pub(crate) fn current(&self) -> (HostNumber, Way) {
        let host = &self.all[self.at];
        (host.number, host.way.clone())
    }

    /// Notes that the current host failed, and goes on to the next. `after` is the shortest time until it may be dialled again, if
    /// it asked for one.
    pub(crate) fn failed(&mut self, after: Option<Duration>, now: Instant) -> Next {
        let host = &mut self.all[self.at];
        (host.has_failed, host.was_tried) = (true, true);
        host.not_before = after.map(|after| now + after);
        let following = (1..=self.all.len()).map(|step| (self.at + step) % self.all.len());
        if let Some(at) = following.clone().find(|at| !self.all[*at].was_tried && self.all[*at].wait(now).is_zero()) {
            self.at = at;
            return Next::AtOnce;
        }
        // The first of those that can be dialled soonest.
        let soonest = following.min_by_key(|at| self.all[*at].wait(now)).unwrap_or(self.at);
        self.begin_round();
        self.at = soonest;
        Next::After(self.all[soonest].wait(now))
    }

    /// Notes that the current host was connected to.
    pub(crate) fn connected(&mut self) {
        let host = &mut self.all[self.at];
        (host.has_failed, host.not_before) = (false, None);
    }

    /// Begins a new round: no host has failed in it.
    pub(crate) fn begin_round(&mut self) {
        self.all.iter_mut().for_each(|host| host.was_tried = false);
    }

    /// Goes to a host, if it is still known. The one before is dialled again after `later` at the earliest, while there are others.
    pub(crate) fn go_to(&mut self, number: HostNumber, later: Duration, now: Instant) {
        if let Some(at) = self.place(number).filter(|at| *at != self.at) {
            self.all[self.at].not_before = Some(now + later);
            self.at = at;
        }
    }

    /// Notes which hosts the current host knows now. One that is not among them any more is forgotten if it failed.
    pub(crate) fn named(&mut self, urls: &[String], random: &mut Random) {
        let urls = self.readable(urls);
        let current = self.current().0;
        self.all.retain(|host| {
            let is_told = host.way.url.as_ref().is_some_and(|url| urls.contains(url));
            !host.is_named || !host.has_failed || is_told || host.number == current
        });
        // The one that the client is at stays where it was, in a list that may be shorter.
        self.at = self.place(current).unwrap_or(0);
        for url in urls {
            self.learn(url, random);
        }
    }

    /// Notes the URLs at which the client is to go on: they are dialled before all others. Gives how many of them it knows now.
    pub(crate) fn prefer(&mut self, urls: &[String], random: &mut Random) -> Vec<HostNumber> {
        let urls = self.readable(urls);
        for url in &urls {
            self.learn(url.clone(), random);
        }
        let told = |host: &Host| host.way.url.as_ref().and_then(|url| urls.iter().position(|told| told == url));
        let mut known: Vec<_> = self.all.iter().filter_map(|host| Some((told(host)?, host.number))).collect();
        known.sort_by_key(|(place, _)| *place);
        let known: Vec<_> = known.into_iter().map(|(_, number)| number).collect();
        // They come right after the current host, in the order in which they were told.
        let current = self.current().0;
        let rank = |host: &Host| match known.iter().position(|number| *number == host.number) {
            _ if host.number == current => 0,
            Some(place) => 1 + place,
            None => usize::MAX,
        };
        self.all.rotate_left(self.at);
        self.all.sort_by_key(rank);
        self.at = 0;
        known
    }

    /// The hosts to dial for a client that is asked to leave the current one: those that were told, else all others that it knows,
    /// else the current one, behind whose URL another may be.
    pub(crate) fn moving_to(&mut self, urls: &[String], random: &mut Random) -> Vec<HostNumber> {
        let current = self.current().0;
        let mut hosts = self.prefer(urls, random);
        hosts.retain(|number| *number != current);
        if hosts.is_empty() {
            hosts = self.all.iter().map(|host| host.number).filter(|number| *number != current).collect();
        }
        if hosts.is_empty() { vec![current] } else { hosts }
    }

    /// The way to a host, if it is still known.
    pub(crate) fn way(&self, number: HostNumber) -> Option<Way> {
        self.place(number).map(|at| self.all[at].way.clone())
    }

    /// Forgets the current host, if it was named by a host, and goes on to the next. Says whether it did.
    pub(crate) fn forget(&mut self) -> bool {
        let is_forgotten = self.all[self.at].is_named;
        if is_forgotten {
            self.all.remove(self.at);
            self.at %= self.all.len();
        }
        is_forgotten
    }

    /// The URLs that the client may go to, and that are not too long to be ones.
    fn readable(&self, urls: &[String]) -> Vec<Url> {
        let here = self.all[self.at].way.url.as_ref().map(|url| url.secure);
        let may_be_shown = |url: &Url| match here {
            Some(here) if self.has_credential => here && url.secure,
            Some(here) => url.secure >= here,
            None => false,
        };
        let Some(naming) = &self.naming else { return Vec::new() };
        urls.iter()
            .filter(|url| url.len() <= HOST_URL_BYTES_MAX)
            .filter_map(|url| Url::parse(url).ok())
            .filter(|url| may_be_shown(url) && (!url.secure || naming.tls.is_some()))
            .collect()
    }

    fn learn(&mut self, url: Url, random: &mut Random) {
        let is_known = self.all.iter().any(|host| host.way.url.as_ref() == Some(&url));
        let Some(naming) = self.naming.clone().filter(|_| !is_known && self.all.len() < HOSTS_KNOWN_MAX) else {
            return;
        };
        let way = Way { dialer: Arc::new(naming.to(url.clone())), url: Some(url) };
        self.insert(way, true, random);
    }

    /// Inserts a host at a random place, so that not all clients of one host go to the same next.
    fn insert(&mut self, way: Way, is_named: bool, random: &mut Random) {
        let place = if self.all.is_empty() { 0 } else { random.below(self.all.len() + 1) };
        let number = HostNumber(self.next_number);
        self.next_number += 1;
        let host = Host { number, way, is_named, has_failed: false, was_tried: false, not_before: None };
        self.all.insert(place, host);
        // The current host is the one that it was. Before there is a connection the first of the list is.
        if is_named && place <= self.at {
            self.at += 1;
        }
    }

    fn place(&self, number: HostNumber) -> Option<usize> {
        self.all.iter().position(|host| host.number == number)
    }
}

impl Host {
    /// How long it asked to be left alone yet.
    fn wait(&self, now: Instant) -> Duration {
        self.not_before.map_or(Duration::ZERO, |at| at.saturating_duration_since(now))
    }
}

impl fmt::Debug for Hosts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hosts").field("all", &self.all).field("at", &self.at).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
