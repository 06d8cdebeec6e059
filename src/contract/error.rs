//! Refusals and faults: to Cap'n Proto and back. This is the only map of them, and it is exhaustive both ways.
//!
//! Refusals travel in result unions. Faults travel as exceptions, of which Cap'n Proto has four kinds and a reason text.

use std::borrow::Cow;

use capnp::text;

use crate::share::error::{Refusal, StorageTrouble, StoreOperation};
use crate::share::limits::Limit;
use crate::share_capnp::{self, Retry, refusal};

/// Writes a refusal into a result.
pub fn write_refusal(refusal: &Refusal, mut to: refusal::Builder<'_>) {
    to.set_message(refusal.to_string().as_str());
    to.set_retry(if refusal.is_transient() { Retry::Later } else { Retry::Never });
    match refusal {
        Refusal::Unauthorized { .. } => to.set_unauthorized(()),
        Refusal::NotFound { id } => to.set_not_found(id.as_ref()),
        Refusal::InvalidSecret { id } => to.set_invalid_secret(id.as_str()),
        Refusal::RouteMismatch { route } => to.set_route_mismatch(route.as_ref()),
        Refusal::ProtocolMismatch { expected, got } => {
            let mut facts = to.init_protocol_mismatch();
            facts.set_expected(expected.as_ref());
            facts.set_got(got.as_ref());
        }
        Refusal::StorageFailure { operation, trouble } => {
            let mut facts = to.init_storage_failure();
            facts.set_operation(operation.as_str());
            facts.set_trouble(match trouble {
                StorageTrouble::Passing => share_capnp::StorageTrouble::Passing,
                StorageTrouble::Damaged => share_capnp::StorageTrouble::Damaged,
                StorageTrouble::Unconditional => share_capnp::StorageTrouble::Unconditional,
            });
        }
        Refusal::UpgradeFailed { status, reason } => {
            let mut facts = to.init_upgrade_failed();
            facts.set_status(*status);
            facts.set_reason(reason.as_ref());
        }
        Refusal::LimitExceeded { limit, max, got } => {
            let mut facts = to.init_limit_exceeded();
            facts.set_limit(limit.name());
            facts.set_max(*max);
            facts.set_got(*got);
        }
        Refusal::InvalidInput { index, reason } => {
            let mut facts = to.init_invalid_input();
            facts.set_index(u32::try_from(*index).unwrap_or(u32::MAX));
            facts.set_reason(reason.as_ref());
        }
        Refusal::StaleProducer { epoch } => to.set_stale_producer(*epoch),
        Refusal::NotYet { feature } => to.set_not_yet(feature.as_ref()),
        Refusal::Unavailable { retry_after_ms } => to.init_unavailable().set_retry_after_ms(*retry_after_ms),
        Refusal::Unspecified { .. } => to.set_unspecified(()),
    }
}

/// Reads a refusal from a result. What a newer peer says in a member that we do not know becomes
/// [`Refusal::Unspecified`] with its message.
///
/// # Errors
/// The message is malformed.
pub fn read_refusal(from: refusal::Reader<'_>) -> Result<Refusal, capnp::Error> {
    let message = || from.get_message().and_then(owned);
    let Ok(which) = from.which() else { return Ok(Refusal::Unspecified { message: message()? }) };
    Ok(match which {
        refusal::Which::Unspecified(()) => Refusal::Unspecified { message: message()? },
        refusal::Which::Unauthorized(()) => {
            let message = message()?;
            let reason =
                message.strip_prefix("unauthorized: ").map(|reason| reason.to_owned().into()).unwrap_or(message);
            Refusal::Unauthorized { reason }
        }
        refusal::Which::NotFound(id) => Refusal::NotFound { id: owned(id?)? },
        refusal::Which::InvalidSecret(id) => match owned(id?)?.parse() {
            Ok(id) => Refusal::InvalidSecret { id },
            Err(_) => Refusal::Unspecified { message: message()? },
        },
        refusal::Which::RouteMismatch(route) => Refusal::RouteMismatch { route: owned(route?)? },
        refusal::Which::ProtocolMismatch(facts) => {
            Refusal::ProtocolMismatch { expected: owned(facts.get_expected()?)?, got: owned(facts.get_got()?)? }
        }
        refusal::Which::StorageFailure(facts) => {
            let operation = facts.get_operation()?.to_str()?;
            let known = StoreOperation::ALL.into_iter().find(|known| known.as_str() == operation);
            let trouble = match facts.get_trouble() {
                Ok(share_capnp::StorageTrouble::Passing) => StorageTrouble::Passing,
                Ok(share_capnp::StorageTrouble::Damaged) => StorageTrouble::Damaged,
                Ok(share_capnp::StorageTrouble::Unconditional) => StorageTrouble::Unconditional,
                // One of a version to come.
                Err(capnp::NotInSchema(_)) if from.get_retry() == Ok(Retry::Never) => StorageTrouble::Damaged,
                Err(capnp::NotInSchema(_)) => StorageTrouble::Passing,
            };
            match known {
                Some(operation) => Refusal::StorageFailure { operation, trouble },
                None => Refusal::Unspecified { message: message()? },
            }
        }
        refusal::Which::UpgradeFailed(facts) => {
            Refusal::UpgradeFailed { status: facts.get_status(), reason: owned(facts.get_reason()?)? }
        }
        refusal::Which::LimitExceeded(facts) => Refusal::LimitExceeded {
            limit: Limit::named(owned(facts.get_limit()?)?),
            max: facts.get_max(),
            got: facts.get_got(),
        },
        refusal::Which::InvalidInput(facts) => {
            Refusal::InvalidInput { index: facts.get_index() as usize, reason: owned(facts.get_reason()?)? }
        }
        refusal::Which::StaleProducer(epoch) => Refusal::StaleProducer { epoch },
        refusal::Which::NotYet(feature) => Refusal::NotYet { feature: owned(feature?)? },
        refusal::Which::Unavailable(facts) => Refusal::Unavailable { retry_after_ms: facts.get_retry_after_ms() },
    })
}

