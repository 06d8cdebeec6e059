//! Plain data that is not taken apart: a slice of a frame.

use memchr::{memchr2, memchr3};

use super::scan::{Arrays, Cursor, Seen, Stop};
use super::text::Text;

/// Plain data: null, booleans, finite numbers, strings, and arrays and objects of them, kept as text.
///
/// On the wire each array stands in an array of its own. A `Json` holds that form; [`to_json`](Self::to_json) gives ordinary
/// JSON, which shares these bytes if there is no array in it. The text is valid: nobody needs to check it again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Json {
    wire: Text,
    seen: Facts,
}

/// What is known of the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Facts {
    arrays: bool,
    half: bool,
    depth: u32,
}

impl Facts {
    fn new(seen: Seen, depth: usize) -> Self {
        Self { arrays: seen.arrays, half: seen.half, depth: u32::try_from(depth).unwrap_or(u32::MAX) }
    }
}

/// A text that is not JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the text is not JSON: {what}, at byte {at}")]
pub struct NotJson {
    /// The byte at which it was noticed.
    pub at: usize,
    /// What is wrong there.
    pub what: &'static str,
}

impl Json {
    /// Data of ordinary JSON text, without copying it if it has no array. Duplicate keys stay.
    ///
    /// # Errors
    /// The text is not JSON, or is nested more than `depth` levels.
    pub fn from_json(text: impl Into<Text>, depth: usize) -> Result<Self, NotJson> {
        let text = text.into();
        let mut cursor = Cursor::new(text.bytes());
        let mut seen = Seen::default();
        let depth = match cursor.skip(depth, Arrays::Bare, &mut seen) {
            Ok(depth) if cursor.peek() == 0 && cursor.at == text.bytes().len() => depth,
            Ok(_) => return Err(NotJson { at: cursor.at, what: "there is something after the value" }),
            Err(Stop::Malformed(malformed)) => return Err(NotJson { at: malformed.at, what: malformed.what }),
            Err(Stop::Special(at)) => return Err(NotJson { at, what: "an array is not expected" }),
        };
        let facts = Facts::new(seen, depth);
        let wire = if seen.arrays { Rewrite::Wrap.apply(&text) } else { text };
        Ok(Self { wire, seen: facts })
    }

    pub(super) fn of_wire(wire: Text, seen: Seen, depth: usize) -> Self {
        Self { wire, seen: Facts::new(seen, depth) }
    }

    /// The form of the wire: each array in an array of its own.
    #[must_use]
    pub const fn wire(&self) -> &Text {
        &self.wire
    }

    /// The text itself, to be replaced by an equal one.
    pub(super) const fn wire_mut(&mut self) -> &mut Text {
        &mut self.wire
    }

    /// Levels of arrays and objects, from 1 for a scalar, as an array of scalars has 2.
    #[must_use]
    pub const fn depth(&self) -> usize {
        self.seen.depth as usize
    }

    /// Ordinary JSON text: shared if it has no array and no half of a surrogate pair, which becomes U+FFFD. White space,
    /// the order of members, duplicate keys and the texts of numbers stay.
    #[must_use]
    pub fn to_json(&self) -> Text {
        if self.seen.arrays || self.seen.half { Rewrite::Unwrap.apply(&self.wire) } else { self.wire.clone() }
    }
}

/// From one form of arrays to the other.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Rewrite {
    Wrap,
    Unwrap,
}

impl Rewrite {
    /// Rewrites a text that was checked.
    fn apply(self, text: &Text) -> Text {
        let bytes = text.bytes();
        let mut out = Vec::with_capacity(bytes.len() + if self == Self::Wrap { bytes.len() / 8 } else { 0 });
        let mut at = 0;
        while let Some(length) = memchr3(b'"', b'[', b']', &bytes[at..]) {
            out.extend_from_slice(&bytes[at..at + length]);
            at += length;
            if bytes[at] == b'"' {
                at = string(bytes, at, &mut out);
                continue;
            }
            let bracket = bytes[at];
            out.push(bracket);
            at += 1;
            if self == Self::Wrap {
                out.push(bracket);
            } else {
                // The second bracket of the two, after white space.
                at += bytes[at..].iter().position(|byte| *byte == bracket).map_or(0, |space| space + 1);
            }
        }
        out.extend_from_slice(&bytes[at..]);
        out.shrink_to_fit();
        Text::from_utf8(out.into()).unwrap_or_default()
    }
}

