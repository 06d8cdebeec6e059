//! Kimi Code: `~/.kimi-code/sessions/<folder>/<session>/agents/<agent>/wire.jsonl`, one record a line, appended as the session goes on.
//!
//! After recordings of version 2.1.0 (November 2026) and its source (MoonshotAI/kimi-code, `packages/agent-core-v2`, August 2026). A record
//! has `type`, `time`, and since version 2 `agentId`. `context.append_message` is a message of the user's, or of the program in the
//! user's name: `origin.kind` says which. `context.append_loop_event` tells an answer step by step: `step.begin`, `content.part`,
//! `tool.call`, `tool.result`, `step.end`. What `agent.message.appended` says at the end of a turn was said by these.
//!
//! `context.undo` takes back the last so many turns, and none that a compaction has summed up. No record names the session: its folder
//! does, and `state.json` in it, which also has the title. A subagent writes a wire of its own, in the folder `agents` of its session;
//! `subagent.spawned` in its caller's wire ties it to a call. The main agent's folder is `main`.

mod answer;
pub(super) mod content;
pub(super) mod tools;

use serde_json::{Value, json};

use crate::share::limits::SHARE_ITEMS_MAX;
use crate::transcripts::agent::Form;
use crate::transcripts::dialect::{Dialect, Origin, Record};
use crate::transcripts::kimi::answer::{Answer, said};
use crate::transcripts::kimi::content::{file, parts, words};
use crate::transcripts::kimi::tools::tool;
use crate::transcripts::notice::between;
use crate::transcripts::session::{Title, subagent};
use crate::transcripts::talk::Talk;
use crate::transcripts::tool::{Tool, ToolState};
use crate::transcripts::turn::Turn;
use crate::transcripts::values::{filled, text};

/// Records that say once more what others say, or that what others say has begun.
const REPEATED: [&str; 6] = [
    "agent.message.appended",
    "agent.turn.ended",
    "agent.turn.started",
    "context.undone",
    "full_compaction.complete",
    "turn.prompt",
];

/// Beginnings of the types of records that the program writes for itself or for its model.
const HARNESS: [&str; 27] = [
    "config.",
    "cron.",
    "file_history.",
    "forked",
    "full_compaction.",
    "goal.",
    "interaction.",
    "interruptionReminder.",
    "llm.",
    "mcp.",
    "micro_compaction.",
    "permission.",
    "plan.",
    "plan_mode.",
    "plugin.",
    "profile.",
    "prompt.",
    "runtime.",
    "staleGuard.",
    "subagent.",
    "swarm_mode.",
    "task.",
    "token_counting.",
    "tools.",
    "tower_mode.",
    "turn.",
    "usage.",
];

pub(super) struct Kimi {
    /// The subagent's name among those of its session, if the transcript is a subagent's.
    own: Option<String>,
    /// The session, as its folder or `state.json` names it.
    session: Option<String>,
    /// The agent, as its folder is named.
    agent: Option<String>,
    /// The title, and whether the user gave it.
    title: (Title, String),
    /// The first record, which stands for a session that nothing names.
    first: Option<String>,
    is_named: bool,
    answer: Answer,
    /// The places of the prompts that can be taken back.
    prompts: Vec<usize>,
    /// The place before which nothing can be taken back.
    floor: usize,
    /// Whether the compaction that is going on was asked for by nobody.
    by_itself: bool,
    /// The call that shows the user's `!` command, until its output comes.
    shell: Option<(String, Tool)>,
}

/// Whether a record is of a transcript of Kimi Code.
pub(super) fn knows(record: &Value) -> Option<Form> {
    let kind = text(record, "type");
    let is_first = kind == "metadata" && record["protocol_version"].is_string() && record["created_at"].is_number();
    let is_event = kind.contains('.') && record["time"].is_number();
    let is_own = record["agentId"].is_string() || kind.starts_with("context.") || kind.starts_with("agent.");
    (is_first || (is_event && is_own)).then_some(Form::Lines)
}

impl Kimi {
    pub(super) fn of(origin: &Origin<'_>) -> Self {
        let (session, agent) = if origin.is_child { (None, None) } else { of_path(origin.name) };
        Self {
            own: origin.is_child.then(|| origin.name.to_owned()),
            session,
            agent,
            title: (Title::Summary, String::new()),
            first: None,
            is_named: origin.is_child,
            answer: Answer::default(),
            prompts: Vec::new(),
            floor: 0,
            by_itself: false,
            shell: None,
        }
    }
}

/// The session and the agent that a path names: `<session>/agents/<agent>/wire.jsonl`.
fn of_path(path: &str) -> (Option<String>, Option<String>) {
    let mut folders = path.rsplit(['/', '\\']).skip(1);
    let (Some(agent), Some("agents"), Some(session)) = (folders.next(), folders.next(), folders.next()) else {
        return (None, None);
    };
    let session = Some(session).filter(|session| session.starts_with("session_")).map(str::to_owned);
    (session, Some(agent.to_owned()))
}

