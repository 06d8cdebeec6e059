//! Gemini CLI: `~/.gemini/tmp/<project>/chats/session-<time>-<id>.jsonl`, one record a line; before 0.30 a `.json` of one
//! document, written anew each time.
//!
//! After its source (google-gemini/gemini-cli, `packages/core/src/services/chatRecordingService.ts` and `chatRecordingTypes.ts`,
//! read in November 2026). The first record has `sessionId`, `projectHash` and times. A record with an `id` is a message, whole, and
//! stands for the earlier one of this id. `{"$set": {...}}` changes what the first record said, and with `messages` all of them;
//! `{"$rewindTo": id}` takes back this message and those after it, and all of them where it is not known. The document has the
//! first record's members and `messages`. A call stands in its message with its result; what stands in a user's message of
//! calls and results repeats that.

use std::collections::{HashMap, HashSet};

use serde_json::{Value, json};

use crate::share::item::ItemKey;
use crate::share::limits::SHARE_ITEMS_MAX;
use crate::transcripts::dialect::{Dialect, Record};
use crate::transcripts::items::{Call, Models, Outcome, Place, Session, Title, Tokens, Turn, data_url, user};
use crate::transcripts::out::Out;
use crate::transcripts::values::{bounded, count, renamed, text, time};

const PROVIDER: &str = "google";

#[derive(Default)]
pub(super) struct Gemini {
    session: Session,
    models: Models,
    /// The messages that there are, in order, with what each told of tokens; at most [`SHARE_ITEMS_MAX`].
    messages: Vec<(String, Tokens)>,
    /// The position of each id in `messages`.
    places: HashMap<String, usize>,
    asked: Option<String>,
}

impl Dialect for Gemini {
    fn record(&mut self, record: &Record<'_>, out: &mut Out) {
        let value = &record.value;
        let id = format!("line-{}", record.line);
        if let Some(from) = value.get("$rewindTo").and_then(Value::as_str) {
            let at = self.places.get(from).copied().unwrap_or(0);
            self.take_back(at, out);
        } else if value["id"].is_string() {
            self.message(value, &id, record.raw, out);
        } else if let Some(set) = value.get("$set") {
            self.about(set, &id, out);
        } else if value["sessionId"].is_string() {
            self.about(value, &id, out);
        } else {
            out.other(text(value, "type"), &id, record.raw);
        }
    }

    fn settle(&mut self, _is_over: bool, out: &mut Out) {
        if let Some(session) = self.session.item("gemini") {
            out.put("session", &session);
        }
    }

    fn session(&self) -> Option<&str> {
        self.session.id.as_deref()
    }
}

impl Gemini {
    fn about(&mut self, about: &Value, line: &str, out: &mut Out) {
        let session = &mut self.session;
        session.id = session.id.take().or_else(|| about["sessionId"].as_str().map(str::to_owned));
        let directory = about["directories"][0].as_str().map(str::to_owned);
        session.directory = directory.or_else(|| session.directory.take());
        session.at(time(&about["startTime"]));
        session.at(time(&about["lastUpdated"]));
        session.title(Title::Summary, text(about, "summary"));
        let Some(messages) = about["messages"].as_array() else { return };
        // These are all that there are now.
        let kept: HashSet<&str> = messages.iter().map(|message| text(message, "id")).collect();
        if let Some(at) = self.messages.iter().position(|(id, _)| !kept.contains(id.as_str())) {
            self.take_back(at, out);
        }
        for (n, message) in messages.iter().enumerate() {
            self.message(message, &format!("{line}-{n}"), &message.to_string(), out);
        }
    }

    /// Removes the messages from this position on.
    fn take_back(&mut self, at: usize, out: &mut Out) {
        for (id, tokens) in self.messages.drain(at..) {
            self.session.tokens.grow(&Tokens::default(), &tokens);
            self.places.remove(&id);
            out.remove(ItemKey::message(&id));
        }
    }

    fn message(&mut self, message: &Value, line: &str, raw: &str, out: &mut Out) {
        let at = time(&message["timestamp"]);
        let id = text(message, "id");
        match text(message, "type") {
            "user" => self.user(message, id, at, out),
            "gemini" => self.gemini(message, id, at, out),
            other => return out.other(other, line, raw),
        }
        self.session.at(at);
    }

    fn user(&mut self, message: &Value, id: &str, at: Option<i64>, out: &mut Out) {
        // What files were put in for the model is in `content` alone.
        let content = message.get("displayContent").unwrap_or(&message["content"]);
        let pieces = pieces(content);
        if !pieces.is_empty() && pieces.iter().all(is_repeated) {
            return;
        }
        let session = self.know(id, Tokens::default());
        self.asked = Some(id.to_owned());
        out.put("message", &user(id, &session, at));
        for piece in &pieces {
            self.session.title(Title::Prompt, text(piece, "text"));
        }
        self.content(&pieces, id, None, out);
    }

