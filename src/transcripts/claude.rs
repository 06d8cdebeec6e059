//! Claude Code: `~/.claude/projects/<folder>/<session>.jsonl`, one record a line, appended as the session goes on.
//!
//! The format is written down nowhere by its makers; this follows public descriptions of files of the versions 1.0 to 2.1 (read
//! in November 2026: jeremedia/claude-code-log-format, alicoding/claude-parser, jwhenry28/claude-code-visualizer). What
//! matters here: a record has `type`, `uuid`, `sessionId`, `timestamp`, `cwd`, `version`; `user` and `assistant` have a `message` as
//! the Messages API has it. An answer is written as several records, one for each block, under one `message.id`. The result of
//! a call comes as a `tool_result` in a record of the user's, with what the tool itself said in `toolUseResult`. Titles
//! come as `summary`, `ai-title` and `custom-title`. Everything else (`system`, `progress`, `file-history-snapshot`,
//! `queue-operation`, ...) is no part of the conversation.

use std::collections::VecDeque;
use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::transcripts::dialect::{Dialect, Record};
use crate::transcripts::items::{
    Call, Calls, Models, Outcome, Place, Session, Title, Tokens, Turn, data_url, file, user,
};
use crate::transcripts::out::Out;
use crate::transcripts::values::{bounded, count, renamed, text, time};

/// Most answers that may still get a block: the records of one answer stand close together.
const TURNS_MAX: usize = 16;

const PROVIDER: &str = "anthropic";

#[derive(Default)]
pub(super) struct Claude {
    session: Session,
    turns: VecDeque<Turn>,
    calls: Calls,
    models: Models,
    /// The id of the user's last message.
    asked: Option<String>,
}

impl Dialect for Claude {
    fn record(&mut self, record: &Record<'_>, out: &mut Out) {
        let value = &record.value;
        let session = &mut self.session;
        let said = |name: &str| Some(text(value, name)).filter(|said| !said.is_empty()).map(str::to_owned);
        session.id = session.id.take().or_else(|| said("sessionId"));
        session.directory = session.directory.take().or_else(|| said("cwd"));
        session.version = said("version").or_else(|| session.version.take());
        let id = said("uuid").unwrap_or_else(|| format!("line-{}", record.line));
        let kind = text(value, "type");
        match kind {
            "user" if value["message"].is_object() => self.user(record, &id, out),
            "assistant" if value["message"].is_object() => self.assistant(record, &id, out),
            "summary" => session.title(Title::Summary, text(value, "summary")),
            "ai-title" => session.title(Title::Summary, text(value, "aiTitle")),
            "custom-title" => session.title(Title::Given, text(value, "customTitle")),
            other => out.other(other, &id, record.raw),
        }
    }

    fn settle(&mut self, _is_over: bool, out: &mut Out) {
        let Some(id) = self.session.id.clone() else { return };
        for turn in &self.turns {
            out.put("message", &turn.item(&id));
        }
        if let Some(session) = self.session.item("claude") {
            out.put("session", &session);
        }
    }

    fn session(&self) -> Option<&str> {
        self.session.id.as_deref()
    }
}

impl Claude {
    fn user(&mut self, record: &Record<'_>, id: &str, out: &mut Out) {
        let at = time(&record.value["timestamp"]);
        self.session.at(at);
        let blocks = blocks(&record.value["message"]["content"]);
        let results = blocks.iter().filter(|block| text(block, "type") == "tool_result").count();
        // What the tool itself said is of the one result.
        let of_tool = if results == 1 { record.value.get("toolUseResult") } else { None };
        if blocks.len() > results {
            self.asked = Some(id.to_owned());
            out.put("message", &user(id, self.session.id.as_deref().unwrap_or_default(), at));
        }
        let flag = |name: &str| record.value[name] == json!(true);
        let compacted = flag("isCompactSummary");
        let synthetic = flag("isMeta") || compacted;
        if compacted {
            out.put("part", &self.place(id, &format!("{id}-compaction")).compaction(true));
        }
        for (n, block) in blocks.iter().enumerate() {
            let place = self.place(id, &format!("{id}-{n}"));
            match text(block, "type") {
                "text" => {
                    let said = text(block, "text");
                    if !synthetic && !said.trim_start().starts_with('<') {
                        self.session.title(Title::Prompt, said);
                    }
                    out.put("part", &place.text("text", said, synthetic, None));
                }
                "image" | "document" => match attachment(block) {
                    Some((mime, url)) => out.put("part", &place.file(&mime, &url)),
                    None => out.other("user.file", &place.id, &block.to_string()),
                },
                "tool_result" => match self.calls.close(text(block, "tool_use_id")) {
                    Some(call) => out.put("part", &call.done(&outcome(block, of_tool, &call, at))),
                    None => out.other("user.tool_result", &place.id, &block.to_string()),
                },
                other => out.other(&format!("user.{other}"), &place.id, &block.to_string()),
            }
        }
    }

