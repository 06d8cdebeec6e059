//! The subagents of a session: their events stand among its own, with the subagent's name or the call that began it.

use std::collections::VecDeque;

use serde_json::Value;

use crate::transcripts::talk::Talk;
use crate::transcripts::tool::ToolState;
use crate::transcripts::values::{cut, filled, text};

/// Subagents that are remembered: as many as there are calls that wait.
const AGENTS_MAX: usize = 64;

/// Bytes of a subagent's last words that are kept, until it has ended.
const WORDS_BYTES_MAX: usize = 64 << 10;

#[derive(Debug, Default)]
pub(super) struct Agents(VecDeque<Agent>);

#[derive(Debug, Default)]
struct Agent {
    session: String,
    /// The call that began it.
    call: String,
    /// Its call ends before it does.
    is_in_background: bool,
    /// The last words that it said: its report.
    words: String,
}

impl Agents {
    /// The session of the subagent that an event is of. `None`: it is of the conversation itself.
    pub(super) fn session(&self, event: &Value, talk: &Talk) -> Option<String> {
        let name = filled(event, "agentId").or_else(|| filled(&event["data"], "parentToolCallId"))?;
        Some(talk.subagent(name))
    }

    /// A subagent has begun. `session`: its own, if its events name it.
    pub(super) fn started(&mut self, event: &Value, session: Option<&str>, talk: &mut Talk) {
        let data = &event["data"];
        let call = text(data, "toolCallId");
        // Before subagents had names, their events named the call.
        let session = session.map_or_else(|| talk.subagent(call), str::to_owned);
        talk.tie(call, &session);
        if self.0.len() == AGENTS_MAX {
            self.0.pop_front();
        }
        let is_in_background = text(data, "executionMode") == "background";
        self.0.push_back(Agent { session, call: call.to_owned(), is_in_background, words: String::new() });
    }

    /// A subagent said something.
    pub(super) fn said(&mut self, session: &str, words: &str) {
        if let Some(agent) = self.0.iter_mut().rfind(|agent| agent.session == session)
            && !words.is_empty()
        {
            agent.words = cut(words, WORDS_BYTES_MAX);
        }
    }

    /// Whether the subagent that a call began works in the background.
    pub(super) fn is_in_background(&self, call: &str) -> bool {
        self.0.iter().any(|agent| agent.call == call && agent.is_in_background)
    }

    /// A subagent has ended. The result of one that worked in the background are its last words; of another one it comes by itself.
    pub(super) fn ended(&mut self, data: &Value, session: Option<&str>, at: Option<i64>, talk: &mut Talk) {
        let call = text(data, "toolCallId");
        let is_it = |agent: &Agent| Some(agent.session.as_str()) == session || agent.call == call;
        let Some(agent) = self.0.iter().position(is_it).and_then(|at| self.0.remove(at)) else { return };
        if agent.is_in_background {
            let state = match filled(data, "error") {
                Some(error) => ToolState::Failed(error.to_owned()),
                None if data["cancelled"] == true => ToolState::Failed("cancelled".to_owned()),
                None => ToolState::Done(agent.words),
            };
            talk.reported(&agent.call, state, at);
        }
    }
}
