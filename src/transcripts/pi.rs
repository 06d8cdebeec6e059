//! pi: `~/.pi/agent/sessions/--<folder>--/<time>_<session>.jsonl`, one record a line, appended as the session goes on.
//!
//! After the description that pi 1.6.0 brings with it (`docs/session-format.md`, `docs/message-types.md`) and recordings of the versions
//! 0.73.1 and 1.6.0 (November 2026), which are of two packages, `@mariozechner/pi-coding-agent` and `@earendil-works/pi-coding-agent`. The
//! first record is of type `session`. Each further one, an entry, has `id`, `parentId`, `timestamp` and `type`. An entry of type `message`
//! holds a `message` whose `role` says who speaks; a result is a message of role `toolResult`.
//!
//! The entries are a tree (`path.rs`): the conversation is the path from the last entry to the first. Who goes back, or to a branch that was
//! left before, is seen by the next entry's parent.
//!
//! A person's words are the messages of role `user`, without the text of a skill and the contents of files that the program puts before
//! them, and the commands that a person ran. The summaries of a compaction and of a branch are nobody's words. Whether a compaction was asked for is not said.

mod path;
mod tools;

use serde_json::{Value, json};

use crate::transcripts::agent::Form;
use crate::transcripts::dialect::{Dialect, Record};
use crate::transcripts::pi::path::{Entry, Kind, Move, Path};
use crate::transcripts::pi::tools::{settled, tool};
use crate::transcripts::report::LeftOut;
use crate::transcripts::session::Title;
use crate::transcripts::talk::Talk;
use crate::transcripts::tool::{File, Tool, ToolState};
use crate::transcripts::turn::{Fault, Tokens, Turn};
use crate::transcripts::values::{count, filled, text, time};

/// Entries that the program writes for itself or for its model.
const HARNESS: [&str; 8] = [
    "model_change",
    "thinking_level_change",
    "usage",
    "context_edit",
    "branch_summary",
    "custom",
    "custom_message",
    "label",
];

/// Roles of messages that the program, or an extension of it, writes for its model.
const HARNESS_ROLES: [&str; 5] = ["system", "custom", "hookMessage", "branchSummary", "compactionSummary"];

#[derive(Default)]
pub(super) struct Pi {
    path: Path,
}

/// Whether a record is of a transcript of pi.
pub(super) fn knows(record: &Value) -> Option<Form> {
    let is = |name: &str| record.get(name).is_some_and(Value::is_string);
    let is_head = text(record, "type") == "session" && is("cwd");
    let is_entry = text(record, "type") == "message" && record.get("parentId").is_some();
    let is_message = is_entry && record["message"]["role"].is_string();
    let is_others = is("sessionId") || is("uuid");
    (is("id") && is("timestamp") && (is_head || is_message) && !is_others).then_some(Form::Lines)
}

impl Dialect for Pi {
    fn record(&mut self, record: &Record<'_>, talk: &mut Talk) {
        let value = &record.value;
        talk.session.at(time(&value["timestamp"]));
        if text(value, "type") == "session" {
            talk.session.named(text(value, "id"));
            talk.session.directory = filled(value, "cwd").map(str::to_owned);
            return;
        }
        // Version 1 of the format has no ids, and no tree.
        let id = filled(value, "id").map_or_else(|| record.name(), str::to_owned);
        match self.path.meet(&entry(record, &id)) {
            Move::Known => return,
            Move::On => {}
            Move::Back { left, again } => {
                talk.take_back_each(left.iter().map(String::as_str));
                for raw in again {
                    match raw.and_then(|raw| serde_json::from_str::<Value>(&raw).ok()) {
                        Some(value) => tell(text(&value, "id"), &value, talk),
                        None => talk.out.leave_out(LeftOut::TooLarge),
                    }
                }
            }
        }
        // What was spent stays spent, whatever branch it was for.
        let of_message = &value["message"]["usage"];
        let usage = if of_message.is_object() { of_message } else { &value["usage"] };
        if let Some(cost) = cost(usage) {
            talk.session.cost = Some(talk.session.cost.unwrap_or_default() + cost);
        }
        if entry(record, &id).kind == Kind::Other {
            aside(record, &id, talk);
        } else {
            tell(&id, value, talk);
        }
    }
}

