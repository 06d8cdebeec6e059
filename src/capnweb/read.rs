//! Expressions: from the text of a frame to a tree, in one pass and without effects.
//!
//! What refers to a table (a stub, a promise, a call inside a value) is put on a list, innermost first, and its place in the
//! tree holds its number on that list; the session evaluates the list in order. What the text has right but this side does not
//! read (a stream, a bigint that is too long) is a fault of the call alone: reading goes on, so that every object that the peer
//! exports is on the list, to be released.

mod special;

use super::limits::Limits;
use super::scan::{Arrays, BARE, Cursor, Malformed, Seen, Stop, TOO_DEEP};
use super::text::Text;
use super::value::{Fault, Future, Number, PathPart, Promise, Value};

/// An expression that is not evaluated yet.
#[derive(Debug)]
pub(super) struct Expression {
    pub(super) value: Value,
    pub(super) references: Vec<Reference>,
    /// Why the expression cannot be evaluated, though the frame is well formed.
    pub(super) fault: Option<Fault>,
}

/// Something that refers to a table. Ids are the sender's.
#[derive(Debug)]
pub(super) enum Reference {
    /// An object of the sender.
    Export(i64),
    /// A promise of the sender.
    Promise(i64),
    /// What this side exports, or a part of it.
    Get { id: i64, path: Vec<PathPart> },
    /// A call of what this side exports.
    Call { id: i64, path: Vec<PathPart>, args: Vec<Value> },
}

/// Reads the values of one frame.
#[derive(Debug)]
pub(super) struct Reader<'a> {
    pub(super) cursor: Cursor<'a>,
    frame: &'a Text,
    limits: &'a Limits,
    references: Vec<Reference>,
    fault: Option<Fault>,
    /// Values in the tree so far.
    values: usize,
    /// Up to here, plain data is read into the tree at every level: a special value lies at this byte, so that looking for
    /// plain data around it again and again would cost as much as the frame is deep.
    tree_until: usize,
    /// Bytes in which plain data was looked for, all looks together.
    #[cfg(test)]
    pub(super) looked_through: usize,
}

impl<'a> Reader<'a> {
    pub(super) const fn new(frame: &'a Text, bytes: &'a [u8], limits: &'a Limits) -> Self {
        let cursor = Cursor::new(bytes);
        Self {
            cursor,
            frame,
            limits,
            references: Vec::new(),
            fault: None,
            values: 0,
            tree_until: 0,
            #[cfg(test)]
            looked_through: 0,
        }
    }

    /// Takes one expression.
    pub(super) fn expression(&mut self) -> Result<Expression, Malformed> {
        let value = self.value(0)?;
        Ok(Expression { value, references: std::mem::take(&mut self.references), fault: self.fault.take() })
    }

    /// Takes one value that is inside `level` others.
    pub(super) fn value(&mut self, level: usize) -> Result<Value, Malformed> {
        if level >= self.limits.depth {
            return self.cursor.fail(TOO_DEEP);
        }
        self.count();
        Ok(match self.cursor.peek() {
            b'"' => Value::Text(self.text()?),
            b't' => self.literal("true", Value::Bool(true))?,
            b'f' => self.literal("false", Value::Bool(false))?,
            b'n' => self.literal("null", Value::Null)?,
            open @ (b'{' | b'[') => {
                if let Some(json) = self.plain(level)? {
                    return Ok(json);
                }
                if open == b'{' { Value::Object(self.object(level)?) } else { self.array(level)? }
            }
            _ => {
                let (start, end) = self.cursor.number()?;
                Value::Number(Number(self.frame.part(start, end)))
            }
        })
    }

    fn literal(&mut self, literal: &'static str, value: Value) -> Result<Value, Malformed> {
        self.cursor.literal(literal)?;
        Ok(value)
    }

