//! The model's side of a conversation of Kimi Code: steps, their calls, and what came of them.

use serde_json::Value;

use crate::transcripts::dialect::Record;
use crate::transcripts::kimi::content::file;
use crate::transcripts::kimi::tools::{settled, tool};
use crate::transcripts::talk::Talk;
use crate::transcripts::tool::{Tool, ToolState};
use crate::transcripts::turn::{Fault, Tokens, Turn};
use crate::transcripts::values::{count, filled, text};

/// Calls without a result that are remembered; agents run a handful at once.
const PENDING_MAX: usize = 64;

/// What is known of the answer that is being written.
#[derive(Default)]
pub(super) struct Answer {
    /// When the step began that is going on.
    began: Option<i64>,
    /// The last message of the model.
    last: Option<String>,
    model: String,
    provider: String,
    /// The calls that have no result yet.
    pending: Vec<String>,
}

impl Answer {
    /// A model is asked for the next step.
    pub(super) fn asked(&mut self, provider: &str, model: &str) {
        model.clone_into(&mut self.model);
        provider.clone_into(&mut self.provider);
    }

    /// A call has ended, whatever its result says.
    pub(super) fn has_ended(&mut self, call: &str) {
        self.pending.retain(|pending| pending != call);
    }

    /// What was said last was taken back.
    pub(super) fn forget(&mut self) {
        self.last = None;
        self.pending.clear();
    }

    pub(super) fn event(&mut self, record: &Record<'_>, at: Option<i64>, talk: &mut Talk) {
        let event = &record.value["event"];
        let step = text(event, "stepUuid");
        match text(event, "type") {
            "step.begin" => {
                // Whatever has no result by now gets none.
                self.give_up(at, talk);
                self.began = at;
            }
            "content.part" => {
                self.open(step, at, talk);
                let own = filled(event, "uuid").map_or_else(|| record.name(), str::to_owned);
                said(step, &own, &event["part"], at, talk);
            }
            "tool.call" => {
                self.open(step, at, talk);
                let call = tool(text(event, "toolCallId"), text(event, "name"), &event["args"]);
                self.call(step, Tool { start: at, ..call }, talk);
            }
            "tool.result" => self.result(text(event, "toolCallId"), &event["result"], record, at, talk),
            "step.end" => {
                let step = text(event, "uuid");
                if talk.has(step) {
                    let tokens = tokens(&event["usage"]);
                    talk.turn(Turn { ended: at, tokens, ..Turn::assistant(step) });
                }
            }
            kind => {
                talk.out.unknown(&format!("context.append_loop_event.{kind}"), &record.name(), record.raw);
            }
        }
    }

    /// Begins the message of a step when something is said in it.
    fn open(&mut self, step: &str, at: Option<i64>, talk: &mut Talk) {
        if !talk.has(step) {
            let (model, provider) = (self.model.clone(), self.provider.clone());
            talk.turn(Turn { at: self.began.take().or(at), model, provider, ..Turn::assistant(step) });
        }
        self.last = Some(step.to_owned());
    }

    pub(super) fn call(&mut self, message: &str, call: Tool, talk: &mut Talk) {
        talk.tool(message, &call);
        if self.pending.len() < PENDING_MAX {
            self.pending.push(call.call);
        }
    }

    pub(super) fn result(&mut self, call: &str, result: &Value, record: &Record<'_>, at: Option<i64>, talk: &mut Talk) {
        self.has_ended(call);
        match talk.calls.get(call) {
            Some((message, call)) => talk.tool(&message, &settled(call, result, at)),
            None => talk.out.unknown("context.append_loop_event.tool.result", &record.name(), record.raw),
        }
    }

    /// The calls that have no result get none any more.
    fn give_up(&mut self, at: Option<i64>, talk: &mut Talk) {
        for call in std::mem::take(&mut self.pending) {
            talk.reported(&call, ToolState::Failed("it was interrupted: there is no result".to_owned()), at);
        }
    }

    pub(super) fn ended(&mut self, value: &Value, name: &str, at: Option<i64>, talk: &mut Talk) {
        match text(value, "reason") {
            "cancelled" => {
                self.give_up(at, talk);
                talk.interrupted("the user interrupted it", at);
            }
            "failed" => {
                self.give_up(at, talk);
                let id = self.last.clone().filter(|last| talk.has(last)).unwrap_or_else(|| name.to_owned());
                let fault = Some(Fault::Failed(text(&value["error"], "message").to_owned()));
                let at = at.filter(|_| !talk.has(&id));
                talk.turn(Turn { fault, ..Turn::assistant(&id).at(at) });
            }
            _ => {}
        }
        // What fails before it says anything is no fault of the answer before.
        self.last = None;
    }
}

/// A part of an answer.
pub(super) fn said(message: &str, id: &str, part: &Value, at: Option<i64>, talk: &mut Talk) {
    match text(part, "type") {
        "text" => talk.text(message, id, text(part, "text"), at),
        "think" => talk.thought(message, id, text(part, "think"), at),
        kind => match file(part) {
            Some(file) => talk.file(message, id, &file),
            None => talk.out.unknown(&format!("content.part.{kind}"), id, &part.to_string()),
        },
    }
}

fn tokens(usage: &Value) -> Option<Tokens> {
    usage.is_object().then(|| Tokens {
        input: count(usage, "inputOther"),
        output: count(usage, "output"),
        reasoning: 0,
        read: count(usage, "inputCacheRead"),
        write: count(usage, "inputCacheCreation"),
    })
}
