//! kimi-cli: `~/.kimi/sessions/<digest of the folder>/<session>/wire.jsonl`, one record a line, appended as the session goes on.
//!
//! After recordings of version 1.51.0, the last that runs (November 2026), and its source (MoonshotAI/kimi-cli, `src/kimi_cli/wire`). A
//! record is `{timestamp, message: {type, payload}}`. `TurnBegin` and `SteerInput` have what the user said; `StepBegin`, `ContentPart`,
//! `ToolCall`, `ToolResult` and `StatusUpdate` tell an answer; `SubagentEvent` has such an event of a subagent in it. Nothing has an id but
//! the calls, so a record's digest stands for it: records have times of microseconds.
//!
//! No record names the session, the folder or the model: the session is named by the file's folder.

use std::collections::{HashMap, HashSet};

use serde_json::{Value, json};

use crate::share::limits::{SHARE_ITEMS_MAX, TRANSCRIPT_SUBAGENTS_MAX};
use crate::transcripts::agent::Form;
use crate::transcripts::dialect::{Dialect, Origin, Record, digest};
use crate::transcripts::kimi::content::{file, parts};
use crate::transcripts::kimi::tools::{returned, tool};
use crate::transcripts::report::LeftOut;
use crate::transcripts::session::Title;
use crate::transcripts::talk::Talk;
use crate::transcripts::tool::{Tool, ToolState};
use crate::transcripts::turn::{Fault, Tokens, Turn};
use crate::transcripts::values::{count, filled, text};

/// Calls without a result that are remembered; agents run a handful at once.
const PENDING_MAX: usize = 64;

/// Events of the program's own: questions before a call, notices, what begins and ends.
const HARNESS: [&str; 12] = [
    "ApprovalRequest",
    "ApprovalRequestResolved",
    "ApprovalResponse",
    "HookResolved",
    "HookTriggered",
    "MCPLoadingBegin",
    "MCPLoadingEnd",
    "Notification",
    "QuestionRequest",
    "QuestionResponse",
    "ToolCallPart",
    "ToolCallRequest",
];

/// The beginning of what the program says to a subagent that has said little.
const TOO_BRIEF: &str = "Your previous response was too brief.";

pub(super) struct KimiCli {
    session: Option<String>,
    main: Lane,
    /// What subagents say, by their sessions.
    below: HashMap<String, Lane>,
    /// The sessions of subagents past those that are read.
    too_many: HashSet<String>,
}

/// Who speaks in a session: the main agent, or one of its subagents.
#[derive(Default)]
struct Lane {
    /// The step that has begun: its message's id, and when it began.
    step: Option<(String, Option<i64>)>,
    /// The id of the user's last message.
    asked: Option<String>,
    /// Parts of the step's message.
    parts: usize,
    pending: Vec<String>,
}

/// An event, and what it belongs to.
struct Event<'a> {
    kind: &'a str,
    payload: &'a Value,
    /// The record's digest.
    id: String,
    at: Option<i64>,
    raw: &'a str,
    /// The session of the subagent whose event it is.
    session: Option<String>,
}

/// Whether a record is of a transcript of kimi-cli.
pub(super) fn knows(record: &Value) -> Option<Form> {
    let is_first = text(record, "type") == "metadata" && record["protocol_version"].is_string();
    let message = &record["message"];
    let is_event = record["timestamp"].is_number() && message["type"].is_string() && message["payload"].is_object();
    (is_first || is_event).then_some(Form::Lines)
}

impl KimiCli {
    pub(super) fn of(origin: &Origin<'_>) -> Self {
        let folder = origin.name.rsplit(['/', '\\']).nth(1).unwrap_or_default();
        let is_id = folder.len() == 36 && folder.chars().all(|c| c.is_ascii_hexdigit() || c == '-');
        let session = is_id.then(|| folder.to_owned());
        Self { session, main: Lane::default(), below: HashMap::new(), too_many: HashSet::new() }
    }
}

