//! What the program, or an editor's extension, puts into a user's message: reminders around a person's words, the file that is open,
//! what is selected, and notices that a subagent has ended. Claude Code and Qwen Code write the same tags.

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

/// Names of tags that may stand before and behind a person's words, with words of the program, or of an editor, in them.
const AROUND: [&str; 4] = ["system-reminder", "ide_opened_file", "ide_selection", "ide_diagnostics"];

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

/// A text without what the program put before and behind it. `None`: nothing else is in it.
pub(super) fn own_words(said: &str) -> Option<String> {
    let mut own = said;
    while let Some(rest) = AROUND.iter().find_map(|tag| without_first(own, tag)) {
        own = rest;
    }
    while let Some(before) = AROUND.iter().find_map(|tag| without_last(own, tag)) {
        own = before;
    }
    if TAGS.iter().any(|tag| own.trim_start().starts_with(tag)) {
        return None;
    }
    let own = if own.len() == said.len() { own } else { own.trim() };
    (!own.trim().is_empty()).then(|| own.to_owned())
}

/// What a tool read, without the reminder that the program puts behind it for the model.
pub(super) fn read_words(said: &str) -> &str {
    without_last(said, AROUND[0]).map_or(said, str::trim_end)
}

/// What follows a tag of this name with which a text begins.
fn without_first<'a>(said: &'a str, tag: &str) -> Option<&'a str> {
    let inside = said.trim_start().strip_prefix(format!("<{tag}>").as_str())?;
    Some(inside.split_once(format!("</{tag}>").as_str())?.1)
}

/// What stands before a tag of this name with which a text ends.
fn without_last<'a>(said: &'a str, tag: &str) -> Option<&'a str> {
    let inside = said.trim_end().strip_suffix(format!("</{tag}>").as_str())?;
    Some(inside.rsplit_once(format!("<{tag}>").as_str())?.0)
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
