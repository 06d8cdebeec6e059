//! Gemini CLI: `~/.gemini/tmp/<project>/chats/session-<time>-<id>.jsonl`, one record a line; before 0.30 a `.json` of one
//! document, written anew each time.
//!
//! After its source (google-gemini/gemini-cli, `packages/core/src/services/chatRecordingService.ts` and `chatRecordingTypes.ts`,
//! read in November 2026) and recordings of version 0.61.0. The first record has `sessionId`, `projectHash` and times. A record with
//! an `id` is a message, whole, and stands for the earlier one of this id. The document has the first record's members and `messages`.
//!
//! `{"$set": {"messages": [...]}}` says all messages anew, and takes back nothing: at a resume they come in another form, with less in them,
//! and at a compression the old ones are replaced by a summary. `{"$rewindTo": id}` takes back this message and those after it, and all
//! of them where it is not known.
//!
//! The first message of the user's is the program's, as are those of calls and results, which stand in the model's messages, too.

pub(super) mod pieces;
pub(super) mod tools;

use std::collections::{HashMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher as _};

use serde_json::Value;

use crate::share::limits::SHARE_ITEMS_MAX;
use crate::transcripts::agent::Form;
use crate::transcripts::dialect::{Dialect, Record};
use crate::transcripts::gemini::pieces::{file, is_repeated, pieces, responses, words};
use crate::transcripts::gemini::tools::{called, settled, tool};
use crate::transcripts::session::Title;
use crate::transcripts::talk::Talk;
use crate::transcripts::tool::Tool;
use crate::transcripts::turn::{Fault, Tokens, Turn};
use crate::transcripts::values::{count, filled, text, time};

const PROVIDER: &str = "google";

/// What the program says to the model after it has summed up the conversation.
const SUMMED_UP: &str = "Got it. Thanks for the additional context!";

/// Beginnings of messages that the program writes in the user's name.
const PUT_IN: [&str; 5] = [
    "<session_context>",
    "<hook_context>",
    "Here is the user's editor context as a JSON object.",
    "Here is a summary of changes in the user's editor context",
    "You have stopped calling tools without finishing.",
];

#[derive(Default)]
pub(super) struct Gemini {
    /// The messages of calls, by the calls' ids; as many as a share has items.
    calls: HashMap<String, String>,
    /// Messages by what is said in them, so that one that is said again under another id is known.
    said: HashMap<u64, String>,
    /// The messages that are said again under other ids, by these; as many as a share has items.
    again: HashMap<String, String>,
    /// Messages that are no part of the conversation, and are told or counted only once.
    put_in: HashSet<String>,
}

/// Whether a record, or a whole document, is a transcript of Gemini CLI.
pub(super) fn knows(record: &Value) -> Option<Form> {
    let is = |name: &str| record.get(name).is_some_and(Value::is_string);
    if is("sessionId") && record["messages"].is_array() {
        return Some(Form::Document);
    }
    (is("sessionId") && is("projectHash")).then_some(Form::Lines)
}

/// Whether the beginning of a document shows that it is a transcript of Gemini CLI.
pub(super) fn begins(beginning: &str) -> bool {
    beginning.contains("\"sessionId\"") && beginning.contains("\"projectHash\"")
}

impl Dialect for Gemini {
    fn record(&mut self, record: &Record<'_>, talk: &mut Talk) {
        let value = &record.value;
        if let Some(from) = value.get("$rewindTo").and_then(Value::as_str) {
            self.rewind(from, talk);
        } else if value["id"].is_string() && value["type"].is_string() {
            self.message(value, talk);
        } else if let Some(set) = value.get("$set") {
            self.about(set, talk);
            let messages = set["messages"].as_array().map(Vec::as_slice).unwrap_or_default();
            match summary(messages) {
                Some(at) => self.summed_up(messages, at, talk),
                None => messages.iter().for_each(|message| self.message(message, talk)),
            }
        } else if value["sessionId"].is_string() {
            self.about(value, talk);
            if let Some(messages) = value["messages"].as_array() {
                // A document holds all that there is.
                talk.keep_only(&messages.iter().map(|message| text(message, "id")).collect());
                messages.iter().for_each(|message| self.message(message, talk));
            }
        } else {
            talk.out.unknown(text(value, "type"), &record.name(), record.raw);
        }
    }
}