impl Dialect for Kimi {
    fn beside(&mut self, about: &Value, talk: &mut Talk) {
        if let Some(id) = filled(about, "id") {
            self.session = Some(id.to_owned());
        }
        let from = if about["isCustomTitle"] == json!(true) { Title::Given } else { Title::Summary };
        self.title = (from, text(about, "title").to_owned());
        if let Some(cwd) = filled(about, "cwd") {
            talk.session.directory = Some(cwd.to_owned());
        }
        if self.is_named {
            self.tell_title(talk);
        }
    }

    fn record(&mut self, record: &Record<'_>, talk: &mut Talk) {
        let value = &record.value;
        if self.first.is_none() {
            self.first = Some(record.name());
        }
        let kind = text(value, "type");
        if kind == "metadata" {
            return talk.session.at(value["created_at"].as_i64());
        }
        self.name(value, talk);
        let at = value["time"].as_i64();
        match kind {
            "context.append_message" => self.message(record, at, talk),
            "context.append_loop_event" => self.answer.event(record, at, talk),
            "context.apply_compaction" => self.compacted(&record.name(), at, talk),
            "context.undo" => self.undo(value["count"].as_u64().unwrap_or(1), talk),
            "turn.cancel" if text(value, "target") != "queued" => talk.interrupted("the user interrupted it", at),
            "turn.ended" => self.answer.ended(value, &record.name(), at, talk),
            "subagent.spawned" => {
                let session = self.subagent(text(value, "subagentId"), talk);
                if !talk.tie(text(value, "parentToolCallId"), &session) {
                    talk.out.unknown(kind, &record.name(), record.raw);
                }
            }
            "subagent.completed" => {
                self.reported(value, ToolState::Done(text(value, "resultSummary").to_owned()), at, talk);
            }
            "subagent.failed" => {
                let error = filled(&value["error"], "message").unwrap_or_else(|| text(value, "error"));
                self.reported(value, ToolState::Failed(error.to_owned()), at, talk);
            }
            "agent.switched" if text(value, "reason") == "undo" => {}
            kind if REPEATED.contains(&kind) => {}
            kind => self.harness(kind, record, talk),
        }
    }
}

impl Kimi {
    /// Names the session, once the first record says whose wire it is.
    fn name(&mut self, value: &Value, talk: &mut Talk) {
        if std::mem::replace(&mut self.is_named, true) {
            return;
        }
        let first = self.first.as_deref().unwrap_or_default();
        let session = self.session.clone().unwrap_or_else(|| format!("kimi-code-{first}"));
        let agent = filled(value, "agentId").or(self.agent.as_deref()).unwrap_or("main");
        if agent == "main" {
            talk.session.named(&session);
            self.tell_title(talk);
        } else {
            // Given by itself, it is a session of its own.
            self.own = Some(agent.to_owned());
            talk.session.named(&subagent(&session, agent));
            talk.session.parent = Some(session);
        }
    }

    fn tell_title(&self, talk: &mut Talk) {
        if self.own.is_none() {
            talk.session.title(self.title.0, &self.title.1);
        }
    }

    /// The session of a subagent: its name stands for itself in the whole session, whichever subagent began it.
    fn subagent(&self, name: &str, talk: &Talk) -> String {
        let own = talk.session.id.as_deref().unwrap_or_default();
        let root = self.own.as_ref().and_then(|name| own.strip_suffix(&format!("_{name}"))).unwrap_or(own);
        subagent(root, name)
    }

    fn harness(&mut self, kind: &str, record: &Record<'_>, talk: &mut Talk) {
        let value = &record.value;
        match kind {
            "llm.request" if text(value, "kind") != "compaction" => {
                self.answer.asked(text(value, "provider"), text(value, "model"));
            }
            "profile.bind" | "config.update" => {
                let cwd = filled(&value["environmentDisclosure"], "cwd").or_else(|| filled(value, "cwd"));
                talk.session.directory = talk.session.directory.take().or_else(|| cwd.map(str::to_owned));
            }
            "full_compaction.begin" => self.by_itself = text(value, "source") == "auto",
            // The conversation stays on the screen above it, and cannot be taken back any more.
            "context.clear" => {
                self.floor = talk.place();
                return talk.out.context(kind, &record.name(), record.raw);
            }
            _ => {}
        }
        if HARNESS.iter().any(|begin| kind.starts_with(begin)) {
            talk.out.context(kind, &record.name(), record.raw);
        } else {
            talk.out.unknown(kind, &record.name(), record.raw);
        }
    }

