//! Special values: arrays that begin with the name of what they are.

use super::super::base64;
use super::super::scan::{Cursor, Malformed};
use super::super::text::Text;
use super::super::value::{Container, Fault, NonFinite, PathPart, Value};
use super::{Reader, Reference};

const SHAPE: &str = "a special value has the wrong shape";

impl Reader<'_> {
    /// Takes the rest of a special value, whose first bracket is taken.
    pub(super) fn special(&mut self, level: usize) -> Result<Value, Malformed> {
        let name = self.text()?;
        let value = match name.as_str() {
            "undefined" => Value::Undefined,
            "inf" => Value::NonFinite(NonFinite::Infinity),
            "-inf" => Value::NonFinite(NonFinite::NegativeInfinity),
            "nan" => Value::NonFinite(NonFinite::NaN),
            "bigint" => self.bigint()?,
            "date" => self.date()?,
            "bytes" => self.bytes()?,
            "error" => self.error(level)?,
            "import" | "pipeline" => self.own(level)?,
            "export" => {
                let id = self.exported()?;
                self.refer(Reference::Export(id))
            }
            "promise" => {
                let id = self.exported()?;
                self.refer(Reference::Promise(id))
            }
            "remap" => self.remap()?,
            "writable" => {
                let id = self.exported()?;
                self.fail(Fault::unsupported("a WritableStream", "send a function that takes the chunks"));
                self.refer(Reference::Export(id))
            }
            "url" => self.refuse("a URL", "send its href")?,
            "headers" => self.refuse("Headers", "send an array of its entries")?,
            "request" => self.refuse("a Request", "send its parts")?,
            "response" => self.refuse("a Response", "send its parts")?,
            "blob" => self.refuse("a Blob", "send its bytes")?,
            "readable" => self.refuse("a ReadableStream", "send its chunks as bytes")?,
            _ => self.refuse("a value of a kind that is unknown here", "send plain data")?,
        };
        // What newer versions may add behind is passed over.
        while self.cursor.more(b']')? {
            self.cursor.skip_bare(self.limits.depth)?;
        }
        Ok(value)
    }

    /// Notes that a kind of value is not read here.
    fn refuse(&mut self, what: &str, advice: &str) -> Result<Value, Malformed> {
        self.fail(Fault::unsupported(what, advice));
        Ok(Value::Undefined)
    }

    fn next(&mut self) -> Result<(), Malformed> {
        self.cursor.expect(b',', SHAPE)
    }

    fn bigint(&mut self) -> Result<Value, Malformed> {
        self.next()?;
        let digits = self.text()?;
        let unsigned = digits.as_str().strip_prefix('-').unwrap_or(&digits);
        if unsigned.len() > self.limits.bigint_digits {
            self.fail(Fault::limit("bigintDigits", self.limits.bigint_digits, "send it as bytes"));
        } else if unsigned.is_empty() || !unsigned.bytes().all(|digit| digit.is_ascii_digit()) {
            self.fail(Fault::type_error("a bigint on the wire is not made of decimal digits"));
        }
        Ok(Value::BigInt(digits))
    }

    fn date(&mut self) -> Result<Value, Malformed> {
        self.next()?;
        if self.cursor.peek() == b'n' {
            self.cursor.literal("null")?;
            return Ok(Value::Date(f64::NAN));
        }
        let (start, end) = self.cursor.number()?;
        let time: f64 = self.frame.part(start, end).as_str().parse().unwrap_or(f64::NAN);
        // JavaScript's own bound of dates, 100 million days.
        Ok(Value::Date(if time.abs() <= 8.64e15 { time } else { f64::NAN }))
    }

    fn bytes(&mut self) -> Result<Value, Malformed> {
        self.next()?;
        self.cursor.peek();
        let quoted = self.cursor.string()?;
        let bytes = base64::read(&self.cursor.bytes[quoted.start..quoted.end]).unwrap_or_else(|| {
            self.fail(Fault::type_error("bytes on the wire are not base64 in the standard alphabet"));
            Vec::new()
        });
        let mut container = Container::Plain;
        if self.cursor.take(b',') {
            let name = self.text()?;
            let known = Container::named(&name).filter(|(_, size)| bytes.len().is_multiple_of(*size));
            container = known.map_or_else(
                || {
                    self.fail(Fault::type_error("bytes on the wire do not fit the typed array that they are to be"));
                    Container::Plain
                },
                |(container, _)| container,
            );
        }
        Ok(Value::Bytes(bytes.into(), container))
    }

    fn error(&mut self, level: usize) -> Result<Value, Malformed> {
        self.next()?;
        let name = self.text()?;
        self.next()?;
        let message = self.text()?;
        let mut fault = Fault { name, ..Fault::new(message) };
        if self.cursor.take(b',') {
            if self.cursor.peek() == b'"' {
                fault.stack = Some(self.text()?);
            } else {
                self.cursor.skip_bare(self.limits.depth)?;
            }
            if self.cursor.take(b',') {
                self.cursor.peek();
                fault.members = self.object(level)?;
            }
        }
        Ok(fault.into())
    }

    /// Takes the rest of a reference to what this side exports.
    fn own(&mut self, level: usize) -> Result<Value, Malformed> {
        self.next()?;
        let id = self.id()?;
        if !self.cursor.take(b',') {
            return Ok(self.refer(Reference::Get { id, path: Vec::new() }));
        }
        let path = self.path()?;
        if !self.cursor.take(b',') {
            return Ok(self.refer(Reference::Get { id, path }));
        }
        let args = self.elements(level)?;
        Ok(self.refer(Reference::Call { id, path, args }))
    }

    /// Takes the rest of a map: what it captures is put on the list, what it does is passed over.
    fn remap(&mut self) -> Result<Value, Malformed> {
        self.fail(Fault::unsupported("a map() over a promise", "await the value and map it yourself"));
        self.next()?;
        self.id()?;
        self.next()?;
        self.path()?;
        self.next()?;
        self.cursor.expect(b'[', SHAPE)?;
        if !self.cursor.take(b']') {
            loop {
                self.cursor.expect(b'[', SHAPE)?;
                let kind = self.text()?;
                self.next()?;
                let id = self.id()?;
                self.cursor.expect(b']', SHAPE)?;
                match kind.as_str() {
                    "export" if id < 0 => drop(self.refer(Reference::Export(id))),
                    "import" => {}
                    _ => return self.cursor.fail(SHAPE),
                }
                if !self.cursor.more(b']')? {
                    break;
                }
            }
        }
        Ok(Value::Undefined)
    }

    fn path(&mut self) -> Result<Vec<PathPart>, Malformed> {
        self.cursor.expect(b'[', SHAPE)?;
        let mut path = Vec::new();
        if self.cursor.take(b']') {
            return Ok(path);
        }
        loop {
            self.count();
            let part = if self.cursor.peek() == b'"' {
                PathPart::Name(self.text()?)
            } else {
                let (start, end) = self.cursor.number()?;
                let number = self.frame.part(start, end);
                number.parse().map_or_else(|_| PathPart::Name(number.clone()), PathPart::Index)
            };
            if self.is_full() {
                path.clear();
            } else {
                path.push(part);
            }
            if !self.cursor.more(b']')? {
                path.shrink_to_fit();
                return Ok(path);
            }
        }
    }

    /// Takes an id that the sender chose: below 0.
    fn exported(&mut self) -> Result<i64, Malformed> {
        self.next()?;
        let id = self.id()?;
        if id < 0 { Ok(id) } else { self.cursor.fail("an export's id is not negative") }
    }

    /// Takes an id.
    pub(in super::super) fn id(&mut self) -> Result<i64, Malformed> {
        integer(&mut self.cursor, self.frame)
    }
}

/// Takes an integer that a float holds exactly, written in any way.
pub(in super::super) fn integer(cursor: &mut Cursor<'_>, frame: &Text) -> Result<i64, Malformed> {
    cursor.peek();
    let (start, end) = cursor.number()?;
    let integer = super::Number(frame.part(start, end)).as_i64();
    integer
        .filter(|id| id.unsigned_abs() < 1 << 53)
        .map_or_else(|| cursor.fail("an id or a count is not an integer"), Ok)
}
