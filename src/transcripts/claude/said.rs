//! What a record of the user's says: the words of a person, or of the program in the user's name.
//!
//! Newer versions mark whose words they are: `turnOrigin` and `origin.kind` name a person or another, `isMeta` the program's. Where no
//! mark stands, the program's words are known by the tags around them.

use serde_json::{Value, json};

use crate::transcripts::notice::{self, between};
use crate::transcripts::tool::ToolState;
use crate::transcripts::values::{filled, text};

/// What a record of the user's says.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Said {
    /// A person's words: for each block its text, if it is one and anything is left of it.
    Prompt(Vec<Option<String>>),
    /// The report of a subagent that ran in the background.
    Report { call: String, state: ToolState },
    /// The user stopped the model.
    Interrupt(&'static str),
    /// A command that the user ran.
    Command(String),
    /// What came of it.
    CommandOutput { output: String, is_error: bool },
    /// What is left of the conversation for the model after a compaction.
    Summary,
    /// Other words of the program, of this kind.
    Harness(String),
}

/// Commands of the program itself, which the model never hears of. Others are prompts that somebody wrote down before.
const BUILT_IN: [&str; 54] = [
    "add-dir",
    "agents",
    "autocompact",
    "bashes",
    "branch",
    "btw",
    "bug",
    "chrome",
    "clear",
    "color",
    "compact",
    "config",
    "context",
    "copy",
    "cost",
    "desktop",
    "diff",
    "doctor",
    "effort",
    "exit",
    "export",
    "extra-usage",
    "fast",
    "feedback",
    "fork",
    "help",
    "hooks",
    "ide",
    "install-github-app",
    "keybindings",
    "login",
    "logout",
    "mcp",
    "memory",
    "mobile",
    "model",
    "output-style",
    "permissions",
    "plan",
    "plugin",
    "privacy-settings",
    "quit",
    "release-notes",
    "reload-plugins",
    "rename",
    "resume",
    "rewind",
    "sandbox",
    "skills",
    "stats",
    "status",
    "tasks",
    "theme",
    "usage",
];

/// Whose words the blocks of a record are.
pub(super) fn said(record: &Value, blocks: &[Value]) -> Said {
    let flag = |name: &str| record[name] == json!(true);
    if flag("isCompactSummary") {
        return Said::Summary;
    }
    let first = blocks.iter().find_map(|block| filled(block, "text")).unwrap_or_default().trim_start();
    if first.starts_with("<task-notification>") {
        let report = notice::report(first).map(|report| Said::Report { call: report.call, state: report.state });
        return report.unwrap_or_else(|| Said::Harness("notification".to_owned()));
    }
    if flag("isMeta") {
        return Said::Harness("meta".to_owned());
    }
    if let Some(command) = between(first, "<bash-input>", "</bash-input>") {
        return Said::Command(command.to_owned());
    }
    if first.starts_with("<bash-stdout>") || first.starts_with("<bash-stderr>") {
        let out = between(first, "<bash-stdout>", "</bash-stdout>").unwrap_or_default();
        let err = between(first, "<bash-stderr>", "</bash-stderr>").unwrap_or_default();
        let output = [out, err].iter().filter(|said| !said.is_empty()).copied().collect::<Vec<_>>().join("\n");
        return Said::CommandOutput { output, is_error: out.is_empty() && !err.is_empty() };
    }
    match first.trim_end() {
        "[Request interrupted by user]" => return Said::Interrupt("the user interrupted it"),
        "[Request interrupted by user for tool use]" => return Said::Interrupt("the user interrupted it at a call"),
        _ => {}
    }
    if first.starts_with("<command-name>") || first.starts_with("<command-message>") {
        return command(first);
    }
    let origin = filled(record, "turnOrigin").or_else(|| filled(&record["origin"], "kind"));
    if let Some(other) = origin.filter(|origin| !matches!(*origin, "human" | "sdk"))
        && text(&record["origin"], "kind") != "human"
    {
        return Said::Harness(other.to_owned());
    }
    let texts: Vec<_> = blocks.iter().map(|block| filled(block, "text").and_then(notice::own_words)).collect();
    let has_words = texts.iter().any(Option::is_some) || blocks.iter().any(|block| text(block, "type") != "text");
    if has_words { Said::Prompt(texts) } else { Said::Harness("reminder".to_owned()) }
}

/// A command that begins with a slash: a prompt that somebody wrote down before, or one of the program's own.
fn command(said: &str) -> Said {
    let name = between(said, "<command-name>", "</command-name>").unwrap_or_default().trim();
    let arguments = between(said, "<command-args>", "</command-args>").unwrap_or_default().trim();
    if name.is_empty() || BUILT_IN.contains(&name.trim_start_matches('/')) {
        return Said::Harness("command".to_owned());
    }
    let typed = if arguments.is_empty() { name.to_owned() } else { format!("{name} {arguments}") };
    Said::Prompt(vec![Some(typed)])
}