impl Dialect for KimiCli {
    fn beside(&mut self, about: &Value, talk: &mut Talk) {
        // Other titles are the beginning of whatever was asked last, also of a subagent.
        if about["title_generated"] == json!(true) {
            talk.session.title(Title::Summary, text(about, "custom_title"));
        }
    }

    fn record(&mut self, record: &Record<'_>, talk: &mut Talk) {
        let value = &record.value;
        if text(value, "type") == "metadata" {
            return;
        }
        if talk.session.id.is_none() {
            let session = self.session.clone().unwrap_or_else(|| format!("kimi-cli-{}", record.name()));
            talk.session.named(&session);
        }
        let at = value["timestamp"].as_f64().map(|seconds| (seconds * 1_000.0).round() as i64);
        let message = &value["message"];
        let (kind, payload) = (text(message, "type"), &message["payload"]);
        self.event(&Event { kind, payload, id: record.name(), at, raw: record.raw, session: None }, talk);
    }
}

impl KimiCli {
    fn event(&mut self, event: &Event<'_>, talk: &mut Talk) {
        if event.kind == "SubagentEvent" {
            return self.below(event, talk);
        }
        let lane = match &event.session {
            None => &mut self.main,
            Some(session) => {
                if self.below.len() >= TRANSCRIPT_SUBAGENTS_MAX && !self.below.contains_key(session) {
                    // Once for all of its events.
                    if self.too_many.len() < SHARE_ITEMS_MAX && self.too_many.insert(session.clone()) {
                        talk.out.leave_out(LeftOut::Subagents);
                    }
                    return;
                }
                self.below.entry(session.clone()).or_default()
            }
        };
        lane.event(event, talk);
    }

    /// An event of a subagent, told in its caller's transcript.
    fn below(&mut self, event: &Event<'_>, talk: &mut Talk) {
        let payload = event.payload;
        let call = filled(payload, "parent_tool_call_id").or_else(|| filled(payload, "task_tool_call_id"));
        let name = filled(payload, "agent_id").or(call).unwrap_or("subagent");
        let session = talk.subagent(name);
        if let Some(call) = call {
            talk.tie(call, &session);
        }
        let inner = &payload["event"];
        let (kind, id) = (text(inner, "type"), digest(&format!("{} below", event.id)));
        let (at, raw) = (event.at, event.raw);
        self.event(&Event { kind, payload: &inner["payload"], id, at, raw, session: Some(session) }, talk);
    }
}

impl Lane {
    fn event(&mut self, event: &Event<'_>, talk: &mut Talk) {
        let Event { kind, payload, at, .. } = *event;
        match kind {
            "TurnBegin" | "SteerInput" => self.asked(event, talk),
            "TurnEnd" => self.step = None,
            "StepBegin" => {
                self.give_up(at, talk);
                (self.step, self.parts) = (Some((event.id.clone(), at)), 0);
            }
            "StepInterrupted" => {
                self.give_up(at, talk);
                self.interrupted(event, talk);
            }
            "ContentPart" => self.part(event, payload, talk),
            "PlanDisplay" => self.part(event, &json!({ "type": "text", "text": payload["content"] }), talk),
            "ToolCall" => {
                let message = self.open(event, talk);
                let function = &payload["function"];
                let call = tool(text(payload, "id"), text(function, "name"), &function["arguments"]);
                talk.tool(&message, &Tool { start: at, ..call });
                if self.pending.len() < PENDING_MAX {
                    self.pending.push(text(payload, "id").to_owned());
                }
            }
            "ToolResult" => {
                let call = text(payload, "tool_call_id");
                self.pending.retain(|pending| pending != call);
                match talk.calls.get(call) {
                    Some((message, call)) => talk.tool(&message, &returned(call, &payload["return_value"], at)),
                    None => talk.out.unknown(kind, &event.id, event.raw),
                }
            }
            "StatusUpdate" => {
                if let (Some((step, _)), Some(tokens)) = (&self.step, tokens(&payload["token_usage"]))
                    && talk.has(step)
                {
                    talk.turn(Turn { ended: at, tokens: Some(tokens), ..self.turn(step, event) });
                }
            }
            "CompactionBegin" => {
                // Before any step it was asked for.
                let (part, by_itself) = (format!("{}-compaction", event.id), self.step.is_some());
                let message = match &self.asked {
                    Some(asked) if !by_itself => asked.clone(),
                    _ => self.open(event, talk),
                };
                talk.compacted(&message, &part, by_itself);
            }
            "CompactionEnd" => {}
            kind if HARNESS.contains(&kind) => talk.out.context(kind, &event.id, event.raw),
            kind => talk.out.unknown(kind, &event.id, event.raw),
        }
    }

