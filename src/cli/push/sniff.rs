//! Whose file it is, found out from its beginning.

use capshare::transcripts::{Agent, Form, recognise};
use serde_json::Value;

/// Records that are looked at: agents begin with one that tells, or with a handful that do not.
const RECORDS_LOOKED_AT: usize = 20;

/// What a file holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    /// Lines of items, `{"type", "data"}`, or nothing yet.
    Items,
    /// One JSON document that is no agent's: an export, or what is not known.
    Export,
    /// Lines of an agent's records.
    Transcript(Agent),
    /// One JSON document of an agent's.
    Document(Agent),
    /// A database: OpenCode's.
    Database,
}

/// The first bytes of every SQLite database.
const SQLITE: &[u8] = b"SQLite format 3\0";

/// What is known of a file before it is read.
pub(super) struct Beginning<'a> {
    /// Its first bytes: a line at least, if it has one.
    pub(super) head: &'a [u8],
    /// Whether these are all.
    pub(super) is_all: bool,
    /// The reader of the agent that the command line names. What OpenCode itself writes out is an export.
    pub(super) agent: Option<Agent>,
    /// Whether more is awaited: a file that is still empty may become lines of items.
    pub(super) follow: bool,
    /// Whether its name says that it is one document.
    pub(super) is_named_json: bool,
}

/// Recognises what a file holds.
pub(super) fn sniff(beginning: &Beginning<'_>) -> Shape {
    let Beginning { head, agent, follow, .. } = *beginning;
    if head.starts_with(SQLITE) {
        return Shape::Database;
    }
    let mut lines: Vec<(&[u8], bool)> = head.split(|byte| *byte == b'\n').map(|line| (line, true)).collect();
    if let Some(last) = lines.last_mut() {
        last.1 = beginning.is_all;
    }
    lines.retain(|(line, _)| !line.trim_ascii().is_empty());
    let Some((first, is_whole)) = lines.first().copied() else {
        return match agent {
            Some(agent) if agent.writes_documents() && beginning.is_named_json => Shape::Document(agent),
            Some(agent) => Shape::Transcript(agent),
            None => Shape::Items,
        };
    };
    let parsed = |line: &[u8]| serde_json::from_slice::<Value>(line).ok();
    if parsed(first).is_none() && recognise(first).is_none() {
        // The first line of a document is not JSON by itself. Nor is a line of a transcript that is broken, or not yet whole.
        let is_document = first.trim_ascii().starts_with(b"{") && (is_whole || !follow);
        let found = recognise(head).filter(|(_, form)| is_document && *form == Form::Document);
        match (agent, found) {
            (Some(agent), _) if is_document && agent.writes_documents() => return Shape::Document(agent),
            (Some(agent), _) => return Shape::Transcript(agent),
            (None, Some((agent, _))) => return Shape::Document(agent),
            (None, None) => {}
        }
    }
    for (line, _) in lines.iter().take(RECORDS_LOOKED_AT) {
        let found =
            recognise(line).map(
                |(agent, form)| {
                    if form == Form::Document { Shape::Document(agent) } else { Shape::Transcript(agent) }
                },
            );
        let shape = found.or_else(|| parsed(line).is_some_and(|record| is_item(&record)).then_some(Shape::Items));
        if let Some(shape) = shape.filter(|shape| agent.is_none_or(|agent| *shape == Shape::Document(agent))) {
            return shape;
        }
    }
    match agent {
        Some(agent) => Shape::Transcript(agent),
        // Its first line is not whole yet.
        None if follow && !is_whole => Shape::Items,
        None => Shape::Export,
    }
}

/// Whether a record is an item by itself, or a recorded request. Events in an agent's log have a type and data, too, and name the
/// event before them: they hold what was said to the model.
fn is_item(record: &Value) -> bool {
    let has_type = record["type"].as_str().is_some_and(|kind| !kind.is_empty());
    (record.get("data").is_some() && has_type && record.get("parentId").is_none()) || record["body"].is_object()
}
