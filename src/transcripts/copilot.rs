//! GitHub Copilot CLI: `~/.copilot/session-state/<session>/events.jsonl`, one event a line, appended as the session goes on. Who goes back
//! has the file replaced by a shorter one.
//!
//! After recordings of version 1.0.102 and the types of events in `@github/copilot-sdk` 1.0.14 (`session-events.d.ts`, November 2026). An
//! event has `type`, `data`, `id`, `timestamp` and `parentId`, the event before it; one of a subagent's has its `agentId`, too, and
//! before that was so, the `parentToolCallId` in its data.
//!
//! A person's words are the `content` of `user.message` without a `source`, as they were typed; `transformedContent` is what the
//! program made of them. A call stands in `assistant.message`, then begins and completes by events of its own, by which it is shown while
//! it runs. The tokens of an answer are in the `session.usage_record` of its `apiCallId`. Its `cost` counts requests, not money.

mod agents;
mod tools;

use std::collections::VecDeque;

use serde_json::Value;

use crate::transcripts::agent::Form;
use crate::transcripts::copilot::agents::Agents;
use crate::transcripts::copilot::tools::{attached, settled, tool};
use crate::transcripts::dialect::{Dialect, Record};
use crate::transcripts::session::Title;
use crate::transcripts::talk::Talk;
use crate::transcripts::tool::Tool;
use crate::transcripts::turn::{Fault, Tokens, Turn};
use crate::transcripts::values::{count, filled, text, time};

/// Events that the program writes for itself or for its model, without the name of their group.
const HARNESS: [(&str, &[&str]); 13] = [
    (
        "session",
        &[
            "autopilot_objective_changed",
            "auto_mode_resolved",
            "binary_asset",
            "compaction_start",
            "completion_receipt",
            "context_changed",
            "context_cleared",
            "handoff",
            "idle",
            "info",
            "mode_changed",
            "mode_notice_delivered",
            "model_change",
            "permissions_changed",
            "plan_changed",
            "remote_steerable_changed",
            "schedule_cancelled",
            "schedule_created",
            "schedule_rearmed",
            "session_limits_changed",
            "shutdown",
            "snapshot_rewind",
            "task_complete",
            "todos_changed",
            "tools_updated",
            "truncation",
            "usage_checkpoint",
            "usage_info",
            "warning",
            "workspace_file_changed",
        ],
    ),
    ("assistant", &["idle", "intent", "reasoning", "turn_end", "turn_start"]),
    (
        "model",
        &[
            "call_failure",
            "call_finished",
            "message",
            "messages_snapshot",
            "model_call_failure",
            "model_call_started",
            "model_call_success",
            "response",
            "turn_ended",
            "turn_started",
        ],
    ),
    ("subagent", &["configured", "deselected", "selected"]),
    ("system", &["message", "notification"]),
    ("hook", &["end", "progress", "start"]),
    ("skill", &["invoked"]),
    ("tool", &["execution_partial_result", "execution_progress"]),
    ("tool_search", &["activated"]),
    ("user_input", &["completed", "requested"]),
    ("external_tool", &["completed", "requested"]),
    ("command", &["completed", "execute", "queued"]),
    (
        "permission",
        &[
            "assentDetected",
            "carriedForward",
            "completed",
            "contextualAuthorization",
            "messageAuthorization",
            "messageAuthorizationDegraded",
            "messageAuthorizationRead",
            "requested",
        ],
    ),
];

/// Answers and counts of tokens that wait for one another: they stand close together.
const USAGES_MAX: usize = 16;

#[derive(Default)]
pub(super) struct Copilot {
    agents: Agents,
    /// Counts of tokens whose answers did not come yet, by the ids of the requests.
    usages: VecDeque<(String, Tokens)>,
    /// Answers whose counts did not come yet, by the ids of the requests.
    answers: VecDeque<(String, Turn)>,
}

/// Whether a record is of a transcript of Copilot CLI.
pub(super) fn knows(record: &Value) -> Option<Form> {
    let is = |name: &str| record.get(name).is_some_and(Value::is_string);
    let is_event = is("type") && is("id") && is("timestamp") && record["data"].is_object();
    (is_event && record.get("parentId").is_some()).then_some(Form::Lines)
}