    fn asked(&mut self, event: &Event<'_>, talk: &mut Talk) {
        let content = parts(&event.payload["user_input"]);
        if event.session.is_some() && content.iter().any(|part| text(part, "text").starts_with(TOO_BRIEF)) {
            return talk.out.context("SubagentEvent.TurnBegin", &event.id, event.raw);
        }
        let id = &event.id;
        talk.turn(Turn { session: event.session.clone(), ..Turn::user(id) }.at(event.at));
        for (n, part) in content.iter().enumerate() {
            let name = format!("{id}-{n}");
            match (filled(part, "text"), file(part)) {
                (Some(said), _) if event.session.is_none() => talk.prompt(id, &name, said),
                (Some(said), _) => talk.text(id, &name, said, None),
                (None, Some(file)) => talk.file(id, &name, &file),
                (None, None) => {}
            }
        }
        self.asked = Some(id.clone());
        if event.kind == "TurnBegin" {
            self.step = None;
        }
    }

    fn part(&mut self, event: &Event<'_>, part: &Value, talk: &mut Talk) {
        let message = self.open(event, talk);
        let name = format!("{message}-{}", self.parts);
        self.parts += 1;
        match text(part, "type") {
            "text" => talk.text(&message, &name, text(part, "text"), event.at),
            "think" => talk.thought(&message, &name, text(part, "think"), event.at),
            kind => match file(part) {
                Some(file) => talk.file(&message, &name, &file),
                None => talk.out.unknown(&format!("ContentPart.{kind}"), &event.id, event.raw),
            },
        }
    }

    /// The message of the step that goes on, begun if nothing was said in it yet.
    fn open(&mut self, event: &Event<'_>, talk: &mut Talk) -> String {
        let (step, began) = self.step.get_or_insert_with(|| (event.id.clone(), event.at)).clone();
        if !talk.has(&step) {
            talk.turn(Turn { at: began, ..self.turn(&step, event) });
        }
        step
    }

    /// The head of a message of the model.
    fn turn(&self, id: &str, event: &Event<'_>) -> Turn {
        let asked = self.asked.clone().filter(|_| event.session.is_some());
        Turn { session: event.session.clone(), asked, ..Turn::assistant(id) }
    }

    /// The calls that have no result get none any more.
    fn give_up(&mut self, at: Option<i64>, talk: &mut Talk) {
        for call in std::mem::take(&mut self.pending) {
            talk.reported(&call, ToolState::Failed("it was interrupted: there is no result".to_owned()), at);
        }
    }

    fn interrupted(&mut self, event: &Event<'_>, talk: &mut Talk) {
        let words = "it was interrupted";
        match &self.step {
            Some((step, _)) if talk.has(step) => {
                let fault = Some(Fault::Interrupted(words.to_owned()));
                talk.turn(Turn { fault, ..self.turn(step, event) });
            }
            _ if event.session.is_none() => talk.interrupted(words, event.at),
            _ => {}
        }
        self.step = None;
    }
}

fn tokens(usage: &Value) -> Option<Tokens> {
    usage.is_object().then(|| Tokens {
        input: count(usage, "input_other"),
        output: count(usage, "output"),
        reasoning: 0,
        read: count(usage, "input_cache_read"),
        write: count(usage, "input_cache_creation"),
    })
}
