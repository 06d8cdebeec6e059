//! Cline: `~/.cline/data/sessions/<session>/<session>.messages.json`, one document, written anew after each step.
//!
//! After recordings of version 3.0.65 (November 2026) and its source (cline/cline, `sdk/packages`, August 2026). The document has `sessionId`,
//! `origin` and `messages`, in the terms of the Messages API; a message has `id`, `ts`, and of the model's `modelInfo` and `metrics`. Results
//! of parallel calls are messages of their own. All that was said is in it, whatever the model is sent after a compaction, so what is
//! not in it any more was taken back.
//!
//! A person's words are wrapped in tags, with notices of the program's before them and files behind them. `<session>.json` beside it
//! has the folder, the title and the cost. A subagent's document is `agent_<id>.messages.json`; nothing in it names the call that began it,
//! but its first message is what the call asked for.

mod tools;

use std::collections::HashMap;

use serde_json::{Value, json};

use crate::transcripts::agent::Form;
use crate::transcripts::claude::tools::{blocks, file};
use crate::transcripts::cline::tools::{settled, tool};
use crate::transcripts::dialect::{Dialect, Record};
use crate::transcripts::session::Title;
use crate::transcripts::talk::Talk;
use crate::transcripts::tool::Tool;
use crate::transcripts::turn::{Fault, Tokens, Turn};
use crate::transcripts::values::{count, filled, text};

#[derive(Default)]
pub(super) struct Cline {
    /// The transcript is a subagent's.
    is_child: bool,
    /// The instructions of the model were counted.
    is_counted: bool,
}

/// Whether a document is a transcript of Cline.
pub(super) fn knows(record: &Value) -> Option<Form> {
    let is_own = record["origin"].is_object() || record["version"].is_number();
    (record["sessionId"].is_string() && record["messages"].is_array() && is_own).then_some(Form::Document)
}

/// Whether the beginning of a document shows that it is a transcript of Cline.
pub(super) fn begins(beginning: &str) -> bool {
    ["\"sessionId\"", "\"origin\"", "\"messages\""].iter().all(|name| beginning.contains(name))
}

impl Cline {
    pub(super) fn of(is_child: bool) -> Self {
        Self { is_child, is_counted: false }
    }
}

impl Dialect for Cline {
    fn beside(&mut self, about: &Value, talk: &mut Talk) {
        let metadata = &about["metadata"];
        talk.session.directory = filled(about, "cwd").map(str::to_owned).or_else(|| talk.session.directory.take());
        talk.session.title(Title::Summary, &typed(text(metadata, "title")));
        talk.session.cost = metadata["totalCost"].as_f64().filter(|cost| *cost > 0.0);
    }

    fn record(&mut self, record: &Record<'_>, talk: &mut Talk) {
        let document = &record.value;
        let Some(messages) = document["messages"].as_array() else {
            return talk.out.unknown("document", &record.name(), record.raw);
        };
        talk.session.named(text(document, "sessionId"));
        let origin = &document["origin"];
        talk.session.version = filled(origin, "version").map(str::to_owned);
        if let Some(parent) = filled(origin, "parentThreadId").filter(|_| !self.is_child) {
            talk.session.parent = Some(parent.to_owned());
        }
        let session = talk.session.id.clone().unwrap_or_default();
        let named: Vec<(String, &Value)> =
            messages.iter().enumerate().map(|(n, said)| (id(said, n, &session), said)).collect();
        talk.keep_only(&named.iter().map(|(id, _)| id.as_str()).collect());
        let results = results(messages);
        for (id, said) in &named {
            match text(said, "role") {
                "user" => self.user(id, said, talk),
                "assistant" => assistant(id, said, &results, talk),
                "error" => failed(id, said, talk),
                role => talk.out.unknown(&format!("message.{role}"), id, &said.to_string()),
            }
        }
        let instructions = &document["system_prompt"];
        if instructions.is_string() && !std::mem::replace(&mut self.is_counted, true) {
            talk.out.context("system_prompt", "system_prompt", &json!({ "text": instructions }).to_string());
        }
    }
}

impl Cline {
    fn user(&self, id: &str, said: &Value, talk: &mut Talk) {
        let blocks = blocks(&said["content"]);
        let own = |block: &Value| text(block, "type") == "text" && !typed(text(block, "text")).is_empty();
        if !blocks.iter().any(|block| own(block) || file(block).is_some()) {
            return;
        }
        talk.turn(Turn::user(id).at(said["ts"].as_i64()));
        for (n, block) in blocks.iter().enumerate() {
            let part = format!("{id}-{n}");
            match (text(block, "type"), file(block)) {
                ("text", _) => {
                    let typed = typed(text(block, "text"));
                    if self.is_child {
                        talk.asked_for(&typed);
                    }
                    talk.prompt(id, &part, &typed);
                }
                (_, Some(file)) => talk.file(id, &part, &file),
                ("tool_result", None) => {}
                (kind, None) => talk.out.unknown(&format!("user.{kind}"), &part, &block.to_string()),
            }
        }
    }
}