impl Dialect for Copilot {
    fn record(&mut self, record: &Record<'_>, talk: &mut Talk) {
        let value = &record.value;
        let (data, at) = (&value["data"], time(&value["timestamp"]));
        let id = filled(value, "id").map_or_else(|| record.name(), str::to_owned);
        // Of the session that a subagent runs in, nothing is said of the conversation's.
        let session = self.agents.session(value, talk);
        if session.is_none() {
            talk.session.at(at);
        }
        match text(value, "type") {
            "session.start" if session.is_none() => about(data, talk),
            "session.resume" => about(data, talk),
            "session.title_changed" => talk.session.title(Title::Summary, text(data, "title")),
            "user.message" => user(record, &id, at, session, talk),
            "assistant.message" => self.assistant(record, &id, at, session, talk),
            "session.usage_record" => self.usage(&data["usage"], talk),
            "assistant.usage" => self.usage(data, talk),
            "tool.user_requested" => {
                talk.turn(Turn { session, ..Turn::user(&id).at(at) });
                let call = tool(text(data, "toolCallId"), text(data, "toolName"), &data["arguments"]);
                talk.tool(&id, &Tool { start: at, ..call });
            }
            "tool.execution_start" => self.begun(data, &id, at, session, talk),
            "tool.execution_complete" => self.ended(record, &id, at, talk),
            "subagent.started" => self.agents.started(value, session.as_deref(), talk),
            "subagent.completed" | "subagent.failed" => self.agents.ended(data, session.as_deref(), at, talk),
            "session.compaction_complete" => compacted(record, &id, at, session, talk),
            "session.error" => {
                let fault = Some(Fault::Failed(text(data, "message").to_owned()));
                talk.turn(Turn { fault, session, ..Turn::assistant(&id).at(at) });
            }
            "abort" if session.is_none() => talk.interrupted(why(text(data, "reason")), at),
            kind if is_harness(kind) => talk.out.context(kind, &id, record.raw),
            kind => talk.out.unknown(kind, &id, record.raw),
        }
    }
}

impl Copilot {
    fn assistant(&mut self, record: &Record<'_>, id: &str, at: Option<i64>, session: Option<String>, talk: &mut Talk) {
        let data = &record.value["data"];
        let message = filled(data, "messageId").unwrap_or(id);
        let request = text(data, "apiCallId");
        let known = self.usages.iter().position(|(of, _)| of == request).and_then(|at| self.usages.remove(at));
        let turn = Turn {
            model: text(data, "model").to_owned(),
            session: session.clone(),
            tokens: known.map(|(_, tokens)| tokens),
            ..Turn::assistant(message).at(at)
        };
        if turn.tokens.is_none() && !request.is_empty() {
            remember(&mut self.answers, request, turn.clone());
        }
        talk.turn(turn);
        let said = text(data, "content");
        talk.thought(message, &format!("{id}-thought"), text(data, "reasoningText"), at);
        talk.text(message, &format!("{id}-0"), said, at);
        for made in data["toolRequests"].as_array().into_iter().flatten() {
            let call = tool(text(made, "toolCallId"), text(made, "name"), &made["arguments"]);
            talk.tool(message, &Tool { start: at, ..call });
        }
        if let Some(session) = session {
            self.agents.said(&session, said);
        }
    }

    fn usage(&mut self, usage: &Value, talk: &mut Talk) {
        let request = text(usage, "apiCallId");
        let Some(tokens) = tokens(usage) else { return };
        match self.answers.iter().position(|(of, _)| of == request).and_then(|at| self.answers.remove(at)) {
            Some((_, turn)) => talk.turn(Turn { tokens: Some(tokens), ..turn }),
            None => remember(&mut self.usages, request, tokens),
        }
    }

    fn begun(&mut self, data: &Value, id: &str, at: Option<i64>, session: Option<String>, talk: &mut Talk) {
        let call = text(data, "toolCallId");
        let (message, known) = talk.calls.get(call).unwrap_or_else(|| {
            // Nobody's message has it: it is one by itself.
            talk.turn(Turn { session, ..Turn::assistant(id).at(at) });
            (id.to_owned(), tool(call, text(data, "toolName"), &data["arguments"]))
        });
        talk.tool(&message, &Tool { start: at, ..known });
    }

