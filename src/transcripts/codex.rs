//! Codex CLI: `~/.codex/sessions/YYYY/MM/DD/rollout-<time>-<id>.jsonl`, one record a line, appended as the session goes on.
//!
//! After its source (openai/codex, `codex-rs/protocol/src/models.rs` and `codex-rs/core/src/rollout`, read in November 2026), public
//! samples of the versions 0.46 to 0.147, and recordings of 0.171.0. A record is `{timestamp, ordinal, type, payload}`:
//! `session_meta` says which session, `turn_context` which model, `response_item` is what went to and came from the model,
//! `event_msg` what a screen shows. The conversation is read from the first three; of the events only what they do not say: tokens,
//! where a turn begins and ends, exit codes, diffs, and commands that the user ran. Before 0.30 a record was the bare payload; that is
//! read too.
//!
//! What the program puts into the user's messages (`<environment_context>`, the text of AGENTS.md, notices) is named by
//! `content_item_kinds` where the version has it, and known by its tags where not.
//!
//! Who goes back or forks goes on in another file, which names the one before it: [`Base`](super::Base).

pub(super) mod base;
mod ended;
mod tools;

use std::collections::HashMap;

use serde_json::{Value, json};

use crate::share::limits::SHARE_ITEMS_MAX;
use crate::transcripts::agent::Form;
use crate::transcripts::codex::ended::Ended;
use crate::transcripts::codex::tools::{is_put_in, mime, settled, texts, tokens, tool, typed};
use crate::transcripts::dialect::{Dialect, Record};
use crate::transcripts::session::Title;
use crate::transcripts::talk::Talk;
use crate::transcripts::tool::{File, Tool, ToolState};
use crate::transcripts::turn::{Fault, Tokens, Turn};
use crate::transcripts::values::{filled, text, time};

#[derive(Default)]
pub(super) struct Codex {
    provider: String,
    model: String,
    /// The id of the model's message that is being written.
    turn: Option<String>,
    /// The tokens of that message.
    tokens: Tokens,
    /// The session's token counts, from the last record that had them.
    total: Tokens,
    /// Whether the turn is the user's: a compaction within it was nobody's wish. `None`: the version does not say.
    is_asked: Option<bool>,
    ended: Ended,
    /// The version writes the screen's items, which say when a command has really ended.
    has_items: bool,
    /// How often a record without an id and an ordinal came, by its name.
    names: HashMap<String, u32>,
}

/// Whether a record is of a transcript of Codex.
pub(super) fn knows(record: &Value) -> Option<Form> {
    let is = |name: &str| record.get(name).is_some_and(Value::is_string);
    let is_record = is("timestamp") && record["payload"].is_object() && is("type");
    // Before there was an envelope.
    let is_bare = is("id") && is("timestamp") && record.get("instructions").is_some();
    (is_record || is_bare).then_some(Form::Lines)
}

impl Dialect for Codex {
    fn record(&mut self, record: &Record<'_>, talk: &mut Talk) {
        let value = &record.value;
        let at = time(&value["timestamp"]);
        talk.session.at(at);
        let payload = &value["payload"];
        let kind = text(value, "type");
        match (kind, payload.is_object()) {
            ("session_meta", true) => self.begin(payload, talk),
            ("turn_context", true) => self.context(payload, talk),
            ("response_item", true) => self.item(payload, record, at, talk),
            ("event_msg", true) => self.event(payload, record, at, talk),
            ("compacted", true) => {
                let id = self.id(record);
                self.compacted(&id, at, talk);
            }
            ("world_state" | "token_usage_record", true) => talk.out.context(kind, &record.name(), record.raw),
            // Before there was an envelope.
            ("", false) if value["id"].is_string() && talk.session.id.is_none() => self.begin(value, talk),
            (kind, false) if is_item(kind) => self.item(value, record, at, talk),
            ("", false) if value.get("record_type").is_some() => {
                talk.out.context(text(value, "record_type"), &record.name(), record.raw);
            }
            (kind, _) => talk.out.unknown(kind, &record.name(), record.raw),
        }
    }
}

