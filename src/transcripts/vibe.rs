//! Mistral Vibe: `~/.vibe/logs/session/unified/<session>/`, a folder of a session.
//!
//! After recordings of version 3.0.2 (November 2026), whose format is written down nowhere. `CURRENT` names a generation, whose
//! `manifest.json` names the chunks with all entries of the conversation up to some record of the journal, and the file of the journal that
//! goes on from there. At the end of each run a new generation is written, and the journal's file is another one.
//!
//! What is fed, each as one line: the text of `meta.json`; each entry of the chunks of the manifest's `projection_state`; the text of
//! `projection-state.json`, which says how the session stands; then the lines of the journal. Of these, only the ones of type
//! `projection_delta` tell what was on the screen: they add and replace entries, and say anew how the session stands. The others say
//! the same for the program, which starts again from them.
//!
//! An entry is a message, a reasoning or an effect, which is a call with what came of it. An answer has no mark: one begins with what
//! the model says after a call has begun. Models and tokens are known of the session only, not of its answers.

mod tools;

use std::collections::HashMap;

use serde_json::Value;

use crate::share::limits::SHARE_ITEMS_MAX;
use crate::transcripts::agent::Form;
use crate::transcripts::dialect::{Dialect, Record};
use crate::transcripts::session::Title;
use crate::transcripts::talk::Talk;
use crate::transcripts::tool::File;
use crate::transcripts::turn::{Fault, Tokens, Turn};
use crate::transcripts::values::{count, filled, text, time};
use crate::transcripts::vibe::tools::effect;

/// Records of the journal that the program writes for itself.
const HARNESS: [&str; 7] = [
    "action_intent",
    "action_result",
    "command_reserved",
    "core_input",
    "receipt_failed",
    "receipt_succeeded",
    "runtime_input",
];

/// Where a message of a user's comes from that a person typed: at the begin of a turn, or while it goes on.
const TYPED: [&str; 6] = ["turn_start", "turn_steer", "turn_queue", "steer", "queue", "user"];

#[derive(Default)]
pub(super) struct Vibe {
    /// The messages in which the entries stand, by the entries' ids; as many as a share has items.
    messages: HashMap<String, String>,
    /// The answer that is being given.
    answer: Option<Answer>,
    /// The turn whose end was told.
    ended: Option<String>,
}

struct Answer {
    turn: String,
    message: String,
    /// A text or a call stands in it: a further text or thought is of another answer.
    is_said: bool,
}

/// Whether a record is of a session of Mistral Vibe.
pub(super) fn knows(record: &Value) -> Option<Form> {
    let has = |name: &str| record.get(name).is_some();
    let is_journal = has("recovery_journal_record_version") || has("projection_state_version");
    let is_about = has("session_id") && has("origin_directory") && has("start_time");
    let is_entry = has("generationStatus") && has("turnId") && has("sessionId");
    let is_current = text(record, "store_format").starts_with("mistral.vibe.");
    (is_journal || is_about || is_entry || is_current).then_some(Form::Lines)
}

impl Dialect for Vibe {
    fn record(&mut self, record: &Record<'_>, talk: &mut Talk) {
        let value = &record.value;
        let kind = text(value, "type");
        if value.get("recovery_journal_record_version").is_some() {
            let deltas = value["payload"]["delta"].as_array().filter(|_| kind == "projection_delta");
            match deltas {
                Some(deltas) => deltas.iter().for_each(|delta| self.delta(delta, record, talk)),
                None if HARNESS.contains(&kind) => talk.out.context(kind, &record.name(), record.raw),
                None => talk.out.unknown(kind, &record.name(), record.raw),
            }
        } else if value["snapshot"].is_object() {
            talk.session.named(text(value, "session_id"));
            self.stands(&value["snapshot"], talk);
        } else if value.get("generationStatus").is_some() {
            self.entry(value, talk);
        } else if value.get("origin_directory").is_some() {
            about(value, talk);
        } else if value.get("store_format").is_some() {
            talk.session.named(text(value, "session_id"));
        } else {
            talk.out.unknown(kind, &record.name(), record.raw);
        }
    }
}

