//! Items for a share. They are checked as they are added, so that an [`Items`] can be sent.

use serde::Serialize;

use crate::contract::sync_data::{read_item, read_sync_data};
use crate::share::change::Change;
use crate::share::error::Refusal;
use crate::share::item::ItemKey;
use crate::share::limits::Limits;

/// Changes for a share, in the order in which they are to be applied: new values of items, and removals.
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
    /// An empty list of changes.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds an item of a type (`session`, `message`, `part`, `session_diff`, `model`, or any other) from its JSON text.
    ///
    /// # Errors
    /// [`Refusal::InvalidInput`] if the text is not JSON, is nested too deeply, or has not the shape that its type asks for;
    /// [`Refusal::LimitExceeded`] (`itemBytesMax`) if it is too large. Nothing is added then.
    pub fn put(&mut self, kind: &str, json: &str) -> Result<(), Refusal> {
        self.add(|changes| read_item(kind, json, &Limits::default(), changes))
    }

    /// Adds an item of a type from a value that can be written as JSON; see [`put`](Self::put).
    ///
    /// # Errors
    /// As [`put`](Self::put); [`Refusal::InvalidInput`] also if the value cannot be written as JSON.
    pub fn put_value<T: Serialize + ?Sized>(&mut self, kind: &str, value: &T) -> Result<(), Refusal> {
        let json = serde_json::to_string(value)
            .map_err(|error| Refusal::invalid(self.len(), format!("this {kind} cannot be written as JSON: {error}")))?;
        self.put(kind, &json)
    }

    /// Adds the items of one `SyncData` object, a JSON text such as `{"type": "message", "data": {...}}`. Where `data` is a list of
    /// models, each becomes an item.
    ///
    /// # Errors
    /// As [`put`](Self::put).
    pub fn sync_data(&mut self, json: &str) -> Result<(), Refusal> {
        self.add(|changes| read_sync_data(json, &Limits::default(), changes))
    }

    /// Adds the removal of the item with this key, such as `message/msg_1`. The removal of a message removes its parts too.
    ///
    /// # Errors
    /// [`Refusal::InvalidInput`]: the key is invalid.
    pub fn remove(&mut self, key: &str) -> Result<(), Refusal> {
        let key: ItemKey = key.parse().map_err(|refusal: Refusal| refusal.at(self.len()))?;
        self.changes.push(Change { key, value: None });
        Ok(())
    }

    /// Number of changes.
    #[must_use]
    pub fn len(&self) -> usize {
        self.changes.len()
    }

    /// Whether there are no changes.
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
    /// Takes changes whose texts were checked before, such as those of another share.
    fn from(changes: Vec<Change>) -> Self {
        Self { changes }
    }
}
