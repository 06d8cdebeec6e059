//! Plain data: from values of Cap'n Web to JSON text, and from the JSON text of items back.
//!
//! Data that is plain comes as a slice of its frame and is not taken apart; an array in it costs a rewriting of its brackets, and
//! nothing else copies it. What is not plain is refused by name.

use bytes::Bytes;

use crate::capnweb::{Json, Text, Value};
use crate::share::item::Payload;
use crate::share::limits::web::WEB_NESTING_MAX;
use crate::web::typed::Wrong;

/// The JSON text of plain data.
///
/// # Errors
/// Something in it is not plain.
pub(super) fn text(value: Value) -> Result<Text, Wrong> {
    if let Value::Json(json) = &value {
        return Ok(json.to_json());
    }
    let mut out = String::new();
    put(&mut out, &value)?;
    Ok(out.into())
}

/// The value of a JSON text that was checked, such as an item's.
pub(super) fn value(payload: &Payload) -> Value {
    // Shared: the text is not copied unless it has arrays.
    let text = Text::from_utf8(Bytes::from_owner(Shared(payload.clone()))).unwrap_or_default();
    of_text(text)
}

/// The value of a JSON text that was checked, or its bytes on this wire if they are more than `max`.
///
/// # Errors
/// The number of bytes: on this wire a text has two brackets more for each array.
pub(super) fn value_within(payload: &Payload, max: usize) -> Result<Value, usize> {
    let value = value(payload);
    let bytes = if let Value::Json(json) = &value { json.wire().len() } else { 0 };
    if bytes > max { Err(bytes) } else { Ok(value) }
}

/// The bytes of an item's text, for whoever shares them.
struct Shared(Payload);

impl AsRef<[u8]> for Shared {
    fn as_ref(&self) -> &[u8] {
        self.0.as_str().as_bytes()
    }
}

/// The value of a JSON text.
pub(super) fn of_text(text: Text) -> Value {
    // Nothing that is nested deeper was ever taken.
    Json::from_json(text, WEB_NESTING_MAX).map_or(Value::Null, Value::Json)
}

fn put(out: &mut String, value: &Value) -> Result<(), Wrong> {
    match value {
        Value::Null => out.push_str("null"),
        Value::Bool(is) => out.push_str(if *is { "true" } else { "false" }),
        Value::Number(number) => out.push_str(number.as_str()),
        Value::Text(text) => quote(out, text),
        Value::Json(json) => out.push_str(&json.to_json()),
        Value::Array(elements) => {
            out.push('[');
            for (at, element) in elements.iter().enumerate() {
                if at > 0 {
                    out.push(',');
                }
                put(out, element).map_err(|wrong| wrong.inside(&at.to_string()))?;
            }
            out.push(']');
        }
        Value::Object(members) => {
            out.push('{');
            for (at, (key, inside)) in members.iter().enumerate() {
                if at > 0 {
                    out.push(',');
                }
                quote(out, key);
                out.push(':');
                put(out, inside).map_err(|wrong| wrong.inside(key))?;
            }
            out.push('}');
        }
        Value::Undefined => return Err(Wrong::wanted("plain JSON, and not undefined: leave it out, or send null")),
        Value::NonFinite(_) => return Err(Wrong::wanted("plain JSON, and not NaN or Infinity: send null or a string")),
        Value::BigInt(_) => return Err(Wrong::wanted("plain JSON, and not a bigint: send a number or a string")),
        Value::Date(_) => {
            return Err(Wrong::wanted("plain JSON, and not a Date: send its number or its toISOString()"));
        }
        Value::Bytes(..) => return Err(Wrong::wanted("plain JSON, and not bytes: send a string of base64")),
        Value::Error(_) => return Err(Wrong::wanted("plain JSON, and not an Error: send its message")),
        Value::Stub(_) => return Err(Wrong::wanted("plain JSON, and not a function or an object with methods")),
        Value::Promise(_) => return Err(Wrong::wanted("plain JSON, and not a promise: await it first")),
    }
    Ok(())
}

fn quote(out: &mut String, text: &str) {
    out.push_str(&serde_json::Value::from(text).to_string());
}