impl Codex {
    /// Takes the first record of a session. A session that goes on from another one has that one's record as well, after its own.
    fn begin(&mut self, meta: &Value, talk: &mut Talk) {
        if self.provider.is_empty() {
            filled(meta, "model_provider").unwrap_or("openai").clone_into(&mut self.provider);
        }
        let is_own = filled(meta, "id") == talk.session.id.as_deref() || talk.session.id.is_none();
        if !is_own || talk.session.version.is_some() {
            return;
        }
        talk.session.named(text(meta, "id"));
        let said = |name: &str| filled(meta, name).map(str::to_owned);
        talk.session.directory = said("cwd");
        talk.session.version = said("cli_version");
        talk.session.parent = said("parent_thread_id");
        talk.session.at(time(&meta["timestamp"]));
    }

    fn context(&mut self, context: &Value, talk: &mut Talk) {
        if let Some(model) = filled(context, "model") {
            model.clone_into(&mut self.model);
            talk.model(&self.provider, model);
        }
    }

    /// The id of what a record says: its own, that of its call, its ordinal; of an older one a name that stands for its text.
    fn id(&mut self, record: &Record<'_>) -> String {
        let value = &record.value;
        let payload = if value["payload"].is_object() { &value["payload"] } else { value };
        if let Some(own) = filled(payload, "id").or_else(|| filled(payload, "call_id")) {
            return own.to_owned();
        }
        if let Some(ordinal) = value["ordinal"].as_u64() {
            return format!("ordinal-{ordinal}");
        }
        let name = record.name();
        if self.names.len() >= SHARE_ITEMS_MAX {
            return name;
        }
        let times = self.names.entry(name.clone()).and_modify(|times| *times += 1).or_default();
        if *times == 0 { name } else { format!("{name}-{times}") }
    }

    fn item(&mut self, item: &Value, record: &Record<'_>, at: Option<i64>, talk: &mut Talk) {
        let kind = text(item, "type");
        let metadata = &record.value["metadata"];
        match (kind, text(item, "role")) {
            ("message", "assistant") if metadata["compaction_output"] == json!(true) => {
                talk.out.context("message.compaction", &record.name(), record.raw);
            }
            ("message", "user") => self.user(item, record, at, talk),
            ("message", "assistant") => {
                let id = self.id(record);
                for (n, said) in texts(&item["content"]).iter().enumerate() {
                    let message = self.message(&id, at, talk);
                    talk.text(&message, &if n == 0 { id.clone() } else { format!("{id}-{n}") }, said, at);
                }
            }
            ("message", role) => talk.out.context(&format!("message.{role}"), &record.name(), record.raw),
            ("reasoning", _) => {
                let thoughts = [texts(&item["summary"]), texts(&item["content"])].concat().join("\n\n");
                // Most are encrypted, for the model alone.
                if thoughts.is_empty() {
                    return talk.out.context("reasoning", &record.name(), record.raw);
                }
                let id = self.id(record);
                let message = self.message(&id, at, talk);
                talk.thought(&message, &id, &thoughts, at);
            }
            ("function_call" | "custom_tool_call" | "local_shell_call" | "web_search_call", _) => {
                let id = filled(item, "call_id").map_or_else(|| self.id(record), str::to_owned);
                let message = self.message(&id, at, talk);
                let mut call = Tool { start: at, ..tool(&id, item) };
                // A search has no result of its own.
                if kind == "web_search_call" {
                    call.state = ToolState::Done(String::new());
                }
                talk.tool(&message, &call);
            }
            ("function_call_output" | "custom_tool_call_output", _) => self.output(item, record, at, talk),
            (kind, _) => talk.out.unknown(&format!("response_item.{kind}"), &record.name(), record.raw),
        }
    }

