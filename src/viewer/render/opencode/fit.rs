//! Items as `opencode import` of version 1.18.33 reads them: what it asks for is there, and what it knows has the type that it asks for.
//! It refuses a whole session for one member.

use serde_json::{Map, Value, json};

use crate::viewer::render::opencode::ids::{self, Numbered};
use crate::viewer::render::words::{error_words, pretty, words};

/// The agent of OpenCode to which messages are ascribed that name none.
const AGENT: &str = "build";

/// What a model is called that is not known.
const UNKNOWN: &str = "unknown";

/// The message that an item belongs to.
pub(super) struct Place<'a> {
    pub(super) session: &'a str,
    pub(super) ids: &'a Numbered,
    /// In milliseconds since 1970.
    pub(super) created: u64,
}

/// A model: its provider and its id.
#[derive(Debug, Clone, Default)]
pub(super) struct Model {
    pub(super) provider: Option<String>,
    pub(super) id: Option<String>,
}

impl Model {
    fn provider(&self) -> Value {
        json!(self.provider.as_deref().filter(|provider| !provider.is_empty()).unwrap_or(UNKNOWN))
    }

    fn id(&self) -> Value {
        json!(self.id.as_deref().filter(|id| !id.is_empty()).unwrap_or(UNKNOWN))
    }
}

/// A session's record. `from`, `to`: the times of its first and its last message.
pub(super) fn session(item: Value, from: u64, to: u64) -> Value {
    let mut item = members(item);
    let id = ids::session(item.get("id").and_then(Value::as_str).unwrap_or_default());
    keep(&mut item, "parentID", Value::is_string);
    if let Some(parent) = item.get("parentID").and_then(Value::as_str).map(ids::session) {
        item.insert("parentID".to_owned(), json!(parent));
    }
    for (name, default) in [
        ("slug", json!(id.trim_start_matches("ses_").to_lowercase())),
        ("projectID", json!("global")),
        ("directory", json!("/")),
        ("title", json!("A session")),
        ("version", json!("")),
    ] {
        fill(&mut item, name, Value::is_string, default);
    }
    let created = time(&item, "created").unwrap_or(from);
    let updated = time(&item, "updated").unwrap_or(to).max(created);
    item.insert("time".to_owned(), json!({ "created": created, "updated": updated }));
    keep(&mut item, "cost", Value::is_number);
    if let Some(counts) = item.remove("tokens").filter(Value::is_object) {
        item.insert("tokens".to_owned(), tokens(&counts));
    }
    // These are about OpenCode's own agents, models and folders, and no other agent has them.
    for name in ["agent", "model", "path", "workspaceID", "permission", "revert", "share", "summary", "metadata"] {
        item.remove(name);
    }
    item.insert("id".to_owned(), json!(id));
    Value::Object(item)
}

/// A message's record. `parent`: the message that it answers. `model`: the one that answers it, or that made it.
pub(super) fn message(item: Value, place: &Place<'_>, parent: &str, model: &Model) -> Value {
    let mut item = members(item);
    let is_user = matches!(item.get("role").and_then(Value::as_str), Some("user" | "synthetic" | "system"));
    item.insert("id".to_owned(), json!(place.ids.message));
    item.insert("sessionID".to_owned(), json!(place.session));
    item.insert("role".to_owned(), json!(if is_user { "user" } else { "assistant" }));
    fill(&mut item, "agent", Value::is_string, json!(AGENT));
    keep(&mut item, "variant", Value::is_string);
    if is_user {
        item.insert("time".to_owned(), json!({ "created": place.created }));
        item.insert("model".to_owned(), json!({ "providerID": model.provider(), "modelID": model.id() }));
        for name in ["format", "summary", "system", "tools"] {
            item.remove(name);
        }
        return Value::Object(item);
    }
    let ended = time(&item, "completed");
    let mut times = json!({ "created": place.created });
    if let Some(ended) = ended {
        times["completed"] = json!(ended.max(place.created));
    }
    item.insert("time".to_owned(), times);
    item.insert("parentID".to_owned(), json!(parent));
    item.insert("providerID".to_owned(), model.provider());
    item.insert("modelID".to_owned(), model.id());
    fill(&mut item, "mode", Value::is_string, json!(AGENT));
    let path = item.get("path").filter(|path| path["cwd"].is_string() && path["root"].is_string()).cloned();
    item.insert("path".to_owned(), path.unwrap_or_else(|| json!({ "cwd": "/", "root": "/" })));
    fill(&mut item, "cost", Value::is_number, json!(0));
    let counts = item.remove("tokens").unwrap_or_default();
    item.insert("tokens".to_owned(), tokens(&counts));
    keep(&mut item, "summary", Value::is_boolean);
    keep(&mut item, "finish", Value::is_string);
    if let Some(error) = item.remove("error")
        && let Some(said) = error_words(&error)
    {
        let known = error["name"].as_str().filter(|name| matches!(*name, "MessageAbortedError" | "UnknownError"));
        let message = error["data"]["message"].as_str().filter(|_| known.is_some()).unwrap_or(&said);
        let error = json!({ "name": known.unwrap_or("UnknownError"), "data": { "message": message } });
        item.insert("error".to_owned(), error);
    }
    Value::Object(item)
}

