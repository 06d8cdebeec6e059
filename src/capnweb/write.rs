//! From values to the text of frames.

use std::fmt::Write as _;

use super::base64;
use super::text::Text;
use super::value::{Future, NonFinite, PathPart, Promise, Stub, Value};

/// Appends a value. `name` says what a stub or promise of this side is called on the wire; it is asked in the order of the text.
pub(super) fn value(out: &mut String, value: &Value, name: &mut dyn FnMut(&Value) -> Option<(&'static str, i64)>) {
    match value {
        Value::Undefined => out.push_str(r#"["undefined"]"#),
        Value::Null => out.push_str("null"),
        Value::Bool(is) => out.push_str(if *is { "true" } else { "false" }),
        Value::Number(number) => out.push_str(number.as_str()),
        Value::NonFinite(NonFinite::Infinity) => out.push_str(r#"["inf"]"#),
        Value::NonFinite(NonFinite::NegativeInfinity) => out.push_str(r#"["-inf"]"#),
        Value::NonFinite(NonFinite::NaN) => out.push_str(r#"["nan"]"#),
        Value::Text(content) => text(out, content),
        Value::BigInt(digits) => {
            out.push_str(r#"["bigint","#);
            text(out, digits);
            out.push(']');
        }
        Value::Date(time) if time.is_finite() => {
            let _ = write!(out, r#"["date",{time}]"#);
        }
        Value::Date(_) => out.push_str(r#"["date",null]"#),
        Value::Bytes(bytes, container) => {
            out.push_str(r#"["bytes",""#);
            base64::write(out, bytes);
            out.push('"');
            if let Some(container) = container.name() {
                let _ = write!(out, r#","{container}""#);
            }
            out.push(']');
        }
        Value::Error(fault) => {
            out.push_str(r#"["error","#);
            text(out, &fault.name);
            out.push(',');
            text(out, &fault.message);
            if let Some(stack) = &fault.stack {
                out.push(',');
                text(out, stack);
            } else if !fault.members.is_empty() {
                out.push_str(",null");
            }
            if !fault.members.is_empty() {
                out.push(',');
                members(out, &fault.members, &mut |_| None);
            }
            out.push(']');
        }
        Value::Array(elements) => {
            out.push('[');
            list(out, elements, name);
            out.push(']');
        }
        Value::Object(inside) => members(out, inside, name),
        Value::Json(json) => out.push_str(json.wire()),
        Value::Stub(Stub::Remote(import)) => {
            let _ = write!(out, r#"["import",{}]"#, import.id());
        }
        Value::Promise(Promise(Future::Remote(import, path))) => {
            let _ = write!(out, r#"["pipeline",{}"#, import.id());
            if !path.is_empty() {
                out.push(',');
                steps(out, path);
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
pub(super) fn list(out: &mut String, values: &[Value], name: &mut dyn FnMut(&Value) -> Option<(&'static str, i64)>) {
    out.push('[');
    for (at, element) in values.iter().enumerate() {
        if at > 0 {
            out.push(',');
        }
        value(out, element, name);
    }
    out.push(']');
}

fn members(out: &mut String, members: &[(Text, Value)], name: &mut dyn FnMut(&Value) -> Option<(&'static str, i64)>) {
    out.push('{');
    for (at, (key, inside)) in members.iter().enumerate() {
        if at > 0 {
            out.push(',');
        }
        text(out, key);
        out.push(':');
        value(out, inside, name);
    }
    out.push('}');
}

/// Appends a path.
pub(super) fn steps(out: &mut String, path: &[PathPart]) {
    out.push('[');
    for (at, part) in path.iter().enumerate() {
        if at > 0 {
            out.push(',');
        }
        match part {
            PathPart::Name(name) => text(out, name),
            PathPart::Index(index) => {
                let _ = write!(out, "{index}");
            }
        }
    }
    out.push(']');
}

/// Appends a string with its quotes.
pub(super) fn text(out: &mut String, text: &str) {
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
    }
    out.push_str(&text[from..]);
    out.push('"');
}