    fn ended(&mut self, record: &Record<'_>, id: &str, at: Option<i64>, talk: &mut Talk) {
        let data = &record.value["data"];
        let Some((message, call)) = talk.calls.get(text(data, "toolCallId")) else {
            return talk.out.unknown("tool.execution_complete", id, record.raw);
        };
        // One that works in the background has not ended: its report comes later.
        if self.agents.is_in_background(&call.call) && data["success"] == true {
            return;
        }
        talk.tool(&message, &settled(call, data, at));
    }
}

fn about(data: &Value, talk: &mut Talk) {
    talk.session.named(text(data, "sessionId"));
    let folder = filled(&data["context"], "cwd").map(str::to_owned);
    talk.session.directory = talk.session.directory.take().or(folder);
    let version = filled(data, "copilotVersion").map(str::to_owned);
    talk.session.version = version.or_else(|| talk.session.version.take());
}

fn user(record: &Record<'_>, id: &str, at: Option<i64>, session: Option<String>, talk: &mut Talk) {
    let data = &record.value["data"];
    let source = filled(data, "source");
    // What a subagent is told comes from the agent that began it.
    let is_told = source.is_none_or(|source| matches!(source, "user" | "human"))
        || (session.is_some() && source.is_some_and(is_agents));
    if !is_told || data["isAutopilotContinuation"] == true {
        let by = source.and_then(|source| source.split('-').next()).unwrap_or("autopilot");
        return talk.out.context(&format!("user.message.{by}"), id, record.raw);
    }
    let message = filled(data, "messageId").unwrap_or(id);
    let is_below = session.is_some();
    talk.turn(Turn { session, ..Turn::user(message).at(at) });
    let part = format!("{id}-0");
    if is_below {
        talk.text(message, &part, text(data, "content"), None);
    } else {
        talk.prompt(message, &part, text(data, "content"));
    }
    for (n, attachment) in data["attachments"].as_array().into_iter().flatten().enumerate() {
        talk.file(message, &format!("{id}-file-{n}"), &attached(attachment));
    }
}

/// Whether a prompt is from one agent to another.
fn is_agents(source: &str) -> bool {
    source.starts_with("agent-")
}

fn compacted(record: &Record<'_>, id: &str, at: Option<i64>, session: Option<String>, talk: &mut Talk) {
    let data = &record.value["data"];
    if data["success"] != true {
        return talk.out.context("session.compaction_complete", id, record.raw);
    }
    let trigger = filled(data, "trigger");
    let turn = if trigger == Some("manual") { Turn::user(id) } else { Turn::assistant(id) };
    talk.turn(Turn { session, ..turn.at(at) });
    talk.compacted(id, &format!("{id}-compaction"), trigger.is_some_and(|trigger| trigger != "manual"));
}

/// Who stopped an answer, in words.
fn why(reason: &str) -> &'static str {
    match reason {
        "remote_command" => "it was interrupted from elsewhere",
        "autopilot_credit_limit" => "it was interrupted at the limit of credits",
        _ => "the user interrupted it",
    }
}

fn is_harness(kind: &str) -> bool {
    let (group, name) = kind.split_once('.').unwrap_or((kind, ""));
    kind == "abort" || HARNESS.iter().any(|(of, names)| *of == group && names.contains(&name))
}

/// Adds one that waits, and forgets the oldest of too many.
fn remember<T>(waiting: &mut VecDeque<(String, T)>, request: &str, one: T) {
    if waiting.len() == USAGES_MAX {
        waiting.pop_front();
    }
    waiting.push_back((request.to_owned(), one));
}

/// The tokens of a request. What came from a cache, and what was thought, is counted in the others, too.
fn tokens(usage: &Value) -> Option<Tokens> {
    let (read, write) = (count(usage, "cacheReadTokens"), count(usage, "cacheWriteTokens"));
    let thought = count(usage, "reasoningTokens");
    let tokens = Tokens {
        input: count(usage, "inputTokens").saturating_sub(read).saturating_sub(write),
        output: count(usage, "outputTokens").saturating_sub(thought),
        reasoning: thought,
        read,
        write,
    };
    (tokens != Tokens::default()).then_some(tokens)
}
