//! What values weigh: how much memory they keep, and how large they are.
//!
//! A text keeps all of the memory that it is a slice of, which is usually a frame. So a value that has a few bytes of a long frame
//! may weigh as much as the frame: then it is better [detached](Value::detach).

use std::collections::BTreeSet;

use super::super::text::Text;
use super::{Fault, PathPart, Value};

/// Memory that an allocation takes beside what was asked for.
const ALLOCATION_BYTES: usize = 16;
/// Memory beside the bytes of what texts share: who shares it, and of which length it is, in up to three allocations.
const SHARED_BYTES: usize = 96;
/// A value's place in the lists of what its call holds, if it is a stub or a promise.
const REFERENCE_BYTES: usize = 32;
/// Memory that texts may keep though they are not made of it: four times what they are made of, and so much.
const WASTE_FACTOR: usize = 4;
const WASTE_BYTES: usize = 1_024;

/// What a value costs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(in super::super) struct Weight {
    /// Values in the tree.
    pub(in super::super) values: usize,
    /// Levels, from 1 for a value that has none inside.
    pub(in super::super) depth: usize,
    /// Bytes of the tree in memory, without texts.
    pub(in super::super) tree: usize,
    /// Bytes of memory that texts keep, each stretch once however many share it.
    pub(in super::super) kept: usize,
    /// Bytes of all texts, each as often as it stands there.
    pub(in super::super) texts: usize,
}

impl Weight {
    /// Bytes in memory.
    pub(in super::super) const fn bytes(&self) -> usize {
        self.tree + self.kept
    }

    /// Whether the texts are a small part of the memory that they keep.
    const fn is_wasteful(&self) -> bool {
        self.kept > WASTE_FACTOR * self.texts + WASTE_BYTES
    }
}

impl Value {
    /// Copies the texts of this value, if they are a small part of the memory that they keep: less than a quarter of it. Call
    /// it before keeping a value for longer than the call or the event in which it came, for its texts are slices of the frame.
    pub fn detach(&mut self) {
        if self.weigh().is_wasteful() {
            copy_texts(self, &mut []);
        }
    }

    /// What the value weighs.
    pub(in super::super) fn weigh(&self) -> Weight {
        let mut scale = Scale::default();
        scale.value(self);
        scale.weight
    }

    /// Detaches the value, and gives what it weighs then.
    pub(in super::super) fn settled_weight(&mut self) -> Weight {
        weigh_apart(self, &mut [])
    }
}

/// Detaches a call's arguments and the path of its method, and gives what they weigh then.
pub(in super::super) fn weigh_apart(args: &mut Value, path: &mut [PathPart]) -> Weight {
    let weight = weigh_call(args, path);
    if !weight.is_wasteful() {
        return weight;
    }
    copy_texts(args, path);
    weigh_call(args, path)
}

fn weigh_call(args: &Value, path: &[PathPart]) -> Weight {
    let mut scale = Scale::default();
    scale.value(args);
    scale.weight.tree += size_of_val(path);
    for part in path {
        if let PathPart::Name(name) = part {
            scale.text(name);
        }
    }
    scale.weight
}

/// Gives all texts one stretch of memory of their own.
fn copy_texts(value: &mut Value, path: &mut [PathPart]) {
    let mut all = Vec::new();
    each_text(value, path, &mut |text| all.extend_from_slice(text.bytes()));
    all.shrink_to_fit();
    let (all, mut from) = (Text::from_utf8(all.into()).unwrap_or_default(), 0);
    each_text(value, path, &mut |text| {
        let end = from + text.bytes().len();
        *text = all.part(from, end);
        from = end;
    });
}

/// Calls `change` for each text of a call, in the same order each time.
fn each_text(value: &mut Value, path: &mut [PathPart], change: &mut dyn FnMut(&mut Text)) {
    value.walk_texts(change);
    for part in path {
        if let PathPart::Name(name) = part {
            change(name);
        }
    }
}

impl Value {
    /// Calls `change` for each text in the value.
    fn walk_texts(&mut self, change: &mut dyn FnMut(&mut Text)) {
        match self {
            Self::Text(text) | Self::BigInt(text) => change(text),
            Self::Number(number) => change(&mut number.0),
            Self::Json(json) => change(json.wire_mut()),
            Self::Error(fault) => {
                let Fault { name, message, stack, members } = &mut **fault;
                [name, message].into_iter().chain(stack).for_each(&mut *change);
                walk_members(members, change);
            }
            Self::Array(elements) => elements.iter_mut().for_each(|element| element.walk_texts(change)),
            Self::Object(members) => walk_members(members, change),
            Self::Undefined
            | Self::Null
            | Self::Bool(_)
            | Self::NonFinite(_)
            | Self::Date(_)
            | Self::Bytes(..)
            | Self::Stub(_)
            | Self::Promise(_) => {}
        }
    }
}