impl Gemini {
    fn about(&self, about: &Value, talk: &mut Talk) {
        let session = &mut talk.session;
        session.named(text(about, "sessionId"));
        let directory = about["directories"][0].as_str().map(str::to_owned);
        session.directory = directory.or_else(|| session.directory.take());
        session.at(time(&about["startTime"]));
        session.at(time(&about["lastUpdated"]));
        session.title(Title::Summary, text(about, "summary"));
    }

    fn rewind(&mut self, from: &str, talk: &mut Talk) {
        let from = self.again.get(from).map_or(from, String::as_str);
        if talk.has(from) {
            talk.take_back(from);
        } else if self.again.is_empty() && !self.put_in.contains(from) {
            talk.take_back_where(0, |_| true);
        }
    }

    /// The program summed up the conversation: nothing of it is taken back. The messages after the summary are old ones, said once
    /// more under other ids.
    fn summed_up(&mut self, messages: &[Value], at: usize, talk: &mut Talk) {
        let summary = &messages[at];
        let id = text(summary, "id");
        if !talk.has(id) {
            talk.turn(Turn::assistant(id).at(time(&summary["timestamp"])));
            talk.compacted(id, &format!("{id}-compaction"), false);
        }
        self.leave_out("user.summary", summary, talk);
        for message in &messages[at + 2..] {
            match self.said.get(&hash(message)).filter(|known| talk.has(known)) {
                Some(known) => {
                    if self.again.len() < SHARE_ITEMS_MAX {
                        self.again.insert(text(message, "id").to_owned(), known.clone());
                    }
                }
                None => self.message(message, talk),
            }
        }
    }

    fn message(&mut self, message: &Value, talk: &mut Talk) {
        let at = time(&message["timestamp"]);
        let id = text(message, "id");
        if self.again.contains_key(id) {
            return;
        }
        if self.said.len() < SHARE_ITEMS_MAX {
            self.said.insert(hash(message), id.to_owned());
        }
        match text(message, "type") {
            "user" => self.user(message, id, at, talk),
            "gemini" => self.gemini(message, id, at, talk),
            "error" => {
                let words = pieces(&message["content"]).iter().map(|piece| text(piece, "text")).collect::<String>();
                talk.turn(Turn { fault: Some(Fault::Failed(words)), ..Turn::assistant(id).at(at) });
            }
            "info" | "warning" => self.leave_out(text(message, "type"), message, talk),
            other => talk.out.unknown(other, id, &message.to_string()),
        }
        talk.session.at(at);
    }

    /// A message that is no part of the conversation is counted, once.
    fn leave_out(&mut self, kind: &str, message: &Value, talk: &mut Talk) {
        let id = text(message, "id");
        if self.put_in.len() < SHARE_ITEMS_MAX && self.put_in.insert(id.to_owned()) {
            talk.out.context(kind, id, &message.to_string());
        }
    }

    fn user(&mut self, message: &Value, id: &str, at: Option<i64>, talk: &mut Talk) {
        // What files were put in for the model is in `content` alone.
        let content = message.get("displayContent").unwrap_or(&message["content"]);
        let pieces = pieces(content);
        for (call, response) in responses(&pieces) {
            let known = self.calls.contains_key(call).then(|| talk.calls.get(call)).flatten();
            if let Some((message, call)) = known {
                talk.tool(&message, &called(call, response, at));
            }
        }
        if !pieces.is_empty() && pieces.iter().all(is_repeated) {
            // Who goes back to it goes back to a message that is known.
            if self.put_in.len() < SHARE_ITEMS_MAX {
                self.put_in.insert(id.to_owned());
            }
            return;
        }
        let first = pieces.iter().map(|piece| text(piece, "text")).find(|said| !said.is_empty()).unwrap_or_default();
        let own = if is_put_in(first) {
            // A person's words may follow.
            first.rsplit_once("</session_context>").map_or("", |(_, own)| own.trim())
        } else {
            first
        };
        if own.is_empty() && !first.is_empty() {
            let kind = if first.trim_start().starts_with('<') { "user.session_context" } else { "user.reminder" };
            return self.leave_out(kind, message, talk);
        }
        talk.turn(Turn::user(id).at(at));
        for (n, piece) in pieces.iter().enumerate() {
            let part = format!("{id}-{n}");
            if let Some(said) = filled(piece, "text") {
                let said = if said == first { own } else { said };
                talk.prompt(id, &part, if is_put_in(said) { "" } else { said });
            } else if let Some(file) = file(piece) {
                talk.file(id, &part, &file);
            } else if !is_repeated(piece) && piece["text"].is_null() {
                talk.out.unknown("part", &part, &piece.to_string());
            }
        }
    }

