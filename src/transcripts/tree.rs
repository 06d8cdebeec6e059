//! The tree of a transcript's records: each names the one before it, so a prompt that was changed hangs on an earlier record than
//! what is taken back.
//!
//! The path from the newest record to the first is not enough to know what was said: results of parallel calls hang each on its own
//! call, and the next message on the one that came last. So what is asked of the tree is only: a new prompt came, and hangs on this
//! record; which of the prompts before it does it go on from? What was said below the other prompts, after that record, was taken
//! back.

use std::collections::{HashMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher as _};

use serde_json::Value;

use crate::share::limits::SHARE_ITEMS_MAX;
use crate::transcripts::values::filled;

/// Records that are remembered: several for each item that a share can hold. Nobody is seen going back to a later one.
const RECORDS_MAX: usize = 4 * SHARE_ITEMS_MAX;

/// A prompt's number; [`NONE`] stands for what was said before the first one.
type Prompt = u32;

const NONE: Prompt = 0;

#[derive(Debug, Default)]
pub(super) struct Tree {
    records: HashMap<u64, Node>,
    /// Of each prompt, the number of the one that it goes on from; the first member stands for [`NONE`].
    before: Vec<Prompt>,
    /// Of each message, by its place, the prompt that it was said below.
    messages: Vec<Prompt>,
    /// The prompt below which the record that is being read stands.
    now: Prompt,
    /// Some record named one before it that is known: the file has a tree.
    has_parents: bool,
    /// A mark of a compaction came, and its summary did not yet.
    is_boundary: bool,
}

/// What is remembered of a record.
#[derive(Debug, Clone, Copy)]
struct Node {
    prompt: Prompt,
    /// The place of the next message after it.
    place: usize,
}

impl Tree {
    /// Takes a record before it is read. `false`: it was read before. `place`: that of the next message.
    pub(super) fn meet(&mut self, record: &Value, place: usize) -> bool {
        let Some(id) = filled(record, "uuid").map(hash) else { return true };
        if self.records.contains_key(&id) {
            return false;
        }
        let parent = self.parent(record);
        self.has_parents |= parent.is_some();
        if let Some(node) = parent {
            self.now = node.prompt;
        }
        if self.records.len() < RECORDS_MAX {
            self.records.insert(id, Node { prompt: self.now, place });
        }
        true
    }

    /// Takes a record after it was read. `place`: that of the next message.
    pub(super) fn told(&mut self, record: &Value, place: usize) {
        self.messages.resize(self.messages.len().max(place), self.now);
        if let Some(node) = filled(record, "uuid").and_then(|id| self.records.get_mut(&hash(id))) {
            *node = Node { prompt: self.now, place };
        }
    }

    /// The record is a prompt. If it goes on from before others, gives the place from which on messages are taken back, and which of
    /// them are kept all the same.
    pub(super) fn prompt(&mut self, record: &Value) -> Option<(usize, impl Fn(usize) -> bool + use<>)> {
        if self.before.len() >= RECORDS_MAX {
            return None;
        }
        let parent = self.parent(record);
        let goes_on_from = parent.map(|node| node.prompt);
        if self.before.is_empty() {
            self.before.push(NONE);
        }
        let number = self.before.len() as Prompt;
        let is_first = record.get("parentUuid").is_some_and(Value::is_null) && self.has_parents;
        let from = match (parent, is_first) {
            (Some(node), _) => Some(node.place),
            (None, true) => Some(0),
            // Its parent is in no file that was read: it goes on.
            (None, false) => None,
        };
        self.before.push(if is_first { NONE } else { goes_on_from.unwrap_or(self.now) });
        self.now = number;
        let from = from.filter(|from| *from < self.messages.len())?;
        let mut path = HashSet::new();
        let mut at = self.before.get(number as usize).copied().unwrap_or(NONE);
        while at != NONE && path.insert(at) {
            at = self.before.get(at as usize).copied().unwrap_or(NONE);
        }
        let kept: HashSet<usize> =
            (from..self.messages.len()).filter(|place| path.contains(&self.messages[*place])).collect();
        (kept.len() < self.messages.len() - from).then_some((from, move |place| kept.contains(&place)))
    }

    /// A mark of a compaction was read.
    pub(super) fn boundary(&mut self) {
        self.is_boundary = true;
    }

    /// Whether the summary that is read now belongs to a mark that was read before.
    pub(super) fn take_boundary(&mut self) -> bool {
        std::mem::take(&mut self.is_boundary)
    }

    /// The record on which this one hangs. After a compaction the chain begins anew, and says where the old one ended.
    fn parent(&self, record: &Value) -> Option<Node> {
        let id = filled(record, "parentUuid").or_else(|| filled(record, "logicalParentUuid"))?;
        self.records.get(&hash(id)).copied()
    }
}

fn hash(id: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    id.hash(&mut hasher);
    hasher.finish()
}
