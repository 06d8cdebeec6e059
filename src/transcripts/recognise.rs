//! Whose transcript a file is, found out from its beginning.

use serde_json::Value;

use crate::contract::repair::repaired;
use crate::transcripts::agent::{Agent, Form};
use crate::transcripts::table::TABLE;

/// Recognises the agent that wrote a file, and the file's form, from a beginning of the file.
///
/// `beginning` is the first line, or more of the file: some KiB do, for a document of many lines. If its first line is not
/// telling, which some agents' are not, ask again with each of the next lines. `None`: no agent is recognised.
#[must_use]
pub fn recognise(beginning: &[u8]) -> Option<(Agent, Form)> {
    if let Some(document) = json(beginning) {
        return of_record(&document);
    }
    let first = beginning.split(|byte| *byte == b'\n').find(|line| !line.trim_ascii().is_empty())?;
    match json(first) {
        Some(record) => of_record(&record),
        // Of a document the first line is not JSON by itself.
        None if first.trim_ascii_start().starts_with(b"{") => {
            let said = String::from_utf8_lossy(beginning);
            let of_it = TABLE.iter().find(|entry| entry.begins.is_some_and(|begins| begins(&said)))?;
            Some((of_it.agent, Form::Document))
        }
        None => None,
    }
}

fn json(bytes: &[u8]) -> Option<Value> {
    serde_json::from_str(&repaired(str::from_utf8(bytes).ok()?)).ok()
}

/// The agent and the form that one record shows.
fn of_record(record: &Value) -> Option<(Agent, Form)> {
    TABLE.iter().find_map(|entry| Some((entry.agent, (entry.knows)(record)?)))
}
