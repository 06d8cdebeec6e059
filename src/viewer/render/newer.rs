//! Messages of OpenCode's newer form, which hold themselves what other messages have in parts: opened, so that they are shown
//! like any. Whatever is written in a document of data stays as it came.
//!
//! After the schema `Session.Message` in OpenCode 1.18.33. What is not known there is a part of an unknown type.

use std::borrow::Cow;

use serde_json::{Map, Value, json};

use crate::share::item::Payload;
use crate::viewer::render::document::Turn;
use crate::viewer::render::read::{self, AnyPart, Message};

impl Turn {
    /// The turn with parts, made of the message if it has the newer form: a `type` and no `role`.
    pub(super) fn opened(&self) -> Cow<'_, Self> {
        let message = self.message.as_str();
        let kind = || read::item::<AnyPart>(message).kind;
        if self.parts.is_empty()
            && read::item::<Message>(message).role.is_none()
            && let Some(kind) = kind()
            && let Ok(Value::Object(message)) = serde_json::from_str(message)
        {
            return Cow::Owned(Self { is_below: self.is_below, ..open(&kind, message) });
        }
        Cow::Borrowed(self)
    }
}

fn open(kind: &str, mut message: Map<String, Value>) -> Turn {
    let whole = Value::Object(message.clone());
    let of = |name: &str| whole[name].clone();
    let list = |name: &str| whole[name].as_array().cloned().unwrap_or_default();
    let parts = match kind {
        "user" => {
            let text = json!({ "type": "text", "text": of("text") });
            std::iter::once(text).chain(list("files").iter().map(file)).collect()
        }
        "assistant" => list("content").into_iter().map(piece).collect(),
        "synthetic" | "system" => vec![json!({ "type": "text", "text": of("text"), "synthetic": true })],
        "shell" => vec![json!({
            "type": "tool",
            "tool": "bash",
            "state": {
                "status": "completed",
                "input": { "command": of("command") },
                "output": of("output"),
                "time": { "start": whole["time"]["created"], "end": whole["time"]["completed"] },
            },
        })],
        "compaction" => vec![
            json!({ "type": "compaction", "auto": of("reason") == "auto" }),
            json!({ "type": "text", "text": of("summary") }),
        ],
        "agent-switched" => vec![json!({ "type": "agent", "name": of("agent") })],
        _ => vec![whole.clone()],
    };
    message.insert("role".to_owned(), json!(kind));
    let payload = |value: Value| Payload::from_checked_json(&value.to_string());
    let (message, parts) = (payload(Value::Object(message)), parts.into_iter().map(payload).collect());
    Turn { message, parts, is_below: false }
}

/// What an assistant's message has of `content`: texts and thoughts are as parts have them.
fn piece(piece: Value) -> Value {
    if piece["type"] != "tool" {
        return piece;
    }
    let (state, time) = (&piece["state"], &piece["time"]);
    let content = state["content"].as_array().cloned().unwrap_or_default();
    let texts: Vec<_> = content.iter().filter_map(|content| content["text"].as_str()).collect();
    let given = state["attachments"].as_array().cloned().unwrap_or_default();
    let files = given.iter().chain(content.iter().filter(|content| content["type"] == "file"));
    let start = if time["ran"].is_null() { &time["created"] } else { &time["ran"] };
    json!({
        "type": "tool",
        "id": piece["id"],
        "tool": piece["name"],
        "state": {
            "status": state["status"],
            "input": state["input"],
            "output": texts.join("\n"),
            "metadata": state["structured"],
            "error": state["error"],
            "attachments": files.map(file).collect::<Vec<_>>(),
            "time": { "start": start, "end": time["completed"] },
        },
    })
}

fn file(file: &Value) -> Value {
    json!({ "type": "file", "mime": file["mime"], "filename": file["name"], "url": file["uri"] })
}