    fn user(&mut self, item: &Value, record: &Record<'_>, at: Option<i64>, talk: &mut Talk) {
        let about = &item["internal_chat_message_metadata_passthrough"];
        let pieces: Vec<&Value> = item["content"].as_array().into_iter().flatten().collect();
        let kind = |n: usize| about["content_item_kinds"][n].as_str();
        let is_named = about["content_item_kinds"].as_array().is_some_and(|kinds| !kinds.is_empty());
        let is_users = |n: usize, piece: &Value| match kind(n) {
            _ if !is_named => !is_put_in(text(piece, "text")),
            Some(kind) => kind.starts_with("user."),
            None => text(&about["content_item_metadata"][n]["provenance"], "type") == "user",
        };
        let own: Vec<(usize, &Value)> =
            pieces.iter().enumerate().filter(|(n, piece)| is_users(*n, piece)).map(|(n, piece)| (n, *piece)).collect();
        if own.is_empty() {
            let kind = kind(0).unwrap_or("user");
            if kind == "multi_agent.subagent_notification"
                && pieces.iter().any(|piece| ended::notified(text(piece, "text"), at, talk))
            {
                return;
            }
            return talk.out.context(&format!("message.{kind}"), &record.name(), record.raw);
        }
        self.turn = None;
        let id = self.id(record);
        talk.turn(Turn::user(&id).at(at));
        for (n, piece) in own {
            let part = format!("{id}-{n}");
            match text(piece, "type") {
                "input_image" => {
                    let url = text(piece, "image_url");
                    talk.file(&id, &part, &File::at(mime(url), url));
                }
                _ => talk.prompt(&id, &part, typed(text(piece, "text"))),
            }
        }
    }

    fn output(&mut self, item: &Value, record: &Record<'_>, at: Option<i64>, talk: &mut Talk) {
        let id = text(item, "call_id");
        if self.ended.take(id) {
            return;
        }
        match talk.calls.get(id) {
            // It goes on in the background, and its item comes when it has ended.
            Some(_) if self.has_items && tools::is_still_running(&item["output"]) => {}
            Some((message, call)) => {
                let call = settled(call, &item["output"], at, talk);
                talk.tool(&message, &call);
                ended::reports(&item["output"], at, talk);
            }
            None => talk.out.unknown("response_item.output", &record.name(), record.raw),
        }
    }

    fn event(&mut self, event: &Value, record: &Record<'_>, at: Option<i64>, talk: &mut Talk) {
        match text(event, "type") {
            "task_started" | "turn_started" => {
                self.turn = None;
                let attribution = event.get("turn_attribution");
                // Of a version that attributes its turns, the one that only compacts has none.
                let known = attribution.is_some() || event.get("root_turn_id").is_some();
                self.is_asked = known.then(|| attribution.is_some_and(Value::is_object));
            }
            "task_complete" | "turn_complete" => {
                if let Some(turn) = self.turn.take() {
                    talk.turn(Turn { ended: at, ..Turn::assistant(&turn) });
                }
            }
            "turn_aborted" => {
                let words = match text(event, "reason") {
                    "interrupted" | "" => "the user interrupted it".to_owned(),
                    reason => format!("it was stopped: {reason}"),
                };
                talk.interrupted(&words, at);
                self.turn = None;
            }
            "error" => {
                let id = self.id(record);
                let message = self.message(&id, at, talk);
                let fault = Some(Fault::Failed(text(event, "message").to_owned()));
                talk.turn(Turn { fault, ..Turn::assistant(&message) });
            }
            "token_count" => self.count(&event["info"]["total_token_usage"], talk),
            // Before a thread went on in another file, going back was a mark in its file.
            "thread_rolled_back" => {
                self.turn = None;
                let turns = event["num_turns"].as_u64().unwrap_or_default();
                if let Some(from) = usize::try_from(turns).ok().and_then(|turns| talk.prompt_before(turns)) {
                    talk.take_back(&from);
                }
            }
            "thread_name_updated" => talk.session.title(Title::Given, text(event, "thread_name")),
            "item_completed" => self.completed(event, record, at, talk),
            kind if is_repeated(kind) => {}
            kind if is_harness(kind) => talk.out.context(&format!("event_msg.{kind}"), &record.name(), record.raw),
            kind => talk.out.unknown(&format!("event_msg.{kind}"), &record.name(), record.raw),
        }
    }

