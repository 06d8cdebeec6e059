//! Items on the way to a share, checked as they are added, so that what is in an [`Items`] is fit to be sent.

use serde::Serialize;

use crate::contract::sync_data::{read_item, read_sync_data};
use crate::share::change::Change;
use crate::share::error::Refusal;
use crate::share::item::ItemKey;
use crate::share::limits::Limits;

/// Changes for a share, in order: new values, and removals.
///
/// ```
/// # use capshare::client::Items;
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let mut items = Items::new();
/// items.put("message", r#"{"id": "msg_1", "role": "user"}"#)?;
/// items.put_value("build", &serde_json::json!({"id": "linux", "ok": true}))?;
/// items.remove("message/msg_0")?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Items {
    changes: Vec<Change>,
}

impl Items {
    /// None yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds an item of a type (`session`, `message`, `part`, `session_diff`, `model`, or any other) from its JSON text.
    ///
    /// # Errors
    /// The text is no JSON, not of the shape that its type asks for, past `itemBytesMax` or too deeply nested. Nothing
    /// is added then.
    pub fn put(&mut self, kind: &str, json: &str) -> Result<(), Refusal> {
        self.add(|changes| read_item(kind, json, &Limits::default(), changes))
    }

    /// Adds an item of a type from a value.
    ///
    /// # Errors
    /// As [`put`](Self::put), or the value cannot be written as JSON.
    pub fn put_value<T: Serialize + ?Sized>(&mut self, kind: &str, value: &T) -> Result<(), Refusal> {
        let json = serde_json::to_string(value)
            .map_err(|error| Refusal::invalid(self.len(), format!("a {kind} that cannot be written: {error}")))?;
        self.put(kind, &json)
    }

    /// Adds what a `SyncData` text, `{"type": ..., "data": ...}`, says; for a list of models, several items.
    ///
    /// # Errors
    /// As [`put`](Self::put).
    pub fn sync_data(&mut self, json: &str) -> Result<(), Refusal> {
        self.add(|changes| read_sync_data(json, &Limits::default(), changes))
    }

    /// Adds the removal of the item with this key, such as `message/msg_1`; removing a message removes its parts.
    ///
    /// # Errors
    /// The key is none.
    pub fn remove(&mut self, key: &str) -> Result<(), Refusal> {
        let key: ItemKey = key.parse().map_err(|refusal: Refusal| refusal.at(self.len()))?;
        self.changes.push(Change { key, value: None });
        Ok(())
    }

    /// How many changes there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.changes.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }

    pub(crate) fn into_changes(self) -> Vec<Change> {
        self.changes
    }

    fn add(&mut self, read: impl FnOnce(&mut Vec<Change>) -> Result<(), Refusal>) -> Result<(), Refusal> {
        let before = self.changes.len();
        read(&mut self.changes).map_err(|refusal| {
            self.changes.truncate(before);
            refusal.at(before)
        })
    }
}

impl From<Vec<Change>> for Items {
    /// Changes whose texts are known to be good, such as those of another share.
    fn from(changes: Vec<Change>) -> Self {
        Self { changes }
    }
}
