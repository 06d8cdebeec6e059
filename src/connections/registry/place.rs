//! Guards: a connection's place in the registry, before and after it is admitted, and what is left of one that was not.
//!
//! Each belongs to whatever serves the connection, and gives the place back when it is dropped, on every way out.

use std::sync::Arc;

use super::{Registry, close_surplus};
use crate::connections::close::CloseReason;
use crate::connections::entry::Entry;
use crate::connections::hooks::ConnectionHooks;
use crate::connections::sockets::SocketHold;
use crate::share::error::Refusal;

/// A place in the registry. Dropping it gives it back.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) entry: Arc<Entry>,
    pub(super) registry: Arc<Registry>,
    /// Told when the connection goes; set once its `opened` was begun.
    pub(super) hooks: Option<Arc<dyn ConnectionHooks>>,
    /// Lets go of its socket's place when the connection goes; `None` within the process.
    pub(super) socket: Option<SocketHold>,
}

impl Drop for Place {
    fn drop(&mut self) {
        {
            let mut places = self.registry.lock();
            // Not there any more if it was closed.
            places.remove(self.entry.number);
            places.taken -= 1;
            places.displaced.remove(&self.entry.number);
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
pub struct Pending(pub(super) Place);

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
    /// Has the connection hold its socket for as long as it has its place.
    pub fn holding(mut self, socket: Option<SocketHold>) -> Self {
        self.0.socket = socket;
        self
    }

    /// Admits it. If its account, or its address, has more connections than it may now, the oldest of them are closed.
    ///
    /// # Errors
    /// It was closed meanwhile.
    pub fn admit(self) -> Result<Connection, TurnedAway> {
        let Self(place) = self;
        let registry = Arc::clone(&place.registry);
        let surplus = {
            let mut places = registry.lock();
            let Some(entry) = places.pending.remove(&place.entry.number) else {
                let reason = place.entry.close_reason().cloned().unwrap_or(CloseReason::REVOKED);
                return Err(TurnedAway { reason, place });
            };
            places.admitted.insert(entry.number, entry);
            let who = place.entry.principal.as_ref();
            let of_account = who.map(|who| registry.take_surplus_of_account(&mut places, who, place.entry.number));
            let mut surplus = of_account.unwrap_or_default();
            surplus.extend(registry.take_surplus_of_address(&mut places, &place.entry));
            surplus
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
    pub(in crate::connections) fn set_hooks(&mut self, hooks: Option<Arc<dyn ConnectionHooks>>) {
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

/// A connection that closed itself and whose answer is on its way. Dropping it tells the door to close.
#[derive(Debug)]
#[must_use = "dropping it closes the connection at once"]
pub struct Departure(pub(super) Arc<Entry>);

impl Drop for Departure {
    fn drop(&mut self) {
        self.0.tell_door();
    }
}
