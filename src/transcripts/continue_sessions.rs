//! Continue: `~/.continue/sessions/<session>.json`, one document, written anew after each step. Its command line `cn` and its
//! extensions write the same form.
//!
//! After a recording of version 1.5.47 (November 2026) and its source (continuedev/continue, `core/index.d.ts` and `extensions/cli`). The
//! document has `sessionId`, `title`, `workspaceDirectory`, `usage` and `history`: a list of `{message, toolCallStates}`. Neither has a
//! time, and messages of the command line have no id: their position stands for one.
//!
//! The command line replaces the history by its summary when it compacts: an item at its beginning whose `conversationSummary` is its
//! message. Then the earlier part is in no file any more, and what a share holds of it stays.

use std::collections::{HashMap, HashSet};

use serde_json::{Value, json};

use crate::transcripts::agent::Form;
use crate::transcripts::dialect::{Dialect, Record, digest};
use crate::transcripts::session::Title;
use crate::transcripts::talk::Talk;
use crate::transcripts::tool::{File, Tool, ToolState};
use crate::transcripts::turn::{Tokens, Turn};
use crate::transcripts::values::{count, filled, renamed, text};

/// The title of a session that has none.
const UNTITLED: [&str; 2] = ["Untitled Session", "New Session"];

#[derive(Default)]
pub(super) struct Continue {
    /// Messages of the model's of which the history holds no more than what a compaction made of them.
    summaries: HashSet<String>,
}

/// Whether a document is a session of Continue.
pub(super) fn knows(record: &Value) -> Option<Form> {
    let is_own =
        record["history"].as_array().is_some_and(|history| history.iter().all(|item| item["message"].is_object()));
    (record["sessionId"].is_string() && is_own).then_some(Form::Document)
}

/// Whether the beginning of a document shows that it is a session of Continue.
pub(super) fn begins(beginning: &str) -> bool {
    ["\"sessionId\"", "\"history\"", "\"workspaceDirectory\""].iter().all(|name| beginning.contains(name))
}

impl Dialect for Continue {
    fn record(&mut self, record: &Record<'_>, talk: &mut Talk) {
        let document = &record.value;
        let Some(history) = document["history"].as_array() else {
            return talk.out.unknown("document", &record.name(), record.raw);
        };
        let session = text(document, "sessionId");
        talk.session.named(session);
        talk.session.directory = filled(document, "workspaceDirectory").map(folder);
        let title = text(document, "title");
        if !UNTITLED.contains(&title) {
            talk.session.title(Title::Summary, title);
        }
        talk.session.cost = document["usage"]["totalCost"].as_f64().filter(|cost| *cost > 0.0);
        let items: Vec<&Value> = history.iter().filter(|item| text(&item["message"], "role") != "system").collect();
        // What comes after a summary that took the history's place has numbers of its own.
        let replaced =
            items.first().filter(|item| is_summary(item)).map(|item| digest(text(item, "conversationSummary")));
        let prefix = replaced.as_ref().map_or_else(|| session.to_owned(), |summary| format!("{session}-{summary}"));
        let ids: Vec<String> = items.iter().enumerate().map(|(n, item)| id(item, n, &prefix)).collect();
        if replaced.is_some() {
            talk.out.keep_all(true);
        }
        let is_older = |known: &&str| replaced.is_some() && !known.starts_with(&format!("{prefix}-"));
        let older: Vec<String> = talk.messages().filter(is_older).map(str::to_owned).collect();
        talk.keep_only(&ids.iter().chain(&older).map(String::as_str).collect());
        // Results by the ids of their calls; of two of one id the first is the one that follows the call.
        let mut results = HashMap::new();
        for said in items.iter().map(|item| &item["message"]) {
            if let Some(call) = filled(said, "toolCallId") {
                results.entry(call).or_insert(said);
            }
        }
        for (id, item) in ids.iter().zip(&items) {
            self.item(id, item, &results, talk);
        }
    }
}

