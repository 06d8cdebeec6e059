//! What a method of an object comes to: an answer, a refusal or a fault, and how it gets into the results.
//!
//! A refusal is data, in the `refused` member of the result. A fault is an exception of Cap'n Proto. Where a result has a capability
//! beside it, a refusal gives one that answers every call with it, so that calls which were pipelined on it say the same.

use std::rc::Rc;
use std::time::Duration;

use capnp::Error;
use capnp::capability::{FromClientHook, FromServer};

use crate::contract::read_error::ReadError;
use crate::rpc::caller::Caller;
use crate::rpc::refused::Refused;
use crate::share::error::Refusal;
use crate::share::time::Timestamp;

/// What a method comes to: an answer, or else a refusal or a fault.
pub(super) type Answer<T> = Result<T, ReadError>;

/// Takes faults out of what a method came to: what stays is an answer or a refusal, and both are data.
pub(super) fn refusal_or_fault<T>(answer: Answer<T>) -> Result<Result<T, Refusal>, Error> {
    match answer {
        Ok(value) => Ok(Ok(value)),
        Err(ReadError::Refused(refusal)) => Ok(Err(refusal)),
        Err(ReadError::Fault(fault)) => Err(fault),
    }
}

/// Answers or refuses with a capability: gives what the result says, and the capability that stands beside it, which refuses every
/// call if the answer is a refusal.
pub(super) fn with_capability<T, C>(
    caller: &Rc<Caller>,
    answer: Answer<(T, C)>,
) -> Result<(Result<T, Refusal>, C), Error>
where
    C: FromServer<Refused> + FromClientHook,
{
    Ok(match refusal_or_fault(answer)? {
        Ok((facts, capability)) => (Ok(facts), capability),
        Err(refusal) => {
            let capability = Refused::client(&refusal, caller);
            (Err(refusal), capability)
        }
    })
}

/// How long something is to last, of a number of milliseconds; 0 stands for a time that was not given.
pub(super) fn ttl(ms: u64) -> Option<Duration> {
    (ms != 0).then(|| Duration::from_millis(ms))
}

/// When something is to be over, of milliseconds since 1970; 0 stands for a moment that was not given.
pub(super) fn moment(at: i64) -> Option<Timestamp> {
    (at != 0).then_some(Timestamp(at))
}

/// A text of a message.
///
/// # Errors
/// It is not UTF-8.
pub(super) fn text(text: capnp::text::Reader<'_>) -> Result<&str, Refusal> {
    text.to_str().map_err(|_| Refusal::invalid(0, "a text is not UTF-8: send all texts in UTF-8"))
}
