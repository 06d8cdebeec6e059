//! Items from JSON: a text is checked and its key is read here, in one pass, and it is never parsed again.
//!
//! The doors and the client's queue read items by this module. Beyond it an item is a
//! [`Change`]: a key and an opaque text. The module also maps items to and from `SyncData`, the JSON form `{"type": ..., "data": ...}`
//! in which OpenCode and files of JSON lines write items.

use std::borrow::Cow;

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;

use crate::contract::repair::repaired;
use crate::share::change::Change;
use crate::share::error::Refusal;
use crate::share::item::{ItemKey, ItemKind, Payload, nesting};
use crate::share::limits::{Limit, Limits};

/// Reads one item of the type `kind`, which is named as in `SyncData`, and appends its change; an array of models gives several.
///
/// The types `session`, `message`, `part`, `session_diff` and `model` are read as the schema says; `remove` takes a key
/// as a JSON text; any other type becomes an item under `other/`. Half a surrogate pair in a string is replaced by U+FFFD.
///
/// # Errors
/// The text is not JSON, does not have the shape that its type asks for, or is too long or too deeply nested.
pub fn read_item(kind: &str, json: &str, limits: &Limits, changes: &mut Vec<Change>) -> Result<(), Refusal> {
    check_size(json, limits)?;
    let json = &*repaired(json);
    let put = |key, json| Change { key, value: Some(Payload::from_checked_json(json)) };
    match kind {
        "session" => {
            object(kind, json)?;
            changes.push(put(ItemKey::session(), json));
        }
        "session_diff" => {
            if !json.trim_start().starts_with('[') {
                return Err(Refusal::invalid(0, "invalid session_diff: it must be a JSON array"));
            }
            parse::<IgnoredAny>(kind, json)?;
            changes.push(put(ItemKey::session_diff(), json));
        }
        "message" => {
            let head = object(kind, json)?;
            changes.push(put(ItemKey::message(&needed(kind, "id", head.id)?)?, json));
        }
        "part" => {
            let head = object(kind, json)?;
            let message = needed(kind, "messageID", head.message_id)?;
            changes.push(put(ItemKey::part(&message, &needed(kind, "id", head.id)?)?, json));
        }
        "model" if json.trim_start().starts_with('[') => {
            for model in parse::<Vec<&RawValue>>(kind, json)? {
                changes.push(put(model_key(model.get())?, model.get()));
            }
        }
        "model" => changes.push(put(model_key(json)?, json)),
        "remove" => {
            if !json.trim_start().starts_with('"') {
                return Err(Refusal::invalid(0, "invalid remove: it must be a JSON string, the key of an item"));
            }
            let key = parse::<Cow<'_, str>>(kind, json)?;
            changes.push(Change { key: key.parse()?, value: None });
        }
        other => {
            changes.push(put(ItemKey::other(other, other_id(json)?.as_deref())?, json));
        }
    }
    Ok(())
}

/// Reads one `SyncData` object, `{"type": ..., "data": ...}`, and appends its changes.
///
/// # Errors
/// The text is not such an object, or [`read_item`] refuses its data.
pub fn read_sync_data(json: &str, limits: &Limits, changes: &mut Vec<Change>) -> Result<(), Refusal> {
    let (kind, data) = split_sync_data(json)?;
    read_item(&kind, data, limits, changes)
}

/// The type of a `SyncData` object, and the JSON text of its data.
///
/// # Errors
/// The text is not JSON, or not an object with these two members.
pub fn split_sync_data(json: &str) -> Result<(Cow<'_, str>, &str), Refusal> {
    #[derive(Deserialize)]
    struct SyncData<'a> {
        #[serde(borrow, rename = "type")]
        kind: Cow<'a, str>,
        #[serde(borrow)]
        data: &'a RawValue,
    }
    let SyncData { kind, data } = parse("SyncData", json)?;
    Ok((kind, data.get()))
}

/// Writes a change as one `SyncData` object.
#[must_use]
pub fn write_sync_data(change: &Change) -> String {
    let Some(value) = &change.value else {
        return format!(r#"{{"type":"remove","data":{}}}"#, text(change.key.as_str()));
    };
    let (kind, value) = (change.key.kind(), value.as_str());
    let name = type_name(&kind);
    if matches!(kind, ItemKind::Model { .. }) {
        format!(r#"{{"type":{name},"data":[{value}]}}"#)
    } else {
        format!(r#"{{"type":{name},"data":{value}}}"#)
    }
}

/// The name of an item's type, as a JSON string with its quotes.
#[must_use]
pub fn type_name(kind: &ItemKind) -> Cow<'static, str> {
    Cow::from(match kind {
        ItemKind::Session => "\"session\"",
        ItemKind::SessionDiff => "\"session_diff\"",
        ItemKind::Message { .. } => "\"message\"",
        ItemKind::Part { .. } => "\"part\"",
        ItemKind::Model { .. } => "\"model\"",
        ItemKind::Other { kind, .. } => return text(kind).into(),
    })
}

/// The members of an item that are read here.
#[derive(Deserialize)]
struct Head<'a> {
    #[serde(borrow)]
    id: Option<Cow<'a, str>>,
    #[serde(borrow, rename = "messageID")]
    message_id: Option<Cow<'a, str>>,
    #[serde(borrow, rename = "providerID")]
    provider_id: Option<Cow<'a, str>>,
}

fn object<'a>(kind: &str, json: &'a str) -> Result<Head<'a>, Refusal> {
    // Serde would read a struct from an array as well.
    if !json.trim_start().starts_with('{') {
        return Err(Refusal::invalid(0, format!("invalid {kind}: it must be a JSON object")));
    }
    parse(kind, json).map_err(|refusal| match mistyped(json) {
        Some(name) => Refusal::invalid(0, format!("invalid {kind}: its member {name} must be a string")),
        None => refusal,
    })
}

