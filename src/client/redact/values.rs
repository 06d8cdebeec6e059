//! Where a client asks its redaction: at every value that is to be sent.

use std::fmt;
use std::sync::Arc;

use crate::share::change::Change;
use crate::share::error::Refusal;
use crate::share::item::Payload;
use crate::share::limits::{Limit, Limits};

/// Takes out of a value what must not leave the machine. Called by whoever queues, on their thread: it must not block.
pub trait Redact: fmt::Debug + Send + Sync {
    /// The JSON text of an item's value without what must not be seen; `None`: there is nothing to take out. What it gives
    /// must be JSON of the same shape, with the members that make up the item's key (`id`, `messageID`, `providerID`) as they
    /// were.
    fn redact(&self, json: &str) -> Option<String>;
}

/// What a client was built with; `None`: nothing is taken out.
pub(crate) type Redaction = Option<Arc<dyn Redact>>;

/// Takes out of changes what must not leave. Values that hold nothing of it are neither copied nor parsed.
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
