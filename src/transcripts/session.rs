//! The facts of a session, gathered from its records: its id, folder, title, times, tokens and cost.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::transcripts::turn::Tokens;
use crate::transcripts::values::{filled, object, text};

/// Characters of a title.
const TITLE_CHARS_MAX: usize = 100;

/// Prompts that are remembered as titles. The first that was not taken back is the title.
const PROMPTS_MAX: usize = 64;

/// The facts of a session.
#[derive(Debug, Default)]
pub(super) struct Session {
    pub(super) id: Option<String>,
    pub(super) directory: Option<String>,
    pub(super) version: Option<String>,
    /// The session whose agent began this one.
    pub(super) parent: Option<String>,
    pub(super) tokens: Tokens,
    /// What it cost in dollars, where the agent says it.
    pub(super) cost: Option<f64>,
    created: Option<i64>,
    updated: Option<i64>,
    title: Option<(Title, String)>,
    /// The first prompts, by the place of their message in the conversation.
    prompts: BTreeMap<usize, String>,
}

/// The origin of a title; a greater one wins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Title {
    Summary,
    Given,
}

impl Session {
    /// Takes what each record of Claude Code and of Qwen Code says of its session.
    pub(super) fn said_by(&mut self, record: &Value) {
        self.named(text(record, "sessionId"));
        self.directory = self.directory.take().or_else(|| filled(record, "cwd").map(str::to_owned));
        if let Some(version) = filled(record, "version") {
            self.version = Some(version.to_owned());
        }
    }

    /// Takes the first record of a subagent's transcript that was given by itself: it is a session of its own, and its records name
    /// the session of its caller.
    pub(super) fn is_subagents(&mut self, record: &Value) {
        let (caller, name) = (text(record, "sessionId"), filled(record, "agentId").unwrap_or("sidechain"));
        self.named(&subagent(caller, name));
        self.parent = filled(record, "sessionId").map(str::to_owned);
    }

    /// Sets the id, unless one is known.
    pub(super) fn named(&mut self, id: &str) {
        if self.id.is_none() && !id.is_empty() {
            self.id = Some(id.to_owned());
        }
    }

    /// Widens the session's time so that it holds this one.
    pub(super) fn at(&mut self, time: Option<i64>) {
        let Some(time) = time else { return };
        self.created = Some(self.created.map_or(time, |created| created.min(time)));
        self.updated = Some(self.updated.map_or(time, |updated| updated.max(time)));
    }

    /// Sets the title unless a better one is known. Of several of one origin the last counts.
    pub(super) fn title(&mut self, from: Title, title: &str) {
        let line = line(title);
        if !line.is_empty() && self.title.as_ref().is_none_or(|(of, _)| from >= *of) {
            self.title = Some((from, line));
        }
    }

    /// Takes a text that a user wrote, in the message at this place. The first one is the title, if there is no other.
    pub(super) fn prompt(&mut self, place: usize, text: &str) {
        if self.prompts.len() < PROMPTS_MAX {
            let line = line(text);
            if !line.is_empty() {
                self.prompts.entry(place).or_insert(line);
            }
        }
    }

    /// The message at this place was taken back.
    pub(super) fn forget_prompt(&mut self, place: usize) {
        self.prompts.remove(&place);
    }

    pub(super) fn item(&self, agent: &str) -> Option<Value> {
        let id = self.id.as_ref()?;
        let title = self.title.as_ref().map(|(_, title)| title).or_else(|| self.prompts.values().next());
        let tokens = (self.tokens != Tokens::default()).then(|| self.tokens.item());
        Some(object([
            ("id", json!(id)),
            ("parentID", json!(self.parent)),
            ("title", json!(title)),
            ("agent", json!(agent)),
            ("version", json!(self.version)),
            ("directory", json!(self.directory)),
            ("cost", json!(self.cost)),
            ("tokens", json!(tokens)),
            ("time", json!({ "created": self.created, "updated": self.updated })),
        ]))
    }
}

/// The id of a subagent's session: unique wherever its caller's is.
pub(super) fn subagent(session: &str, name: &str) -> String {
    format!("{session}_{name}")
}

/// A title's line of a text.
fn line(text: &str) -> String {
    // No more is looked at than a title can hold, with the blanks between its words.
    let begin: String = text.trim_start().chars().take(10 * TITLE_CHARS_MAX).collect();
    begin.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(TITLE_CHARS_MAX).collect()
}