    fn message(&mut self, record: &Record<'_>, at: Option<i64>, talk: &mut Talk) {
        let message = &record.value["message"];
        let origin = &message["origin"];
        let own_id = filled(message, "id").filter(|id| !talk.has(id));
        let id = own_id.map_or_else(|| record.name(), str::to_owned);
        let content = parts(&message["content"]);
        let kind = filled(origin, "kind").unwrap_or("user");
        let is_typed = text(origin, "trigger") == "user-slash";
        match (text(message, "role"), kind) {
            ("user", "user") => self.prompt(&id, &content, at, talk),
            ("user", "skill_activation" | "plugin_command") if is_typed => {
                let name = filled(origin, "skillName").unwrap_or_else(|| text(origin, "commandName"));
                let arguments = filled(origin, "skillArgs").unwrap_or_else(|| text(origin, "commandArgs"));
                let typed = format!("/{name} {arguments}");
                self.prompt(&id, &parts(&json!(typed.trim())), at, talk);
            }
            // What its caller asked of a subagent.
            ("user", "system_trigger") if text(origin, "name") == "subagent" => self.prompt(&id, &content, at, talk),
            ("user", "shell_command") => self.shell(&id, origin, &words(&content), at, talk),
            // Sessions that were taken over from kimi-cli have whole messages.
            ("assistant", "user") => {
                talk.turn(Turn::assistant(&id).at(at));
                content.iter().enumerate().for_each(|(n, part)| said(&id, &format!("{id}-{n}"), part, at, talk));
                for made in message["toolCalls"].as_array().into_iter().flatten() {
                    let made = if made["function"].is_object() { with_function(made) } else { made.clone() };
                    let call = tool(text(&made, "id"), text(&made, "name"), &made["arguments"]);
                    self.answer.call(&id, Tool { start: at, ..call }, talk);
                }
            }
            ("tool", _) => {
                let result = json!({ "output": message["content"], "isError": message["isError"] });
                self.answer.result(text(message, "toolCallId"), &result, record, at, talk);
            }
            (role, kind) => {
                let kind = if kind == "user" { role } else { kind };
                talk.out.context(&format!("context.append_message.{kind}"), &id, record.raw);
            }
        }
    }

    fn prompt(&mut self, id: &str, content: &[Value], at: Option<i64>, talk: &mut Talk) {
        if self.prompts.len() < SHARE_ITEMS_MAX {
            self.prompts.push(talk.place());
        }
        talk.turn(Turn::user(id).at(at));
        for (n, part) in content.iter().enumerate() {
            let name = format!("{id}-{n}");
            match (filled(part, "text"), file(part)) {
                (Some(said), _) => talk.prompt(id, &name, said),
                (None, Some(file)) => talk.file(id, &name, &file),
                (None, None) => {}
            }
        }
    }

    /// A `!` command of the user's, then what it wrote.
    fn shell(&mut self, id: &str, origin: &Value, said: &str, at: Option<i64>, talk: &mut Talk) {
        let inside =
            |tag: &str| between(said, &format!("<{tag}>"), &format!("</{tag}>")).map(plain).unwrap_or_default();
        if text(origin, "phase") == "input" {
            talk.turn(Turn::user(id).at(at));
            let command = json!({ "command": inside("bash-input").trim() });
            let call = Tool { start: at, ..Tool::new(&format!("{id}-command"), "bash", command) };
            talk.tool(id, &call);
            self.shell = Some((id.to_owned(), call));
        } else if let Some((message, call)) = self.shell.take() {
            let said = [inside("bash-stdout"), inside("bash-stderr")].concat();
            let is_error = origin["isError"] == json!(true);
            let state = if is_error { ToolState::Failed(said) } else { ToolState::Done(said) };
            talk.tool(&message, &Tool { state, end: at, ..call });
        }
    }

    /// A subagent that works in the background has ended.
    fn reported(&mut self, value: &Value, state: ToolState, at: Option<i64>, talk: &mut Talk) {
        let session = self.subagent(text(value, "subagentId"), talk);
        if let Some((_, call)) = talk.calls.find(|call| call.session.as_deref() == Some(session.as_str())) {
            self.answer.has_ended(&call.call);
            talk.reported(&call.call, state, at);
        }
    }

    /// The last turns are taken back, as far as no compaction has summed them up.
    fn undo(&mut self, turns: u64, talk: &mut Talk) {
        let mut from = None;
        for _ in 0..turns {
            match self.prompts.pop() {
                Some(place) if place >= self.floor => from = Some(place),
                Some(_) | None => {
                    from = Some(self.floor);
                    break;
                }
            }
        }
        if let Some(from) = from {
            talk.take_back_where(from, |_| true);
        }
        self.answer.forget();
    }

    fn compacted(&mut self, id: &str, at: Option<i64>, talk: &mut Talk) {
        let turn = if self.by_itself { Turn::assistant(id) } else { Turn::user(id) };
        talk.turn(turn.at(at));
        talk.compacted(id, &format!("{id}-compaction"), self.by_itself);
        self.by_itself = false;
        self.floor = talk.place();
    }
}

/// A call in the older form, `{id, function: {name, arguments}}`, in the newer one.
fn with_function(made: &Value) -> Value {
    json!({ "id": made["id"], "name": made["function"]["name"], "arguments": made["function"]["arguments"] })
}

/// A text whose characters that mean something in tags were written as names.
fn plain(said: &str) -> String {
    said.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"").replace("&apos;", "'").replace("&amp;", "&")
}
