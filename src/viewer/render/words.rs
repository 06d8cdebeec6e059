//! The words of what tools and models gave in shapes of their own: errors and results that are no texts.

use serde_json::Value;

/// The words of a result: its texts, each on lines of its own, or the JSON of what has none. `None` if there is nothing.
pub(super) fn words(value: &Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        Value::Bool(_) | Value::Number(_) => Some(value.to_string()),
        Value::Array(list) => {
            let said: Vec<String> = list.iter().filter_map(words).collect();
            (!said.is_empty()).then(|| said.join("\n"))
        }
        Value::Object(members) if members.is_empty() => None,
        Value::Object(members) => {
            let text = || members.get("text").filter(|text| text.is_string());
            let inner = text().or_else(|| ["content", "resource"].iter().find_map(|name| members.get(*name)));
            let said = inner.and_then(words).filter(|said| !said.is_empty());
            said.or_else(|| error(value, false)).or_else(|| Some(pretty(value)))
        }
    }
}

/// The words of an error: `{"name", "data": {"message"}}`, a text, or anything.
pub(super) fn error_words(error: &Value) -> Option<String> {
    match error {
        Value::Object(members) if !members.is_empty() => self::error(error, true).or_else(|| words(error)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) | Value::Object(_) => {
            words(error).filter(|said| !said.is_empty())
        }
    }
}

/// The words of an object that has a message. `name_will_do`: or only a name.
fn error(value: &Value, name_will_do: bool) -> Option<String> {
    let text = |value: &Value| value.as_str().filter(|text| !text.is_empty()).map(str::to_owned);
    let message = value.pointer("/data/message").and_then(text).or_else(|| value.get("message").and_then(text));
    let name = value.get("name").and_then(text);
    match (name, message) {
        // So OpenCode names what somebody stopped.
        (Some(name), Some(message)) if name == "MessageAbortedError" => Some(format!("interrupted: {message}")),
        (Some(name), _) if name == "MessageAbortedError" => Some("interrupted".to_owned()),
        (Some(name), Some(message)) => Some(format!("{name}: {message}")),
        (None, Some(message)) => Some(message),
        (name, None) => name.filter(|_| name_will_do && value.as_object().is_some_and(|members| members.len() == 1)),
    }
}

/// A value as JSON with line breaks.
pub(super) fn pretty(value: &Value) -> String {
    serde_json::to_string_pretty(value).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn words_are_found_in_each_shape_and_else_the_json_is_told() {
        for (value, said) in [
            (json!("a"), Some("a")),
            (json!(null), None),
            (json!([]), None),
            (json!({}), None),
            (json!(3), Some("3")),
            (json!({ "content": [{ "type": "text", "text": "a" }, { "type": "text", "text": "b" }] }), Some("a\nb")),
            (
                json!([{ "type": "resource", "resource": { "uri": "file:///x", "text": "of a resource" } }]),
                Some("of a resource"),
            ),
            (json!({ "content": "a" }), Some("a")),
            (json!({ "message": "m" }), Some("m")),
            (json!({ "a": 1 }), Some("{\n  \"a\": 1\n}")),
            (
                json!([{ "type": "tool_reference", "tool_name": "x" }, "b"]),
                Some("{\n  \"tool_name\": \"x\",\n  \"type\": \"tool_reference\"\n}\nb"),
            ),
        ] {
            assert_eq!(words(&value).as_deref(), said, "{value}");
        }
        for (value, said) in [
            (json!({ "name": "E", "message": "m" }), Some("E: m")),
            (json!({ "name": "E", "data": { "message": "m" } }), Some("E: m")),
            (json!({ "name": "E" }), Some("E")),
            (
                json!({ "name": "MessageAbortedError", "data": { "message": "by the user" } }),
                Some("interrupted: by the user"),
            ),
            (json!({ "name": "MessageAbortedError", "data": {} }), Some("interrupted")),
            (
                json!({ "name": "E", "data": { "code": 7 } }),
                Some("{\n  \"data\": {\n    \"code\": 7\n  },\n  \"name\": \"E\"\n}"),
            ),
            (json!({ "content": [{ "text": "a" }] }), Some("a")),
            (json!("plain"), Some("plain")),
            (json!(17), Some("17")),
            (json!(""), None),
            (json!(null), None),
        ] {
            assert_eq!(error_words(&value).as_deref(), said, "{value}");
        }
    }
}
