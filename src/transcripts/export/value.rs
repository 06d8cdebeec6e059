//! Where a JSON value ends, in a text that comes piece by piece.

/// A value that is being looked at, up to some byte of it. Whether it is JSON is not asked: brackets are counted, and strings passed.
#[derive(Debug, Default)]
pub(super) struct Value {
    depth: usize,
    in_string: bool,
    is_escaped: bool,
    /// Something of it was seen.
    is_begun: bool,
}

impl Value {
    /// Goes on from the position `at`, and moves it. Whether the value has ended there; if not, more of the text is needed.
    pub(super) fn has_ended(&mut self, text: &[u8], at: &mut usize) -> bool {
        while let Some(byte) = text.get(*at) {
            if self.in_string {
                if self.string_has_ended(text, at) && self.depth == 0 {
                    return true;
                }
                continue;
            }
            match byte {
                b'"' => self.in_string = true,
                b'{' | b'[' => self.depth += 1,
                b'}' | b']' if self.depth > 0 => {
                    self.depth -= 1;
                    if self.depth == 0 {
                        *at += 1;
                        return true;
                    }
                }
                // What follows a number or a word is none of it.
                b'}' | b']' | b',' | b':' if self.depth == 0 => return true,
                byte if byte.is_ascii_whitespace() && self.depth == 0 && self.is_begun => return true,
                _ => {}
            }
            self.is_begun = true;
            *at += 1;
        }
        false
    }

    fn string_has_ended(&mut self, text: &[u8], at: &mut usize) -> bool {
        if std::mem::take(&mut self.is_escaped) {
            *at += 1;
        }
        let Some(mark) = memchr::memchr2(b'"', b'\\', text.get(*at..).unwrap_or_default()) else {
            *at = text.len().max(*at);
            return false;
        };
        *at += mark + 1;
        self.is_escaped = text.get(*at - 1) == Some(&b'\\');
        self.in_string = self.is_escaped;
        !self.in_string
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The value at the beginning of a text, which is given in pieces of this many bytes.
    fn value(text: &str, step: usize) -> Option<&str> {
        let (mut value, mut at) = (Value::default(), 0);
        let ends = (step..).step_by(step).map(|end| end.min(text.len()));
        for end in ends.take(text.len().div_ceil(step)) {
            if value.has_ended(&text.as_bytes()[..end], &mut at) {
                return Some(&text[..at]);
            }
        }
        None
    }

    #[test]
    fn a_value_ends_where_it_ends_however_its_text_is_cut() {
        for (text, found) in [
            (r#"{"a": "}\"]\\"}, 1"#, Some(r#"{"a": "}\"]\\"}"#)),
            (r#"[{"a":[]},"\\\\"] "#, Some(r#"[{"a":[]},"\\\\"]"#)),
            (r#""a\"b\\", 2"#, Some(r#""a\"b\\""#)),
            ("-1.5e3,", Some("-1.5e3")),
            ("null}", Some("null")),
            ("}", Some("")),
            (r#"{"a": [1"#, None),
            (r#""a\"#, None),
        ] {
            for step in 1..=text.len() {
                assert_eq!(value(text, step), found, "{text} by {step}");
            }
        }
    }
}
