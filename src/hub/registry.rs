//! The registry: every connection that was admitted, of whichever door.
//!
//! [`Registry::admit`] is the only way in and gives a [`Connection`] that leaves by itself when it is dropped, so that
//! every admitted connection is in the registry and leaves it exactly once. Closing one from here cancels its
//! [`closing`](Entry::closing) token; its door sends the Close frame and drops it.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::hub::access::Principal;
use crate::hub::push::{Outlet, States};
use crate::share::error::Refusal;
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
}

impl Door {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Rpc, Self::Viewer];

    /// Its name in logs, listings and metrics.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Rpc => "rpc",
            Self::Viewer => "viewer",
        }
    }
}

/// Why the host closes a connection: a WebSocket close code and its reason.
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
    /// The credential is not valid any more, or an administrator closed the connection: do not come back by yourself.
    pub const REVOKED: Self = Self { code: 4001, reason: "revoked: connect again with a credential that is valid" };
}

/// The admitted connections of one host.
#[derive(Debug)]
pub struct Registry {
    connections: Mutex<HashMap<ConnectionId, Arc<Entry>>>,
    /// Set once, under the lock: from then on nobody is admitted, so that what was closed stays all there is.
    ending: AtomicBool,
    left: Notify,
    connections_max: usize,
    incarnation: u32,
    next: AtomicU64,
}

/// What the registry knows of a connection.
#[derive(Debug)]
pub struct Entry {
    /// Its name.
    pub id: ConnectionId,
    /// Where it came in.
    pub door: Door,
    /// Who it is; `None` for viewers, and for clients that have yet to authenticate in-band.
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
    reason: OnceLock<CloseReason>,
}

impl Entry {
    /// Why the host closes it, once it does.
    #[must_use]
    pub fn close_reason(&self) -> Option<&CloseReason> {
        self.reason.get()
    }

    /// Whether this holds for one of those that it came or authenticated as.
    #[must_use]
    pub fn any_principal(&self, fact: impl Fn(&Principal) -> bool) -> bool {
        self.principal.iter().any(fact)
    }

    fn close(&self, reason: CloseReason) {
        // The first reason counts.
        let _ = self.reason.set(reason);
        self.closing.cancel();
    }
}

/// An admitted connection. Dropping it takes it out of the registry.
#[derive(Debug)]
pub struct Connection {
    entry: Arc<Entry>,
    registry: Arc<Registry>,
}

impl Connection {
    /// What the registry knows of it, to be kept beside it.
    #[must_use]
    pub fn entry(&self) -> &Arc<Entry> {
        &self.entry
    }
}

impl std::ops::Deref for Connection {
    type Target = Entry;

    fn deref(&self) -> &Entry {
        &self.entry
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.registry.lock().remove(&self.entry.id);
        self.entry.outlet.end();
        self.entry.states.end();
        self.registry.left.notify_waiters();
    }
}

impl Registry {
    /// An empty registry. `incarnation` are random bits that tell this run of the host from others in connection names;
    /// past `connections_max` nobody is admitted.
    #[must_use]
    pub fn new(incarnation: u32, connections_max: usize) -> Arc<Self> {
        Arc::new(Self {
            connections: Mutex::default(),
            ending: AtomicBool::new(false),
            left: Notify::new(),
            connections_max,
            incarnation,
            next: AtomicU64::new(1),
        })
    }

    /// Admits a connection.
    ///
    /// # Errors
    /// The host has as many as it may have, or is ending.
    pub fn admit(
        self: &Arc<Self>,
        door: Door,
        principal: Option<Principal>,
        since: Timestamp,
    ) -> Result<Connection, Refusal> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let id = ConnectionId(format!("{:08x}-{number}", self.incarnation));
        let entry = Arc::new(Entry {
            id: id.clone(),
            door,
            principal,
            since,
            address: OnceLock::new(),
            closing: CancellationToken::new(),
            outlet: Outlet::default(),
            states: States::default(),
            reason: OnceLock::new(),
        });
        let mut connections = self.lock();
        if self.ending.load(Ordering::Relaxed) {
            return Err(Refusal::Unavailable { retry_after_ms: 1_000 });
        }
        if connections.len() >= self.connections_max {
            return Err(Refusal::limit("connectionsMax", self.connections_max, connections.len() + 1));
        }
        connections.insert(id, Arc::clone(&entry));
        Ok(Connection { entry, registry: Arc::clone(self) })
    }

    /// How many connections there are, a peer that closed but was not yet taken out included.
    #[must_use]
    pub fn count(&self) -> usize {
        self.lock().len()
    }

    /// How many connections of a door there are.
    #[must_use]
    pub fn count_of(&self, door: Door) -> usize {
        self.lock().values().filter(|entry| entry.door == door).count()
    }

    /// All connections, in no promised order.
    #[must_use]
    pub fn connections(&self) -> Vec<Arc<Entry>> {
        self.lock().values().cloned().collect()
    }

    /// The connection of this name, if it is here.
    #[must_use]
    pub fn get(&self, id: &ConnectionId) -> Option<Arc<Entry>> {
        self.lock().get(id).cloned()
    }

    /// The connections that `filter` lets through, in no promised order. It is asked outside of the lock.
    pub fn matching(&self, filter: impl Fn(&Entry) -> bool) -> Vec<Arc<Entry>> {
        self.connections().into_iter().filter(|entry| filter(entry)).collect()
    }

    /// Closes every connection of which this holds, and says how many these were.
    pub fn close_matching(&self, reason: CloseReason, matches: impl Fn(&Entry) -> bool) -> usize {
        let closed = self.connections().into_iter().filter(|entry| entry.close_reason().is_none() && matches(entry));
        closed.map(|entry| entry.close(reason.clone())).count()
    }

    /// Admits nobody any more, closes every connection, and waits until the last has left.
    pub async fn end(&self, reason: &CloseReason) {
        let entries: Vec<_> = {
            let connections = self.lock();
            self.ending.store(true, Ordering::Relaxed);
            connections.values().cloned().collect()
        };
        entries.iter().for_each(|entry| entry.close(reason.clone()));
        loop {
            let left = self.left.notified();
            if self.count() == 0 {
                return;
            }
            left.await;
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<ConnectionId, Arc<Entry>>> {
        self.connections.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
