//! Where items go, and what of them is given out: what is new, what is another now, and what is there no more.

use std::collections::{BTreeMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher as _};

use serde_json::{Value, json};

use crate::share::error::Refusal;
use crate::share::item::{ItemKey, ItemKind};
use crate::share::limits::SHARE_ITEMS_MAX;
use crate::transcripts::piece::Piece;
use crate::transcripts::report::{LeftOut, Report};
use crate::transcripts::values::text;

/// Most records of one transcript that go to the `other` lane: a tenth of what a share may hold, so that they never displace what is
/// shown. Further ones are left out and counted.
const OTHERS_MAX: u64 = SHARE_ITEMS_MAX as u64 / 10;

/// The reading of which items are that the share held before.
const HELD: u32 = 0;

/// The items of a transcript that were made and not yet given out, and what the share holds of those that were.
#[derive(Debug, Default)]
pub(super) struct Out {
    /// The agent's name, which begins the types of the `other` lane.
    agent: &'static str,
    /// Whether records that are no part of the conversation go to the `other` lane.
    with_context: bool,
    piece: Piece,
    /// What was given out, by key.
    said: BTreeMap<String, Said>,
    /// The reading that is going on: a transcript is read anew when its file is another one.
    reading: u32,
    /// Whether items of an earlier reading may be there that this one does not make.
    is_stale: bool,
    /// Whether such items stay.
    keeps_all: bool,
    /// Hashes of the records that were counted, where what is read says them again each time; `None` where it does not.
    counted: Option<HashSet<u64>>,
    report: Report,
}

/// An item that was given out.
#[derive(Debug, Clone, Copy)]
struct Said {
    /// A hash of its text; `None` if only its key is known.
    text: Option<u64>,
    /// The reading that made it last.
    reading: u32,
}

impl Out {
    pub(super) fn of(agent: &'static str) -> Self {
        Self { agent, reading: HELD + 1, ..Self::default() }
    }

    pub(super) fn with_context(&mut self, with_context: bool) {
        self.with_context = with_context;
    }

    pub(super) fn report(&self) -> &Report {
        &self.report
    }

    pub(super) fn report_mut(&mut self) -> &mut Report {
        &mut self.report
    }

    /// Whether nothing waits to be given out.
    pub(super) fn is_empty(&self) -> bool {
        self.piece.changes.is_empty()
    }

    /// What waits to be given out.
    pub(super) fn take(&mut self) -> Piece {
        std::mem::take(&mut self.piece)
    }

    /// The share holds an item of this key, from an earlier push of the session. It is removed at the next [`sweep`](Self::sweep), unless
    /// it is made until then. What no transcript of this agent makes stays: another program put it beside the session.
    pub(super) fn held(&mut self, key: &ItemKey) {
        let is_made = match key.kind() {
            ItemKind::Message { .. } | ItemKind::Part { .. } | ItemKind::Model { .. } => true,
            ItemKind::Other { kind, .. } => kind.strip_prefix(self.agent).is_some_and(|rest| rest.starts_with('.')),
            ItemKind::Session | ItemKind::SessionDiff => false,
        };
        if is_made && self.said.len() < SHARE_ITEMS_MAX {
            self.said.entry(key.as_str().to_owned()).or_insert(Said { text: None, reading: HELD });
            self.is_stale = true;
        }
    }

    /// The transcript is read anew from here on.
    pub(super) fn read_anew(&mut self) {
        self.reading = self.reading.saturating_add(1);
        self.is_stale = !self.said.is_empty();
    }

    /// Nothing is to be removed for not having been said again: the transcript is only a part of its session.
    pub(super) fn keep_all(&mut self, keeps_all: bool) {
        self.keeps_all = keeps_all;
    }

    /// What is read is written anew again and again, with all that it said before: a record is counted the first time.
    pub(super) fn says_again(&mut self) {
        self.counted.get_or_insert_default();
    }

    /// Whether a record is to be counted. As many as a share has items are told apart.
    fn counts(&mut self, kind: &str, id: &str) -> bool {
        let Some(counted) = &mut self.counted else { return true };
        counted.len() < SHARE_ITEMS_MAX && counted.insert(hash(&format!("{kind} {id}")))
    }