    /// Takes an array or object as one slice, if it lies below the tree and is plain.
    fn plain(&mut self, level: usize) -> Result<Option<Value>, Malformed> {
        let start = self.cursor.at;
        if level < self.limits.tree_levels || start < self.tree_until {
            return Ok(None);
        }
        let mut seen = Seen::default();
        let skipped = self.cursor.skip(self.limits.depth - level, Arrays::Wrapped, &mut seen);
        #[cfg(test)]
        {
            self.looked_through += self.cursor.at - start;
        }
        match skipped {
            Ok(depth) => {
                let wire = self.frame.part(start, self.cursor.at);
                Ok(Some(Value::Json(super::json::Json::of_wire(wire, seen, depth))))
            }
            Err(Stop::Malformed(malformed)) => Err(malformed),
            Err(Stop::Special(at)) => {
                self.cursor.at = start;
                self.tree_until = at + 1;
                Ok(None)
            }
        }
    }

    fn object(&mut self, level: usize) -> Result<Vec<(Text, Value)>, Malformed> {
        self.cursor.expect(b'{', "an object is missing")?;
        let mut members = Vec::new();
        if self.cursor.take(b'}') {
            return Ok(members);
        }
        loop {
            let key = self.text()?;
            self.cursor.expect(b':', "the colon after a member's name is missing")?;
            let value = self.value(level + 1)?;
            if self.is_full() {
                members.clear();
            } else {
                members.push((key, value));
            }
            if !self.cursor.more(b'}')? {
                let mut members = last_wins(members);
                members.shrink_to_fit();
                return Ok(members);
            }
        }
    }

    /// Takes a wrapped array or a special value.
    fn array(&mut self, level: usize) -> Result<Value, Malformed> {
        self.cursor.at += 1;
        match self.cursor.peek() {
            b'[' => {
                let elements = self.elements(level)?;
                self.cursor.expect(b']', BARE)?;
                Ok(Value::Array(elements))
            }
            b'"' => self.special(level),
            _ => self.cursor.fail(BARE),
        }
    }

    /// Takes the elements of an array that is written bare, brackets included.
    fn elements(&mut self, level: usize) -> Result<Vec<Value>, Malformed> {
        self.cursor.expect(b'[', "an array is missing")?;
        let mut elements = Vec::new();
        if self.cursor.take(b']') {
            return Ok(elements);
        }
        loop {
            let value = self.value(level + 1)?;
            if self.is_full() {
                elements.clear();
            } else {
                elements.push(value);
            }
            if !self.cursor.more(b']')? {
                elements.shrink_to_fit();
                return Ok(elements);
            }
        }
    }

    fn text(&mut self) -> Result<Text, Malformed> {
        let quoted = self.cursor.string()?;
        Ok(self.cursor.text(quoted, self.frame))
    }

    /// Counts one value more.
    fn count(&mut self) {
        self.values += 1;
        if self.is_full() && self.fault.is_none() {
            self.fail(Fault::limit("values", self.limits.values, "send less in one call, or send it as plain data"));
        }
    }

    /// Whether the tree is at its bound: then what follows is read and not kept.
    const fn is_full(&self) -> bool {
        self.values > self.limits.values
    }

    /// Notes why the expression cannot be evaluated; the first reason stays.
    fn fail(&mut self, fault: Fault) {
        self.fault.get_or_insert(fault);
    }

    /// Puts a reference on the list and gives what stands in its place.
    fn refer(&mut self, reference: Reference) -> Value {
        self.references.push(reference);
        Value::Promise(Promise(Future::Slot(self.references.len() - 1)))
    }
}

/// The members with each key once, at its first place with its last value.
fn last_wins(members: Vec<(Text, Value)>) -> Vec<(Text, Value)> {
    // Few members are compared with each other; many by a sorted list of places.
    let mut order: Vec<usize> = (0..members.len()).collect();
    order.sort_by(|a, b| members[*a].0.cmp(&members[*b].0).then(a.cmp(b)));
    if order.windows(2).all(|two| members[two[0]].0 != members[two[1]].0) {
        return members;
    }
    let mut members: Vec<Option<(Text, Value)>> = members.into_iter().map(Some).collect();
    for two in order.windows(2).rev() {
        let same = matches!((&members[two[0]], &members[two[1]]), (Some(a), Some(b)) if a.0 == b.0);
        if same
            && let Some((_, value)) = members[two[1]].take()
            && let Some(first) = &mut members[two[0]]
        {
            first.1 = value;
        }
    }
    members.into_iter().flatten().collect()
}
