//! The rows of a session in OpenCode's database, and which of them its user took back.

use std::collections::HashSet;
use std::rc::Rc;

use serde::Deserialize;

/// A message, or a part of one.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Row {
    /// The session that it is of: the one that is shared, or one of a subagent.
    pub(super) session: Rc<str>,
    pub(super) message: String,
    pub(super) part: Option<String>,
}

/// What changes with a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Version {
    pub(super) time: i64,
    pub(super) bytes: i64,
}

impl Row {
    /// The row of the message that it is, or is a part of.
    pub(super) fn whole(&self) -> Self {
        Self { part: None, ..self.clone() }
    }
}

/// The column `revert` of a session: where `/undo` went back to.
#[derive(Deserialize)]
struct Revert {
    #[serde(rename = "messageID")]
    message: String,
    #[serde(rename = "partID")]
    part: Option<String>,
}

/// Leaves out of a session's rows, messages before parts, what the column `revert` says was taken back. OpenCode shows it no more, and deletes it at
/// the next prompt; a message or a part that is not there takes nothing back.
pub(super) fn leave_out_taken_back(revert: &str, there: &mut Vec<(Row, Version)>) {
    let Ok(Revert { message, part }) = serde_json::from_str(revert) else { return };
    let is_message = |row: &Row| row.part.is_none() && row.message == message;
    let Some(at) = there.iter().position(|(row, _)| is_message(row)) else { return };
    // With a part, the message itself stays.
    let later = there[at + usize::from(part.is_some())..].iter().map(|(row, _)| row);
    let gone: HashSet<String> = later.filter(|row| row.part.is_none()).map(|row| row.message.clone()).collect();
    let has_part = part.is_some() && there.iter().any(|(row, _)| row.message == message && row.part == part);
    // Parts have no order but that of their ids.
    let is_behind = |row: &Row| has_part && row.message == message && row.part >= part;
    there.retain(|(row, _)| !gone.contains(&row.message) && !is_behind(row));
}
