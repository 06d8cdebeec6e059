//! The contract of a redaction, and how a client applies it to every value that is to be sent.

use std::fmt;
use std::sync::Arc;

use crate::share::change::Change;
use crate::share::error::Refusal;
use crate::share::item::Payload;
use crate::share::limits::{Limit, Limits};

/// Masks what must not leave this program in a value. It is called on the thread that queues or syncs the value, and must not
/// block.
pub trait Redact: fmt::Debug + Send + Sync {
    /// The JSON text of an item's value with its secrets masked; `None` if it has none. The result must be JSON of the same
    /// shape, with the members that make up the item's key (`id`, `messageID`, `providerID`) unchanged.
    fn redact(&self, json: &str) -> Option<String>;
}

/// The redaction that a client was built with; `None`: values are sent as they are.
pub(crate) type Redaction = Option<Arc<dyn Redact>>;

/// Masks the values of changes. A value without a secret is neither copied nor parsed.
pub(crate) fn redacted(redaction: &Redaction, mut changes: Vec<Change>) -> Result<Vec<Change>, Refusal> {
    let Some(redact) = redaction else { return Ok(changes) };
    let most = Limits::default().item_bytes_max;
    for (at, change) in changes.iter_mut().enumerate() {
        if let Some(masked) = change.value.as_ref().and_then(|value| redact.redact(value.as_str())) {
            // What stands in for a short secret is longer than it was.
            if masked.len() > most {
                return Err(Refusal::limit(Limit::ItemBytesMax, most, masked.len()).at(at));
            }
            change.value = Some(Payload::from_checked_json(&masked));
        }
    }
    Ok(changes)
}
