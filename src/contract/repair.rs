//! JSON texts whose strings hold half a character: made readable, once, before anything reads them as types.
//!
//! Programs that cut texts by UTF-16 units write one half of a surrogate pair, such as `\ud83d` alone. The grammar of JSON allows
//! that, and no text in Rust can hold it, so a reader would refuse the whole record. Each such half becomes U+FFFD here.

use std::borrow::Cow;

/// The JSON text with each unpaired half of a surrogate pair replaced by U+FFFD. A text without one is not copied.
#[must_use]
pub fn repaired(json: &str) -> Cow<'_, str> {
    let bytes = json.as_bytes();
    let (mut mended, mut copied, mut at) = (String::new(), 0, 0);
    while let Some(found) = memchr::memmem::find(&bytes[at..], b"\\u") {
        let here = at + found;
        // After an odd number of backslashes this one is itself escaped.
        let before = bytes[at..here].iter().rev().take_while(|byte| **byte == b'\\').count();
        at = here + 2;
        if before % 2 == 1 {
            continue;
        }
        match unit(bytes, here) {
            Some(0xD800..=0xDBFF) if matches!(unit(bytes, here + 6), Some(0xDC00..=0xDFFF)) => at = here + 12,
            Some(0xD800..=0xDFFF) => {
                mended.push_str(&json[copied..here]);
                mended.push('\u{FFFD}');
                at = here + 6;
                copied = at;
            }
            _ => {}
        }
    }
    if copied == 0 {
        return Cow::Borrowed(json);
    }
    mended.push_str(&json[copied..]);
    Cow::Owned(mended)
}

/// The UTF-16 unit of the escape `\uXXXX` that begins at this byte.
fn unit(bytes: &[u8], at: usize) -> Option<u16> {
    let escape = bytes.get(at..at + 6)?.strip_prefix(b"\\u")?;
    escape.iter().try_fold(0, |unit, digit| Some(unit * 16 + char::from(*digit).to_digit(16)? as u16))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_half_without_its_other_half_is_replaced_and_nothing_else() {
        for (from, to) in [
            (r#""a \ud83d b""#, "a \u{FFFD} b"),
            (r#""\uD83D""#, "\u{FFFD}"),
            (r#""\udc00\ud83d""#, "\u{FFFD}\u{FFFD}"),
            (r#""\ud83d\ud83d\ude00""#, "\u{FFFD}\u{1F600}"),
            (r#""\ud83d\ude00 \u00e9""#, "\u{1F600} é"),
            (r#""\\ud83d \\\ud83d""#, "\\ud83d \\\u{FFFD}"),
            (r#""C:\\users\\ud83d""#, "C:\\users\\ud83d"),
        ] {
            assert_eq!(serde_json::from_str::<String>(&repaired(from)).unwrap(), to, "{from}");
        }
        for whole in ["", "{}", r#""\u00e9""#, r#""\ud83d\ude00""#, r#""\\ud83d""#, r#"\u"#, r#"\ud8"#, r#"\uzzzz"#] {
            assert!(matches!(repaired(whole), Cow::Borrowed(_)), "{whole}");
        }
    }
}