    /// Removes what an earlier reading made, or the share held, and this reading did not make.
    pub(super) fn sweep(&mut self) {
        if self.keeps_all || !std::mem::take(&mut self.is_stale) {
            return;
        }
        let reading = self.reading;
        let stale: Vec<String> =
            self.said.iter().filter(|(_, said)| said.reading < reading).map(|(key, _)| key.clone()).collect();
        for key in stale {
            // Of a message that is removed its parts are gone by then.
            if self.said.contains_key(&key)
                && let Ok(key) = key.parse::<ItemKey>()
            {
                self.remove(key);
            }
        }
    }

    /// Counts a record that is not in the share.
    pub(super) fn leave_out(&mut self, why: LeftOut) {
        self.report.leave_out(why);
    }

    /// Adds an item of a type, made by a reader. A value that is not an item is left out and counted.
    pub(super) fn put(&mut self, kind: &str, value: &Value) {
        let id = text(value, "id");
        let key = match kind {
            "session" => Ok(ItemKey::session()),
            "message" => ItemKey::message(id),
            "part" => ItemKey::part(text(value, "messageID"), id),
            "model" => ItemKey::model(text(value, "providerID"), id),
            other => ItemKey::other(other, Some(id)),
        };
        self.add(kind, &value.to_string(), key);
    }

    /// Adds an item of a type under its key from its JSON text.
    pub(super) fn put_text(&mut self, kind: &str, key: Result<ItemKey, Refusal>, json: &str) {
        self.add(kind, json, key);
    }

    /// Removes an item that was given out; with a message its parts are removed.
    pub(super) fn remove(&mut self, key: ItemKey) {
        if let Some(id) = key.as_str().strip_prefix("message/") {
            let parts = format!("part/{id}/");
            // What follows a slash in the order of characters.
            let after = format!("part/{id}0");
            let gone: Vec<String> = self.said.range(parts..after).map(|(key, _)| key.clone()).collect();
            for key in gone {
                self.said.remove(&key);
            }
        }
        if self.said.remove(key.as_str()).is_some() {
            self.piece.remove(key);
        }
    }

    /// A record that is the program's talk to its model, or its own notes. It is counted by the agent's name for it.
    pub(super) fn context(&mut self, kind: &str, id: &str, raw: &str) {
        if self.with_context {
            self.other(kind, id, raw);
        } else if self.counts(kind, id) {
            self.report.context(name(kind));
        }
    }

    /// A record that the reader does not know. It is counted by the agent's name for it.
    pub(super) fn unknown(&mut self, kind: &str, id: &str, raw: &str) {
        if self.with_context {
            self.other(kind, id, raw);
        }
        if self.counts(kind, id) {
            self.report.unknown(name(kind));
        }
    }

    /// Adds a record to the `other` lane, as it came. `id`: what it is called where it has no id of its own.
    fn other(&mut self, kind: &str, id: &str, raw: &str) {
        let kind: String = format!("{}.{}", self.agent, name(kind)).chars().take(64).collect();
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
        if self.add(&kind, &item, ItemKey::other(&kind, Some(&id))) {
            self.report.other(kind);
        }
    }

    fn add(&mut self, kind: &str, json: &str, key: Result<ItemKey, Refusal>) -> bool {
        let Ok(key) = key else {
            self.report.leave_out(LeftOut::NotAnItem);
            return false;
        };
        let now = Said { text: Some(hash(json)), reading: self.reading };
        if let Some(said) = self.said.get_mut(key.as_str()) {
            let is_same = said.text == now.text;
            *said = now;
            if is_same {
                return false;
            }
        } else {
            // What is forgotten is sent once more, and dropped by the host. What is refused is remembered too: read again, it
            // is not counted again.
            if self.said.len() >= SHARE_ITEMS_MAX {
                self.said.clear();
                self.is_stale = false;
            }
            self.said.insert(key.as_str().to_owned(), now);
        }
        match self.piece.put(kind, json) {
            Ok(is_smaller) => {
                if is_smaller {
                    self.report.made_smaller();
                }
                true
            }
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

/// A record's type, in the characters that a type in a share has.
fn name(kind: &str) -> String {
    let kind = if kind.is_empty() { "unknown" } else { kind };
    let plain = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_') { c } else { '_' };
    kind.chars().take(64).map(plain).collect()
}

fn hash(text: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    hasher.finish()
}
