//! Refusals, as errors of Cap'n Web: this is the only map of them, and it is exhaustive.
//!
//! An error has the refusal's name as its member `code` and its facts as further members; clients of capnweb before 0.8 see only
//! the message, which begins with the name.

use crate::capnweb::{End, Fault, NotSent, Value};
use crate::connections::calls::CallFailure;
use crate::connections::close::CloseReason;
use crate::share::error::Refusal;
use crate::share::limits::Limit;
use crate::share::limits::web::WEB_QUEUED_BYTES_MAX;

/// What the bounds of a session are called at this door: as in the contract where that has them, else as in `share::limits::web`.
pub(super) const LIMITS: [(&str, &str); 11] = [
    ("calls", "callsInFlightMax"),
    ("exports", "webExportsMax"),
    ("frameBytes", "messageBytesMax"),
    ("depth", "webNestingMax"),
    ("values", "webValuesMax"),
    ("bigintDigits", "webBigintDigitsMax"),
    ("results", "webResultsMax"),
    ("imports", "webImportsMax"),
    ("promises", "webPromisesMax"),
    ("heldBytes", "webHeldBytesMax"),
    ("work", "webWorkMax"),
];

impl From<Refusal> for Fault {
    fn from(refusal: Refusal) -> Self {
        Self::from(&refusal)
    }
}

impl From<&Refusal> for Fault {
    fn from(refusal: &Refusal) -> Self {
        // The reason of an invalid argument names the argument and the item in it; and the name Unauthorized stands before its reason.
        let message = if let Refusal::InvalidInput { reason, .. } | Refusal::Unauthorized { reason } = refusal {
            reason.clone().into_owned()
        } else {
            refusal.to_string()
        };
        let fault = named(refusal.code(), &message).with("transient", refusal.is_transient() || passes(refusal));
        match refusal {
            Refusal::Unauthorized { .. } | Refusal::Unspecified { .. } => fault,
            Refusal::NotFound { id } => fault.with("id", id.as_ref()),
            Refusal::InvalidSecret { id } => fault.with("id", id.as_str()),
            Refusal::RouteMismatch { route } => fault.with("route", route.as_ref()),
            Refusal::ProtocolMismatch { expected, got } => {
                fault.with("expected", expected.as_ref()).with("got", got.as_ref())
            }
            Refusal::StorageFailure { operation, trouble } => {
                fault.with("operation", operation.as_str()).with("trouble", trouble.as_str())
            }
            Refusal::UpgradeFailed { status, reason } => {
                fault.with("status", i64::from(*status)).with("reason", reason.as_ref())
            }
            Refusal::LimitExceeded { limit, max, got } => {
                fault.with("limit", limit.name()).with("max", count(*max)).with("got", count(*got))
            }
            Refusal::InvalidInput { index, reason } => {
                fault.with("index", count(*index as u64)).with("reason", reason.as_ref())
            }
            Refusal::StaleProducer { epoch } => fault.with("epoch", count(*epoch)),
            Refusal::NotYet { feature } => fault.with("feature", feature.as_ref()),
            Refusal::Unavailable { retry_after_ms } => fault.with("retryAfterMs", i64::from(*retry_after_ms)),
        }
    }
}

/// The error of a call that the service around the host serves, and that it failed with.
pub(super) fn failed(failure: CallFailure) -> Fault {
    let CallFailure { code, message } = failure;
    named("CallFailed", &format!("{code}: {message}")).with("failure", code).with("reason", message)
}

/// The error of a call to a procedure that nobody serves.
pub(super) fn unknown_procedure() -> Fault {
    named(
        "UnknownProcedure",
        "the service serves no procedure of this name: compare it with the service's documentation",
    )
}

/// The error of a call that broke. It tells nothing of how.
pub(super) fn broken() -> Fault {
    named("Internal", "the host failed to serve this call: its log says why")
}

/// The error of a call of a method that is not there.
pub(super) fn not_a_function(path: &str) -> Fault {
    Fault::type_error(format!("'{path}' is not a function.")).with("code", "UnknownMethod").with("transient", false)
}

/// What an observer is told last whose function `changed` has thrown.
pub(super) fn observer_failed() -> Fault {
    named("ObserverFailed", "changed threw an error, and its watch is over: watch again when it can take events")
        .with("transient", false)
}

