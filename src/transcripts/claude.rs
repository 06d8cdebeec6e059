//! Claude Code: `~/.claude/projects/<folder>/<session>.jsonl`, one record a line, appended as the session goes on.
//!
//! The format is written down nowhere by its makers. This follows recordings of version 2.1.332 and public descriptions of files
//! of the versions 1.0 to 2.1 (read in November 2026: jeremedia/claude-code-log-format, alicoding/claude-parser,
//! jwhenry28/claude-code-visualizer). A record has `type`, `uuid`, `parentUuid`, `sessionId`, `timestamp`, `cwd`, `version`; `user` and
//! `assistant` have a `message` as the Messages API has it. An answer is written as several records, one for each block, under one
//! `message.id`. The result of a call comes as a `tool_result` in a record of the user's, with what the tool itself said in
//! `toolUseResult`.
//!
//! What the user said is a record of the user's that the program did not mark as its own, or an attachment of type `queued_command`:
//! that was typed while the model worked. Who went back to an earlier prompt is seen by the next prompt's parent (`tree.rs`).
//! A subagent writes a file of its own, of records with `isSidechain`, which before version 2.1 stood in the caller's file.

mod aside;
mod said;
pub(super) mod tools;

use serde_json::{Value, json};

use crate::transcripts::agent::Form;
use crate::transcripts::claude::aside::Asides;
use crate::transcripts::claude::said::{Said, said};
use crate::transcripts::claude::tools::{blocks, file, settled, tool};
use crate::transcripts::dialect::{Dialect, Origin, Record};
use crate::transcripts::notice::own_words;
use crate::transcripts::session::Title;
use crate::transcripts::talk::Talk;
use crate::transcripts::tool::{Tool, ToolState};
use crate::transcripts::tree::Tree;
use crate::transcripts::turn::{Fault, Tokens, Turn};
use crate::transcripts::values::{count, filled, text, time};

const PROVIDER: &str = "anthropic";

/// Records that the program writes for itself or for its model.
const HARNESS: [&str; 16] = [
    "agent-name",
    "api-request",
    "api-request-blob",
    "api-request-shape",
    "atis-latch",
    "file-history-delta",
    "file-history-snapshot",
    "last-prompt",
    "mode",
    "permission-mode",
    "pr-link",
    "progress",
    "queue-operation",
    "saved_hook_context",
    "tag",
    "tools-used",
];

pub(super) struct Claude {
    /// The transcript is a subagent's: all of its records are asides, and they are the conversation.
    is_subagent: bool,
    /// A record of the conversation was read.
    is_begun: bool,
    tree: Tree,
    asides: Asides,
    /// The call that shows the user's `!` command, until its output comes.
    shell: Option<(String, Tool)>,
    /// The text of a prompt that was typed while the model worked, until the model says something.
    queued: Option<String>,
}

/// Whether a record is of a transcript of Claude Code.
pub(super) fn knows(record: &Value) -> Option<Form> {
    let is = |name: &str| record.get(name).is_some_and(Value::is_string);
    let is_claude = is("sessionId") || is("leafUuid") || (is("messageId") && record["snapshot"].is_object());
    let message = &record["message"];
    // Others write records of these names, too, with parts in the place of content.
    let is_other = message.is_object() && message.get("parts").is_some();
    (is("type") && is_claude && !is_other).then_some(Form::Lines)
}

impl Claude {
    pub(super) fn of(origin: &Origin<'_>) -> Self {
        Self {
            is_subagent: origin.is_child,
            is_begun: false,
            tree: Tree::default(),
            asides: Asides::default(),
            shell: None,
            queued: None,
        }
    }
}

impl Dialect for Claude {
    fn record(&mut self, record: &Record<'_>, talk: &mut Talk) {
        let value = &record.value;
        let kind = text(value, "type");
        let is_aside = value["isSidechain"] == json!(true) && !self.is_subagent;
        if is_aside && !self.is_begun && matches!(kind, "user" | "assistant" | "attachment") {
            self.is_subagent = true;
            talk.session.is_subagents(value);
        }
        talk.session.said_by(value);
        let id = filled(value, "uuid").map_or_else(|| record.name(), str::to_owned);
        // A record that stands in the file once more was said once.
        if !self.tree.meet(value, talk.place()) {
            return;
        }
        match kind {
            "user" if value["message"].is_object() => self.user(record, &id, talk),
            "assistant" if value["message"].is_object() => self.assistant(record, &id, talk),
            "attachment" => self.attachment(record, &id, talk),
            "system" => self.system(record, &id, talk),
            "summary" => talk.session.title(Title::Summary, text(value, "summary")),
            "ai-title" => talk.session.title(Title::Summary, text(value, "aiTitle")),
            "custom-title" => talk.session.title(Title::Given, text(value, "customTitle")),
            "cost-state" => talk.session.cost = value["totalCostUSD"].as_f64().or(talk.session.cost),
            kind if HARNESS.contains(&kind) => talk.out.context(kind, &id, record.raw),
            kind => talk.out.unknown(kind, &id, record.raw),
        }
        self.tree.told(value, talk.place());
    }
}

