//! The tree of a session's entries, and the path in it from the last entry to the first, which is the conversation.
//!
//! An entry that does not hang on the last one begins another branch, or goes on with one that was left before. What is then left is
//! taken back, and what comes back is told again: for that the texts of the latest entries are kept.

use std::collections::{HashMap, VecDeque};
use std::hash::{DefaultHasher, Hash, Hasher as _};

use serde_json::Value;

use crate::share::limits::SHARE_ITEMS_MAX;

/// Entries that are remembered: several for each item that a share can hold. Nobody is seen going back to a later one.
const ENTRIES_MAX: usize = 4 * SHARE_ITEMS_MAX;

/// Bytes of the entries' texts that are kept, of the latest ones: a day's work is a tenth of it.
const TEXTS_BYTES_MAX: usize = 16 << 20;

/// Bytes of entries that are told again in one session, all in all, each counted as [`AGAIN_BYTES_MIN`] at least. After that nobody is seen
/// going back any more: a file that goes to and fro all the time takes no longer than some seconds.
const AGAIN_BYTES_MAX: usize = 256 << 20;
const AGAIN_BYTES_MIN: usize = 1 << 10;

/// What an entry is to the conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A message by itself.
    Said,
    /// A model's answer: what comes of its calls is in the entries after it.
    Answer,
    /// What came of a call.
    Result,
    /// Nothing.
    Other,
}

/// An entry, as it is read.
#[derive(Debug)]
pub(super) struct Entry<'a> {
    pub(super) id: &'a str,
    /// The id of the entry that it hangs on; null for the first one.
    pub(super) parent: Option<&'a Value>,
    pub(super) kind: Kind,
    /// Its JSON text.
    pub(super) raw: &'a str,
}

/// What an entry does to the path.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Move {
    /// It was read before.
    Known,
    /// It goes on from the last one.
    On,
    /// It goes on from another one.
    Back {
        /// The ids of the entries that are to be taken back.
        left: Vec<String>,
        /// The texts of those that are to be told again, in their order, before the entry itself; `None` for one whose text was not kept.
        again: Vec<Option<String>>,
    },
}

#[derive(Debug, Default)]
pub(super) struct Path {
    places: HashMap<u64, usize>,
    nodes: Vec<Node>,
    /// The last entry.
    leaf: Option<usize>,
    /// Bytes of the entries that were told again.
    again: usize,
    /// The entries whose texts are kept, the oldest first, and the number of bytes of these.
    kept: VecDeque<usize>,
    bytes: usize,
}

#[derive(Debug)]
struct Node {
    id: String,
    parent: Option<usize>,
    /// The number of entries above it.
    depth: usize,
    kind: Kind,
    raw: Option<String>,
}

impl Path {
    /// Takes the next entry.
    pub(super) fn meet(&mut self, entry: &Entry<'_>) -> Move {
        if self.places.contains_key(&hash(entry.id)) {
            return Move::Known;
        }
        let parent = match entry.parent {
            Some(Value::Null) => None,
            Some(Value::String(id)) => self.places.get(&hash(id)).copied().or(self.leaf),
            // It says nothing of it: it goes on.
            _ => self.leaf,
        };
        if self.nodes.len() >= ENTRIES_MAX {
            return Move::On;
        }
        let before = self.leaf;
        self.leaf = Some(self.nodes.len());
        self.places.insert(hash(entry.id), self.nodes.len());
        let depth = parent.map_or(0, |parent| self.nodes[parent].depth + 1);
        self.nodes.push(Node { id: entry.id.to_owned(), parent, depth, kind: entry.kind, raw: None });
        let moved =
            if parent == before || self.again >= AGAIN_BYTES_MAX { Move::On } else { self.back(before, parent) };
        self.keep(entry);
        moved
    }

    /// The path went from one entry to another one.
    fn back(&mut self, before: Option<usize>, now: Option<usize>) -> Move {
        let (mut left, mut again) = (Vec::new(), Vec::new());
        let (mut old, mut new) = (before, now);
        // Up from both, until they meet.
        while old != new {
            let depth = |place: Option<usize>| place.map(|place| self.nodes[place].depth);
            if depth(old) >= depth(new) {
                left.extend(old);
                old = old.and_then(|place| self.nodes[place].parent);
            } else {
                again.extend(new);
                new = new.and_then(|place| self.nodes[place].parent);
            }
        }
        // If results were left and the call was not, the answer is told again, without them.
        let first = left.iter().rev().map(|place| self.nodes[*place].kind).find(|kind| *kind != Kind::Other);
        if first == Some(Kind::Result) {
            for place in self.up(old) {
                left.push(place);
                again.push(place);
                if self.nodes[place].kind == Kind::Answer {
                    break;
                }
            }
        }
        let bytes = |place: &usize| self.nodes[*place].raw.as_ref().map_or(0, String::len).max(AGAIN_BYTES_MIN);
        self.again += again.iter().map(bytes).sum::<usize>();
        let told = again.iter().rev().map(|place| &self.nodes[*place]).filter(|node| node.kind != Kind::Other);
        Move::Back {
            left: left.iter().map(|place| self.nodes[*place].id.clone()).collect(),
            again: told.map(|node| node.raw.clone()).collect(),
        }
    }

