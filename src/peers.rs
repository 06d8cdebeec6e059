//! Peers: the carrier of news that is made of the hosts themselves. They call each other, and need no further service.
//!
//! [`Peers`] knows every connection to another host, a [`Link`], whichever of the two opened it: over each, both tell the other what they
//! follow, and what was written that the other follows. It is the [`Carrier`] of [`Hints`] where no other was attached. What moves
//! the bytes, [`rpc::peer`](crate::rpc::peer), takes a link's work one after the other ([`Link::next`]) and says what came in.
//!
//! **Connected** it calls itself only while each other host that lives has a link, and a host that starts would have one at once, because
//! this host says where it is reached, or is linked with one that would tell it. Then silence means that nothing was written.
//!
//! **Bounds.** A link's queue has `PEER_QUEUE_BYTES_MAX`; a message that finds no place is dropped, and [`Hints`] counts it. What is
//! followed is told in the end, whatever was dropped, as the newest of each share. Nothing here waits.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use tokio::sync::Notify;

use crate::deployment::Hosts;
use crate::hints::{Carrier, Hints, Message, NotSent, Why};
use crate::share::error::Refusal;
use crate::share::id::{HostId, ShareId};
use crate::share::limits::hosts::HOST_CONNECTIONS_MAX;

mod ask;
mod link;

pub use ask::{Asking, NotAnswered};
pub use link::{Link, Outgoing};

use link::Wire;

/// The name of the control message that says that a host is there which others may not know yet.
pub const HOST_IS_THERE: &str = "host";

/// The connections of one host to the others of its deployment.
pub struct Peers {
    hosts: Arc<Hosts>,
    hints: Arc<Hints>,
    /// Whether the hints of this host go by these connections.
    is_carrier: AtomicBool,
    state: Mutex<State>,
    /// Links have come or gone.
    changed: Notify,
    /// Held while it is found out and said whether news come from everybody, so that what is said last is the newest.
    judging: Mutex<()>,
}

#[derive(Debug, Default)]
struct State {
    /// What is followed here.
    followed: HashSet<ShareId>,
    /// By number: the oldest first. Bound: [`HOST_CONNECTIONS_MAX`].
    links: BTreeMap<u64, Arc<Wire>>,
    numbered: u64,
    is_shut: bool,
}

impl Peers {
    /// No connections yet.
    #[must_use]
    pub fn new(hosts: Arc<Hosts>, hints: Arc<Hints>) -> Arc<Self> {
        let (state, changed, judging) = (Mutex::default(), Notify::new(), Mutex::default());
        Arc::new(Self { hosts, hints, is_carrier: AtomicBool::new(false), state, changed, judging })
    }

    /// Makes these connections the carrier of this host's hints, unless it has another or talks to no other hosts.
    pub fn carry(self: &Arc<Self>) {
        let settings = self.hosts.settings();
        if settings.every.is_some() && settings.peers {
            let is_carrier = self.hints.attach(Arc::clone(self) as Arc<dyn Carrier>);
            self.is_carrier.store(is_carrier, Ordering::Release);
        }
    }

    /// The hosts of the deployment.
    #[must_use]
    pub fn hosts(&self) -> &Arc<Hosts> {
        &self.hosts
    }

    /// Enters a connection to this host. It is there until the link is dropped.
    ///
    /// # Errors
    /// There are as many as there may be, or the host is shutting down.
    pub fn link(self: &Arc<Self>, host: HostId) -> Result<Link, Refusal> {
        let (link, is_first) = {
            let mut state = self.state();
            if state.is_shut || state.links.len() >= HOST_CONNECTIONS_MAX {
                return Err(Refusal::Unavailable { retry_after_ms: 1_000 });
            }
            let is_first = !state.links.values().any(|wire| wire.host == host);
            state.numbered += 1;
            let (number, wire) = (state.numbered, Arc::new(Wire::new(host.clone(), state.followed.iter().cloned())));
            state.links.insert(number, Arc::clone(&wire));
            (Link::new(Arc::clone(self), number, wire), is_first)
        };
        tracing::info!(%host, "a connection to another host is there");
        self.changed.notify_waiters();
        if is_first {
            self.judge();
            self.welcome(&host);
        }
        Ok(link)
    }

