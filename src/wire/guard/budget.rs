//! What one connection may use at once.
//!
//! One [`Budget`] for each connection, shared by all guards of its objects. Whatever is taken from it is a value that gives it
//! back in `Drop`: a running call is a permit inside its promise, a held capability is a [`HeldGuard`] inside its server object.

use std::cell::Cell;
use std::fmt;
use std::rc::Rc;

use capnp::{Error, ErrorKind};

/// The limits of one connection on calls and capabilities, and how many it has of each. It is not `Send`.
pub struct Budget {
    calls_in_flight_max: u32,
    capabilities_held_max: u32,
    calls_in_flight: Cell<u32>,
    capabilities_held: Cell<u32>,
    observer: Option<Rc<dyn CallObserver>>,
}

impl Budget {
    /// A budget of at most `calls_in_flight_max` unanswered calls, past which a call fails as overloaded at once, and of at most
    /// `capabilities_held_max` objects entered with [`hold`](Self::hold).
    pub fn new(calls_in_flight_max: u32, capabilities_held_max: u32) -> Rc<Self> {
        Rc::new(Self::unobserved(calls_in_flight_max, capabilities_held_max))
    }

    /// A budget as of [`new`](Self::new), whose `observer` is told of every call.
    pub fn observed(calls_in_flight_max: u32, capabilities_held_max: u32, observer: Rc<dyn CallObserver>) -> Rc<Self> {
        Rc::new(Self { observer: Some(observer), ..Self::unobserved(calls_in_flight_max, capabilities_held_max) })
    }

    fn unobserved(calls_in_flight_max: u32, capabilities_held_max: u32) -> Self {
        Self {
            calls_in_flight_max,
            capabilities_held_max,
            calls_in_flight: Cell::new(0),
            capabilities_held: Cell::new(0),
            observer: None,
        }
    }

    /// Enters a capability that is about to be handed out. Keep the [`HeldGuard`] inside the server object.
    ///
    /// # Errors
    /// Overloaded, with the text `LimitExceeded capabilitiesHeldMax max=N`, if as many capabilities are held as may be.
    pub fn hold(self: &Rc<Self>) -> Result<HeldGuard, Error> {
        let held = self.capabilities_held.get();
        if held >= self.capabilities_held_max {
            return Err(exceeded("capabilitiesHeldMax", self.capabilities_held_max));
        }
        self.capabilities_held.set(held + 1);
        Ok(HeldGuard(self.clone()))
    }

    /// Number of calls that began and were not yet answered or cancelled.
    pub fn calls_in_flight(&self) -> u32 {
        self.calls_in_flight.get()
    }

    /// Number of capabilities that were entered and not yet dropped.
    pub fn capabilities_held(&self) -> u32 {
        self.capabilities_held.get()
    }

    pub(super) fn admit(self: &Rc<Self>, interface_id: u64, method_id: u16) -> Result<Permit, Error> {
        if let Some(observer) = &self.observer {
            observer.may_begin()?;
        }
        let in_flight = self.calls_in_flight.get();
        if in_flight >= self.calls_in_flight_max {
            if let Some(observer) = &self.observer {
                observer.ended(interface_id, method_id, CallOutcome::Refused);
            }
            return Err(exceeded("callsInFlightMax", self.calls_in_flight_max));
        }
        self.calls_in_flight.set(in_flight + 1);
        if let Some(observer) = &self.observer {
            observer.began(interface_id, method_id);
        }
        Ok(Permit { budget: self.clone(), interface_id, method_id, outcome: CallOutcome::Cancelled })
    }
}

impl fmt::Debug for Budget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Budget")
            .field("calls_in_flight", &self.calls_in_flight)
            .field("calls_in_flight_max", &self.calls_in_flight_max)
            .field("capabilities_held", &self.capabilities_held)
            .field("capabilities_held_max", &self.capabilities_held_max)
            .finish_non_exhaustive()
    }
}

fn exceeded(limit: &str, max: u32) -> Error {
    Error::overloaded(format!("LimitExceeded {limit} max={max}"))
}

/// Told of every call that reaches a guard's budget, so that a host can count and time them. It must not call back.
pub trait CallObserver {
    /// Whether a call may begin, asked before each call of the connection. A call that may not begin is not counted. By default
    /// every call may begin.
    ///
    /// # Errors
    /// The call may not begin, for example because the connection was closed. The caller gets this error.
    fn may_begin(&self) -> Result<(), Error> {
        Ok(())
    }

    /// Told when a call was admitted and begins.
    fn began(&self, interface_id: u64, method_id: u16);

    /// Told when a call ended. For [`CallOutcome::Refused`] there was no [`began`](Self::began) before it.
    fn ended(&self, interface_id: u64, method_id: u16, outcome: CallOutcome);
}

/// How a call ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum CallOutcome {
    /// The call returned results; a refusal in them counts as results.
    Returned,
    /// The call failed with an exception of this kind.
    Failed(ErrorKind),
    /// The method panicked; the caller got the error `internal error`.
    Panicked,
    /// The call has no result, because its caller dropped it or the connection ended.
    Cancelled,
    /// The call did not begin, because too many calls were in flight.
    Refused,
}

/// The place of one capability that is held for a peer; dropping it gives the place back.
#[derive(Debug)]
#[must_use = "dropping it gives the place back at once"]
pub struct HeldGuard(Rc<Budget>);

impl Drop for HeldGuard {
    fn drop(&mut self) {
        self.0.capabilities_held.set(self.0.capabilities_held.get() - 1);
    }
}

/// The place of one call in flight; dropping it gives the place back and tells the observer.
pub(super) struct Permit {
    budget: Rc<Budget>,
    interface_id: u64,
    method_id: u16,
    outcome: CallOutcome,
}

impl Permit {
    pub(super) fn returned(mut self, error: Option<&Error>) {
        self.outcome = error.map_or(CallOutcome::Returned, |error| CallOutcome::Failed(error.kind));
    }

    /// Notes the panic, and returns the error for the caller, which tells nothing of the panic.
    pub(super) fn panicked(mut self) -> Error {
        self.outcome = CallOutcome::Panicked;
        tracing::error!(
            interface_id = format_args!("{:#x}", self.interface_id),
            method_id = self.method_id,
            "a method panicked; its connection goes on"
        );
        Error::failed("internal error".into())
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.budget.calls_in_flight.set(self.budget.calls_in_flight.get() - 1);
        if let Some(observer) = &self.budget.observer {
            observer.ended(self.interface_id, self.method_id, self.outcome);
        }
    }
}
