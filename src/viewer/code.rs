//! What all JSON of the viewer channel and of HTTP is made with: the names of refusals, and texts of values.

use serde::Serialize;

use crate::share::error::Refusal;

/// A value as a JSON text.
pub(super) fn json(value: &impl Serialize) -> String {
    // Texts, numbers and maps by text have a JSON.
    serde_json::to_string(value).unwrap_or_else(|_| "null".to_owned())
}

/// The name of a refusal in every JSON answer.
#[must_use]
pub fn code(refusal: &Refusal) -> &'static str {
    match refusal {
        Refusal::Unauthorized { .. } => "Unauthorized",
        Refusal::NotFound { .. } => "NotFound",
        Refusal::InvalidSecret { .. } => "InvalidSecret",
        Refusal::RouteMismatch { .. } => "RouteMismatch",
        Refusal::ProtocolMismatch { .. } => "ProtocolMismatch",
        Refusal::StorageFailure { .. } => "StorageFailure",
        Refusal::UpgradeFailed { .. } => "UpgradeFailed",
        Refusal::LimitExceeded { .. } => "LimitExceeded",
        Refusal::InvalidInput { .. } => "InvalidInput",
        Refusal::StaleProducer { .. } => "StaleProducer",
        Refusal::NotYet { .. } => "NotYet",
        Refusal::Unavailable { .. } => "Unavailable",
        Refusal::Unspecified { .. } => "Unspecified",
    }
}
