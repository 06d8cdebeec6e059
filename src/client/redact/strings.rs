//! The strings of a JSON text: found without a tree being built, and put back where they stood.
//!
//! The text is known to be JSON. Of each string it is told what it says, escapes undone, and where it stands: whether it is a
//! member's name, and if it is a value, whose. Whatever is not given back anew stays as it was, byte for byte.

use std::borrow::Cow;

/// A string that was found in a JSON text.
pub(super) struct Found<'a> {
    /// The string's text, with escapes undone.
    pub(super) text: Cow<'a, str>,
    /// The name of the member whose value the string is, or is an element of.
    pub(super) member: Option<Cow<'a, str>>,
    /// Whether the string is part of the item's key, and must not be changed.
    pub(super) is_id: bool,
}

/// The members that an item's key is made of.
const IDS: [&str; 3] = ["id", "messageID", "providerID"];

/// The text with the strings replaced for which `change` gives another; `None` if it gives none.
pub(super) fn replace(json: &str, mut change: impl FnMut(&Found<'_>) -> Option<String>) -> Option<String> {
    let bytes = json.as_bytes();
    let mut out = String::new();
    let (mut copied, mut at, mut depth) = (0, 0, 0_usize);
    let mut member: Option<&str> = None;
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth = depth.saturating_sub(1),
            b'"' => {
                let end = end_of_string(bytes, at);
                let token = &json[at..end];
                let is_name = bytes[end..].iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b':');
                let name = member.filter(|_| !is_name).map(unescaped);
                let is_id = depth == 1 && name.as_deref().is_some_and(|name| IDS.contains(&name));
                let changed = change(&Found { text: unescaped(token), member: name, is_id });
                if let Some(changed) = changed {
                    out.push_str(&json[copied..at]);
                    // A string always has a JSON form.
                    out.push_str(&serde_json::to_string(&changed).unwrap_or_else(|_| "\"\"".to_owned()));
                    copied = end;
                }
                if is_name {
                    member = Some(token);
                }
                at = end;
                continue;
            }
            _ => {}
        }
        at += 1;
    }
    if copied == 0 {
        return None;
    }
    out.push_str(&json[copied..]);
    Some(out)
}

/// The position after the closing quote of the string that begins at `from`.
fn end_of_string(bytes: &[u8], from: usize) -> usize {
    let mut at = from + 1;
    while let Some(next) = memchr::memchr2(b'"', b'\\', &bytes[at.min(bytes.len())..]) {
        at += next + 1;
        if bytes[at - 1] == b'"' {
            return at;
        }
        // Whatever is escaped, it is no end.
        at += 1;
    }
    bytes.len()
}

/// The text of a string, which is given with its quotes.
fn unescaped(token: &str) -> Cow<'_, str> {
    let inner = token.get(1..token.len().saturating_sub(1)).unwrap_or_default();
    if !inner.contains('\\') {
        return Cow::Borrowed(inner);
    }
    // Half of a surrogate pair is no text: then its escapes stay as they are, and no secret has one.
    serde_json::from_str::<String>(token).map_or(Cow::Borrowed(inner), Cow::Owned)
}