    fn assistant(&mut self, record: &Record<'_>, id: &str, out: &mut Out) {
        let message = &record.value["message"];
        let at = time(&record.value["timestamp"]);
        self.session.at(at);
        let model = text(message, "model");
        if !model.starts_with('<') {
            self.models.tell(PROVIDER, model, out);
        }
        let turn = Some(text(message, "id")).filter(|id| !id.is_empty()).unwrap_or(id).to_owned();
        let usage = &message["usage"];
        let tokens = Tokens {
            input: count(usage, "input_tokens"),
            output: count(usage, "output_tokens"),
            reasoning: 0,
            read: count(usage, "cache_read_input_tokens"),
            write: count(usage, "cache_creation_input_tokens"),
        };
        let session = self.session.id.clone().unwrap_or_default();
        match self.turns.iter_mut().find(|known| known.id == turn) {
            Some(known) => {
                self.session.tokens.grow(&tokens, &known.tokens);
                (known.tokens, known.completed) = (tokens, at.or(known.completed));
            }
            None => {
                self.session.tokens.grow(&tokens, &Tokens::default());
                let is_aside = record.value["isSidechain"] == json!(true);
                let new = Turn {
                    id: turn.clone(),
                    parent: self.asked.clone(),
                    model: model.to_owned(),
                    provider: PROVIDER.to_owned(),
                    agent: is_aside.then(|| "subagent".to_owned()),
                    created: at,
                    completed: at,
                    tokens,
                    error: None,
                };
                out.put("message", &new.item(&session));
                if self.turns.len() == TURNS_MAX
                    && let Some(old) = self.turns.pop_front()
                {
                    out.put("message", &old.item(&session));
                }
                self.turns.push_back(new);
            }
        }
        for (n, block) in blocks(&message["content"]).iter().enumerate() {
            let place = self.place(&turn, &format!("{id}-{n}"));
            match text(block, "type") {
                "text" => out.put("part", &place.text("text", text(block, "text"), false, at)),
                // Of some models only a signature is kept.
                "thinking" if text(block, "thinking").is_empty() => {}
                "thinking" => out.put("part", &place.text("reasoning", text(block, "thinking"), false, at)),
                "tool_use" => {
                    let (tool, input) = tool(text(block, "name"), &block["input"]);
                    let id = text(block, "id").to_owned();
                    self.calls.open(Call { place, id, tool, input, start: at }, out);
                }
                other => out.other(&format!("assistant.{other}"), &place.id, &block.to_string()),
            }
        }
    }

    fn place(&self, message: &str, id: &str) -> Place {
        let session = self.session.id.clone().unwrap_or_default();
        Place { session, message: message.to_owned(), id: id.to_owned() }
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

/// A picture or a document: its type and its URL.
fn attachment(block: &Value) -> Option<(String, String)> {
    let source = &block["source"];
    let mime = text(source, "media_type");
    match text(source, "type") {
        "base64" => Some((mime.to_owned(), data_url(mime, source["data"].as_str()?))),
        "url" => Some((mime.to_owned(), source["url"].as_str()?.to_owned())),
        _ => None,
    }
}

fn outcome(block: &Value, of_tool: Option<&Value>, call: &Call, end: Option<i64>) -> Outcome {
    let mut outcome = Outcome { is_error: block["is_error"] == json!(true), end, ..Outcome::default() };
    let mut texts = Vec::new();
    for piece in blocks(&block["content"]) {
        match attachment(&piece) {
            Some((mime, url)) => outcome.attachments.push(file(&mime, &url)),
            None => texts.push(text(&piece, "text").to_owned()),
        }
    }
    outcome.output = texts.join("\n");
    if let Some(patch) = of_tool.and_then(|said| said.get("structuredPatch")).and_then(Value::as_array) {
        outcome.metadata.insert("diff".to_owned(), json!(bounded(&diff(text(&call.input, "filePath"), patch))));
    }
    if call.tool == "bash" {
        let exit =
            outcome.output.strip_prefix("Exit code ").and_then(|rest| rest.lines().next()?.trim().parse::<i64>().ok());
        if let Some(exit) = exit.or((!outcome.is_error).then_some(0)) {
            outcome.metadata.insert("exit".to_owned(), json!(exit));
        }
    }
    outcome
}

/// A patch from its pieces: `{oldStart, oldLines, newStart, newLines, lines}`.
fn diff(file: &str, pieces: &[Value]) -> String {
    if pieces.is_empty() {
        return String::new();
    }
    let mut diff = format!("--- {file}\n+++ {file}\n");
    for piece in pieces {
        let n = |name: &str| count(piece, name);
        let _ = writeln!(diff, "@@ -{},{} +{},{} @@", n("oldStart"), n("oldLines"), n("newStart"), n("newLines"));
        for line in piece["lines"].as_array().into_iter().flatten().filter_map(Value::as_str) {
            diff.push_str(line);
            diff.push('\n');
        }
    }
    diff
}

/// A tool and its arguments, by the names that a page knows.
fn tool(name: &str, input: &Value) -> (String, Value) {
    let known = match name {
        "Bash" => "bash",
        "Read" => "read",
        "Write" => "write",
        "Edit" => "edit",
        "MultiEdit" => "multiedit",
        "Grep" => "grep",
        "Glob" => "glob",
        "LS" => "list",
        "WebFetch" => "webfetch",
        "WebSearch" => "websearch",
        "Task" | "Agent" => "task",
        "TodoWrite" => "todowrite",
        other => return (other.to_owned(), input.clone()),
    };
    let names = [
        ("file_path", "filePath"),
        ("old_string", "oldString"),
        ("new_string", "newString"),
        ("replace_all", "replaceAll"),
    ];
    let mut input = renamed(input, &names);
    if let Some(edits) = input.get_mut("edits").and_then(Value::as_array_mut) {
        edits.iter_mut().for_each(|edit| *edit = renamed(edit, &names));
    }
    (known.to_owned(), input)
}