    /// An entry and those that it hangs on, up to the first. A parent stands before its child, so this ends.
    fn up(&self, from: Option<usize>) -> impl Iterator<Item = usize> {
        std::iter::successors(from, |place| self.nodes[*place].parent)
    }

    fn keep(&mut self, entry: &Entry<'_>) {
        if entry.kind == Kind::Other || entry.raw.len() > TEXTS_BYTES_MAX {
            return;
        }
        let place = self.nodes.len() - 1;
        self.nodes[place].raw = Some(entry.raw.to_owned());
        self.kept.push_back(place);
        self.bytes += entry.raw.len();
        while self.bytes > TEXTS_BYTES_MAX
            && let Some(oldest) = self.kept.pop_front()
        {
            self.bytes -= self.nodes[oldest].raw.take().map_or(0, |raw| raw.len());
        }
    }
}

fn hash(id: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    id.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn meet(path: &mut Path, id: &str, parent: &Value, raw: &str) -> Move {
        path.meet(&Entry { id, parent: Some(parent), kind: Kind::Said, raw })
    }

    fn back(left: &[&str], again: &[Option<&str>]) -> Move {
        let again = again.iter().map(|raw| raw.map(str::to_owned)).collect();
        Move::Back { left: left.iter().map(|id| (*id).to_owned()).collect(), again }
    }

    #[test]
    fn who_goes_back_leaves_a_branch_and_may_come_back_to_it() {
        let mut path = Path::default();
        assert_eq!(meet(&mut path, "a", &Value::Null, "A"), Move::On);
        assert_eq!(meet(&mut path, "b", &json!("a"), "B"), Move::On);
        assert_eq!(meet(&mut path, "c", &json!("b"), "C"), Move::On);
        assert_eq!(meet(&mut path, "c", &json!("b"), "C"), Move::Known);
        assert_eq!(meet(&mut path, "d", &json!("a"), "D"), back(&["c", "b"], &[]));
        assert_eq!(meet(&mut path, "e", &json!("c"), "E"), back(&["d"], &[Some("B"), Some("C")]));
        assert_eq!(meet(&mut path, "f", &Value::Null, "F"), back(&["e", "c", "b", "a"], &[]));
    }

    /// The bound of what is told again: after that an entry goes on from the last one, whatever it says.
    #[test]
    fn who_goes_to_and_fro_all_the_time_is_not_followed_for_good() {
        let mut path = Path::default();
        let large = "x".repeat(TEXTS_BYTES_MAX / 4);
        meet(&mut path, "a", &Value::Null, "A");
        meet(&mut path, "b", &json!("a"), &large);
        meet(&mut path, "c", &json!("a"), &large);
        let mut moves =
            (0..200).map(|n| meet(&mut path, &format!("n{n}"), &json!(if n % 2 == 0 { "b" } else { "c" }), ""));
        let moved = moves.by_ref().take_while(|moved| *moved != Move::On).count();
        assert_eq!(moved, AGAIN_BYTES_MAX / large.len());
        assert!(moves.all(|moved| moved == Move::On));
    }

    /// The bound of the texts that are kept: of the oldest ones only the ids are known.
    #[test]
    fn the_texts_of_the_latest_entries_are_kept() {
        let mut path = Path::default();
        let large = "x".repeat(TEXTS_BYTES_MAX / 2);
        meet(&mut path, "a", &Value::Null, "A");
        meet(&mut path, "b", &json!("a"), "B");
        meet(&mut path, "c", &json!("a"), &large);
        assert_eq!(meet(&mut path, "d", &json!("b"), &large), back(&["c"], &[Some("B")]));
        meet(&mut path, "e", &json!("a"), "E");
        assert_eq!(meet(&mut path, "f", &json!("b"), "F"), back(&["e"], &[None]));
    }
}
