//! What is different between two values of an item, as operations that a viewer can apply to the one that it holds.
//!
//! A producer sends a growing text again and again, whole. A viewer that holds what it was is told what was added: a list of
//! operations, each about one place of the value by its JSON pointer: text or elements to put at an end, a member's or element's
//! new value, or that a member went. Applied to the old value they give one that is equal to the new one *as JSON*: the order of
//! members, white space and the way numbers are written may differ.
//!
//! It is made once for an event, by the first viewer who needs it, and never while a sync waits. It is not worth its while for
//! small values, and for values that have little in common, which is seen before anything is parsed; the cost is linear in
//! the value, whatever is in it. Where there is doubt (a member twice, half of a surrogate pair) the value around is told whole.

use std::collections::{HashMap, HashSet};
use std::fmt::{self, Write as _};

use serde::Deserialize;
use serde::de::{Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

/// Bytes below which a value travels whole: a frame without it has about as many.
pub const PATCHED_BYTES_MIN: usize = 256;

/// Most operations of one patch. More of them are hardly less than the value, and a viewer does each by itself.
pub const OPERATIONS_MAX: usize = 16;

/// Most levels at which a patch looks. Each level is looked through again, so the value's bytes are read at most this many times.
const DEPTH_MAX: usize = 8;

/// Most members or elements at one level; one with more is told whole, because pairing them takes memory for each.
const ENTRIES_MAX: usize = 1_024;

/// Most bytes of a member's name; an object with a longer one is told whole. Eight names are the longest path.
const NAME_BYTES_MAX: usize = 256;

/// The operations that make `old` equal to `new`, both JSON texts, as a JSON text; `None` if the value is to be told whole: it is
/// small, or the operations would take more than three quarters of its bytes.
#[must_use]
pub fn patch(old: &str, new: &str) -> Option<String> {
    let worth = new.len() - new.len() / 4;
    if new.len() < PATCHED_BYTES_MIN || new.len() - in_common(old.as_bytes(), new.as_bytes()) > worth {
        return None;
    }
    let mut patch = Patch { path: String::new(), depth: 0, count: 0, operations: String::new() };
    let done = patch.enter(old, new);
    (done && patch.operations.len() + "[]".len() <= worth).then(|| format!("[{}]", patch.operations))
}

/// Bytes that two texts have in common at their beginnings and ends.
fn in_common(old: &[u8], new: &[u8]) -> usize {
    const BLOCK: usize = 64;
    let blocks = old.chunks_exact(BLOCK).zip(new.chunks_exact(BLOCK)).take_while(|(old, new)| old == new).count();
    let (old, new) = (&old[blocks * BLOCK..], &new[blocks * BLOCK..]);
    let begin = old.iter().zip(new).take_while(|(old, new)| old == new).count();
    let (old, new) = (&old[begin..], &new[begin..]);
    let blocks_end = old.rchunks_exact(BLOCK).zip(new.rchunks_exact(BLOCK)).take_while(|(old, new)| old == new).count();
    let (old, new) = (&old[..old.len() - blocks_end * BLOCK], &new[..new.len() - blocks_end * BLOCK]);
    let end = old.iter().rev().zip(new.iter().rev()).take_while(|(old, new)| old == new).count();
    (blocks + blocks_end) * BLOCK + begin + end
}

/// A patch in the making.
struct Patch {
    /// The JSON pointer of the place that is being compared.
    path: String,
    depth: usize,
    count: usize,
    /// The operations so far, joined by commas.
    operations: String,
}

impl Patch {
    /// Tells the differences within a value; false if it is to be told whole.
    fn enter(&mut self, old: &str, new: &str) -> bool {
        if self.depth == DEPTH_MAX {
            return false;
        }
        self.depth += 1;
        let done = match (old.as_bytes().first(), new.as_bytes().first()) {
            (Some(b'"'), Some(b'"')) => self.text(old, new),
            (Some(b'['), Some(b'[')) => self.elements(old, new),
            (Some(b'{'), Some(b'{')) => self.members(old, new),
            _ => false,
        };
        self.depth -= 1;
        done && self.count <= OPERATIONS_MAX
    }

    /// Tells one member or element: what is different within it, or its value if that is less.
    fn differ(&mut self, name: impl fmt::Display, old: &RawValue, new: &RawValue) {
        let (old, new) = (old.get(), new.get());
        if old == new {
            return;
        }
        let before = (self.operations.len(), self.count);
        let parent = self.step(name);
        let whole = r#"{"path":"","value":}"#.len() + self.path.len() + new.len();
        if !self.enter(old, new) || self.operations.len() - before.0 > whole {
            self.operations.truncate(before.0);
            self.count = before.1;
            self.operation("value", new);
        }
        self.path.truncate(parent);
    }

    fn text(&mut self, old: &str, new: &str) -> bool {
        // Both end with a quotation mark. What stands before the old one's is whole characters and escapes.
        let Some(more) = old.strip_suffix('"').and_then(|begin| new.strip_prefix(begin)) else { return false };
        if is_second_surrogate(more) {
            return false;
        }
        self.operation("append", format_args!("\"{more}"));
        true
    }

    fn elements(&mut self, old: &str, new: &str) -> bool {
        let (Some(old), Some(new)) = (elements(old), elements(new)) else { return false };
        let Some(more) = new.get(old.len()..) else { return false };
        for (at, (old, new)) in old.iter().zip(&new).enumerate() {
            self.differ(at, old, new);
            if self.count > OPERATIONS_MAX {
                return false;
            }
        }
        if !more.is_empty() {
            let more: Vec<_> = more.iter().map(|element| element.get()).collect();
            self.operation("append", format_args!("[{}]", more.join(",")));
        }
        true
    }

    fn members(&mut self, old: &str, new: &str) -> bool {
        let (Some(old), Some(new)) = (members(old), members(new)) else { return false };
        let held: HashMap<_, _> = old.iter().map(|(name, value)| (name.as_str(), *value)).collect();
        let mut kept = 0;
        for (name, value) in &new {
            match held.get(name.as_str()) {
                Some(old) => {
                    kept += 1;
                    self.differ(Escaped(name), old, value);
                }
                None => {
                    let parent = self.step(Escaped(name));
                    self.operation("value", value.get());
                    self.path.truncate(parent);
                }
            }
            if self.count > OPERATIONS_MAX {
                return false;
            }
        }
        if kept < old.len() {
            let left = names(&new);
            for (name, _) in old.iter().filter(|(name, _)| !left.contains(name.as_str())) {
                let parent = self.step(Escaped(name));
                self.operation("removed", true);
                self.path.truncate(parent);
            }
        }
        true
    }

    /// Goes down to a member or element, and gives the length of the path to come back to.
    fn step(&mut self, name: impl fmt::Display) -> usize {
        let parent = self.path.len();
        let _ = write!(self.path, "/{name}");
        parent
    }

    fn operation(&mut self, what: &str, value: impl fmt::Display) {
        let comma = if self.operations.is_empty() { "" } else { "," };
        let path = super::code::json(&self.path);
        let _ = write!(self.operations, "{comma}{{\"path\":{path},\"{what}\":{value}}}");
        self.count += 1;
    }
}

/// Whether a text begins with the second half of a surrogate pair, as an escape: not everybody who puts texts together would
/// make one character of the halves.
fn is_second_surrogate(text: &str) -> bool {
    let Some([mark, digit, ..]) = text.strip_prefix("\\u").map(str::as_bytes) else { return false };
    matches!((mark, digit), (b'd' | b'D', b'c'..=b'f' | b'C'..=b'F'))
}

/// A member's name as a part of a JSON pointer.
struct Escaped<'a>(&'a str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.chars().try_for_each(|c| match c {
            '~' => f.write_str("~0"),
            '/' => f.write_str("~1"),
            other => f.write_char(other),
        })
    }
}