/// The part at this place in its message. One of a kind that OpenCode does not know becomes a text.
pub(super) fn part(item: Value, at: usize, place: &Place<'_>) -> Value {
    let own = item["id"].as_str().map_or_else(|| at.to_string(), str::to_owned);
    let id = place.ids.part(at, &own);
    let whole = item.clone();
    let mut item = members(item);
    let text = |item: &Map<String, Value>, name: &str| item.get(name).and_then(Value::as_str).map(str::to_owned);
    let kind = text(&item, "type").unwrap_or_default();
    let is_known = match kind.as_str() {
        "text" => {
            fill(&mut item, "text", Value::is_string, json!(""));
            let start = time(&item, "start");
            keep(&mut item, "time", |_| start.is_some());
            start.is_none_or(|start| span(&mut item, start))
        }
        "reasoning" => {
            fill(&mut item, "text", Value::is_string, json!(""));
            let start = time(&item, "start").unwrap_or(place.created);
            span(&mut item, start)
        }
        "file" => {
            keep(&mut item, "filename", Value::is_string);
            item.remove("source");
            text(&item, "mime").is_some() && text(&item, "url").is_some()
        }
        "tool" => {
            fill(&mut item, "callID", Value::is_string, json!(own));
            let state = item.remove("state").unwrap_or_default();
            item.insert("state".to_owned(), tool_state(state, &own, place));
            text(&item, "tool").is_some()
        }
        "compaction" => {
            item.remove("tail_start_id");
            fill(&mut item, "auto", Value::is_boolean, json!(false))
        }
        "step-start" => keep(&mut item, "snapshot", Value::is_string),
        "step-finish" => {
            let counts = item.remove("tokens").unwrap_or_default();
            item.insert("tokens".to_owned(), tokens(&counts));
            keep(&mut item, "snapshot", Value::is_string);
            fill(&mut item, "cost", Value::is_number, json!(0));
            fill(&mut item, "reason", Value::is_string, json!("stop"))
        }
        "agent" => {
            item.remove("source");
            text(&item, "name").is_some()
        }
        "snapshot" => text(&item, "snapshot").is_some(),
        "patch" => {
            let files = item.get("files").and_then(Value::as_array);
            text(&item, "hash").is_some() && files.is_some_and(|files| files.iter().all(Value::is_string))
        }
        _ => false,
    };
    if !is_known {
        item = members(json!({ "type": "text", "text": format!("```json\n{}\n```", pretty(&whole)) }));
    }
    keep(&mut item, "metadata", Value::is_object);
    for name in ["synthetic", "ignored"] {
        keep(&mut item, name, Value::is_boolean);
    }
    item.insert("id".to_owned(), json!(id));
    item.insert("messageID".to_owned(), json!(place.ids.message));
    item.insert("sessionID".to_owned(), json!(place.session));
    Value::Object(item)
}