impl Claude {
    fn is_aside(&self, value: &Value) -> bool {
        value["isSidechain"] == json!(true) && !self.is_subagent
    }

    fn user(&mut self, record: &Record<'_>, id: &str, talk: &mut Talk) {
        let value = &record.value;
        let at = time(&value["timestamp"]);
        let blocks = blocks(&value["message"]["content"]);
        let results = blocks.iter().filter(|block| text(block, "type") == "tool_result").count();
        // What the tool itself said is of the one result.
        let of_tool = if results == 1 { value.get("toolUseResult") } else { None };
        for block in blocks.iter().filter(|block| text(block, "type") == "tool_result") {
            match talk.calls.get(text(block, "tool_use_id")) {
                Some((message, call)) => talk.tool(&message, &settled(call, block, of_tool, at, talk)),
                None => talk.out.unknown("user.tool_result", id, &block.to_string()),
            }
        }
        let blocks: Vec<_> = blocks.into_iter().filter(|block| text(block, "type") != "tool_result").collect();
        if blocks.is_empty() {
            return;
        }
        self.is_begun = true;
        match said(value, &blocks) {
            Said::Prompt(texts) => self.prompt(value, id, &blocks, &texts, talk),
            Said::Report { call, state } => {
                if !talk.reported(&call, state, at) {
                    talk.out.context("user.notification", id, record.raw);
                }
            }
            Said::Interrupt(words) => talk.interrupted(words, at),
            Said::Command(command) => {
                self.go_back(value, talk);
                talk.turn(Turn::user(id).at(at));
                let mut tool = Tool::new(&format!("{id}-command"), "bash", json!({ "command": command }));
                tool.start = at;
                talk.tool(id, &tool);
                self.shell = Some((id.to_owned(), tool));
            }
            Said::CommandOutput { output, is_error } => match self.shell.take() {
                Some((message, mut tool)) => {
                    tool.end = at;
                    tool.state = if is_error { ToolState::Failed(output) } else { ToolState::Done(output) };
                    talk.tool(&message, &tool);
                }
                None => talk.out.context("user.command", id, record.raw),
            },
            Said::Summary => {
                if !self.tree.take_boundary() {
                    talk.turn(Turn::assistant(id).at(at));
                    talk.compacted(id, &format!("{id}-compaction"), false);
                }
                talk.out.context("user.summary", id, record.raw);
            }
            Said::Harness(kind) => talk.out.context(&format!("user.{kind}"), id, record.raw),
        }
    }

    fn prompt(&mut self, value: &Value, id: &str, blocks: &[Value], texts: &[Option<String>], talk: &mut Talk) {
        let at = time(&value["timestamp"]);
        let all = texts.iter().flatten().cloned().collect::<Vec<_>>().join("\n");
        if self.queued.take().is_some_and(|queued| queued == all) {
            return;
        }
        let session = self.is_aside(value).then(|| self.asides.session(value, &all, talk));
        if session.is_none() {
            self.go_back(value, talk);
        }
        let is_aside = session.is_some();
        talk.turn(Turn { session, ..Turn::user(id).at(at) });
        for (n, (block, said)) in blocks.iter().zip(texts).enumerate() {
            let part = format!("{id}-{n}");
            match (said, file(block)) {
                (Some(said), _) if is_aside => talk.text(id, &part, said, None),
                (Some(said), _) => talk.prompt(id, &part, said),
                (None, Some(file)) => talk.file(id, &part, &file),
                (None, None) if text(block, "type") == "text" => {}
                (None, None) => {
                    talk.out.unknown(&format!("user.{}", text(block, "type")), &part, &block.to_string());
                }
            }
        }
    }

    /// If a prompt goes on from before the last ones, what was said in between is taken back.
    fn go_back(&mut self, value: &Value, talk: &mut Talk) {
        if let Some((from, is_kept)) = self.tree.prompt(value) {
            talk.take_back_where(from, |place| !is_kept(place));
        }
    }