/// Why a call has no result: the peer threw an exception, or the connection was lost.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// The connection was lost. The call may or may not have been carried out.
    #[error("the connection was lost: {0}")]
    Disconnected(String),
    /// The call is past a limit of the connection, which the refusal names.
    #[error(transparent)]
    Overloaded(Refusal),
    /// The peer failed, or the call breaks the contract. Do not repeat it.
    #[error("the peer failed: {0}")]
    Failed(String),
    /// The peer does not know the call, because it is older.
    #[error("the peer does not know this call, use a newer peer: {0}")]
    Unimplemented(String),
}

/// What capnp-rpc puts before the reason of an exception that a peer sent.
const OF_PEER: &str = "remote exception: ";

/// The reason of an exception in the words of the peer that sent it; `None` if no peer sent it.
#[must_use]
pub fn peers_words(error: &capnp::Error) -> Option<&str> {
    error.extra.strip_prefix(OF_PEER)
}

/// An exception as the peer sent it, to pass it on: otherwise each hop would put its own mark before the reason.
#[must_use]
pub fn as_the_peer_said(error: capnp::Error) -> capnp::Error {
    match peers_words(&error).map(str::to_owned) {
        Some(extra) => capnp::Error { extra, ..error },
        None => error,
    }
}

/// The fault that an exception stands for.
#[must_use]
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "only four kinds cross the wire; some seventy others mean a malformed message"
)]
pub fn read_fault(error: &capnp::Error) -> Fault {
    let text = peers_words(error).map_or_else(|| error.to_string(), str::to_owned);
    match error.kind {
        capnp::ErrorKind::Disconnected => Fault::Disconnected(text),
        capnp::ErrorKind::Overloaded => Fault::Overloaded(read_limit(&text)),
        capnp::ErrorKind::Unimplemented => Fault::Unimplemented(text),
        _ => Fault::Failed(text),
    }
}

/// Reads the limit from a text such as `LimitExceeded callsInFlightMax max=512`, as exceptions and Close frames carry it.
#[must_use]
pub fn read_limit(text: &str) -> Refusal {
    let mut words = text.split("LimitExceeded ").nth(1).unwrap_or_default().split_whitespace();
    match (words.next(), words.next().and_then(|word| word.strip_prefix("max=")).and_then(|max| max.parse().ok())) {
        (Some(limit), Some(max)) => Refusal::LimitExceeded { limit: Limit::named(limit.to_owned()), max, got: 0 },
        _ => Refusal::Unspecified { message: text.to_owned().into() },
    }
}

fn owned(text: text::Reader<'_>) -> Result<Cow<'static, str>, capnp::Error> {
    Ok(text.to_str()?.to_owned().into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_refusal_comes_back_with_its_facts() {
        let id = crate::share::id::ShareId::from_bits(7);
        let all = [
            Refusal::Unauthorized { reason: "show a token".into() },
            Refusal::NotFound { id: "x".into() },
            Refusal::InvalidSecret { id },
            Refusal::RouteMismatch { route: "/ws/x".into() },
            Refusal::ProtocolMismatch { expected: "a".into(), got: "b".into() },
            Refusal::UpgradeFailed { status: 502, reason: "Bad Gateway".into() },
            Refusal::limit(Limit::SyncItemsMax, 3, 4),
            Refusal::invalid(5, "an id"),
            Refusal::StaleProducer { epoch: 9 },
            Refusal::NotYet { feature: "grants".into() },
            Refusal::Unavailable { retry_after_ms: 5 },
            Refusal::Unspecified { message: "something".into() },
        ];
        let failures = StoreOperation::ALL.into_iter().flat_map(|operation| {
            StorageTrouble::ALL.into_iter().map(move |trouble| Refusal::StorageFailure { operation, trouble })
        });
        for refusal in all.into_iter().chain(failures) {
            let mut message = capnp::message::Builder::new_default();
            write_refusal(&refusal, message.init_root());
            let reader = message.get_root_as_reader::<refusal::Reader<'_>>().unwrap();
            assert_eq!(read_refusal(reader).unwrap(), refusal);
            assert_eq!(reader.get_retry().unwrap() == Retry::Later, refusal.is_transient());
        }
    }

    #[test]
    fn an_exception_is_passed_on_in_its_senders_words() {
        let passed_on = |extra: &str| {
            let error = as_the_peer_said(capnp::Error::overloaded(extra.to_owned()));
            assert_eq!(error.kind, capnp::ErrorKind::Overloaded);
            error.extra
        };
        assert_eq!(passed_on("remote exception: mine"), "mine");
        assert_eq!(passed_on("remote exception: remote exception: mine"), "remote exception: mine");
        assert_eq!(passed_on("of this side"), "of this side");
        assert_eq!(read_fault(&capnp::Error::failed("remote exception: mine".into())), Fault::Failed("mine".into()));
    }

    #[test]
    fn a_limit_is_read_from_an_exception_and_from_nothing_else() {
        let text = "remote exception: LimitExceeded callsInFlightMax max=512";
        assert_eq!(read_limit(text), Refusal::limit(Limit::CallsInFlightMax, 512, 0));
        assert!(matches!(read_limit("busy"), Refusal::Unspecified { .. }));
    }
}
