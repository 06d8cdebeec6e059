//! Whose file it is, found out from its beginning.

use std::path::Path;

use capshare::transcripts::{Agent, Form, recognise};
use serde_json::Value;
use tokio::io::AsyncReadExt as _;

use crate::cli::agent;
use crate::cli::push::lines::Lines;

/// Records that are looked at: agents begin with one that tells, or with a handful that do not.
const RECORDS_LOOKED_AT: usize = 20;

/// What a file holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    /// Lines of items, `{"type", "data"}`, or nothing yet.
    Items,
    /// One JSON document that is no agent's: an export.
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

/// Recognises what a file holds. `agent`: the agent that the command line names. `follow`: an unknown file may become lines of
/// items.
pub(super) async fn sniff(path: &Path, agent: Option<agent::Agent>, follow: bool) -> std::io::Result<Shape> {
    let mut head = Vec::new();
    tokio::fs::File::open(path).await?.take(SQLITE.len() as u64).read_to_end(&mut head).await?;
    if head == SQLITE {
        return Ok(Shape::Database);
    }
    // What OpenCode itself writes out is an export.
    let agent = agent.and_then(agent::Agent::reader);
    let mut lines = Lines::open(path).await?;
    let mut looked_at = 0;
    let mut first = None;
    while looked_at < RECORDS_LOOKED_AT {
        let (line, is_whole) = match lines.next().await? {
            Some(line) => (line, true),
            None => match lines.take_rest() {
                Some(rest) => (rest, false),
                None => break,
            },
        };
        if line.trim_ascii().is_empty() {
            continue;
        }
        looked_at += 1;
        let Ok(record) = serde_json::from_slice::<Value>(&line) else {
            if looked_at > 1 {
                continue;
            }
            // The first line of a document is not JSON by itself. Nor is a line of a transcript that is broken, or not yet whole.
            let is_document = line.trim_ascii().starts_with(b"{") && (is_whole || !follow);
            return match agent {
                Some(Agent::Gemini) if is_document => Ok(Shape::Document(Agent::Gemini)),
                Some(agent) => Ok(Shape::Transcript(agent)),
                None if is_document && is_gemini_document(path).await? => Ok(Shape::Document(Agent::Gemini)),
                None if follow => Ok(Shape::Items),
                None => Ok(Shape::Export),
            };
        };
        let found = recognise(&line).map(|(agent, form)| {
            if form == Form::Document { Shape::Document(agent) } else { Shape::Transcript(agent) }
        });
        let shape = found.or_else(|| is_item(&record).then_some(Shape::Items));
        if agent.is_none_or(|agent| shape == Some(Shape::Document(agent))) && shape.is_some() {
            return Ok(shape.unwrap_or(Shape::Items));
        }
        first.get_or_insert(record);
    }
    Ok(match (agent, first) {
        (Some(Agent::Gemini), None) if path.extension().is_some_and(|extension| extension == "json") => {
            Shape::Document(Agent::Gemini)
        }
        (Some(agent), _) => Shape::Transcript(agent),
        (None, None) => Shape::Items,
        (None, Some(record)) if follow || record.get("type").is_some() || record.get("body").is_some() => Shape::Items,
        (None, Some(_)) => Shape::Export,
    })
}

/// Whether a record is an item by itself, or a recorded request.
fn is_item(record: &Value) -> bool {
    let has_type = record["type"].as_str().is_some_and(|kind| !kind.is_empty());
    (record.get("data").is_some() && has_type) || record["body"].is_object()
}

/// Whether a document of several lines is Gemini's: an export has neither of the members by which it is known.
async fn is_gemini_document(path: &Path) -> std::io::Result<bool> {
    let mut lines = Lines::open(path).await?;
    // Both stand before the messages.
    let mut head = Vec::new();
    while let Some(line) = lines.next().await?
        && head.len() < 4_096
    {
        head.extend(line);
    }
    Ok(recognise(&head) == Some((Agent::Gemini, Form::Document)))
}
