//! Where readers put items, and what of them is given out.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher as _};

use serde_json::{Value, json};

use crate::share::error::Refusal;
use crate::share::item::ItemKey;
use crate::share::limits::SHARE_ITEMS_MAX;
use crate::transcripts::piece::Piece;
use crate::transcripts::report::{LeftOut, Report};
use crate::transcripts::values::text;

/// Most records of one transcript that go to the `other` lane: a tenth of what a share may hold, so that they never displace what is
/// shown. Further ones are left out and counted.
const OTHERS_MAX: u64 = SHARE_ITEMS_MAX as u64 / 10;

/// The items of a transcript that were made and not yet given out.
pub(super) struct Out {
    /// The agent's name, which begins the types of the `other` lane.
    agent: &'static str,
    piece: Piece,
    /// Of each item that was given out, a hash of its key and one of its text: what did not change is not given out again.
    said: HashMap<u64, u64>,
    report: Report,
}

impl Out {
    pub(super) fn of(agent: &'static str) -> Self {
        Self { agent, piece: Piece::default(), said: HashMap::new(), report: Report::default() }
    }

    pub(super) fn report(&self) -> &Report {
        &self.report
    }

    /// Whether nothing waits to be given out.
    pub(super) fn is_empty(&self) -> bool {
        self.piece.changes.is_empty()
    }

    /// What waits to be given out.
    pub(super) fn take(&mut self) -> Piece {
        std::mem::take(&mut self.piece)
    }

    /// Forgets what was given out, so that it is given out once more when it comes again.
    pub(super) fn forget(&mut self) {
        self.said.clear();
    }

    /// Counts a record that is not in the share.
    pub(super) fn leave_out(&mut self, why: LeftOut) {
        self.report.leave_out(why);
    }

    /// Adds an item of a type, made by a reader. A value that is not an item is left out and counted.
    pub(super) fn put(&mut self, kind: &str, value: &Value) {
        let key = hash(&[kind, text(value, "providerID"), text(value, "messageID"), text(value, "id")]);
        self.add(kind, &value.to_string(), key);
    }

    /// Adds an item of a type and an id from its JSON text. `message`: the message of a part, else empty.
    pub(super) fn put_text(&mut self, kind: &str, message: &str, id: &str, json: &str) {
        self.add(kind, json, hash(&[kind, "", message, id]));
    }

    /// Removes an item that was given out; with a message its parts are removed.
    pub(super) fn remove(&mut self, key: Result<ItemKey, Refusal>) {
        self.said.clear();
        match key {
            Ok(key) => self.piece.remove(key),
            Err(_) => self.report.leave_out(LeftOut::NotAnItem),
        }
    }

    /// Adds a record that has no place in a conversation to the `other` lane, as it came. `id`: what it is called where it has no
    /// id of its own.
    pub(super) fn other(&mut self, kind: &str, id: &str, raw: &str) {
        let kind = if kind.is_empty() { "unknown" } else { kind };
        let kind: String = format!("{}.{kind}", self.agent)
            .chars()
            .take(64)
            .map(|c| if c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_') { c } else { '_' })
            .collect();
        if self.report.others() >= OTHERS_MAX {
            return self.report.leave_out(LeftOut::OtherLaneFull);
        }
        let value: Value = serde_json::from_str(raw).unwrap_or_default();
        let own = value.get("id");
        let inside = raw.trim().strip_prefix('{').map(str::trim_start);
        let (id, item) = match (own, inside) {
            (Some(Value::String(own)), _) if !own.is_empty() => (own.clone(), raw.to_owned()),
            (None, Some("}")) => (id.to_owned(), json!({ "id": id }).to_string()),
            (None, Some(inside)) => (id.to_owned(), format!("{{\"id\":{},{inside}", json!(id))),
            _ => (id.to_owned(), format!("{{\"id\":{},\"record\":{raw}}}", json!(id))),
        };
        let key = hash(&[&kind, &id]);
        if self.add(&kind, &item, key) {
            self.report.other(kind);
        }
    }

    fn add(&mut self, kind: &str, json: &str, key: u64) -> bool {
        let said = hash(&[json]);
        if self.said.get(&key) == Some(&said) {
            return false;
        }
        // What is forgotten is sent once more, and dropped by the host. What is refused is remembered too: read again, it is not
        // counted again.
        if self.said.len() >= SHARE_ITEMS_MAX {
            self.said.clear();
        }
        self.said.insert(key, said);
        match self.piece.put(kind, json) {
            Ok(()) => true,
            Err(Refusal::LimitExceeded { .. }) => {
                self.report.leave_out(LeftOut::TooLarge);
                false
            }
            Err(_) => {
                self.report.leave_out(LeftOut::NotAnItem);
                false
            }
        }
    }
}

fn hash(texts: &[&str]) -> u64 {
    let mut hasher = DefaultHasher::new();
    texts.hash(&mut hasher);
    hasher.finish()
}