    fn assistant(&mut self, record: &Record<'_>, id: &str, talk: &mut Talk) {
        let value = &record.value;
        let message = &value["message"];
        let at = time(&value["timestamp"]);
        let model = text(message, "model");
        let is_error = value["isApiErrorMessage"] == json!(true);
        if model == "<synthetic>" && !is_error {
            return talk.out.context("assistant.synthetic", id, record.raw);
        }
        self.is_begun = true;
        self.queued = None;
        let turn = filled(message, "id").unwrap_or(id).to_owned();
        let session = self.is_aside(value).then(|| self.asides.session(value, "", talk));
        let blocks = blocks(&message["content"]);
        let failed = || blocks.iter().map(|block| text(block, "text")).collect::<Vec<_>>().join("\n");
        talk.turn(Turn {
            model: if model.starts_with('<') { String::new() } else { model.to_owned() },
            provider: PROVIDER.to_owned(),
            tokens: tokens(&message["usage"]),
            fault: is_error.then(|| Fault::Failed(failed())),
            session,
            ..Turn::assistant(&turn).at(at)
        });
        if is_error {
            return;
        }
        for (n, block) in blocks.iter().enumerate() {
            let part = format!("{id}-{n}");
            match text(block, "type") {
                "text" => talk.text(&turn, &part, text(block, "text"), at),
                // Of some models only a signature is kept.
                "thinking" => talk.thought(&turn, &part, text(block, "thinking"), at),
                "redacted_thinking" => talk.out.context("assistant.redacted_thinking", &part, &block.to_string()),
                "tool_use" | "server_tool_use" => {
                    let call = filled(block, "id").unwrap_or(&part);
                    talk.tool(&turn, &Tool { start: at, ..tool(call, text(block, "name"), &block["input"]) });
                }
                kind if kind.ends_with("_tool_result") => match talk.calls.get(text(block, "tool_use_id")) {
                    Some((message, call)) => talk.tool(&message, &settled(call, block, None, at, talk)),
                    None => talk.out.unknown(&format!("assistant.{kind}"), &part, &block.to_string()),
                },
                kind => talk.out.unknown(&format!("assistant.{kind}"), &part, &block.to_string()),
            }
        }
    }

    fn attachment(&mut self, record: &Record<'_>, id: &str, talk: &mut Talk) {
        let attachment = &record.value["attachment"];
        let kind = text(attachment, "type");
        let by = &attachment["origin"]["kind"];
        let is_prompt = text(attachment, "commandMode") == "prompt" && (by.is_null() || by == "human");
        if kind == "queued_command" && is_prompt {
            let blocks = blocks(&attachment["prompt"]);
            let texts: Vec<_> = blocks.iter().map(|block| filled(block, "text").and_then(own_words)).collect();
            self.queued = None;
            self.is_begun = true;
            self.prompt(&record.value, id, &blocks, &texts, talk);
            self.queued = Some(texts.into_iter().flatten().collect::<Vec<_>>().join("\n"));
            return;
        }
        if kind == "queued_command"
            && let Said::Report { call, state } = said(&json!({}), &blocks(&attachment["prompt"]))
            && talk.reported(&call, state, time(&record.value["timestamp"]))
        {
            return;
        }
        talk.out.context(&format!("attachment.{kind}"), id, record.raw);
    }

    fn system(&mut self, record: &Record<'_>, id: &str, talk: &mut Talk) {
        let value = &record.value;
        let kind = text(value, "subtype");
        if kind != "compact_boundary" {
            return talk.out.context(&format!("system.{kind}"), id, record.raw);
        }
        let trigger = text(&value["compactMetadata"], "trigger");
        let at = time(&value["timestamp"]);
        talk.turn(if trigger == "manual" { Turn::user(id) } else { Turn::assistant(id) }.at(at));
        talk.compacted(id, &format!("{id}-compaction"), trigger == "auto");
        self.tree.boundary();
    }
}

fn tokens(usage: &Value) -> Option<Tokens> {
    usage.is_object().then(|| {
        let thought = count(&usage["output_tokens_details"], "thinking_tokens");
        Tokens {
            input: count(usage, "input_tokens"),
            output: count(usage, "output_tokens").saturating_sub(thought),
            reasoning: thought,
            read: count(usage, "cache_read_input_tokens"),
            write: count(usage, "cache_creation_input_tokens"),
        }
    })
}
