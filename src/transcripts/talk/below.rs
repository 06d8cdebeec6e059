//! Which calls of a conversation began subagents, and what these reported.

use crate::share::limits::TRANSCRIPT_SUBAGENTS_MAX;
use crate::transcripts::session::subagent;
use crate::transcripts::talk::Talk;
use crate::transcripts::tool::{Tool, ToolState};
use crate::transcripts::values::{bounded, text};

impl Talk {
    /// A call with the session of the subagent that it is known to have begun, if the call does not say it.
    pub(super) fn tied(&self, tool: &Tool) -> Option<Tool> {
        let session = self.tied.get(&tool.call).filter(|_| tool.session.is_none())?;
        Some(Tool { session: Some(session.clone()), ..tool.clone() })
    }

    /// Ties a call that is known to the session of the subagent that it began. `false`: the call is not known.
    pub(in crate::transcripts) fn tie(&mut self, call: &str, session: &str) -> bool {
        let Some((message, mut tool)) = self.calls.get(call) else { return false };
        if tool.session.as_deref() != Some(session) {
            if self.tied.len() < TRANSCRIPT_SUBAGENTS_MAX {
                self.tied.insert(call.to_owned(), session.to_owned());
            }
            tool.session = Some(session.to_owned());
            self.tool(&message, &tool);
        }
        true
    }

    /// Says what the caller asked of the subagent whose conversation this is. Only the first words count.
    pub(in crate::transcripts) fn asked_for(&mut self, task: &str) {
        self.task.get_or_insert_with(|| bounded(task.trim()));
    }

    /// Ties the first call that asked for this, and began no subagent yet, to a subagent's session. `false`: there is none.
    pub(in crate::transcripts) fn tie_task(&mut self, task: &str, session: &str) -> bool {
        let asks = |tool: &Tool| bounded(text(&tool.input, "prompt").trim()) == task;
        let is_it = |tool: &Tool| tool.name == "task" && tool.session.is_none() && asks(tool);
        let call = self.calls.first(is_it).map(|tool| tool.call.clone());
        call.is_some_and(|call| self.tie(&call, session))
    }

    /// What the caller asked for, if [`asked_for`](Self::asked_for) said it.
    pub(in crate::transcripts) fn task(&self) -> Option<&str> {
        self.task.as_deref()
    }

    /// A subagent has reported: that is the result of the call that began it. `false`: the call is not known.
    pub(in crate::transcripts) fn reported(&mut self, call: &str, state: ToolState, end: Option<i64>) -> bool {
        let Some((message, mut tool)) = self.calls.get(call) else { return false };
        (tool.state, tool.end) = (state, end.or(tool.end));
        self.tool(&message, &tool);
        true
    }

    /// The id of the session of a subagent with this name.
    pub(in crate::transcripts) fn subagent(&self, name: &str) -> String {
        subagent(self.session.id.as_deref().unwrap_or_default(), name)
    }
}
