//! A share's items at one revision, grouped as a session is read.

use std::collections::HashMap;

use crate::share::item::{ItemKey, ItemKind, Payload};
use crate::viewer::render::read::{self, Head};

/// A share's items, grouped. Cheap to make and to hold: it shares its texts with the state that they came from.
#[derive(Debug, Clone, Default)]
pub struct Document {
    pub(super) session: Option<Payload>,
    pub(super) messages: Vec<Turn>,
    pub(super) session_diff: Option<Payload>,
    pub(super) models: Vec<Payload>,
    /// Items of unknown types, and parts whose message is not there.
    pub(super) other: Vec<(ItemKey, Payload)>,
}

/// A message and its parts, in the order in which they first came.
#[derive(Debug, Clone)]
pub(super) struct Turn {
    pub(super) message: Payload,
    pub(super) parts: Vec<Payload>,
}

impl Document {
    /// Groups items that come in the order in which they first came, as states and replicas give them.
    ///
    /// Messages are ordered by the time at which they were created, as they say themselves; one that says none stays behind
    /// the one it came after. (Never by their ids: those of OpenCode begin anew every 795 days.)
    pub fn gather(items: impl IntoIterator<Item = (ItemKey, Payload)>) -> Self {
        let mut document = Self::default();
        let mut turns: Vec<(i64, Turn)> = Vec::new();
        let mut turn_of: HashMap<String, usize> = HashMap::new();
        let mut parts = Vec::new();
        for (key, value) in items {
            match key.kind() {
                ItemKind::Session => document.session = Some(value),
                ItemKind::SessionDiff => document.session_diff = Some(value),
                ItemKind::Model { .. } => document.models.push(value),
                ItemKind::Other { .. } => document.other.push((key, value)),
                ItemKind::Message { id } => {
                    turn_of.insert(id, turns.len());
                    turns.push((0, Turn { message: value, parts: Vec::new() }));
                }
                ItemKind::Part { message, .. } => parts.push((message, key, value)),
            }
        }
        // A part may have come before its message.
        for (message, key, value) in parts {
            match turn_of.get(&message).and_then(|turn| turns.get_mut(*turn)) {
                Some((_, turn)) => turn.parts.push(value),
                None => document.other.push((key, value)),
            }
        }
        let mut before = i64::MIN;
        for (created, turn) in &mut turns {
            *created = read::item::<Head>(turn.message.as_str()).time.created.map_or(before, |at| at as i64);
            before = *created;
        }
        turns.sort_by_key(|(created, _)| *created);
        document.messages = turns.into_iter().map(|(_, turn)| turn).collect();
        document
    }

    /// Number of messages.
    #[must_use]
    pub fn message_count(&self) -> usize {
        self.messages.len()
    }

    /// Number of parts of all messages.
    #[must_use]
    pub fn part_count(&self) -> usize {
        self.messages.iter().map(|turn| turn.parts.len()).sum()
    }

    /// Bytes of all texts.
    #[must_use]
    pub fn byte_count(&self) -> usize {
        let size = |payload: &Payload| payload.as_str().len();
        let turns = self.messages.iter().map(|turn| size(&turn.message) + turn.parts.iter().map(size).sum::<usize>());
        let rest = self.session.iter().chain(&self.session_diff).chain(&self.models).map(size);
        turns.chain(rest).chain(self.other.iter().map(|(_, value)| size(value))).sum()
    }
}