    fn gemini(&mut self, message: &Value, id: &str, at: Option<i64>, talk: &mut Talk) {
        let is_known = talk.has(id);
        let model = text(message, "model");
        let tokens = tokens(&message["tokens"]);
        // At a resume a message may come once more with less in it. What was known stays.
        if !is_known || (!model.is_empty() && tokens.is_some()) {
            let head = Turn { model: model.to_owned(), provider: PROVIDER.to_owned(), tokens, ..Turn::assistant(id) };
            talk.turn(head.at(at));
        }
        let content = pieces(&message["content"]);
        let thoughts: Vec<(String, Option<i64>)> = match message["thoughts"].as_array() {
            Some(thoughts) => {
                thoughts.iter().map(|thought| (self::thought(thought), time(&thought["timestamp"]))).collect()
            }
            None if is_known => Vec::new(),
            None => words(&content, true).map(|said| (said.to_owned(), at)).collect(),
        };
        for (n, (said, at)) in thoughts.iter().enumerate() {
            talk.thought(id, &format!("{id}-thought-{n}"), said, *at);
        }
        for (n, said) in words(&content, false).enumerate() {
            talk.text(id, &format!("{id}-{n}"), said, at);
        }
        for (n, file) in content.iter().filter_map(file).enumerate() {
            talk.file(id, &format!("{id}-file-{n}"), &file);
        }
        for piece in content.iter().filter(|piece| pieces::is_unknown(piece)) {
            talk.out.unknown("part", id, &piece.to_string());
        }
        match message["toolCalls"].as_array() {
            Some(calls) => calls.iter().for_each(|made| self.call(made, id, at, talk)),
            None => {
                for made in content.iter().map(|piece| &piece["functionCall"]).filter(|made| made.is_object()) {
                    self.call(made, id, at, talk);
                }
            }
        }
    }

    fn call(&mut self, made: &Value, message: &str, at: Option<i64>, talk: &mut Talk) {
        let id = text(made, "id");
        let is_known = self.calls.get(id).is_some_and(|of| of == message);
        let has_result = made.get("status").is_some();
        // What is known of a call is more than the call.
        if is_known && !has_result {
            return;
        }
        let start = at.or_else(|| time(&made["timestamp"]));
        let call = Tool { start, ..tool(id, text(made, "name"), &made["args"]) };
        talk.tool(message, &if has_result { settled(call, made, talk) } else { call });
        if self.calls.len() < SHARE_ITEMS_MAX {
            self.calls.insert(id.to_owned(), message.to_owned());
        }
    }
}

/// Whether a text in a user's message is the program's.
fn is_put_in(said: &str) -> bool {
    PUT_IN.iter().any(|begin| said.trim_start().starts_with(begin))
}

/// The position of a summary among messages that are said anew: the program answers it with words that are always the same.
fn summary(messages: &[Value]) -> Option<usize> {
    let is_answer = |message: &Value| {
        text(message, "type") == "gemini" && words(&pieces(&message["content"]), false).eq([SUMMED_UP])
    };
    let at = messages.iter().take(3).position(is_answer)?;
    at.checked_sub(1).filter(|at| text(&messages[*at], "type") == "user")
}

fn thought(thought: &Value) -> String {
    match (filled(thought, "subject"), text(thought, "description")) {
        (Some(subject), description) => format!("**{subject}**\n\n{description}"),
        (None, description) => description.to_owned(),
    }
}

fn tokens(told: &Value) -> Option<Tokens> {
    told.is_object().then(|| Tokens {
        input: count(told, "input").saturating_sub(count(told, "cached")),
        output: count(told, "output"),
        reasoning: count(told, "thoughts"),
        read: count(told, "cached"),
        write: 0,
    })
}

/// A hash of who speaks, and of what is said.
fn hash(message: &Value) -> u64 {
    let mut hasher = DefaultHasher::new();
    text(message, "type").hash(&mut hasher);
    for said in words(&pieces(&message["content"]), false) {
        said.trim().hash(&mut hasher);
    }
    hasher.finish()
}
