//! A cursor over JSON text: one pass that checks the text and finds where its parts end.

use memchr::memchr2;

use super::text::Text;

/// A text that is not a frame of this protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Malformed {
    /// The byte at which it was noticed.
    pub(super) at: usize,
    /// What is wrong there.
    pub(super) what: &'static str,
}

/// Why a skip ended early.
#[derive(Debug)]
pub(super) enum Stop {
    Malformed(Malformed),
    /// An array that is not wrapped begins here: a special value.
    Special(usize),
}

impl From<Malformed> for Stop {
    fn from(malformed: Malformed) -> Self {
        Self::Malformed(malformed)
    }
}

/// How arrays are written in what is skipped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Arrays {
    /// As in any JSON.
    Bare,
    /// Each in an array of its own; an array that is not is a special value.
    Wrapped,
}

/// What was met while skipping.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Seen {
    /// An array.
    pub(super) arrays: bool,
    /// Half a surrogate pair, as an escape.
    pub(super) half: bool,
}

/// The inside of a string's quotes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Quoted {
    pub(super) start: usize,
    pub(super) end: usize,
    pub(super) escapes: bool,
    /// Half a surrogate pair is among the escapes.
    pub(super) half: bool,
}

/// A position in a text.
#[derive(Debug)]
pub(super) struct Cursor<'a> {
    pub(super) bytes: &'a [u8],
    pub(super) at: usize,
}

impl<'a> Cursor<'a> {
    pub(super) const fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    pub(super) const fn fail<T>(&self, what: &'static str) -> Result<T, Malformed> {
        Err(Malformed { at: self.at, what })
    }

    /// The next byte that is no white space, not taken; 0 at the end.
    pub(super) fn peek(&mut self) -> u8 {
        while let Some(b' ' | b'\n' | b'\r' | b'\t') = self.bytes.get(self.at) {
            self.at += 1;
        }
        self.bytes.get(self.at).copied().unwrap_or(0)
    }

    /// Takes the next byte that is no white space if it is this one.
    pub(super) fn take(&mut self, byte: u8) -> bool {
        let is = self.peek() == byte;
        self.at += usize::from(is);
        is
    }

    pub(super) fn expect(&mut self, byte: u8, what: &'static str) -> Result<(), Malformed> {
        if self.take(byte) { Ok(()) } else { self.fail(what) }
    }

    /// Takes `,` before a further element and gives true, or takes the closing bracket and gives false.
    pub(super) fn more(&mut self, close: u8) -> Result<bool, Malformed> {
        if self.take(b',') {
            Ok(true)
        } else {
            self.expect(close, "a comma or the end of the array or object is missing")?;
            Ok(false)
        }
    }

    /// Takes a string.
    pub(super) fn string(&mut self) -> Result<Quoted, Malformed> {
        self.expect(b'"', "a string is missing")?;
        let start = self.at;
        let mut quoted = Quoted { start, end: start, escapes: false, half: false };
        loop {
            let rest = &self.bytes[self.at..];
            let Some(length) = memchr2(b'"', b'\\', rest) else { return self.fail("a string has no end") };
            if rest[..length].iter().fold(false, |control, byte| control | (*byte < 0x20)) {
                return self.fail("a string holds a control character");
            }
            self.at += length;
            if rest[length] == b'"' {
                quoted.end = self.at;
                self.at += 1;
                return Ok(quoted);
            }
            quoted.escapes = true;
            quoted.half |= self.escape()?.is_none();
        }
    }

    /// Takes an escape, both halves of a surrogate pair as one; `None` is half a pair.
    fn escape(&mut self) -> Result<Option<char>, Malformed> {
        let letter = self.bytes.get(self.at + 1).copied().unwrap_or(0);
        if letter == b'u' {
            let first = self.unit()?;
            let second = if (0xD800..0xDC00).contains(&first) && self.bytes[self.at..].starts_with(b"\\u") {
                let before = self.at;
                let second = self.unit()?;
                if !(0xDC00..0xE000).contains(&second) {
                    self.at = before;
                }
                Some(second)
            } else {
                None
            };
            let units = std::iter::once(first).chain(second);
            return Ok(char::decode_utf16(units).next().and_then(Result::ok));
        }
        let meant = match letter {
            b'"' | b'\\' | b'/' => char::from(letter),
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            _ => return self.fail("a string holds an escape that JSON does not have"),
        };
        self.at += 2;
        Ok(Some(meant))
    }

    /// Takes `\uXXXX`.
    fn unit(&mut self) -> Result<u16, Malformed> {
        let digits = self.bytes.get(self.at + 2..self.at + 6).unwrap_or_default();
        let unit = digits.iter().try_fold(0_u32, |unit, digit| Some(unit * 16 + char::from(*digit).to_digit(16)?));
        let Some(unit) = unit.filter(|_| digits.len() == 4) else {
            return self.fail("a string holds an incomplete escape");
        };
        self.at += 6;
        Ok(unit as u16)
    }