/// Copies the string that begins at `at`, with U+FFFD for each half of a surrogate pair, and gives where it ends.
fn string(bytes: &[u8], at: usize, out: &mut Vec<u8>) -> usize {
    let mut end = at + 1;
    let mut from = at;
    while let Some(length) = memchr2(b'"', b'\\', &bytes[end..]) {
        end += length;
        if bytes[end] == b'"' {
            end += 1;
            break;
        }
        let high = surrogate(&bytes[end..], b"89abAB");
        let low = surrogate(&bytes[end..], b"cdefCDEF");
        if high && surrogate(&bytes[end + 6..], b"cdefCDEF") {
            end += 12;
        } else if high || low {
            out.extend_from_slice(&bytes[from..end]);
            out.extend_from_slice(b"\\ufffd");
            end += 6;
            from = end;
        } else {
            end += 2;
        }
    }
    out.extend_from_slice(&bytes[from..end]);
    end
}

/// Whether an escape of a surrogate begins here whose second digit is one of these.
fn surrogate(bytes: &[u8], second: &[u8]) -> bool {
    matches!(bytes, [b'\\', b'u', b'd' | b'D', digit, _, _, ..] if second.contains(digit))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(text: &str) -> Json {
        Json::from_json(text, 64).expect(text)
    }

    #[test]
    fn arrays_are_wrapped_and_unwrapped_and_all_else_stays() {
        for (plain, wire) in [
            ("1", "1"),
            ("[]", "[[]]"),
            ("[[],[[1]]]", "[[[[]],[[[[1]]]]]]"),
            (r#"{"a" : [ 1.50, "[x]\"]" ] , "a":{}}"#, r#"{"a" : [[ 1.50, "[x]\"]" ]] , "a":{}}"#),
        ] {
            assert_eq!(json(plain).wire().as_str(), wire);
            assert_eq!(json(plain).to_json().as_str(), plain);
        }
        let spaced = Json::of_wire("[ [1, [ [2] ] ] ]".into(), Seen { arrays: true, half: false }, 3);
        assert_eq!(spaced.to_json().as_str(), "[1, [2] ]");
    }

    #[test]
    fn half_a_surrogate_pair_becomes_a_replacement_character() {
        let text = r#"["\ud83d","\uD83D\uDE00","\\ud83d","\ud83d\ud83d\ude00","\udE00x","\u00e4\n"]"#;
        let mended = r#"["\ufffd","\uD83D\uDE00","\\ud83d","\ufffd\ud83d\ude00","\ufffdx","\u00e4\n"]"#;
        assert_eq!(json(text).to_json().as_str(), mended);
    }

    #[test]
    fn what_has_no_array_is_shared() {
        let text = Text::from(r#"{"a":{"b":"c"}}"#);
        let json = Json::from_json(text.clone(), 64).expect("JSON");
        assert_eq!(json.to_json().bytes().as_ptr(), text.bytes().as_ptr());
    }

    #[test]
    fn what_is_not_json_is_refused() {
        for text in [
            "",
            "[",
            "[1,]",
            "{\"a\"}",
            "01",
            "1.",
            "1e",
            "\"\n\"",
            "\"\\x\"",
            "\"\\u12\"",
            "nul",
            "[] []",
            "{,}",
            "\0",
        ] {
            assert!(Json::from_json(text, 64).is_err(), "{text}");
        }
        assert!(Json::from_json("[[[]]]", 2).is_err());
        assert_eq!(json("[[[]]]").depth(), 3);
    }
}