impl Vibe {
    fn delta(&mut self, delta: &Value, record: &Record<'_>, talk: &mut Talk) {
        match text(delta, "op") {
            "append_entry" | "replace_entry" => self.entry(&delta["entry"], talk),
            "remove_entry" | "delete_entry" => {
                let id = filled(delta, "id").or_else(|| filled(delta, "entryId")).unwrap_or_default();
                talk.take_back_each([id]);
            }
            "set_envelope" => self.stands(&delta["state"], talk),
            op => talk.out.unknown(&format!("projection_delta.{op}"), &record.name(), record.raw),
        }
    }

    /// How the session stands: its title, its tokens, and how its latest turn ended.
    fn stands(&mut self, state: &Value, talk: &mut Talk) {
        let (session, turn) = (&state["session"], &state["latestTurn"]);
        talk.session.named(text(session, "id"));
        talk.session.title(Title::Given, text(session, "title"));
        talk.session.at(session["createdAt"].as_i64());
        talk.session.at(session["updatedAt"].as_i64());
        if let Some(tokens) = tokens(&session["tokenUsage"]) {
            talk.session.tokens = tokens;
        }
        let id = text(turn, "id");
        let is_told = self.ended.as_deref() == Some(id);
        let Some(fault) = fault(text(turn, "status"), turn).filter(|_| !is_told) else { return };
        self.ended = Some(id.to_owned());
        let at = turn["completedAt"].as_i64();
        match (fault, self.answer.as_ref().filter(|answer| answer.turn == id)) {
            (Fault::Interrupted(words), _) => talk.interrupted(&words, at),
            (fault, Some(answer)) => {
                talk.turn(Turn { fault: Some(fault), ended: at, ..Turn::assistant(&answer.message) });
            }
            (fault, None) => talk.turn(Turn { fault: Some(fault), ..Turn::assistant(&format!("{id}-ended")).at(at) }),
        }
    }

    fn entry(&mut self, entry: &Value, talk: &mut Talk) {
        let id = text(entry, "id");
        talk.session.named(text(entry, "sessionId"));
        match (text(entry, "type"), text(entry, "role")) {
            ("message", "user") => self.user(entry, id, talk),
            ("message", "assistant") => {
                let message = self.place(entry, id, true, talk);
                for (n, block) in blocks(&entry["content"]).iter().enumerate() {
                    block_of(&message, &format!("{id}-{n}"), block, entry["createdAt"].as_i64(), talk);
                }
                if let Some(fault) = fault(text(entry, "generationStatus"), entry) {
                    talk.turn(Turn { fault: Some(fault), ..Turn::assistant(&message) });
                }
            }
            ("message", role) => talk.out.context(&format!("message.{role}"), id, &entry.to_string()),
            ("reasoning", _) => {
                let message = self.place(entry, id, false, talk);
                let summary = entry["summary"].as_array().into_iter().flatten();
                let summary: Vec<_> =
                    summary.filter_map(|said| said.as_str().or_else(|| said["text"].as_str())).collect();
                let said = filled(entry, "text").map_or_else(|| summary.join("\n\n"), str::to_owned);
                talk.thought(&message, id, &said, entry["createdAt"].as_i64());
            }
            ("effect", _) => {
                let message = self.place(entry, id, true, talk);
                talk.tool(&message, &effect(id, entry, talk));
            }
            ("compaction" | "context_compaction", _) => {
                talk.turn(Turn::assistant(id).at(entry["createdAt"].as_i64()));
                talk.compacted(id, &format!("{id}-compaction"), false);
            }
            (kind, _) => talk.out.unknown(kind, id, &entry.to_string()),
        }
    }

