//! A value made short: with the beginnings of its long texts only, for viewers that ask for the whole when they show it.

/// Bytes of a JSON string beyond which it is cut, as it is written.
const TEXT_BYTES_MAX: usize = 160;

/// Bytes that are left of it: enough for a line that says what it is about.
const LEFT_BYTES: usize = 120;

/// What stands for the rest.
const REST: &str = "…";

/// A JSON text with its long strings cut, each ending in an ellipsis; `None` if there are none. Names of members stay whole.
#[must_use]
pub(super) fn shortened(json: &str) -> Option<String> {
    let bytes = json.as_bytes();
    let mut short: Option<String> = None;
    let (mut copied, mut at) = (0, 0);
    while let Some(begins) = memchr::memchr(b'"', &bytes[at..]).map(|found| at + found + 1) {
        let ends = end_of_string(bytes, begins);
        at = (ends + 1).min(bytes.len());
        let is_name = bytes[at..].iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b':');
        if ends - begins <= TEXT_BYTES_MAX || is_name {
            continue;
        }
        let short = short.get_or_insert_with(|| String::with_capacity(json.len() / 4));
        short.push_str(&json[copied..cut(json, begins)]);
        short.push_str(REST);
        copied = ends;
    }
    short.map(|mut short| {
        short.push_str(&json[copied..]);
        short
    })
}

/// Where the string ends that begins here: at its quotation mark.
fn end_of_string(bytes: &[u8], mut at: usize) -> usize {
    while let Some(found) = memchr::memchr2(b'"', b'\\', &bytes[at..]) {
        at += found;
        if bytes[at] == b'"' {
            return at;
        }
        // What was escaped.
        at = (at + 2).min(bytes.len());
    }
    bytes.len()
}

/// Where a string that begins here may be cut: within no character, and within nothing that is escaped.
fn cut(json: &str, begins: usize) -> usize {
    let bytes = json.as_bytes();
    let (most, mut at) = (begins + LEFT_BYTES, begins);
    loop {
        let next = match bytes[at] {
            b'\\'
                if is_surrogate(&bytes[at..], b"dD", b"89abAB")
                    && is_surrogate(&bytes[at + 6..], b"dD", b"cdefCDEF") =>
            {
                at + 12
            }
            b'\\' if bytes.get(at + 1) == Some(&b'u') => at + 6,
            b'\\' => at + 2,
            _ => json[at..].chars().next().map_or(at + 1, |char| at + char.len_utf8()),
        };
        if next > most {
            return at;
        }
        at = next;
    }
}

/// Whether an escaped UTF-16 unit begins here, whose first two digits are of these.
fn is_surrogate(bytes: &[u8], first: &[u8], second: &[u8]) -> bool {
    matches!(bytes, [b'\\', b'u', one, other, ..] if first.contains(one) && second.contains(other))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn short(value: &Value) -> Value {
        serde_json::from_str(&shortened(&value.to_string()).expect("it has long texts")).expect("it is JSON")
    }

    #[test]
    fn long_texts_are_cut_and_all_else_stays() {
        let long = "word ".repeat(100);
        let value = json!({"id": "prt_1", "n": [1, 2.5, null, true], "text": long, "state": {"input": {"a b": long, long.clone(): "x"}, "list": ["s", long]}});
        let cut = format!("{}…", &long[..120]);
        let expected = json!({"id": "prt_1", "n": [1, 2.5, null, true], "text": cut, "state": {"input": {"a b": cut, long: "x"}, "list": ["s", cut]}});
        assert_eq!(short(&value), expected);
        assert_eq!(shortened(&json!({"text": "short", "more": ["\"\\", {}]}).to_string()), None);
        assert_eq!(shortened("17"), None);
    }

    #[test]
    fn no_character_and_no_escape_is_cut_in_two() {
        for begins in 0..12 {
            for unit in ["é", "日", "😀", "\\\"", "\\\\", "\\n", "\\u00e9", "\\ud83d\\ude00", "\\uD83D\\uDE00"] {
                let text = format!(r#"{{"text":"{}{}","end":1}}"#, "x".repeat(begins), unit.repeat(200));
                let whole: Value = serde_json::from_str(&text).unwrap();
                let cut: Value = serde_json::from_str(&shortened(&text).unwrap()).expect(unit);
                let left = cut["text"].as_str().unwrap().strip_suffix('…').expect(unit);
                assert!(whole["text"].as_str().unwrap().starts_with(left) && !left.is_empty(), "{unit} after {begins}");
                assert_eq!(cut["end"], 1);
            }
        }
    }
}
