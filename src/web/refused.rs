//! Refusals, as errors of Cap'n Web: this is the only map of them, and it is exhaustive.
//!
//! An error has the refusal's name as its member `code` and its facts as further members; clients of capnweb before 0.8 see only
//! the message, which begins with the name.

use crate::capnweb::{Fault, NotSent};
use crate::connections::calls::CallFailure;
use crate::connections::close::CloseReason;
use crate::share::error::Refusal;

impl From<Refusal> for Fault {
    fn from(refusal: Refusal) -> Self {
        Self::from(&refusal)
    }
}

impl From<&Refusal> for Fault {
    fn from(refusal: &Refusal) -> Self {
        // Most invalid arguments are in no list that they could be an item of.
        let message = if let Refusal::InvalidInput { index: 0, reason } = refusal {
            reason.clone().into_owned()
        } else {
            refusal.to_string()
        };
        let fault = named(refusal.code(), &message).with("transient", refusal.is_transient());
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
    Fault::type_error(format!("'{path}' is not a function."))
}

/// The error of a call whose function of the client could not be called.
pub(super) fn not_sent(error: &NotSent) -> Fault {
    match error {
        NotSent::Ended => named("Unavailable", "the session has ended: connect again"),
        NotSent::Gone => {
            named("Released", "the function was disposed of before it was called: keep it until the call returns")
        }
        NotSent::Limit(limit) => {
            named("LimitExceeded", &format!("past the limit {limit}: answer the calls that are on their way first"))
                .with("limit", *limit)
        }
    }
}

/// The error that a session is ended with when the host closes its connection.
pub(super) fn closed(reason: &CloseReason) -> Fault {
    let name = match reason.code {
        4001 | 1008 => "Unauthorized",
        4004 => "LimitExceeded",
        _ => "Unavailable",
    };
    named(name, reason.reason).with("close", i64::from(reason.code))
}

/// An error with a name that programs tell it by.
pub(super) fn named(code: &'static str, message: &str) -> Fault {
    Fault::new(format!("{code}: {message}")).with("code", code)
}

/// A count, as a number of JavaScript: none of ours comes near 2^53.
fn count(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// The frame that ends the session of a connection which is closed before its session begins.
pub(super) fn abort(reason: &CloseReason) -> String {
    let mut session = crate::capnweb::Session::new(crate::capnweb::Limits::default(), None);
    session.close(closed(reason));
    session.poll_frame().unwrap_or_default()
}
