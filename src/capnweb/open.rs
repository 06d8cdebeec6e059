//! Plain data, taken apart: one level at a time, or one part without the rest.

use super::json::Json;
use super::limits::Limits;
use super::read::Reader;
use super::scan::{Arrays, Cursor, Seen, Stop};
use super::text::Text;
use super::value::{PathPart, Value};

impl Json {
    /// One level as a tree: an array of scalars and further `Json`, or an object, each key once with the last value.
    ///
    /// Costs a pass over the text, and memory for each element or member.
    #[must_use]
    pub fn open(&self) -> Value {
        read(self.wire(), 1)
    }

    /// The part one step below, `undefined` if it is not there, and the bytes that were looked at for it. Makes no tree.
    pub(super) fn step(&self, part: &PathPart) -> (Value, usize) {
        let mut finder = Finder { wire: self.wire(), cursor: Cursor::new(self.wire().bytes()) };
        let found = if finder.cursor.take(b'{') { finder.member(part) } else { finder.element(part) };
        let looked = finder.cursor.at;
        let Ok(Some((start, end))) = found else { return (Value::Undefined, looked) };
        (read(&self.wire().part(start, end), 0), looked + (end - start))
    }
}

impl Value {
    /// The value with one more level of its tree: a [`Json`] becomes an array or an object, anything else stays.
    #[must_use]
    pub fn opened(self) -> Self {
        if let Self::Json(json) = self { json.open() } else { self }
    }
}

/// Plain data that was checked, with so many levels as a tree.
fn read(wire: &Text, tree_levels: usize) -> Value {
    let limits = Limits { tree_levels, depth: usize::MAX, values: usize::MAX, ..Limits::default() };
    let mut reader = Reader::new(wire, wire.bytes(), &limits);
    reader.value(0).unwrap_or(Value::Undefined)
}

/// Looks for one part of plain data.
struct Finder<'a> {
    wire: &'a Text,
    cursor: Cursor<'a>,
}

impl Finder<'_> {
    /// Where the last member of this name lies, in an object whose first bracket is taken.
    fn member(&mut self, part: &PathPart) -> Result<Option<(usize, usize)>, Stop> {
        let index;
        let name = match part {
            PathPart::Name(name) => name.bytes(),
            PathPart::Index(number) => {
                index = number.to_string();
                index.as_bytes()
            }
        };
        let mut found = None;
        if self.cursor.take(b'}') {
            return Ok(found);
        }
        loop {
            self.cursor.peek();
            let key = self.cursor.string()?;
            self.cursor.expect(b':', "a colon is missing")?;
            let range = self.skip()?;
            let is_it = if key.escapes {
                self.cursor.text(key, self.wire).bytes() == name
            } else {
                &self.cursor.bytes[key.start..key.end] == name
            };
            if is_it {
                found = Some(range);
            }
            if !self.cursor.more(b'}')? {
                return Ok(found);
            }
        }
    }

    /// Where an element of an array lies.
    fn element(&mut self, part: &PathPart) -> Result<Option<(usize, usize)>, Stop> {
        let Some(mut left) = part.index() else { return Ok(None) };
        // Each array stands in an array of its own.
        self.cursor.expect(b'[', "an array is missing")?;
        self.cursor.expect(b'[', "an array is missing")?;
        if self.cursor.take(b']') {
            return Ok(None);
        }
        loop {
            let range = self.skip()?;
            if left == 0 {
                return Ok(Some(range));
            }
            left -= 1;
            if !self.cursor.more(b']')? {
                return Ok(None);
            }
        }
    }

    /// Passes over a value, and gives where it lies.
    fn skip(&mut self) -> Result<(usize, usize), Stop> {
        self.cursor.peek();
        let start = self.cursor.at;
        self.cursor.skip(usize::MAX, Arrays::Wrapped, &mut Seen::default())?;
        Ok((start, self.cursor.at))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_leads_where_the_open_tree_has_the_part() {
        let text = r#" { "a" : [ 1 , {"b":[[]]}, "x" ] , "\u0062" : {"c":null} , "a\n":2, "7" : 7, "d":1, "d" : [ "last" ], "":0 } "#;
        let object = Json::from_json(text, 64).expect("JSON");
        let Value::Object(members) = object.open() else { panic!("an object") };
        assert_eq!(members.len(), 6);
        for (key, value) in &members {
            assert_eq!(object.step(&PathPart::Name(key.clone())).0, *value, "{}", key.as_str());
        }
        assert_eq!(object.step(&7_u64.into()).0, 7_i64.into());
        assert_eq!(object.step(&"e".into()), (Value::Undefined, object.wire().trim_end().len()));
        let Some(Value::Json(array)) = members.first().map(|(_, value)| value) else { panic!("an array") };
        let Value::Array(elements) = array.open() else { panic!("an array") };
        for (at, element) in elements.iter().enumerate() {
            assert_eq!(array.step(&(at as u64).into()).0, *element);
            assert_eq!(array.step(&at.to_string().as_str().into()).0, *element);
        }
        for part in ["3".into(), 3_u64.into(), u64::MAX.into(), "length".into(), "".into()] {
            assert_eq!(array.step(&part).0, Value::Undefined);
        }
        for (empty, part) in [("{}", PathPart::from("a")), ("[]", 0_u64.into())] {
            assert_eq!(Json::from_json(empty, 64).expect(empty).step(&part).0, Value::Undefined);
        }
    }
}
