//! Asides: before version 2.1 the records of subagents stood in their caller's file, marked `isSidechain`.

use std::collections::HashMap;

use serde_json::Value;

use crate::share::limits::SHARE_ITEMS_MAX;
use crate::transcripts::talk::Talk;
use crate::transcripts::values::{filled, text};

/// Which subagent the records of asides belong to.
#[derive(Debug, Default)]
pub(super) struct Asides {
    /// The sessions of records, by the records' ids: as many as a share has items.
    sessions: HashMap<String, String>,
    last: Option<String>,
}

impl Asides {
    /// The session of the subagent that a record is of. `prompt`: what it was asked, if the record says that.
    pub(super) fn session(&mut self, record: &Value, prompt: &str, talk: &mut Talk) -> String {
        let parent = filled(record, "parentUuid").and_then(|parent| self.sessions.get(parent)).cloned();
        let named = filled(record, "agentId").map(|name| talk.subagent(name));
        let session = parent.or(named).or_else(|| self.begun(prompt, talk)).or_else(|| self.last.clone());
        let session = session.unwrap_or_else(|| talk.subagent("sidechain"));
        if let Some(id) = filled(record, "uuid").filter(|_| self.sessions.len() < SHARE_ITEMS_MAX) {
            self.sessions.insert(id.to_owned(), session.clone());
        }
        self.last = Some(session.clone());
        session
    }

    /// The session of the subagent that was begun with this prompt.
    fn begun(&self, prompt: &str, talk: &mut Talk) -> Option<String> {
        if prompt.is_empty() {
            return None;
        }
        let is_it = |tool: &crate::transcripts::tool::Tool| tool.name == "task" && tool.session.is_none();
        let exact = talk.calls.find(|tool| is_it(tool) && text(&tool.input, "prompt") == prompt);
        let (_, tool) = exact.or_else(|| talk.calls.find(is_it))?;
        let session = talk.subagent(&tool.call);
        talk.tie(&tool.call, &session);
        Some(session)
    }
}