/// The first of the members of a [`Head`] that is there and is not a string.
fn mistyped(json: &str) -> Option<&'static str> {
    #[derive(Deserialize)]
    struct Loose<'a> {
        #[serde(borrow)]
        id: Option<&'a RawValue>,
        #[serde(borrow, rename = "messageID")]
        message_id: Option<&'a RawValue>,
        #[serde(borrow, rename = "providerID")]
        provider_id: Option<&'a RawValue>,
    }
    let Loose { id, message_id, provider_id } = serde_json::from_str(json).ok()?;
    let members = [("id", id), ("messageID", message_id), ("providerID", provider_id)];
    let wrong = members.into_iter().find(|(_, value)| value.is_some_and(|value| !value.get().starts_with('"')));
    wrong.map(|(name, _)| name)
}

fn model_key(json: &str) -> Result<ItemKey, Refusal> {
    let head = object("model", json)?;
    ItemKey::model(&head.provider_id.unwrap_or_default(), &needed("model", "id", head.id)?)
}

/// The id of an item under `other/`: the member `id` if the item is an object and that is a string.
fn other_id(json: &str) -> Result<Option<String>, Refusal> {
    #[derive(Deserialize)]
    struct Loose<'a> {
        #[serde(borrow)]
        id: Option<&'a RawValue>,
    }
    if json.trim_start().starts_with('{') {
        let head: Loose<'_> = parse("other", json)?;
        Ok(head.id.and_then(|id| serde_json::from_str::<String>(id.get()).ok()).filter(|id| !id.is_empty()))
    } else {
        parse::<IgnoredAny>("other", json)?;
        Ok(None)
    }
}

fn needed<'a>(kind: &str, name: &str, value: Option<Cow<'a, str>>) -> Result<Cow<'a, str>, Refusal> {
    value.ok_or_else(|| Refusal::invalid(0, format!("invalid {kind}: it needs a member {name} that is a string")))
}

/// Reads a JSON text as a value of this type. Messages call it `kind`, and repeat nothing of the text.
pub(crate) fn parse<'a, T: Deserialize<'a>>(kind: &str, json: &'a str) -> Result<T, Refusal> {
    serde_json::from_str(json).map_err(|error| {
        let at = (error.line(), error.column());
        Refusal::invalid(
            0,
            match error.classify() {
                // Serde has no other sign of it. The member is one that is read here, so its name is ours.
                serde_json::error::Category::Data if error.to_string().starts_with("duplicate field") => {
                    format!("invalid {kind}: it has a member twice at {at:?}; leave one of them out")
                }
                serde_json::error::Category::Data => format!("invalid {kind}: a member has the wrong type at {at:?}"),
                serde_json::error::Category::Syntax => {
                    format!("invalid {kind}: it is not JSON, with an error at {at:?}")
                }
                serde_json::error::Category::Eof | serde_json::error::Category::Io => {
                    format!("invalid {kind}: it is not JSON, because it ends early")
                }
            },
        )
    })
}

/// Checks that a text is JSON within the limits of an item. Messages call it `what`.
///
/// # Errors
/// The text is not JSON, or is too long or too deeply nested.
pub fn check_json(what: &str, json: &str, limits: &Limits) -> Result<(), Refusal> {
    check_size(json, limits)?;
    parse::<IgnoredAny>(what, json).map(|_| ())
}

fn check_size(json: &str, limits: &Limits) -> Result<(), Refusal> {
    if json.len() > limits.item_bytes_max {
        return Err(Refusal::limit(Limit::ItemBytesMax, limits.item_bytes_max, json.len()));
    }
    let nesting = nesting(json);
    if nesting > limits.item_nesting_max {
        return Err(Refusal::limit(Limit::ItemNestingMax, limits.item_nesting_max, nesting));
    }
    Ok(())
}