/// The error of what the client did not do in time.
pub(super) fn late(what: &str) -> Fault {
    named("Timeout", &format!("{what}: return sooner")).with("transient", true)
}

/// The error of a call whose function of the client could not be called.
pub(super) fn not_sent(error: &NotSent) -> Fault {
    match error {
        NotSent::Ended => named("Unavailable", "the session has ended: connect again").with("transient", true),
        NotSent::Gone => {
            named("Released", "the function was disposed of before it was called: keep it until the call returns")
                .with("transient", false)
        }
        NotSent::Limit("calls_out") => {
            named("LimitExceeded", "past the limit webCallsOutMax: answer the calls that are on their way first")
                .with("limit", "webCallsOutMax")
                .with("transient", true)
        }
        NotSent::Limit(_) => {
            named("LimitExceeded", "past the limit messageBytesMax: what the function would be called with is larger")
                .with("limit", "messageBytesMax")
                .with("transient", false)
        }
    }
}

/// The error that a session is ended with when the host closes its connection: its `transient` says whether to come back.
pub(super) fn closed(reason: &CloseReason) -> Fault {
    let (name, transient) = match reason.code {
        4001 => ("Unauthorized", false),
        4004 => ("LimitExceeded", false),
        1008 | 4003 => ("Timeout", true),
        _ => ("Unavailable", true),
    };
    last(name, reason.reason, transient, reason.code)
}

/// The code of the Close frame and the error of a session that ended by itself; no error where the client has ended it.
pub(super) fn broken_off(end: &End) -> (u16, Option<Fault>) {
    let message = end.to_string();
    let fault = match end {
        End::Malformed { .. } | End::UnknownId { .. } | End::BadRelease { .. } => {
            last("ProtocolMismatch", &message, false, 1002)
        }
        End::FrameTooLarge { got, max } => frame_too_large(*got, *max),
        End::Overrun { queued } => last("LimitExceeded", &message, true, 1008)
            .with("limit", "webQueuedBytesMax")
            .with("max", count(WEB_QUEUED_BYTES_MAX as u64))
            .with("got", count(*queued as u64)),
        End::Aborted(_) | End::Closed => return (1000, None),
    };
    (close_of(&fault), Some(fault))
}

/// The error of a session whose client sent a frame that is too large.
pub(super) fn frame_too_large(got: usize, max: usize) -> Fault {
    let message = format!("past the limit messageBytesMax of {max}: there were {got}; send less at once");
    last("LimitExceeded", &message, false, 1009)
        .with("limit", "messageBytesMax")
        .with("max", count(max as u64))
        .with("got", count(got as u64))
}

/// The error of a session whose client sent what no session reads.
pub(super) fn foreign(message: &str, close: u16) -> Fault {
    last("ProtocolMismatch", message, false, close)
}

/// The code of the Close frame that goes with an error that ends a session.
pub(super) fn close_of(fault: &Fault) -> u16 {
    let close = fault.members.iter().find(|(key, _)| *key == "close");
    let number = close.and_then(|(_, value)| if let Value::Number(number) = value { Some(number) } else { None });
    number.and_then(|number| number.as_str().parse().ok()).unwrap_or(1000)
}

/// An error that ends a session.
fn last(name: &'static str, message: &str, transient: bool, close: u16) -> Fault {
    named(name, message).with("transient", transient).with("close", i64::from(close))
}

/// An error with a name that programs tell it by.
pub(super) fn named(code: &'static str, message: &str) -> Fault {
    Fault::new(format!("{code}: {message}")).with("code", code)
}

/// Whether a limit is no longer passed after a while, with nothing done about it.
fn passes(refusal: &Refusal) -> bool {
    let Refusal::LimitExceeded { limit, .. } = refusal else { return false };
    matches!(
        limit,
        Limit::FailedCredentialsPerMinute
            | Limit::ApiRequestsPerMinute
            | Limit::AccountUpgradesPerMinute
            | Limit::UpgradesPerMinute
            | Limit::AccountBytesPerDayMax
            | Limit::CallsInFlightMax
            | Limit::AsksOpenMax
    )
}

/// A count, as a number of JavaScript: none of ours comes near 2^53.
fn count(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// The frame that ends a session with an error.
pub(super) fn abort(fault: Fault) -> String {
    let mut session = crate::capnweb::Session::new(crate::capnweb::Limits::default(), None);
    session.close(fault);
    session.poll_frame().unwrap_or_default()
}
