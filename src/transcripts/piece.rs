//! What readers give out: changes that are fit to be sent, and the session that they belong to.

use crate::contract::sync_data::{read_item, read_sync_data};
use crate::share::change::Change;
use crate::share::error::Refusal;
use crate::share::item::ItemKey;
use crate::share::limits::Limits;

/// Some of a transcript: what one line, one message of an export, or the rows at hand hold.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Piece {
    /// New values and removals, in order, each checked against the contract's limits.
    pub changes: Vec<Change>,
    /// The id of the session that they belong to, as the transcript says it; `None` if this piece does not say it.
    pub session: Option<String>,
}

impl Piece {
    /// Adds an item of a type from its JSON text; nothing if it is refused.
    pub(super) fn put(&mut self, kind: &str, json: &str) -> Result<(), Refusal> {
        self.add(|changes| read_item(kind, json, &Limits::default(), changes))
    }

    /// Adds what a `SyncData` object says; nothing if it is refused.
    pub(super) fn sync_data(&mut self, json: &str) -> Result<(), Refusal> {
        self.add(|changes| read_sync_data(json, &Limits::default(), changes))
    }

    /// Adds the removal of an item; with a message its parts are removed.
    pub(super) fn remove(&mut self, key: ItemKey) {
        self.changes.push(Change { key, value: None });
    }

    fn add(&mut self, read: impl FnOnce(&mut Vec<Change>) -> Result<(), Refusal>) -> Result<(), Refusal> {
        let before = self.changes.len();
        read(&mut self.changes).map_err(|refusal| {
            self.changes.truncate(before);
            refusal.at(before)
        })
    }
}