fn tool_state(state: Value, part: &str, place: &Place<'_>) -> Value {
    let mut state = members(state);
    let status = match state.get("status").and_then(Value::as_str) {
        Some(known @ ("pending" | "running" | "completed" | "error")) => known.to_owned(),
        Some(_) | None => if state.contains_key("output") { "completed" } else { "running" }.to_owned(),
    };
    fill(&mut state, "input", Value::is_object, json!({}));
    fill(&mut state, "metadata", Value::is_object, json!({}));
    if let Some(session) = state["metadata"]["sessionId"].as_str().map(ids::session) {
        state["metadata"]["sessionId"] = json!(session);
    }
    let start = time(&state, "start").unwrap_or(place.created);
    let end = time(&state, "end").unwrap_or(start).max(start);
    let has_ended = matches!(status.as_str(), "completed" | "error");
    let times = if has_ended { json!({ "start": start, "end": end }) } else { json!({ "start": start }) };
    state.insert("time".to_owned(), times);
    fill(&mut state, "title", Value::is_string, json!(""));
    match status.as_str() {
        "completed" => text_of(&mut state, "output"),
        "error" => text_of(&mut state, "error"),
        _ => drop(fill(&mut state, "raw", Value::is_string, json!(""))),
    }
    if let Some(files) = state.remove("attachments") {
        let files = files.as_array().cloned().unwrap_or_default().into_iter().enumerate();
        let files: Vec<Value> = files
            .filter(|(_, file)| file["mime"].is_string() && file["url"].is_string())
            .map(|(n, file)| {
                let mut file = members(file);
                keep(&mut file, "filename", Value::is_string);
                file.remove("source");
                file.insert("type".to_owned(), json!("file"));
                file.insert("id".to_owned(), json!(place.ids.part(n, &format!("{part}/{n}"))));
                file.insert("messageID".to_owned(), json!(place.ids.message));
                file.insert("sessionID".to_owned(), json!(place.session));
                Value::Object(file)
            })
            .collect();
        state.insert("attachments".to_owned(), json!(files));
    }
    state.insert("status".to_owned(), json!(status));
    Value::Object(state)
}

fn tokens(counts: &Value) -> Value {
    let count =
        |of: &Value, name: &str| of[name].as_f64().filter(|count| *count >= 0.0).map_or(json!(0), |_| of[name].clone());
    json!({
        "input": count(counts, "input"),
        "output": count(counts, "output"),
        "reasoning": count(counts, "reasoning"),
        "cache": { "read": count(&counts["cache"], "read"), "write": count(&counts["cache"], "write") },
    })
}

/// The time of an item that has this name, in milliseconds since 1970.
pub(super) fn time(item: &Map<String, Value>, name: &str) -> Option<u64> {
    let time = item.get("time")?.get(name)?.as_f64().filter(|time| *time >= 0.0 && *time < 1e15)?;
    Some(time as u64)
}

/// Puts a beginning and, if there is one, the end into the item.
fn span(item: &mut Map<String, Value>, start: u64) -> bool {
    let mut times = json!({ "start": start });
    if let Some(end) = time(item, "end") {
        times["end"] = json!(end.max(start));
    }
    item.insert("time".to_owned(), times);
    true
}

fn text_of(state: &mut Map<String, Value>, name: &str) {
    let said = state.get(name).and_then(words).unwrap_or_default();
    state.insert(name.to_owned(), json!(said));
}

/// Puts a member in where it is missing, or not of the type that is asked for.
fn fill(item: &mut Map<String, Value>, name: &str, is_right: impl Fn(&Value) -> bool, default: Value) -> bool {
    if !item.get(name).is_some_and(is_right) {
        item.insert(name.to_owned(), default);
    }
    true
}

/// Takes a member out that is not of the type that is asked for.
fn keep(item: &mut Map<String, Value>, name: &str, is_right: impl Fn(&Value) -> bool) -> bool {
    if !item.get(name).is_some_and(is_right) {
        item.remove(name);
    }
    true
}

fn members(item: Value) -> Map<String, Value> {
    if let Value::Object(members) = item { members } else { Map::new() }
}