    /// The text of a string that was taken from `frame`, whose bytes the cursor has: shared if nothing in it is escaped.
    pub(super) fn text(&self, quoted: Quoted, frame: &Text) -> Text {
        if !quoted.escapes {
            return frame.part(quoted.start, quoted.end);
        }
        let mut inside = Cursor { bytes: &self.bytes[..quoted.end], at: quoted.start };
        let mut bytes = Vec::with_capacity(quoted.end - quoted.start);
        while inside.at < quoted.end {
            let rest = &inside.bytes[inside.at..];
            let length = memchr::memchr(b'\\', rest).unwrap_or(rest.len());
            bytes.extend_from_slice(&rest[..length]);
            inside.at += length;
            if inside.at < quoted.end {
                let meant = inside.escape().ok().flatten().unwrap_or(char::REPLACEMENT_CHARACTER);
                bytes.extend_from_slice(meant.encode_utf8(&mut [0; 4]).as_bytes());
            }
        }
        bytes.shrink_to_fit();
        Text::from_utf8(bytes.into()).unwrap_or_default()
    }

    /// Takes a number.
    pub(super) fn number(&mut self) -> Result<(usize, usize), Malformed> {
        let start = self.at;
        self.at += usize::from(self.bytes.get(self.at) == Some(&b'-'));
        let leading = self.bytes.get(self.at).copied();
        let whole = self.digits();
        if whole == 0 || (whole > 1 && leading == Some(b'0')) {
            return self.fail("a number, a string, a literal, an array or an object is missing");
        }
        if self.bytes.get(self.at) == Some(&b'.') {
            self.at += 1;
            if self.digits() == 0 {
                return self.fail("a number ends with its point");
            }
        }
        if let Some(b'e' | b'E') = self.bytes.get(self.at) {
            self.at += 1;
            self.at += usize::from(matches!(self.bytes.get(self.at), Some(b'+' | b'-')));
            if self.digits() == 0 {
                return self.fail("a number has an empty exponent");
            }
        }
        Ok((start, self.at))
    }

    fn digits(&mut self) -> usize {
        let length = self.bytes[self.at..].iter().take_while(|byte| byte.is_ascii_digit()).count();
        self.at += length;
        length
    }

    /// Takes `true`, `false` or `null`.
    pub(super) fn literal(&mut self, literal: &'static str) -> Result<(), Malformed> {
        if !self.bytes[self.at..].starts_with(literal.as_bytes()) {
            return self.fail("a number, a string, a literal, an array or an object is missing");
        }
        self.at += literal.len();
        Ok(())
    }

    /// Takes one value of at most `levels` levels, checks it, and gives the number of its levels: 1 for a scalar.
    pub(super) fn skip(&mut self, levels: usize, arrays: Arrays, seen: &mut Seen) -> Result<usize, Stop> {
        if levels == 0 {
            return Ok(self.fail(TOO_DEEP)?);
        }
        match self.peek() {
            b'"' => seen.half |= self.string()?.half,
            b't' => self.literal("true")?,
            b'f' => self.literal("false")?,
            b'n' => self.literal("null")?,
            b'{' => return self.skip_object(levels, arrays, seen),
            b'[' => return self.skip_array(levels, arrays, seen),
            _ => drop(self.number()?),
        }
        Ok(1)
    }

    fn skip_object(&mut self, levels: usize, arrays: Arrays, seen: &mut Seen) -> Result<usize, Stop> {
        self.at += 1;
        let mut deepest = 0;
        if self.take(b'}') {
            return Ok(1);
        }
        loop {
            self.peek();
            seen.half |= self.string()?.half;
            self.expect(b':', "the colon after a member's name is missing")?;
            deepest = deepest.max(self.skip(levels - 1, arrays, seen)?);
            if !self.more(b'}')? {
                return Ok(deepest + 1);
            }
        }
    }

    fn skip_array(&mut self, levels: usize, arrays: Arrays, seen: &mut Seen) -> Result<usize, Stop> {
        let start = self.at;
        self.at += 1;
        if arrays == Arrays::Wrapped && !self.take(b'[') {
            return if self.peek() == b'"' { Err(Stop::Special(start)) } else { Ok(self.fail(BARE)?) };
        }
        seen.arrays = true;
        let mut deepest = 0;
        if !self.take(b']') {
            loop {
                deepest = deepest.max(self.skip(levels - 1, arrays, seen)?);
                if !self.more(b']')? {
                    break;
                }
            }
        }
        if arrays == Arrays::Wrapped {
            self.expect(b']', BARE)?;
        }
        Ok(deepest + 1)
    }

    /// Takes one JSON value without looking for special values.
    pub(super) fn skip_bare(&mut self, levels: usize) -> Result<(), Malformed> {
        match self.skip(levels, Arrays::Bare, &mut Seen::default()) {
            Ok(_) => Ok(()),
            Err(Stop::Malformed(malformed)) => Err(malformed),
            Err(Stop::Special(_)) => self.fail(BARE),
        }
    }
}

pub(super) const TOO_DEEP: &str = "arrays and objects are nested too deeply";
pub(super) const BARE: &str = "an array is neither wrapped in another one nor a special value";
