//! The calls that wait for what comes of them: a result, or the report of the subagent that they began.

use std::collections::VecDeque;

use serde_json::json;

use crate::share::limits::ITEM_BYTES_MAX;
use crate::transcripts::tool::{Tool, ToolState};

/// Most calls that wait. Agents run a handful at once; of each the arguments and the result are at most an item, 4 MiB. Past this number
/// the oldest is forgotten, and shown as it is for good.
const CALLS_MAX: usize = 64;

/// The calls that wait, each with the message that it stands in.
#[derive(Debug, Default)]
pub(super) struct Calls {
    waiting: VecDeque<(String, Tool)>,
    /// The ids of calls that began subagents and were taken back, and the sessions of these.
    orphans: Vec<String>,
}

impl Calls {
    /// A call was told. One that runs waits for its result; one that began a subagent waits for more of it.
    pub(super) fn said(&mut self, message: &str, tool: &Tool) {
        let waits = tool.state == ToolState::Running || tool.name == "task" || tool.session.is_some();
        self.waiting.retain(|(_, known)| known.call != tool.call);
        // Nor does one wait for more whose result no item can hold.
        if !waits || tool.result_bytes() > ITEM_BYTES_MAX {
            return;
        }
        if self.waiting.len() == CALLS_MAX {
            self.waiting.pop_front();
        }
        let mut tool = tool.clone();
        // Arguments that no item can hold are not kept, so that the result can still be shown.
        if tool.input.to_string().len() > ITEM_BYTES_MAX {
            tool.input = json!({});
        }
        self.waiting.push_back((message.to_owned(), tool));
    }

    /// The call of this id, with the message that it stands in.
    pub(super) fn get(&self, call: &str) -> Option<(String, Tool)> {
        self.find(|tool| tool.call == call)
    }

    /// The latest call of which this holds, with the message that it stands in.
    pub(super) fn find(&self, is_it: impl Fn(&Tool) -> bool) -> Option<(String, Tool)> {
        self.waiting.iter().rfind(|(_, tool)| is_it(tool)).cloned()
    }

    /// The earliest call of which this holds.
    pub(super) fn first(&self, is_it: impl Fn(&Tool) -> bool) -> Option<&Tool> {
        self.waiting.iter().map(|(_, tool)| tool).find(|tool| is_it(tool))
    }

    /// The calls of a message were taken back.
    pub(super) fn take_back(&mut self, message: &str) {
        let began = |tool: &Tool| tool.name == "task" || tool.session.is_some();
        for (_, tool) in self.waiting.iter().filter(|(of, tool)| of == message && began(tool)) {
            self.orphans.push(tool.call.clone());
            self.orphans.extend(tool.session.clone());
        }
        self.waiting.retain(|(of, _)| of != message);
    }

    /// The ids of calls that began subagents and were taken back since this was asked last, and the sessions of these.
    pub(super) fn take_orphans(&mut self) -> Vec<String> {
        std::mem::take(&mut self.orphans)
    }
}
