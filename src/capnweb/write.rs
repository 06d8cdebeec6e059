//! From values to the text of frames.

use std::fmt::Write as _;

use super::base64;
use super::text::Text;
use super::value::{Future, NonFinite, PathPart, Promise, Stub, Value};

/// Says what a stub or promise of this side is called on the wire.
pub(super) type Name<'n> = dyn FnMut(&Value) -> Option<(&'static str, i64)> + 'n;

/// Appends a value. `name` is asked in the order of the text. What would make the text longer than `max` bytes by far is left
/// out, for a text that is too long is not sent; it is longer than `max` all the same.
pub(super) fn value(out: &mut String, value: &Value, max: usize, name: &mut Name<'_>) {
    if out.len() > max {
        return;
    }
    match value {
        Value::Undefined => out.push_str(r#"["undefined"]"#),
        Value::Null => out.push_str("null"),
        Value::Bool(is) => out.push_str(if *is { "true" } else { "false" }),
        Value::Number(number) => out.push_str(number.as_str()),
        Value::NonFinite(NonFinite::Infinity) => out.push_str(r#"["inf"]"#),
        Value::NonFinite(NonFinite::NegativeInfinity) => out.push_str(r#"["-inf"]"#),
        Value::NonFinite(NonFinite::NaN) => out.push_str(r#"["nan"]"#),
        Value::Text(content) => text(out, content, max),
        Value::BigInt(digits) => {
            out.push_str(r#"["bigint","#);
            text(out, digits, max);
            out.push(']');
        }
        Value::Date(time) if time.is_finite() => {
            let _ = write!(out, r#"["date",{time}]"#);
        }
        Value::Date(_) => out.push_str(r#"["date",null]"#),
        Value::Bytes(bytes, container) => {
            out.push_str(r#"["bytes",""#);
            let room = max.saturating_sub(out.len()).saturating_add(1);
            base64::write(out, &bytes[..bytes.len().min(room / 4 * 3 + 3)]);
            out.push('"');
            if let Some(container) = container.name() {
                let _ = write!(out, r#","{container}""#);
            }
            out.push(']');
        }
        Value::Error(fault) => {
            out.push_str(r#"["error","#);
            text(out, &fault.name, max);
            out.push(',');
            text(out, &fault.message, max);
            if let Some(stack) = &fault.stack {
                out.push(',');
                text(out, stack, max);
            } else if !fault.members.is_empty() {
                out.push_str(",null");
            }
            if !fault.members.is_empty() {
                out.push(',');
                members(out, &fault.members, max, &mut |_| None);
            }
            out.push(']');
        }
        Value::Array(elements) => {
            out.push('[');
            list(out, elements, max, name);
            out.push(']');
        }
        Value::Object(inside) => members(out, inside, max, name),
        Value::Json(json) => raw(out, json.wire(), max),
        Value::Stub(Stub::Remote(import)) => {
            let _ = write!(out, r#"["import",{}]"#, import.id());
        }
        Value::Promise(Promise(Future::Remote(import, path))) => {
            let _ = write!(out, r#"["pipeline",{}"#, import.id());
            if !path.is_empty() {
                out.push(',');
                steps(out, path, max);
            }
            out.push(']');
        }
        Value::Stub(Stub::Local(_)) | Value::Promise(Promise(Future::Slot(_) | Future::Node(_))) => {
            if let Some((kind, id)) = name(value) {
                let _ = write!(out, r#"["{kind}",{id}]"#);
            } else {
                out.push_str(r#"["undefined"]"#);
            }
        }
    }
}

/// Appends values as a bare array.
pub(super) fn list(out: &mut String, values: &[Value], max: usize, name: &mut Name<'_>) {
    out.push('[');
    for (at, element) in values.iter().enumerate() {
        if out.len() > max {
            return;
        }
        if at > 0 {
            out.push(',');
        }
        value(out, element, max, name);
    }
    out.push(']');
}

fn members(out: &mut String, members: &[(Text, Value)], max: usize, name: &mut Name<'_>) {
    out.push('{');
    for (at, (key, inside)) in members.iter().enumerate() {
        if out.len() > max {
            return;
        }
        if at > 0 {
            out.push(',');
        }
        text(out, key, max);
        out.push(':');
        value(out, inside, max, name);
    }
    out.push('}');
}

/// Appends a path.
pub(super) fn steps(out: &mut String, path: &[PathPart], max: usize) {
    out.push('[');
    for (at, part) in path.iter().enumerate() {
        if at > 0 {
            out.push(',');
        }
        match part {
            PathPart::Name(name) => text(out, name, max),
            PathPart::Index(index) => {
                let _ = write!(out, "{index}");
            }
        }
    }
    out.push(']');
}

/// Appends text that is of the wire already.
fn raw(out: &mut String, text: &str, max: usize) {
    let room = max.saturating_sub(out.len()).saturating_add(1);
    out.push_str(&text[..text.ceil_char_boundary(room)]);
}

/// Appends a string with its quotes.
fn text(out: &mut String, text: &str, max: usize) {
    let room = max.saturating_sub(out.len()).saturating_add(1);
    let text = &text[..text.ceil_char_boundary(room)];
    out.reserve(text.len() + 2);
    out.push('"');
    let mut from = 0;
    for (at, byte) in text.bytes().enumerate() {
        if byte >= 0x20 && byte != b'"' && byte != b'\\' {
            continue;
        }
        out.push_str(&text[from..at]);
        from = at + 1;
        match byte {
            b'"' => out.push_str("\\\""),
            b'\\' => out.push_str("\\\\"),
            b'\n' => out.push_str("\\n"),
            b'\r' => out.push_str("\\r"),
            b'\t' => out.push_str("\\t"),
            _ => {
                let _ = write!(out, "\\u{byte:04x}");
            }
        }
        if out.len() > max {
            return;
        }
    }
    out.push_str(&text[from..]);
    out.push('"');
}
