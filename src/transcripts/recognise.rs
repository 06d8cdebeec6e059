//! Whose transcript a file is, found out from its beginning.

use serde_json::Value;

use crate::transcripts::agent::{Agent, Form};
use crate::transcripts::values::text;

/// Recognises the agent that wrote a file, and the file's form, from a beginning of the file.
///
/// `beginning` is the first line, or more of the file: some KiB do, for a document of many lines. If its first line is not
/// telling, which some agents' are not, ask again with each of the next lines. `None`: no agent is recognised.
#[must_use]
pub fn recognise(beginning: &[u8]) -> Option<(Agent, Form)> {
    if let Ok(document) = serde_json::from_slice(beginning) {
        return of_record(&document);
    }
    let first = beginning.split(|byte| *byte == b'\n').find(|line| !line.trim_ascii().is_empty())?;
    match serde_json::from_slice(first) {
        Ok(record) => of_record(&record),
        // Of a document the first line is not JSON by itself. Gemini's has both of these before its messages.
        Err(_) if first.trim_ascii_start().starts_with(b"{") => {
            let said = String::from_utf8_lossy(beginning);
            (said.contains("\"sessionId\"") && said.contains("\"projectHash\""))
                .then_some((Agent::Gemini, Form::Document))
        }
        Err(_) => None,
    }
}

/// The agent and the form that one record shows.
fn of_record(record: &Value) -> Option<(Agent, Form)> {
    let is = |name: &str| record.get(name).is_some_and(Value::is_string);
    let kind = text(record, "type");
    if record["version"].is_u64() && (record["width"].is_u64() || record["term"].is_object()) {
        return Some((Agent::Asciicast, Form::Lines));
    }
    if is("sessionId") && record["messages"].is_array() {
        return Some((Agent::Gemini, Form::Document));
    }
    if is("sessionId") && is("projectHash") {
        return Some((Agent::Gemini, Form::Lines));
    }
    if is("timestamp") && record["payload"].is_object() && !kind.is_empty() {
        return Some((Agent::Codex, Form::Lines));
    }
    // Before Codex had an envelope.
    if is("id") && is("timestamp") && record.get("instructions").is_some() {
        return Some((Agent::Codex, Form::Lines));
    }
    let is_claude = is("sessionId") || is("leafUuid") || (is("messageId") && record["snapshot"].is_object());
    (!kind.is_empty() && is_claude).then_some((Agent::Claude, Form::Lines))
}