    /// Takes the counts of the whole session. They are said again whenever the limits of the account are told.
    fn count(&mut self, usage: &Value, talk: &mut Talk) {
        let Some(total) = tokens(usage).filter(|total| *total != self.total) else { return };
        if let Some(turn) = &self.turn {
            self.tokens.grow(&total, &self.total);
            talk.turn(Turn { tokens: Some(self.tokens), ..Turn::assistant(turn) });
        }
        self.total = total;
        talk.session.tokens = total;
    }

    /// An item of the screen is whole: of a call it says more than what went to the model.
    fn completed(&mut self, event: &Value, record: &Record<'_>, at: Option<i64>, talk: &mut Talk) {
        self.has_items = true;
        let item = &event["item"];
        let ended = event["completed_at_ms"].as_i64().or(at);
        match text(item, "type") {
            "CommandExecution" if text(item, "source") == "user_shell" => {
                self.turn = None;
                let id = filled(item, "id").map_or_else(|| record.name(), str::to_owned);
                let began = event["started_at_ms"].as_i64().or(at);
                talk.turn(Turn::user(&id).at(began));
                let command = json!({ "command": tools::command(&item["command"]) });
                let call = Tool { start: began, ..Tool::new(&format!("{id}-command"), "bash", command) };
                talk.tool(&id, &ended::ran(call, item, ended));
            }
            "CommandExecution" => self.ended.call(item, talk, |call| ended::ran(call, item, ended)),
            "FileChange" => self.ended.call(item, talk, |call| ended::changed(call, item, ended)),
            "CollabAgentToolCall" => ended::collaborated(item, ended, talk),
            // These repeat what went to the model and came from it.
            "AgentMessage" | "ContextCompaction" | "ImageView" | "McpToolCall" | "Reasoning" | "UserMessage"
            | "WebSearch" => {}
            kind => talk.out.unknown(&format!("item_completed.{kind}"), &record.name(), record.raw),
        }
    }

    fn compacted(&mut self, id: &str, at: Option<i64>, talk: &mut Talk) {
        let part = format!("{id}-compaction");
        match self.is_asked {
            // Nobody asked for it: it happened in the middle of an answer.
            Some(true) => {
                let message = self.message(&part, at, talk);
                talk.compacted(&message, &part, true);
            }
            Some(false) => {
                self.turn = None;
                talk.turn(Turn::user(&part).at(at));
                talk.compacted(&part, &part, false);
            }
            None => {
                let message = self.message(&part, at, talk);
                talk.compacted(&message, &part, false);
            }
        }
    }

    /// The id of the model's message that is being written. Begins one if none is open.
    fn message(&mut self, id: &str, at: Option<i64>, talk: &mut Talk) -> String {
        let open = self.turn.clone().filter(|turn| talk.has(turn));
        let message = open.unwrap_or_else(|| {
            self.tokens = Tokens::default();
            format!("{id}-turn")
        });
        self.turn = Some(message.clone());
        talk.turn(Turn {
            model: self.model.clone(),
            provider: self.provider.clone(),
            ..Turn::assistant(&message).at(at)
        });
        message
    }
}

fn is_item(kind: &str) -> bool {
    matches!(
        kind,
        "message"
            | "reasoning"
            | "function_call"
            | "function_call_output"
            | "custom_tool_call"
            | "custom_tool_call_output"
            | "local_shell_call"
            | "web_search_call"
    )
}

/// Whether an event repeats what a response item says.
fn is_repeated(kind: &str) -> bool {
    let begin = ["user_message", "agent_message", "agent_reasoning", "context_compacted", "item_", "exec_command_"];
    let more = ["patch_apply_", "mcp_tool_call_", "web_search_", "view_image_tool_call", "plan_update"];
    begin.iter().chain(&more).any(|known| kind.starts_with(known))
}

/// Whether an event is one of the program's own: settings, notices, what is in progress.
fn is_harness(kind: &str) -> bool {
    matches!(
        kind,
        "thread_settings_applied"
            | "session_configured"
            | "turn_diff"
            | "warning"
            | "stream_error"
            | "background_event"
            | "entered_review_mode"
            | "exited_review_mode"
            | "thread_goal_updated"
    )
}