/// What a list or an object is made of.
enum Parts<'a> {
    Elements(Vec<&'a RawValue>),
    Members(Vec<(String, &'a RawValue)>),
}

fn elements(text: &str) -> Option<Vec<&RawValue>> {
    match serde_json::from_str(text) {
        Ok(Parts::Elements(elements)) => Some(elements),
        Ok(Parts::Members(_)) | Err(_) => None,
    }
}

/// The members of an object, if each has a name of its own.
fn members(text: &str) -> Option<Vec<(String, &RawValue)>> {
    match serde_json::from_str(text) {
        Ok(Parts::Members(members)) => (names(&members).len() == members.len()).then_some(members),
        Ok(Parts::Elements(_)) | Err(_) => None,
    }
}

fn names<'a>(members: &'a [(String, &RawValue)]) -> HashSet<&'a str> {
    members.iter().map(|(name, _)| name.as_str()).collect()
}

impl<'de: 'a, 'a> Deserialize<'de> for Parts<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Reader)
    }
}

struct Reader;

impl<'de> Visitor<'de> for Reader {
    type Value = Parts<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a list or an object of at most {ENTRIES_MAX}, names of at most {NAME_BYTES_MAX} bytes")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Parts<'de>, A::Error> {
        let mut elements = Vec::new();
        while let Some(element) = list.next_element()? {
            if elements.len() == ENTRIES_MAX {
                return Err(A::Error::invalid_length(ENTRIES_MAX, &self));
            }
            elements.push(element);
        }
        Ok(Parts::Elements(elements))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<Parts<'de>, A::Error> {
        let mut members = Vec::new();
        while let Some((name, value)) = object.next_entry::<String, _>()? {
            if members.len() == ENTRIES_MAX || name.len() > NAME_BYTES_MAX {
                return Err(A::Error::invalid_length(members.len(), &self));
            }
            members.push((name, value));
        }
        Ok(Parts::Members(members))
    }
}
