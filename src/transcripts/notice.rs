//! What the program puts into a user's message: reminders around a person's words, and notices that a subagent has ended. Claude
//! Code and Qwen Code write the same tags.

use crate::transcripts::tool::ToolState;

/// Tags around words of the program.
const TAGS: [&str; 6] = [
    "<local-command-caveat>",
    "<local-command-stdout>",
    "<local-command-stderr>",
    "<command-contents>",
    "<system-reminder>",
    "<user-memory-input>",
];

/// The report of a subagent that ran in the background.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Report {
    /// The id of the call that began it.
    pub(super) call: String,
    /// The subagent's name; empty if the notice does not say it.
    pub(super) name: String,
    /// What it reported.
    pub(super) state: ToolState,
}

/// A text without the reminders that the program put before and behind it. `None`: nothing else is in it.
pub(super) fn own_words(said: &str) -> Option<String> {
    const TAG: (&str, &str) = ("<system-reminder>", "</system-reminder>");
    let mut own = said;
    while let Some((_, rest)) = own.trim_start().strip_prefix(TAG.0).and_then(|rest| rest.split_once(TAG.1)) {
        own = rest;
    }
    while own.trim_end().ends_with(TAG.1)
        && let Some((before, _)) = own.rsplit_once(TAG.0)
    {
        own = before;
    }
    if TAGS.iter().any(|tag| own.trim_start().starts_with(tag)) {
        return None;
    }
    let own = if own.len() == said.len() { own } else { own.trim() };
    (!own.trim().is_empty()).then(|| own.to_owned())
}

/// Reads a notice that a subagent has ended. `None`: it does not say which call began it.
pub(super) fn report(notice: &str) -> Option<Report> {
    let inside = between(notice, "<task-notification>", "</task-notification>")?;
    let member = |name: &str| between(inside, &format!("<{name}>"), &format!("</{name}>")).map(str::trim);
    let call = member("tool-use-id").filter(|call| !call.is_empty())?;
    // The report itself may hold such tags, and stands last.
    let result =
        inside.split_once("<result>").and_then(|(_, rest)| rest.rsplit_once("</result>")).map(|(said, _)| said);
    let words = result.or_else(|| member("summary")).unwrap_or_default().trim().to_owned();
    let state = match member("status").unwrap_or("completed") {
        "completed" => ToolState::Done(words),
        _ => ToolState::Failed(words),
    };
    Some(Report { call: call.to_owned(), name: member("task-id").unwrap_or_default().to_owned(), state })
}

/// What stands between two tags.
pub(super) fn between<'a>(said: &'a str, begin: &str, end: &str) -> Option<&'a str> {
    Some(said.split_once(begin)?.1.split_once(end)?.0)
}
