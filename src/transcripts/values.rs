//! Values of JSON as the readers look at them: members by name, times, texts with a bound.

use std::borrow::Cow;
use std::time::UNIX_EPOCH;

use serde_json::{Map, Value};

/// Bytes of a text, a thought or an output; the rest is cut off. With every byte escaped, 3 MiB, an item still fits a message.
pub(super) const TEXT_BYTES_MAX: usize = 512 << 10;

/// The text of bytes. What is no UTF-8 becomes U+FFFD. Looking for that takes long, and nearly no text has any.
pub(super) fn utf8(bytes: &[u8]) -> Cow<'_, str> {
    std::str::from_utf8(bytes).map_or_else(|_| String::from_utf8_lossy(bytes), Cow::Borrowed)
}

/// A time such as `2026-11-21T15:04:05.123Z`.
pub(super) fn time(value: &Value) -> Option<i64> {
    let time = humantime::parse_rfc3339(value.as_str()?).ok()?;
    i64::try_from(time.duration_since(UNIX_EPOCH).ok()?.as_millis()).ok()
}

/// At most [`TEXT_BYTES_MAX`] of a text.
pub(super) fn bounded(text: &str) -> String {
    cut(text, TEXT_BYTES_MAX)
}

/// At most so many bytes of a text, and the number of those that are missing.
pub(super) fn cut(text: &str, most: usize) -> String {
    if text.len() <= most {
        return text.to_owned();
    }
    let at = text.floor_char_boundary(most);
    format!("{}\n… {} bytes more", &text[..at], text.len() - at)
}

/// An object without the members that are null.
pub(super) fn object<const N: usize>(members: [(&str, Value); N]) -> Value {
    let members = members.into_iter().filter(|(_, value)| !value.is_null());
    Value::Object(members.map(|(name, value)| (name.to_owned(), value)).collect())
}

/// The object with some of its members renamed, by pairs of old and new name.
pub(super) fn renamed(value: &Value, names: &[(&str, &str)]) -> Value {
    let Value::Object(members) = value else { return value.clone() };
    let name =
        |name: &String| names.iter().find(|(from, _)| from == name).map_or(name.clone(), |(_, to)| (*to).to_owned());
    Value::Object(members.iter().map(|(from, value)| (name(from), value.clone())).collect::<Map<_, _>>())
}

/// A member that is a text and not empty.
pub(super) fn filled<'a>(value: &'a Value, name: &str) -> Option<&'a str> {
    value.get(name).and_then(Value::as_str).filter(|text| !text.is_empty())
}

/// A member that counts something.
pub(super) fn count(value: &Value, name: &str) -> u64 {
    value.get(name).and_then(Value::as_u64).unwrap_or_default()
}

/// A member that is a text, else an empty one.
pub(super) fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value.get(name).and_then(Value::as_str).unwrap_or_default()
}