/// What the tree is to know of an entry.
fn entry<'a>(record: &'a Record<'_>, id: &'a str) -> Entry<'a> {
    let value = &record.value;
    let kind = match (text(value, "type"), text(&value["message"], "role")) {
        ("message", "user" | "bashExecution") | ("compaction", _) => Kind::Said,
        ("message", "assistant") => Kind::Answer,
        ("message", "toolResult") => Kind::Result,
        _ => Kind::Other,
    };
    Entry { id, parent: value.get("parentId"), kind, raw: record.raw }
}

/// An entry that is no part of the conversation.
fn aside(record: &Record<'_>, id: &str, talk: &mut Talk) {
    let value = &record.value;
    match text(value, "type") {
        "session_info" => talk.session.title(Title::Given, text(value, "name")),
        "message" => {
            let role = text(&value["message"], "role");
            let kind = format!("message.{role}");
            if HARNESS_ROLES.contains(&role) {
                talk.out.context(&kind, id, record.raw);
            } else {
                talk.out.unknown(&kind, id, record.raw);
            }
        }
        kind if HARNESS.contains(&kind) => talk.out.context(kind, id, record.raw),
        kind => talk.out.unknown(kind, id, record.raw),
    }
}

/// Tells an entry that is a part of the conversation.
fn tell(id: &str, value: &Value, talk: &mut Talk) {
    let written = time(&value["timestamp"]);
    if text(value, "type") == "compaction" {
        talk.turn(Turn::assistant(id).at(written));
        return talk.compacted(id, &format!("{id}-compaction"), false);
    }
    let message = &value["message"];
    match text(message, "role") {
        "user" => user(id, message, written, talk),
        "assistant" => assistant(id, message, written, talk),
        "bashExecution" => command(id, message, written, talk),
        _ => result(id, message, written, talk),
    }
}

fn user(id: &str, message: &Value, written: Option<i64>, talk: &mut Talk) {
    talk.turn(Turn::user(id).at(begun(message).or(written)));
    for (n, block) in blocks(&message["content"]).iter().enumerate() {
        let part = format!("{id}-{n}");
        match text(block, "type") {
            "text" => talk.prompt(id, &part, &typed(text(block, "text"))),
            "image" => talk.file(id, &part, &File::held(text(block, "mimeType"), text(block, "data"))),
            kind => talk.out.unknown(&format!("user.{kind}"), &part, &block.to_string()),
        }
    }
}

fn assistant(id: &str, message: &Value, written: Option<i64>, talk: &mut Talk) {
    let said = filled(message, "errorMessage");
    let fault = match text(message, "stopReason") {
        "aborted" => Some(Fault::Interrupted(said.unwrap_or("the user interrupted it").to_owned())),
        "error" => Some(Fault::Failed(said.unwrap_or("the model's answer failed").to_owned())),
        _ => None,
    };
    talk.turn(Turn {
        at: begun(message).or(written),
        ended: written,
        model: filled(message, "responseModel").unwrap_or(text(message, "model")).to_owned(),
        provider: text(message, "provider").to_owned(),
        tokens: tokens(&message["usage"]),
        cost: cost(&message["usage"]),
        fault,
        ..Turn::assistant(id)
    });
    for (n, block) in blocks(&message["content"]).iter().enumerate() {
        let part = format!("{id}-{n}");
        match text(block, "type") {
            "text" => talk.text(id, &part, text(block, "text"), written),
            // Of some models only a signature is kept.
            "thinking" => talk.thought(id, &part, text(block, "thinking"), written),
            "image" => talk.file(id, &part, &File::held(text(block, "mimeType"), text(block, "data"))),
            "toolCall" => {
                let call = filled(block, "id").unwrap_or(&part);
                let call = tool(call, text(block, "name"), &block["arguments"]);
                talk.tool(id, &Tool { start: written, ..call });
            }
            kind => talk.out.unknown(&format!("assistant.{kind}"), &part, &block.to_string()),
        }
    }
}

