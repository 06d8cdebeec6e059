//! What all objects of one connection share: the hub, who calls, and what the connection may use.

use std::cell::{OnceCell, RefCell};
use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;

use tokio::sync::{Notify, Semaphore, SemaphorePermit};

use crate::connections::entry::{ConnectionId, Entry};
use crate::connections::registry::{Connection, Departure};
use crate::hub::Hub;
use crate::metrics::Metrics;
use crate::share::error::Refusal;
use crate::share::limits::Limit;
use crate::share_capnp::{client_sink, mover};
use crate::wire::guard::{Budget, CallObserver, CallOutcome, HeldGuard};
use crate::wire::vat::VatMeter;

/// What all objects of one connection share.
pub(super) struct Caller {
    pub(super) hub: Arc<Hub>,
    pub(super) connection: ConnectionId,
    /// The connection's entry in the registry.
    pub(super) entry: Arc<Entry>,
    /// The address that the connection comes from; `None`: from within the process.
    pub(super) address: Option<IpAddr>,
    budget: Rc<Budget>,
    /// The refusal of a `hello` with another version, with which every later call is answered.
    mismatch: RefCell<Option<Refusal>>,
    /// Calls that name a share by its id pass one by one until they stand in its room's queue, so that they are applied
    /// in the order in which they were made though the first may have to wait for the share to be loaded.
    turn: Semaphore,
    /// Lets calls make large answers one at a time.
    large_answers: Semaphore,
    /// The sink through which the host pushes, if the client offered one.
    sink: RefCell<Option<client_sink::Client>>,
    /// What the host asks to go to another host, if the client said so.
    mover: RefCell<Option<mover::Client>>,
    /// Meter of the bytes that wait to be written to the peer.
    queue: OnceCell<VatMeter>,
    /// Set by a call that closed its own connection.
    departure: RefCell<Option<Departure>>,
    departing: Notify,
}

impl Caller {
    pub(super) fn new(hub: Arc<Hub>, connection: &Connection) -> Rc<Self> {
        let limits = &hub.settings().limits;
        let budget = Budget::observed(
            u32::try_from(limits.calls_in_flight_max).unwrap_or(u32::MAX),
            u32::try_from(limits.capabilities_held_max).unwrap_or(u32::MAX),
            Rc::new(Counted(Arc::clone(hub.metrics()), Arc::clone(connection))),
        );
        let address = connection.address;
        let (entry, connection) = (Arc::clone(connection), connection.id.clone());
        Rc::new(Self {
            hub,
            connection,
            entry,
            address,
            budget,
            mismatch: RefCell::default(),
            turn: Semaphore::new(1),
            large_answers: Semaphore::new(1),
            sink: RefCell::default(),
            mover: RefCell::default(),
            queue: OnceCell::new(),
            departure: RefCell::default(),
            departing: Notify::new(),
        })
    }

    pub(super) fn budget(&self) -> &Rc<Budget> {
        &self.budget
    }

    /// Takes a place for a capability that is about to be handed out.
    ///
    /// # Errors
    /// The connection holds as many capabilities as it may.
    pub(super) fn hold(&self) -> Result<Held, Refusal> {
        match self.budget.hold() {
            Ok(guard) => {
                self.hub.metrics().capabilities_held.inc();
                Ok(Held { metrics: Arc::clone(self.hub.metrics()), _guard: guard })
            }
            Err(_) => {
                Err(Refusal::limit(Limit::CapabilitiesHeldMax, self.hub.settings().limits.capabilities_held_max, 0))
            }
        }
    }

    /// The sink that the client offered last.
    pub(super) fn sink(&self) -> Option<client_sink::Client> {
        self.sink.borrow().clone()
    }

    /// Sets the sink, and gives the one before: that is the peer's object, and must be dropped with nothing borrowed.
    #[must_use = "drop it"]
    pub(super) fn set_sink(&self, sink: Option<client_sink::Client>) -> Option<client_sink::Client> {
        self.sink.replace(sink)
    }

    /// What the host asks to go to another host.
    pub(super) fn mover(&self) -> Option<mover::Client> {
        self.mover.borrow().clone()
    }

    /// Sets what the host asks to go to another host, and gives the one before: that is the peer's object, and must be dropped with
    /// nothing borrowed.
    #[must_use = "drop it"]
    pub(super) fn set_mover(&self, mover: Option<mover::Client>) -> Option<mover::Client> {
        self.mover.replace(mover)
    }

    /// Sets the meter of the bytes that wait to be written to the peer.
    pub(super) fn set_queue(&self, queue: VatMeter) {
        self.entry.traffic.set_queue(queue.shared_queued_bytes());
        // There is one vat to a connection.
        let _ = self.queue.set(queue);
    }

    /// As [`Caller::until_at_most_a_chunk`], for one call after the other. What makes large answers calls this first, and keeps what it
    /// gives until it has answered: so a peer that asks for many and reads none makes the host hold a chunk or two, and not one
    /// for each call.
    pub(super) async fn until_a_chunk_fits(&self) -> Option<SemaphorePermit<'_>> {
        let turn = self.large_answers.acquire().await.ok();
        self.until_at_most_a_chunk().await;
        turn
    }

    /// Waits until no more than a chunk waits to be written to the peer.
    pub(super) async fn until_at_most_a_chunk(&self) {
        if let Some(queue) = self.queue.get() {
            queue.until_at_most(self.hub.settings().limits.chunk_bytes_max as u64).await;
        }
    }

    /// Ends the connection once the answer to the call that is being served is out. To be called right before it returns.
    pub(super) fn depart(&self, departure: Option<Departure>) {
        if departure.is_some() {
            *self.departure.borrow_mut() = departure;
            self.departing.notify_one();
        }
    }

    /// Resolves when a call that closed its own connection has returned.
    pub(super) async fn departed(&self) {
        self.departing.notified().await;
    }

    /// Waits for the turn of a call that names a share by its id.
    pub(super) async fn turn(&self) -> Option<SemaphorePermit<'_>> {
        // The semaphore is never closed.
        self.turn.acquire().await.ok()
    }

    pub(super) fn mismatch(&self) -> Option<Refusal> {
        self.mismatch.borrow().clone()
    }

    pub(super) fn set_mismatch(&self, refusal: Refusal) {
        *self.mismatch.borrow_mut() = Some(refusal);
    }
}

/// The place of a capability that the peer holds; dropping it gives the place back.
pub(super) struct Held {
    metrics: Arc<Metrics>,
    _guard: HeldGuard,
}

impl Drop for Held {
    fn drop(&mut self) {
        self.metrics.capabilities_held.dec();
    }
}

/// Counts calls for the host's metrics and its administrators, and lets none begin once the connection is closed.
struct Counted(Arc<Metrics>, Arc<Entry>);

impl CallObserver for Counted {
    fn may_begin(&self) -> Result<(), capnp::Error> {
        if self.1.is_closed() {
            return Err(capnp::Error::disconnected("the host has closed this connection".into()));
        }
        Ok(())
    }

    fn began(&self, _: u64, _: u16) {
        self.0.calls.inc();
        self.0.calls_in_flight.inc();
        self.1.traffic.call_began();
    }

    fn ended(&self, _: u64, _: u16, outcome: CallOutcome) {
        match outcome {
            CallOutcome::Refused => return,
            CallOutcome::Panicked => drop(self.0.calls_panicked.inc()),
            CallOutcome::Returned | CallOutcome::Failed(_) | CallOutcome::Cancelled => {}
        }
        self.0.calls_in_flight.dec();
        self.1.traffic.call_ended();
    }
}