    fn gemini(&mut self, message: &Value, id: &str, at: Option<i64>, out: &mut Out) {
        let told = &message["tokens"];
        let tokens = Tokens {
            input: count(told, "input").saturating_sub(count(told, "cached")),
            output: count(told, "output"),
            reasoning: count(told, "thoughts"),
            read: count(told, "cached"),
            write: 0,
        };
        let session = self.know(id, tokens);
        let model = text(message, "model");
        self.models.tell(PROVIDER, model, out);
        let turn = Turn {
            id: id.to_owned(),
            parent: self.asked.clone(),
            model: model.to_owned(),
            provider: PROVIDER.to_owned(),
            created: at,
            completed: at,
            tokens,
            ..Turn::default()
        };
        out.put("message", &turn.item(&session));
        for (n, thought) in message["thoughts"].as_array().into_iter().flatten().enumerate() {
            let place = Place { session: session.clone(), message: id.to_owned(), id: format!("{id}-thought-{n}") };
            let said = format!("**{}**\n\n{}", text(thought, "subject"), text(thought, "description"));
            out.put("part", &place.text("reasoning", &said, false, time(&thought["timestamp"])));
        }
        self.content(&pieces(&message["content"]), id, at, out);
        for (n, made) in message["toolCalls"].as_array().into_iter().flatten().enumerate() {
            let place = Place { session: session.clone(), message: id.to_owned(), id: format!("{id}-call-{n}") };
            let (tool, input) = tool(text(made, "name"), &made["args"]);
            let start = at.or_else(|| time(&made["timestamp"]));
            let call = Call { place, id: text(made, "id").to_owned(), tool, input, start };
            let part = match text(made, "status") {
                "success" | "error" | "cancelled" => call.done(&outcome(made)),
                _ => call.running(),
            };
            out.put("part", &part);
        }
    }

    /// The parts of a content.
    fn content(&self, pieces: &[Value], message: &str, at: Option<i64>, out: &mut Out) {
        let session = self.session.id.clone().unwrap_or_default();
        for (n, piece) in pieces.iter().enumerate() {
            let place = Place { session: session.clone(), message: message.to_owned(), id: format!("{message}-{n}") };
            let (data, file) = (&piece["inlineData"], &piece["fileData"]);
            if let Some(said) = piece["text"].as_str() {
                let kind = if piece["thought"] == json!(true) { "reasoning" } else { "text" };
                if !said.is_empty() {
                    out.put("part", &place.text(kind, said, false, at));
                }
            } else if let Some(held) = data["data"].as_str() {
                let mime = text(data, "mimeType");
                out.put("part", &place.file(mime, &data_url(mime, held)));
            } else if let Some(url) = file["fileUri"].as_str() {
                out.put("part", &place.file(text(file, "mimeType"), url));
            } else if !is_repeated(piece) {
                out.other("part", &place.id, &piece.to_string());
            }
        }
    }

    /// Remembers a message and its tokens; returns the session's id. A message past [`SHARE_ITEMS_MAX`], or whose id no item can
    /// have, is not remembered: no share holds it.
    fn know(&mut self, id: &str, tokens: Tokens) -> String {
        let known = self.places.get(id).and_then(|place| self.messages.get_mut(*place));
        if let Some((_, before)) = known {
            self.session.tokens.grow(&tokens, before);
            *before = tokens;
        } else if self.messages.len() < SHARE_ITEMS_MAX && ItemKey::message(id).is_ok() {
            self.session.tokens.grow(&tokens, &Tokens::default());
            self.places.insert(id.to_owned(), self.messages.len());
            self.messages.push((id.to_owned(), tokens));
        }
        self.session.id.clone().unwrap_or_default()
    }
}

/// The pieces of a content, which is a text, a piece, or a list of both.
fn pieces(content: &Value) -> Vec<Value> {
    match content {
        Value::String(said) => vec![json!({ "text": said })],
        Value::Array(list) => list.iter().flat_map(pieces).collect(),
        Value::Object(_) => vec![content.clone()],
        Value::Null | Value::Bool(_) | Value::Number(_) => Vec::new(),
    }
}

/// Whether a piece is a call or a result, which stand in the message of the model.
fn is_repeated(piece: &Value) -> bool {
    piece.get("functionCall").is_some() || piece.get("functionResponse").is_some()
}

fn outcome(made: &Value) -> Outcome {
    let mut said = Vec::new();
    for piece in pieces(&made["result"]) {
        let response = &piece["functionResponse"]["response"];
        let of = |name: &str| response[name].as_str().or_else(|| piece[name].as_str()).map(str::to_owned);
        said.extend(of("output").or_else(|| of("error")).or_else(|| of("text")));
    }
    let shown = &made["resultDisplay"];
    if said.is_empty() {
        said.extend(shown.as_str().map(str::to_owned));
    }
    let mut outcome = Outcome { output: said.join("\n"), end: time(&made["timestamp"]), ..Outcome::default() };
    outcome.is_error = text(made, "status") != "success";
    if outcome.is_error && outcome.output.is_empty() {
        text(made, "status").clone_into(&mut outcome.output);
    }
    if let Some(diff) = shown["fileDiff"].as_str() {
        outcome.metadata.insert("diff".to_owned(), json!(bounded(diff)));
    }
    outcome
}

/// A tool and its arguments, by the names that a page knows.
fn tool(name: &str, input: &Value) -> (String, Value) {
    let paths = [("file_path", "filePath"), ("absolute_path", "filePath")];
    let folders = [("dir_path", "path")];
    let (tool, input) = match name {
        "read_file" => ("read", renamed(input, &paths)),
        "write_file" => ("write", renamed(input, &paths)),
        "replace" => {
            let names = [("old_string", "oldString"), ("new_string", "newString")];
            ("edit", renamed(&renamed(input, &paths), &names))
        }
        "run_shell_command" => ("bash", input.clone()),
        "search_file_content" | "grep_search" => ("grep", renamed(input, &folders)),
        "glob" => ("glob", renamed(input, &folders)),
        "list_directory" => ("list", renamed(input, &folders)),
        "web_fetch" => ("webfetch", renamed(input, &[("prompt", "url")])),
        "google_web_search" => ("websearch", input.clone()),
        "write_todos" => {
            let todos = input["todos"].as_array().into_iter().flatten();
            let todos: Vec<_> = todos.map(|todo| renamed(todo, &[("description", "content")])).collect();
            ("todowrite", json!({ "todos": todos }))
        }
        other => (other, input.clone()),
    };
    (tool.to_owned(), input)
}