/// A command that a person ran.
fn command(id: &str, message: &Value, written: Option<i64>, talk: &mut Talk) {
    let at = begun(message).or(written);
    talk.turn(Turn::user(id).at(at));
    let mut call = Tool::new(&format!("{id}-command"), "bash", json!({ "command": text(message, "command") }));
    (call.start, call.end, call.exit) = (at, written, message["exitCode"].as_i64());
    let mut output = text(message, "output").to_owned();
    if message["truncated"] == json!(true) {
        output.push_str("\n… the beginning is missing: the agent did not keep it here");
    }
    let is_cancelled = message["cancelled"] == json!(true);
    call.state = match (is_cancelled, output.is_empty()) {
        (false, _) => ToolState::Done(output),
        (true, true) => ToolState::Failed("the user interrupted it".to_owned()),
        (true, false) => ToolState::Failed(output),
    };
    talk.tool(id, &call);
}

fn result(id: &str, message: &Value, written: Option<i64>, talk: &mut Talk) {
    match talk.calls.get(text(message, "toolCallId")) {
        Some((of, call)) => talk.tool(&of, &settled(call, message, begun(message).or(written))),
        None => talk.out.unknown("message.toolResult", id, &message.to_string()),
    }
}

/// The blocks of a content, which may be a text.
fn blocks(content: &Value) -> Vec<Value> {
    match content {
        Value::String(said) => vec![json!({ "type": "text", "text": said })],
        Value::Array(blocks) => blocks.clone(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => Vec::new(),
    }
}

/// A person's words, without the files that were named in the command line, whose contents the program puts before them; of a skill that
/// was called, its name and what was typed after it.
fn typed(said: &str) -> String {
    let said = without_files(said);
    let inside = said.strip_prefix("<skill name=\"").and_then(|rest| rest.split_once("\" location=\""));
    // The text of a skill may hold such a tag, too: what stands behind the last one was typed.
    let Some((name, after)) = inside.and_then(|(name, rest)| Some((name, rest.rsplit_once("\n</skill>")?.1))) else {
        return said;
    };
    format!("/skill:{name} {}", after.trim()).trim_end().to_owned()
}

/// A text without the contents of files, each `<file name="PATH">` up to `</file>` with an absolute path. They stand one behind the other, and
/// may hold such tags themselves, so all from the first to the last is left out.
fn without_files(said: &str) -> String {
    const END: &str = "</file>";
    let is_file = |at: &usize| {
        let path =
            said[*at..].strip_prefix("<file name=\"").and_then(|rest| rest.split_once('"')).map(|(path, _)| path);
        path.is_some_and(|path| path.starts_with(['/', '\\']) || path.get(1..2) == Some(":"))
    };
    let first = said.match_indices("<file name=\"").map(|(at, _)| at).find(is_file);
    match first.zip(said.rfind(END)).filter(|(first, last)| first < last) {
        Some((first, last)) => [&said[..first], said[last + END.len()..].trim_start_matches('\n')].concat(),
        None => said.to_owned(),
    }
}

/// When a message was begun: in milliseconds since 1970.
fn begun(message: &Value) -> Option<i64> {
    message["timestamp"].as_i64()
}

fn tokens(usage: &Value) -> Option<Tokens> {
    let thought = count(usage, "reasoning");
    let tokens = Tokens {
        input: count(usage, "input"),
        output: count(usage, "output").saturating_sub(thought),
        reasoning: thought,
        read: count(usage, "cacheRead"),
        write: count(usage, "cacheWrite"),
    };
    // Of an answer that was interrupted nobody counted any.
    (tokens != Tokens::default()).then_some(tokens)
}

/// The dollars that something cost. Of a model whose price is not known pi writes a zero.
fn cost(usage: &Value) -> Option<f64> {
    usage["cost"]["total"].as_f64().filter(|cost| *cost > 0.0)
}