    /// Whether there is a connection to this host.
    #[must_use]
    pub fn is_linked(&self, host: &HostId) -> bool {
        self.state().links.values().any(|wire| wire.host == *host)
    }

    /// The hosts to which there is a connection.
    #[must_use]
    pub fn linked(&self) -> BTreeSet<HostId> {
        self.state().links.values().map(|wire| wire.host.clone()).collect()
    }

    /// Waits until there is no connection to this host.
    pub async fn until_not_linked(&self, host: &HostId) {
        loop {
            let mut changed = std::pin::pin!(self.changed.notified());
            // From here on no change is missed.
            changed.as_mut().enable();
            if !self.is_linked(host) {
                return;
            }
            changed.await;
        }
    }

    /// Says whether news come from everybody, as often as the others change, for as long as the host runs.
    pub async fn tend(&self) {
        let mut changes = self.hosts.changes();
        loop {
            self.judge();
            self.hosts.changed(&mut changes).await;
        }
    }

    /// Ends all connections, and takes no more.
    pub fn end(&self) {
        let links: Vec<_> = {
            let mut state = self.state();
            state.is_shut = true;
            state.links.values().cloned().collect()
        };
        links.iter().for_each(|wire| wire.end());
    }

    /// A message has come over a link.
    fn heard(&self, message: &Message) {
        if self.is_carrier() {
            self.hints.receive(message);
        }
    }

    /// What is followed here reaches a host from now on.
    fn took_effect(&self, shares: &[ShareId]) {
        if self.is_carrier() {
            shares.iter().for_each(|share| self.hints.look(share, Why::Begin));
        }
    }

    fn left(&self, number: u64) {
        let wire = self.state().links.remove(&number);
        if let Some(wire) = wire {
            tracing::info!(host = %wire.host, "a connection to another host is gone");
        }
        self.changed.notify_waiters();
        self.judge();
    }

    /// A host is linked that was not: what it wrote before was not heard here, and further hosts may not know of it.
    fn welcome(&self, host: &HostId) {
        self.hosts.stir();
        if self.is_carrier() {
            self.hints.look_all(Why::Reconnect);
        }
        if let Ok(body) = serde_json::to_string(host.as_str()) {
            // Who does not hear it lists the bucket in some seconds.
            let _ = self.hints.tell(HOST_IS_THERE, None, &body);
        }
    }

    fn judge(&self) {
        if !self.is_carrier() {
            return;
        }
        let _judging = self.judging.lock().unwrap_or_else(PoisonError::into_inner);
        let linked = self.linked();
        let (others, settings) = (self.hosts.others(), self.hosts.settings());
        let is_found = !settings.urls.is_empty() || !settings.inside_urls.is_empty() || !linked.is_empty();
        let is_whole = others.iter().all(|other| linked.contains(&other.id));
        self.hints.connected(self.hosts.has_looked() && is_found && is_whole);
    }

    fn is_carrier(&self) -> bool {
        self.is_carrier.load(Ordering::Acquire)
    }

    /// The links, the oldest first.
    fn links(&self) -> Vec<Arc<Wire>> {
        self.state().links.values().cloned().collect()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Carrier for Peers {
    fn follow(&self, share: &ShareId) {
        let mut state = self.state();
        if state.followed.insert(share.clone()) {
            state.links.values().for_each(|wire| wire.follows(share, true));
        }
    }

    fn unfollow(&self, share: &ShareId) {
        let mut state = self.state();
        if state.followed.remove(share) {
            state.links.values().for_each(|wire| wire.follows(share, false));
        }
    }

    /// Sends a message once to each host, by the first of its links that has a place for it.
    fn publish(&self, message: Message) -> Result<(), NotSent> {
        let (bytes, mut sent, mut missed): (Bytes, BTreeSet<&HostId>, BTreeSet<&HostId>) =
            (message.encode(), BTreeSet::new(), BTreeSet::new());
        let links = self.links();
        for wire in links.iter().filter(|wire| wire.wants(&message)) {
            if !sent.contains(&wire.host) {
                let to = if wire.send(bytes.clone()) { &mut sent } else { &mut missed };
                to.insert(&wire.host);
            }
        }
        if missed.is_subset(&sent) { Ok(()) } else { Err(NotSent) }
    }
}

impl std::fmt::Debug for Peers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Peers").field("linked", &self.linked()).finish_non_exhaustive()
    }
}
