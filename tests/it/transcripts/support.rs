//! What a reader's pieces come to, as a share holds it, and as a conversation to be compared with.

use std::collections::BTreeMap;

use capshare::share::item::ItemKey;
use capshare::transcripts::{Agent, Piece, Reader, Report, recognise};
use serde_json::{Value, json};

/// What a share holds after some pieces.
#[derive(Debug, Default, Clone, PartialEq)]
pub(super) struct Held {
    pub(super) items: BTreeMap<String, Value>,
    /// The keys in the order in which they first came.
    order: Vec<String>,
}

/// A file that was read from its first line to its last.
pub(super) struct Read {
    pub(super) held: Held,
    pub(super) report: Report,
    pub(super) session: String,
}

impl Held {
    pub(super) fn take(&mut self, piece: Option<Piece>) {
        for change in piece.into_iter().flat_map(|piece| piece.changes) {
            let key = change.key.to_string();
            if let Some(value) = change.value {
                if self.items.insert(key.clone(), serde_json::from_str(value.as_str()).unwrap()).is_none() {
                    self.order.push(key);
                }
                continue;
            }
            let parts = key.strip_prefix("message/").map(|id| format!("part/{id}/"));
            let is_gone = |held: &String| *held == key || parts.as_ref().is_some_and(|parts| held.starts_with(parts));
            self.order.retain(|held| !is_gone(held));
            self.items.retain(|held, _| !is_gone(held));
        }
    }

    pub(super) fn keys(&self) -> Vec<ItemKey> {
        self.order.iter().map(|key| key.parse().unwrap()).collect()
    }

    pub(super) fn session(&self) -> &Value {
        &self.items["session"]
    }

    /// The conversation: messages by their times, parts as they came, each as a line.
    pub(super) fn conversation(&self) -> Vec<String> {
        let mut messages: Vec<&Value> =
            self.order.iter().filter(|key| key.starts_with("message/")).map(|key| &self.items[key]).collect();
        messages.sort_by_key(|message| message["time"]["created"].as_i64());
        let mut lines = Vec::new();
        for message in messages {
            let below = if message["sessionID"] == self.session()["id"] { "" } else { "below: " };
            let who = format!("{below}{}", message["role"].as_str().unwrap());
            let begin = format!(
                "part/{}/",
                ItemKey::message(message["id"].as_str().unwrap()).unwrap().as_str()[8..].to_owned()
            );
            let parts: Vec<_> = self.order.iter().filter(|key| key.starts_with(&begin)).collect();
            lines.extend(parts.iter().map(|key| format!("{who}: {}", part(&self.items[*key]))));
            if let Some(error) = message["error"]["data"]["message"].as_str() {
                lines.push(format!("{who}! {error}"));
            }
        }
        lines
    }

    /// The one call of a tool.
    #[track_caller]
    pub(super) fn call(&self, tool: &str) -> &Value {
        let found: Vec<_> = self.items.values().filter(|item| item["tool"] == tool).collect();
        assert_eq!(found.len(), 1, "{tool}");
        &found[0]["state"]
    }

    /// All that the share holds, as one text.
    pub(super) fn text(&self) -> String {
        self.items.values().map(|item| format!("{item}\n")).collect()
    }
}

fn part(part: &Value) -> String {
    let state = &part["state"];
    let said = |value: &Value| value.as_str().unwrap_or_default().chars().take(60).collect::<String>();
    match part["type"].as_str().unwrap() {
        "text" => said(&part["text"]),
        "reasoning" => format!("({})", said(&part["text"])),
        "compaction" if part["auto"] == true => "compacted by itself".to_owned(),
        "compaction" => "compacted".to_owned(),
        "tool" => {
            let result = [said(&state["output"]), said(&state["error"])].concat();
            let exit = state["metadata"]["exit"].as_i64().map(|exit| format!(" {exit}")).unwrap_or_default();
            format!("{} {}{exit} {result}", part["tool"].as_str().unwrap(), state["status"].as_str().unwrap())
        }
        kind => format!("{kind} {}", said(&part["filename"])),
    }
}

/// The agent that a file is of.
pub(super) fn agent_of(text: &str) -> Agent {
    let found = text.lines().take(20).find_map(|line| recognise(line.as_bytes()));
    found.unwrap_or_else(|| panic!("nobody's: {text:.80}")).0
}

/// Reads a file from its first line to its last.
pub(super) fn read(text: &str) -> Read {
    read_into(Held::default(), text)
}

/// Reads a file into a share that was pushed to before.
pub(super) fn read_into(mut held: Held, text: &str) -> Read {
    let mut reader = Reader::new(agent_of(text), "/a/file");
    reader.held(held.keys());
    text.lines().for_each(|line| held.take(reader.line(line.as_bytes())));
    held.take(reader.end());
    Read { held, report: reader.report().clone(), session: reader.session().unwrap().to_owned() }
}

/// Lines of a session of Claude Code: each `{...}` gets what all records have.
pub(super) fn claude(session: &str, records: &[Value]) -> String {
    let line = |(n, record): (usize, &Value)| {
        let mut line =
            json!({ "sessionId": session, "timestamp": format!("2026-11-30T10:00:{n:02}Z"), "version": "2.1.332" });
        line.as_object_mut().unwrap().extend(record.as_object().unwrap().clone());
        format!("{line}\n")
    };
    records.iter().enumerate().map(line).collect()
}

pub(super) fn user(id: &str, parent: Value, text: &str) -> Value {
    json!({ "type": "user", "uuid": id, "parentUuid": parent, "message": { "role": "user", "content": text } })
}

pub(super) fn answer(id: &str, parent: &str, text: &str) -> Value {
    let content = json!([{ "type": "text", "text": text }]);
    let message = json!({ "id": format!("m-{id}"), "role": "assistant", "content": content });
    json!({ "type": "assistant", "uuid": id, "parentUuid": parent, "message": message })
}

/// A session in which a question was taken back.
pub(super) fn branch() -> Vec<Value> {
    vec![
        user("u1", Value::Null, "first"),
        answer("a1", "u1", "one"),
        user("u2", json!("a1"), "taken back"),
        answer("a2", "u2", "two"),
        user("u3", json!("a1"), "stays"),
        answer("a3", "u3", "three"),
    ]
}

/// What is left of it.
pub(super) const STAYS: [&str; 4] = ["user: first", "assistant: one", "user: stays", "assistant: three"];
