//! Qwen Code: `~/.qwen/projects/<folder>/chats/<session>.jsonl`, one record a line, appended as the session goes on.
//!
//! After recordings of version 0.24.4 (November 2026). A record has `uuid`, `parentUuid`, `sessionId`, `timestamp`, `type`, `provenance`,
//! `cwd`, `version`, as Claude Code's has; `user` and `assistant` have a `message` of `parts` in Gemini's terms. One record holds a whole
//! answer. A result is a record of type `tool_result`, with what the tool itself said in `toolCallResult`. Who goes back writes a
//! record of type `system` and subtype `rewind`, which hangs on the record that is gone back to.
//!
//! A person's words are those whose `provenance` is `real_user`, without the reminders that the program puts before them. A subagent
//! writes a file of its own, `subagents/<session>/agent-<name>.jsonl`.

use serde_json::{Value, json};

use crate::transcripts::agent::Form;
use crate::transcripts::dialect::{Dialect, Origin, Record};
use crate::transcripts::gemini::pieces::{file, is_unknown, pieces, responses, words};
use crate::transcripts::gemini::tools::tool;
use crate::transcripts::notice::{own_words, report};
use crate::transcripts::session::Title;
use crate::transcripts::talk::Talk;
use crate::transcripts::tool::{Tool, ToolState};
use crate::transcripts::tree::Tree;
use crate::transcripts::turn::{Tokens, Turn};
use crate::transcripts::values::{count, filled, text, time};

pub(super) struct Qwen {
    /// The transcript is a subagent's: all of its records are asides, and they are the conversation.
    is_subagent: bool,
    tree: Tree,
}

/// Whether a record is of a transcript of Qwen Code.
pub(super) fn knows(record: &Value) -> Option<Form> {
    let is = |name: &str| record.get(name).is_some_and(Value::is_string);
    let has_parts = record["message"]["parts"].is_array();
    let is_system = text(record, "type") == "system" && is("provenance") && record.get("systemPayload").is_some();
    (is("uuid") && is("sessionId") && is("type") && (has_parts || is_system)).then_some(Form::Lines)
}

impl Qwen {
    pub(super) fn of(origin: &Origin<'_>) -> Self {
        Self { is_subagent: origin.is_child, tree: Tree::default() }
    }
}

impl Dialect for Qwen {
    fn record(&mut self, record: &Record<'_>, talk: &mut Talk) {
        let value = &record.value;
        if value["isSidechain"] == json!(true) && !self.is_subagent {
            self.is_subagent = true;
            talk.session.is_subagents(value);
        }
        talk.session.said_by(value);
        let id = filled(value, "uuid").map_or_else(|| record.name(), str::to_owned);
        // A record that stands in the file once more was said once.
        if !self.tree.meet(value, talk.place()) {
            return;
        }
        match text(value, "type") {
            "user" => self.user(record, &id, talk),
            "assistant" => self.assistant(record, &id, talk),
            "tool_result" => self.result(record, &id, talk),
            "system" => self.system(record, &id, talk),
            kind => talk.out.unknown(kind, &id, record.raw),
        }
        self.tree.told(value, talk.place());
    }
}