impl Continue {
    fn item(&mut self, id: &str, item: &Value, results: &HashMap<&str, &Value>, talk: &mut Talk) {
        let message = &item["message"];
        if is_summary(item) {
            talk.turn(Turn::assistant(id));
            talk.compacted(id, &format!("{id}-compaction"), false);
            if self.summaries.insert(id.to_owned()) {
                talk.out.context("conversationSummary", id, &item.to_string());
            }
            return;
        }
        match text(message, "role") {
            "user" => {
                talk.turn(Turn::user(id));
                content(id, &message["content"], talk, |talk, part, said| talk.prompt(id, part, said));
            }
            "assistant" => assistant(id, item, results, talk),
            "thinking" => {
                talk.turn(Turn::assistant(id));
                content(id, &message["content"], talk, |talk, part, said| talk.thought(id, part, said, None));
            }
            // A result stands in the call's state, too.
            "tool" => {}
            role => talk.out.unknown(&format!("message.{role}"), id, &item.to_string()),
        }
        if filled(item, "conversationSummary").is_some() && talk.has(id) {
            talk.compacted(id, &format!("{id}-compaction"), false);
        }
    }
}

/// Whether an item is the summary of what stood in its place.
fn is_summary(item: &Value) -> bool {
    let summary = filled(item, "conversationSummary");
    summary.is_some() && item["message"]["content"].as_str() == summary
}

fn id(item: &Value, position: usize, prefix: &str) -> String {
    let own = filled(&item["message"], "id").map(str::to_owned);
    own.unwrap_or_else(|| format!("{prefix}-{position:06}-{}", text(&item["message"], "role")))
}

/// A folder, which extensions write as a URL.
fn folder(said: &str) -> String {
    said.strip_prefix("file://").unwrap_or(said).to_owned()
}