/// The id of a message. The one that was said last may have none yet: then its position stands for it.
fn id(said: &Value, position: usize, session: &str) -> String {
    filled(said, "id").map_or_else(|| format!("{session}-{position:06}"), str::to_owned)
}

/// The results in all messages, by the ids of their calls, with the times at which they came.
fn results(messages: &[Value]) -> HashMap<String, (Value, Option<i64>)> {
    let of = |said: &Value| {
        let results = blocks(&said["content"]).into_iter().filter(|block| text(block, "type") == "tool_result");
        let at = said["ts"].as_i64();
        results.map(|result| (text(&result, "tool_use_id").to_owned(), (result, at))).collect::<Vec<_>>()
    };
    messages.iter().filter(|said| text(said, "role") == "user").flat_map(of).collect()
}

fn assistant(id: &str, said: &Value, results: &HashMap<String, (Value, Option<i64>)>, talk: &mut Talk) {
    let at = said["ts"].as_i64();
    let model = &said["modelInfo"];
    let head = Turn {
        model: text(model, "id").to_owned(),
        provider: text(model, "provider").to_owned(),
        tokens: tokens(&said["metrics"]),
        cost: said["metrics"]["cost"].as_f64().filter(|cost| *cost > 0.0),
        ..Turn::assistant(id)
    };
    talk.turn(head.at(at));
    // What the model's provider ran by itself is told beside the message, and not in it.
    for made in said["metadata"]["modelToolActivities"].as_array().into_iter().flatten() {
        let call = Tool { start: at, ..tool(text(made, "toolCallId"), text(made, "toolName"), &made["input"]) };
        let result = json!({ "content": made["output"], "is_error": made["isError"] });
        let has_result = made.get("output").is_some() || made.get("isError").is_some();
        talk.tool(id, &if has_result { settled(call, &result, at) } else { call });
    }
    for (n, block) in blocks(&said["content"]).iter().enumerate() {
        let part = format!("{id}-{n}");
        match text(block, "type") {
            "text" => talk.text(id, &part, text(block, "text"), at),
            "thinking" => talk.thought(id, &part, text(block, "thinking"), at),
            "redacted_thinking" => {}
            "tool_use" => {
                let call = Tool { start: at, ..tool(text(block, "id"), text(block, "name"), &block["input"]) };
                let call = match results.get(&call.call) {
                    Some((result, end)) => settled(call, result, *end),
                    None => call,
                };
                talk.tool(id, &call);
            }
            kind => match file(block) {
                Some(file) => talk.file(id, &part, &file),
                None => talk.out.unknown(&format!("assistant.{kind}"), &part, &block.to_string()),
            },
        }
    }
}

/// What failed instead of an answer.
fn failed(id: &str, said: &Value, talk: &mut Talk) {
    let words = blocks(&said["content"]).iter().map(|block| text(block, "text")).collect::<Vec<_>>().join("\n");
    talk.turn(Turn { fault: Some(Fault::Failed(words)), ..Turn::assistant(id) }.at(said["ts"].as_i64()));
}

/// The words of a person, without the tags around them and without what the program put before and behind them.
fn typed(said: &str) -> String {
    let own = without_files(&without_notices(said));
    let own = own.trim();
    if let Some(inside) = inside(own, "user_command") {
        let slash = own.split_once("slash=\"").and_then(|(_, rest)| rest.split_once('"')).map(|(slash, _)| slash);
        return format!("/{} {inside}", slash.unwrap_or_default()).trim_end().to_owned();
    }
    inside(own, "user_input").unwrap_or(own).to_owned()
}

/// A text without notices that the mode was changed.
fn without_notices(said: &str) -> String {
    const END: &str = "</mode_notice>";
    let (mut own, mut rest) = (String::new(), said);
    while let Some((before, notice)) = rest.split_once("<mode_notice") {
        let Some((_, after)) = notice.split_once(END) else { break };
        own.push_str(before);
        rest = after;
    }
    own + rest
}

/// A text without the contents of files that a person named. They stand one behind the other, and may hold such tags themselves, so all from
/// the first to the last is left out.
fn without_files(said: &str) -> String {
    const END: &str = "</file_content>";
    match said.find("<file_content").zip(said.rfind(END)).filter(|(first, last)| first < last) {
        Some((first, last)) => [&said[..first], &said[last + END.len()..]].concat(),
        None => said.to_owned(),
    }
}

/// What stands in the tag of this name that is around a text.
fn inside<'a>(said: &'a str, tag: &str) -> Option<&'a str> {
    let (_, rest) = said.strip_prefix(&format!("<{tag}"))?.split_once('>')?;
    Some(rest.strip_suffix(&format!("</{tag}>"))?.trim())
}

/// The tokens of one answer. What came from the cache is counted as read, too.
fn tokens(metrics: &Value) -> Option<Tokens> {
    metrics.is_object().then(|| {
        let (read, write) = (count(metrics, "cacheReadTokens"), count(metrics, "cacheWriteTokens"));
        Tokens {
            input: count(metrics, "inputTokens").saturating_sub(read).saturating_sub(write),
            output: count(metrics, "outputTokens"),
            reasoning: 0,
            read,
            write,
        }
    })
}