fn walk_members(members: &mut [(Text, Value)], change: &mut dyn FnMut(&mut Text)) {
    for (key, value) in members {
        change(key);
        value.walk_texts(change);
    }
}

/// Adds up what values weigh.
#[derive(Default)]
struct Scale {
    weight: Weight,
    /// Where the stretches of memory begin that are counted: the first and the last apart, because most values have few.
    first: usize,
    last: usize,
    others: BTreeSet<usize>,
}

impl Scale {
    fn value(&mut self, value: &Value) {
        value.walk(0, &mut |value, level| self.one(value, level));
    }

    /// One value, without those in it.
    fn one(&mut self, value: &Value, level: usize) {
        self.weight.values += 1;
        self.weight.depth = self.weight.depth.max(level + 1);
        match value {
            Value::Text(text) | Value::BigInt(text) => self.text(text),
            Value::Number(number) => self.text(&number.0),
            Value::Bytes(bytes, _) => self.weight.tree += bytes.len() + 3 * ALLOCATION_BYTES,
            Value::Error(fault) => {
                self.weight.tree += size_of::<Fault>() + ALLOCATION_BYTES;
                [&fault.name, &fault.message].into_iter().chain(&fault.stack).for_each(|text| self.text(text));
                self.members(&fault.members);
            }
            Value::Json(json) => {
                self.text(json.wire());
                self.weight.depth = self.weight.depth.max(level + json.depth());
            }
            Value::Array(elements) => self.list::<Value>(elements.capacity()),
            Value::Object(members) => self.members(members),
            Value::Stub(_) | Value::Promise(_) => self.weight.tree += REFERENCE_BYTES,
            Value::Undefined | Value::Null | Value::Bool(_) | Value::NonFinite(_) | Value::Date(_) => {}
        }
    }

    fn members(&mut self, members: &Vec<(Text, Value)>) {
        self.list::<(Text, Value)>(members.capacity());
        members.iter().for_each(|(key, _)| self.text(key));
    }

    const fn list<T>(&mut self, capacity: usize) {
        if capacity > 0 {
            self.weight.tree += capacity * size_of::<T>() + ALLOCATION_BYTES;
        }
    }

    fn text(&mut self, text: &Text) {
        self.weight.texts += text.bytes().len();
        let Some((start, length)) = text.kept() else { return };
        if start == self.last || start == self.first || self.others.contains(&start) {
            return;
        }
        if self.first == 0 {
            self.first = start;
        } else {
            self.others.insert(start);
        }
        self.last = start;
        self.weight.kept += length + SHARED_BYTES;
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::limits::Limits;
    use super::super::super::read::Reader;
    use super::*;

    fn read(frame: &Text) -> Value {
        Reader::new(frame, frame.bytes(), &Limits::default()).expression().expect("a value").value
    }

    #[test]
    fn a_small_part_of_a_frame_is_copied_and_a_large_one_is_not() {
        for (filler, is_copied) in [(20_000, true), (100, false)] {
            let filler = " ".repeat(filler);
            let text = format!(
                r#"{{"key":"text",{filler}"n":12,"e":["error","E","m","s",{{"k":"v"}}],"d":{{"a":{{"b":[[1]]}}}}}}"#
            );
            let frame = Text::from(text);
            let (value, mut detached) = (read(&frame), read(&frame));
            let (start, length) = frame.kept().expect("memory");
            detached.detach();
            assert_eq!(detached, value);
            let (before, after) = (value.weigh(), detached.weigh());
            assert_eq!(before.kept, length + SHARED_BYTES);
            assert_eq!(after.texts, before.texts);
            assert_eq!(after.kept, SHARED_BYTES + if is_copied { after.texts } else { length });
            let mut starts = BTreeSet::new();
            detached.walk_texts(&mut |text| starts.extend(text.kept().map(|(start, _)| start)));
            assert_eq!((starts.len(), starts.contains(&start)), (1, !is_copied));
        }
    }

    #[test]
    fn memory_that_several_share_is_counted_once() {
        let frame = Text::from(r#"[["abcd","e\n",12,"efgh",{"key":"x"}]]"#);
        let weight = read(&frame).weigh();
        // The text with an escape has memory of its own.
        assert_eq!(weight.kept, frame.bytes().len() + 2 + 2 * SHARED_BYTES);
        assert_eq!(weight.texts, "abcde\n12efghkeyx".len());
    }

    #[test]
    fn the_texts_of_a_program_weigh_nothing() {
        let weight = Value::from(Fault::type_error(Text::from_static("said by the program"))).weigh();
        assert_eq!((weight.kept, weight.texts), (0, 28));
    }
}