/// Tells the words and the files of a content.
fn content(id: &str, content: &Value, talk: &mut Talk, mut tell: impl FnMut(&mut Talk, &str, &str)) {
    match content {
        Value::String(said) => tell(talk, &format!("{id}-0"), said),
        Value::Array(parts) => {
            for (n, part) in parts.iter().enumerate() {
                let name = format!("{id}-{n}");
                match text(part, "type") {
                    "text" => tell(talk, &name, text(part, "text")),
                    "imageUrl" => {
                        let url = text(&part["imageUrl"], "url");
                        let mime = url.strip_prefix("data:").and_then(|rest| rest.split_once([';', ',']));
                        talk.file(id, &name, &File::at(mime.map_or("image/*", |(mime, _)| mime), url));
                    }
                    kind => talk.out.unknown(&format!("content.{kind}"), &name, &part.to_string()),
                }
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => {}
    }
}

fn assistant(id: &str, item: &Value, results: &HashMap<&str, &Value>, talk: &mut Talk) {
    let message = &item["message"];
    let usage = &message["usage"];
    let cents = usage["cost_cents"].as_f64().filter(|cents| *cents > 0.0);
    let log = &item["promptLogs"][0];
    talk.turn(Turn {
        model: filled(usage, "model").unwrap_or_else(|| text(log, "modelTitle")).to_owned(),
        provider: text(log, "modelProvider").to_owned(),
        tokens: tokens(usage),
        cost: cents.map(|cents| cents / 100.0),
        ..Turn::assistant(id)
    });
    let thought = filled(&item["reasoning"], "text").or_else(|| filled(message, "reasoning"));
    talk.thought(id, &format!("{id}-thought"), thought.unwrap_or_default(), None);
    content(id, &message["content"], talk, |talk, part, said| talk.text(id, part, said, None));
    let states: Vec<&Value> = item["toolCallStates"].as_array().into_iter().flatten().collect();
    for made in message["toolCalls"].as_array().into_iter().flatten() {
        let call = text(made, "id");
        let state = states.iter().find(|state| text(state, "toolCallId") == call);
        let function = &made["function"];
        let told = tool(
            call,
            text(function, "name"),
            state.map_or(&function["arguments"], |state| arguments(state, function)),
        );
        talk.tool(id, &settled(told, state.copied(), results.get(call).copied()));
    }
}

/// The arguments of a call, as far as they were read.
fn arguments<'a>(state: &'a Value, function: &'a Value) -> &'a Value {
    Some(&state["parsedArgs"]).filter(|parsed| parsed.is_object()).unwrap_or(&function["arguments"])
}

/// A call of a tool, by the names that a page knows.
fn tool(call: &str, name: &str, input: &Value) -> Tool {
    let parsed = input.as_str().and_then(|text| serde_json::from_str(text).ok());
    let input = parsed.as_ref().unwrap_or(input);
    let paths = [("filepath", "filePath"), ("file_path", "filePath"), ("changes", "content")];
    let edits = [("old_string", "oldString"), ("new_string", "newString"), ("replace_all", "replaceAll")];
    let (tool, input) = match name {
        "Read" | "read_file" | "builtin_read_file" => ("read", renamed(input, &paths)),
        "Write" | "create_new_file" | "builtin_create_new_file" => {
            ("write", renamed(&renamed(input, &paths), &[("contents", "content")]))
        }
        "Edit" | "single_find_and_replace" => ("edit", renamed(&renamed(input, &paths), &edits)),
        "Bash" | "run_terminal_command" | "builtin_run_terminal_command" => ("bash", input.clone()),
        "Search" | "grep_search" | "builtin_grep_search" => ("grep", input.clone()),
        "glob_search" | "file_glob_search" => ("glob", input.clone()),
        "List" | "ls" | "builtin_ls" => ("list", renamed(input, &[("dirpath", "path"), ("dirPath", "path")])),
        "Fetch" | "fetch_url_content" => ("webfetch", input.clone()),
        "search_web" => ("websearch", input.clone()),
        "Checklist" => ("todowrite", checklist(input)),
        other => (other, input.clone()),
    };
    Tool::new(call, tool, input)
}

/// A list in Markdown, `- [x] done`, as to-dos.
fn checklist(input: &Value) -> Value {
    let todo = |line: &str| {
        let (mark, words) = line.trim_start().strip_prefix("- [")?.split_once("] ")?;
        let status = if mark.eq_ignore_ascii_case("x") { "completed" } else { "pending" };
        Some(json!({ "content": words, "status": status }))
    };
    json!({ "todos": text(input, "checklist").lines().filter_map(todo).collect::<Vec<_>>() })
}

/// A call with what its state, or a message with its result, says.
fn settled(mut call: Tool, state: Option<&Value>, result: Option<&Value>) -> Tool {
    let output = state.and_then(|state| state["output"].as_array());
    let said = match (output, result.map(|said| &said["content"])) {
        (Some(items), _) => items.iter().map(|item| text(item, "content")).collect::<Vec<_>>().join("\n"),
        (None, Some(Value::String(said))) => said.clone(),
        (None, Some(Value::Array(parts))) => parts.iter().map(|part| text(part, "text")).collect::<Vec<_>>().join("\n"),
        (None, _) => String::new(),
    };
    let status = state.map(|state| text(state, "status")).or(result.map(|_| "done"));
    let is_bash = call.name == "bash";
    call.state = match status {
        Some("done") => {
            call.exit = is_bash.then_some(0);
            if call.name == "edit" {
                call.diff = said.split_once("\nDiff:\n").map(|(_, diff)| diff.to_owned());
            }
            ToolState::Done(said)
        }
        Some("errored") => {
            let failed = is_bash.then(|| said.split_once("Error (exit code ")?.1.split_once("): ")).flatten();
            match failed.and_then(|(code, rest)| Some((code.parse::<i64>().ok()?, rest.to_owned()))) {
                Some((code, rest)) => {
                    call.exit = Some(code);
                    ToolState::Failed(rest)
                }
                None => ToolState::Failed(said),
            }
        }
        Some("canceled") => ToolState::Failed(if said.is_empty() { "it was cancelled".to_owned() } else { said }),
        _ => ToolState::Running,
    };
    call
}

fn tokens(usage: &Value) -> Option<Tokens> {
    usage["prompt_tokens"].is_number().then(|| {
        let cached = count(&usage["prompt_tokens_details"], "cached_tokens");
        let thought = count(&usage["completion_tokens_details"], "reasoning_tokens");
        Tokens {
            input: count(usage, "prompt_tokens").saturating_sub(cached),
            output: count(usage, "completion_tokens").saturating_sub(thought),
            reasoning: thought,
            read: cached,
            write: 0,
        }
    })
}