    fn user(&mut self, entry: &Value, id: &str, talk: &mut Talk) {
        let source = text(entry, "source");
        if !source.is_empty() && !TYPED.contains(&source) {
            return talk.out.context(&format!("message.user.{source}"), id, &entry.to_string());
        }
        self.answer = None;
        talk.turn(Turn::user(id).at(entry["createdAt"].as_i64()));
        for (n, block) in blocks(&entry["content"]).iter().enumerate() {
            let part = format!("{id}-{n}");
            match text(block, "type") {
                "text" => talk.prompt(id, &part, text(block, "text")),
                _ => block_of(id, &part, block, None, talk),
            }
        }
    }

    /// The message in which an entry of the model's stands.
    fn place(&mut self, entry: &Value, id: &str, says: bool, talk: &mut Talk) -> String {
        if let Some(known) = self.messages.get(id) {
            return known.clone();
        }
        let turn = text(entry, "turnId");
        let is_call = text(entry, "type") == "effect";
        let goes_on = |answer: &&mut Answer| answer.turn == turn && (is_call || !answer.is_said);
        let (at, ended) = (entry["createdAt"].as_i64(), entry["updatedAt"].as_i64());
        let message = match self.answer.as_mut().filter(goes_on) {
            Some(answer) => {
                answer.is_said |= says;
                talk.turn(Turn { ended, ..Turn::assistant(&answer.message) });
                answer.message.clone()
            }
            None => {
                talk.turn(Turn { ended, ..Turn::assistant(id).at(at) });
                self.answer = Some(Answer { turn: turn.to_owned(), message: id.to_owned(), is_said: says });
                id.to_owned()
            }
        };
        if self.messages.len() < SHARE_ITEMS_MAX {
            self.messages.insert(id.to_owned(), message.clone());
        }
        message
    }
}

/// What `meta.json` says of the session.
fn about(about: &Value, talk: &mut Talk) {
    talk.session.named(text(about, "session_id"));
    talk.session.directory = filled(about, "origin_directory").map(str::to_owned);
    talk.session.title(Title::Given, text(about, "title"));
    talk.session.at(time(&about["start_time"]));
    talk.model("", text(&about["config"], "model_name"));
}

/// The blocks of a content, which may be a text.
fn blocks(content: &Value) -> Vec<Value> {
    match content {
        Value::String(said) => vec![serde_json::json!({ "type": "text", "text": said })],
        Value::Array(blocks) => blocks.clone(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => Vec::new(),
    }
}

fn block_of(message: &str, part: &str, block: &Value, at: Option<i64>, talk: &mut Talk) {
    let mime = ["mimeType", "mime_type", "mediaType", "media_type"].iter().find_map(|name| filled(block, name));
    match (filled(block, "data"), filled(block, "url").or_else(|| filled(block, "uri"))) {
        _ if text(block, "type") == "text" => talk.text(message, part, text(block, "text"), at),
        (Some(held), _) => talk.file(message, part, &File::held(mime.unwrap_or("application/octet-stream"), held)),
        (None, Some(url)) => talk.file(message, part, &File::at(mime.unwrap_or("application/octet-stream"), url)),
        (None, None) => talk.out.unknown(&format!("block.{}", text(block, "type")), part, &block.to_string()),
    }
}

/// Why something is not whole, by its status. `None`: it is whole, or goes on.
fn fault(status: &str, of: &Value) -> Option<Fault> {
    let said = filled(of, "stopReason").or_else(|| filled(&of["error"], "message")).or_else(|| filled(of, "error"));
    match status {
        "interrupted" | "cancelled" | "canceled" | "aborted" | "stopped" => {
            Some(Fault::Interrupted(said.unwrap_or("the user interrupted it").to_owned()))
        }
        "failed" | "error" | "errored" => Some(Fault::Failed(said.unwrap_or("the turn failed").to_owned())),
        _ => None,
    }
}

fn tokens(usage: &Value) -> Option<Tokens> {
    usage.is_object().then(|| {
        let read = count(usage, "cachedInputTokens");
        Tokens {
            input: count(usage, "inputTokens").saturating_sub(read),
            output: count(usage, "outputTokens"),
            reasoning: 0,
            read,
            write: 0,
        }
    })
}
