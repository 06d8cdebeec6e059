//! What readers give out: changes that are fit to be sent, and the session that they belong to.

use crate::contract::sync_data::{read_item, split_sync_data};
use crate::share::change::Change;
use crate::share::error::Refusal;
use crate::share::item::ItemKey;
use crate::share::limits::Limits;
use crate::transcripts::fit::fitting;

/// Some of a transcript: what one line, one message of an export, or the rows at hand hold.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Piece {
    /// New values and removals, in order, each checked against the contract's limits.
    pub changes: Vec<Change>,
    /// The id of the session that they belong to, as the transcript says it; `None` if this piece does not say it.
    pub session: Option<String>,
}

impl Piece {
    /// Adds an item of a type from its JSON text; nothing if it is refused. Says whether the item was too large, and was made smaller.
    pub(super) fn put(&mut self, kind: &str, json: &str) -> Result<bool, Refusal> {
        let (json, is_smaller) = fitting(kind, json);
        let before = self.changes.len();
        read_item(kind, &json, &Limits::default(), &mut self.changes).map_err(|refusal| {
            self.changes.truncate(before);
            refusal.at(before)
        })?;
        Ok(is_smaller)
    }

    /// Adds what a `SyncData` object says; nothing if it is refused. Says whether it was too large, and was made smaller.
    pub(super) fn sync_data(&mut self, json: &str) -> Result<bool, Refusal> {
        let (kind, data) = split_sync_data(json).map_err(|refusal| refusal.at(self.changes.len()))?;
        self.put(&kind, data)
    }

    /// Adds the removal of an item; with a message its parts are removed.
    pub(super) fn remove(&mut self, key: ItemKey) {
        self.changes.push(Change { key, value: None });
    }
}