/// A text as a JSON string.
fn text(plain: &str) -> String {
    serde_json::Value::from(plain).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(kind: &str, json: &str) -> Result<Vec<(String, Option<String>)>, Refusal> {
        let mut changes = Vec::new();
        read_item(kind, json, &Limits::default(), &mut changes)?;
        Ok(changes
            .into_iter()
            .map(|change| (change.key.to_string(), change.value.map(|value| value.as_str().to_owned())))
            .collect())
    }

    fn key(kind: &str, json: &str) -> String {
        read(kind, json).unwrap().remove(0).0
    }

    #[test]
    fn each_type_gets_its_key_and_keeps_its_text() {
        assert_eq!(key("session", r#"{"id":"ses_1"}"#), "session");
        assert_eq!(key("session_diff", "[]"), "session_diff");
        assert_eq!(key("message", r#" {"role":"user","id":"msg_1","x":[1,{"id":2}]}"#), "message/msg_1");
        assert_eq!(key("part", r#"{"id":"prt_1","messageID":"msg_1"}"#), "part/msg_1/prt_1");
        assert_eq!(key("model", r#"{"id":"a/b","providerID":"p"}"#), "model/p/a%2Fb");
        assert_eq!(key("model", r#"{"id":"m"}"#), "model//m");
        assert_eq!(key("kilo_meta", r#"{"platform":"x","id":7}"#), "other/kilo_meta");
        assert_eq!(key("log", r#"{"id":"é/%"}"#), "other/log/é%2F%25");
        assert_eq!(key("note", "17"), "other/note");
        assert_eq!(read("remove", r#""message/msg_1""#).unwrap(), [("message/msg_1".to_owned(), None)]);
        assert_eq!(
            read("model", r#"[{"id":"a"}, {"id":"b"}]"#).unwrap().into_iter().map(|(key, _)| key).collect::<Vec<_>>(),
            ["model//a", "model//b"]
        );
        assert_eq!(read("note", " {\n \"a\":\r\n1}\n").unwrap()[0].1.as_deref(), Some("{  \"a\":  1}"));
    }

    #[test]
    fn what_is_no_item_is_refused_with_the_reason() {
        for (kind, json) in [
            ("session", "[]"),
            ("session", ""),
            ("session", "{"),
            ("session", "{} {}"),
            ("session", r#"{"a":tru}"#),
            ("session_diff", "{}"),
            ("message", r#"{"role":"user"}"#),
            ("message", r#"{"id":""}"#),
            ("message", r#"{"id":1}"#),
            ("message", r#"["msg_1"]"#),
            ("part", r#"{"id":"prt_1"}"#),
            ("part", r#"{"messageID":"msg_1"}"#),
            ("model", r#"[{"id":"a"},3]"#),
            ("remove", r#""message/""#),
            ("remove", r#""message/a/b""#),
            ("remove", r#""nothing/a""#),
            ("remove", r#""other/part/x""#),
            ("remove", "7"),
            ("note", "nothing"),
        ] {
            assert!(matches!(read(kind, json), Err(Refusal::InvalidInput { .. })), "{kind} {json}");
        }
    }

    /// What is wrong with a member is told by its name: that it stands twice, or has another type.
    #[test]
    fn what_is_wrong_with_a_member_is_told() {
        let reason = |kind, json| match read(kind, json) {
            Err(Refusal::InvalidInput { reason, .. }) => reason,
            other => panic!("{other:?}"),
        };
        let twice = reason("part", r#"{"id":"prt_1","messageID":"msg_1","id":"prt_2"}"#);
        assert!(twice.starts_with("invalid part: it has a member twice at (1, "), "{twice}");
        let wrong = reason("part", r#"{"id":"prt_1", "messageID": 1}"#);
        assert_eq!(wrong, "invalid part: its member messageID must be a string");
        assert_eq!(reason("remove", "5"), "invalid remove: it must be a JSON string, the key of an item");
    }

    #[test]
    fn limits_are_named() {
        let limit = |result: Result<_, Refusal>| match result {
            Err(Refusal::LimitExceeded { limit, .. }) => limit,
            other => panic!("{other:?}"),
        };
        let deep = |depth| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert!(read("note", &deep(100)).is_ok());
        assert_eq!(limit(read("note", &deep(101))), Limit::ItemNestingMax);
        assert!(read("note", r#""[[[[\"[[[[\\""#).is_ok());
        assert_eq!(limit(read("note", &format!("\"{}\"", "x".repeat(4 << 20)))), Limit::ItemBytesMax);
        assert_eq!(limit(read("message", &format!(r#"{{"id":"{}"}}"#, "x".repeat(257)))), Limit::IdBytesMax);
    }

    #[test]
    fn sync_data_reads_what_it_writes() {
        for line in [
            r#"{"type":"session","data":{"id":"s"}}"#,
            r#"{"type":"model","data":[{"id":"m"}]}"#,
            r#"{"type":"a \"new\" type","data":null}"#,
            r#"{"type":"remove","data":"part/a%2Fb/c"}"#,
        ] {
            let mut changes = Vec::new();
            read_sync_data(line, &Limits::default(), &mut changes).unwrap();
            assert_eq!(write_sync_data(&changes[0]), line);
        }
    }
}
