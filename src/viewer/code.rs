//! Texts of values, for all JSON of the viewer channel.

use serde::Serialize;

/// A value as a JSON text.
pub(super) fn json(value: &impl Serialize) -> String {
    // Texts, numbers and maps by text have a JSON.
    serde_json::to_string(value).unwrap_or_else(|_| "null".to_owned())
}