impl Qwen {
    fn user(&mut self, record: &Record<'_>, id: &str, talk: &mut Talk) {
        let value = &record.value;
        let at = time(&value["timestamp"]);
        let pieces = pieces(&value["message"]["parts"]);
        let notice = pieces.iter().find_map(|piece| report(text(piece, "text")));
        if let Some(notice) = notice {
            if !notice.name.is_empty() {
                let session = talk.subagent(&notice.name);
                talk.tie(&notice.call, &session);
            }
            if talk.reported(&notice.call, notice.state, at) {
                return;
            }
        }
        let by = filled(value, "provenance");
        let is_persons = by.is_none_or(|by| by == "real_user") && value.get("subtype").is_none_or(Value::is_null);
        let own: Vec<Option<String>> = pieces.iter().map(|piece| filled(piece, "text").and_then(own_words)).collect();
        let has_own = own.iter().any(Option::is_some) || pieces.iter().any(|piece| file(piece).is_some());
        if !is_persons || !has_own {
            let kind = filled(value, "subtype").or(by.filter(|_| !is_persons)).unwrap_or("reminder");
            return talk.out.context(&format!("user.{kind}"), id, record.raw);
        }
        self.go_back(value, talk);
        talk.turn(Turn::user(id).at(at));
        for (n, (piece, own)) in pieces.iter().zip(own).enumerate() {
            let part = format!("{id}-{n}");
            if let Some(own) = own {
                talk.prompt(id, &part, &own);
            } else if let Some(file) = file(piece) {
                talk.file(id, &part, &file);
            } else if is_unknown(piece) {
                talk.out.unknown("user.part", &part, &piece.to_string());
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
        let at = time(&value["timestamp"]);
        let pieces = pieces(&value["message"]["parts"]);
        let head = Turn { model: text(value, "model").to_owned(), ..Turn::assistant(id) };
        talk.turn(Turn { tokens: tokens(&value["usageMetadata"]), ..head.at(at) });
        for (n, said) in words(&pieces, true).enumerate() {
            talk.thought(id, &format!("{id}-thought-{n}"), said, at);
        }
        for (n, said) in words(&pieces, false).enumerate() {
            talk.text(id, &format!("{id}-{n}"), said, at);
        }
        for made in pieces.iter().map(|piece| &piece["functionCall"]).filter(|made| made.is_object()) {
            let call = tool(text(made, "id"), text(made, "name"), &made["args"]);
            talk.tool(id, &Tool { start: at, ..call });
        }
        for (n, file) in pieces.iter().filter_map(file).enumerate() {
            talk.file(id, &format!("{id}-file-{n}"), &file);
        }
        for piece in pieces.iter().filter(|piece| is_unknown(piece)) {
            talk.out.unknown("assistant.part", id, &piece.to_string());
        }
    }

    fn result(&mut self, record: &Record<'_>, id: &str, talk: &mut Talk) {
        let value = &record.value;
        let at = time(&value["timestamp"]);
        let pieces = pieces(&value["message"]["parts"]);
        let (of_tool, mut is_known) = (&value["toolCallResult"], false);
        for (call, response) in responses(&pieces) {
            let call = if call.is_empty() { text(of_tool, "callId") } else { call };
            if let Some((message, call)) = talk.calls.get(call) {
                is_known = true;
                let call = settled(call, response, of_tool, at, talk);
                talk.tool(&message, &call);
            }
        }
        if !is_known {
            talk.out.unknown("tool_result", id, record.raw);
        }
    }

    fn system(&mut self, record: &Record<'_>, id: &str, talk: &mut Talk) {
        let value = &record.value;
        let payload = &value["systemPayload"];
        match text(value, "subtype") {
            "rewind" => self.go_back(value, talk),
            "chat_compression" => {
                let (at, trigger) = (time(&value["timestamp"]), text(&payload["info"], "triggerReason"));
                talk.turn(if trigger == "manual" { Turn::user(id) } else { Turn::assistant(id) }.at(at));
                talk.compacted(id, &format!("{id}-compaction"), trigger == "auto");
            }
            "custom_title" => {
                let title = filled(payload, "customTitle").or_else(|| filled(payload, "title")).unwrap_or_default();
                talk.session.title(Title::Given, title);
            }
            kind => talk.out.context(&format!("system.{kind}"), id, record.raw),
        }
    }
}

/// A call with its result. `of_tool`: what the tool itself said.
fn settled(mut call: Tool, response: &Value, of_tool: &Value, end: Option<i64>, talk: &Talk) -> Tool {
    let shown = &of_tool["resultDisplay"];
    let failed = filled(response, "error");
    let is_error = failed.is_some() || text(of_tool, "status") == "error";
    let mut said = failed.or_else(|| filled(response, "output")).unwrap_or_default().to_owned();
    call.end = end;
    match text(shown, "type") {
        "shell_result" => {
            call.exit = shown["exitCode"].as_i64();
            if let Some(output) = shown["output"].as_str() {
                output.clone_into(&mut said);
            }
        }
        "task_execution" => {
            let name = filled(shown, "subagentName").unwrap_or_default();
            call.session = Some(talk.subagent(&format!("{name}-{}", call.call)));
            // One that works in the background has not ended: its report comes later.
            if said.starts_with("Background agent launched") && !is_error {
                call.end = None;
                return call;
            }
        }
        _ => call.diff = filled(shown, "fileDiff").map(str::to_owned),
    }
    call.state = if is_error { ToolState::Failed(said) } else { ToolState::Done(said) };
    call
}

fn tokens(usage: &Value) -> Option<Tokens> {
    usage.is_object().then(|| {
        let (prompt, cached) = (count(usage, "promptTokenCount"), count(usage, "cachedContentTokenCount"));
        let (written, thought) = (count(usage, "candidatesTokenCount"), count(usage, "thoughtsTokenCount"));
        // Where the total says so, what was thought is counted as written, too.
        let is_within = prompt.saturating_add(written) == count(usage, "totalTokenCount");
        Tokens {
            input: prompt.saturating_sub(cached),
            output: if is_within { written.saturating_sub(thought) } else { written },
            reasoning: thought,
            read: cached,
            write: 0,
        }
    })
}
