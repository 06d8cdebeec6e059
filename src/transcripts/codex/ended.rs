//! What came of calls, as the screen's items say it, and what subagents reported.

use std::collections::VecDeque;

use serde_json::Value;

use crate::transcripts::talk::Talk;
use crate::transcripts::tool::{Tool, ToolState};
use crate::transcripts::values::{filled, text};

/// Calls whose results are awaited after their items came: the agent runs a handful at once.
const ENDED_MAX: usize = 64;

/// The calls that have ended by an item. What went to the model of them says less, and is passed over.
#[derive(Debug, Default)]
pub(super) struct Ended(VecDeque<String>);

impl Ended {
    /// The call of an item has ended.
    pub(super) fn call(&mut self, item: &Value, talk: &mut Talk, end: impl FnOnce(Tool) -> Tool) {
        let id = text(item, "id");
        if let Some((message, call)) = talk.calls.get(id) {
            talk.tool(&message, &end(call));
            if self.0.len() == ENDED_MAX {
                self.0.pop_front();
            }
            self.0.push_back(id.to_owned());
        }
    }

    /// Whether a call has ended by an item.
    pub(super) fn take(&mut self, id: &str) -> bool {
        let place = self.0.iter().position(|known| known == id);
        place.is_some_and(|place| self.0.remove(place).is_some())
    }
}

/// A command that ran.
pub(super) fn ran(mut call: Tool, item: &Value, end: Option<i64>) -> Tool {
    call.end = end;
    call.exit = item["exit_code"].as_i64();
    let output = text(item, "aggregated_output").to_owned();
    call.state = match text(item, "status") {
        "declined" => ToolState::Failed(if output.is_empty() { "declined".to_owned() } else { output }),
        _ => ToolState::Done(output),
    };
    call
}

/// A patch that was applied, or not.
pub(super) fn changed(mut call: Tool, item: &Value, end: Option<i64>) -> Tool {
    call.end = end;
    let mut diff = String::new();
    for (path, change) in item["changes"].as_object().into_iter().flatten() {
        let (sign, content) = match text(change, "type") {
            "add" => ("+", text(change, "content")),
            "delete" => ("-", text(change, "content")),
            _ => ("", text(change, "unified_diff")),
        };
        diff.push_str(&format!("--- {path}\n+++ {path}\n"));
        for line in content.lines() {
            diff.push_str(sign);
            diff.push_str(line);
            diff.push('\n');
        }
    }
    call.diff = Some(diff).filter(|diff| !diff.is_empty());
    let said = [text(item, "stdout"), text(item, "stderr")].concat();
    call.state = if text(item, "status") == "completed" { ToolState::Done(said) } else { ToolState::Failed(said) };
    call
}

/// A call that begins, asks or awaits subagents.
pub(super) fn collaborated(item: &Value, at: Option<i64>, talk: &mut Talk) {
    if text(item, "tool") == "spawn_agent"
        && let Some(agent) = item["receiver_thread_ids"][0].as_str()
    {
        let session = talk.subagent(agent);
        talk.tie(text(item, "id"), &session);
    }
    for (agent, state) in item["agents_states"].as_object().into_iter().flatten() {
        report(agent, state, at, talk);
    }
}

/// What a result says of subagents: `{"status": {AGENT: {"completed": REPORT}}}`, as a text.
pub(super) fn reports(output: &Value, at: Option<i64>, talk: &mut Talk) {
    let said: Value = output.as_str().and_then(|said| serde_json::from_str(said).ok()).unwrap_or_default();
    for (agent, state) in said["status"].as_object().into_iter().flatten() {
        report(agent, state, at, talk);
    }
}

/// A notice that a subagent has ended: JSON inside a tag. `false`: it is not known which one.
pub(super) fn notified(notice: &str, at: Option<i64>, talk: &mut Talk) -> bool {
    let inside = notice.split_once('{').and_then(|(_, rest)| rest.rsplit_once('}'));
    let Some((inside, _)) = inside else { return false };
    let said: Value = serde_json::from_str(&format!("{{{inside}}}")).unwrap_or_default();
    let names = ["agent_id", "agent_path", "thread_id"].iter().filter_map(|name| filled(&said, name));
    names.into_iter().any(|agent| report(agent, &said["status"], at, talk))
}

/// The report of a subagent is the result of the call that began it.
fn report(agent: &str, state: &Value, at: Option<i64>, talk: &mut Talk) -> bool {
    let session = talk.subagent(agent);
    let Some((_, call)) = talk.calls.find(|call| call.session.as_deref() == Some(&session)) else { return false };
    let state = match (state["completed"].as_str(), filled(state, "errored").or_else(|| filled(state, "failed"))) {
        (Some(report), _) => ToolState::Done(report.to_owned()),
        (None, Some(error)) => ToolState::Failed(error.to_owned()),
        (None, None) => return false,
    };
    call.state == state || talk.reported(&call.call, state, at)
}
