//! The effects of Mistral Vibe: calls of tools by the names that a page knows, and what came of them.

use serde_json::Value;

use crate::transcripts::talk::Talk;
use crate::transcripts::tool::{Tool, ToolState};
use crate::transcripts::values::{filled, renamed, text};

/// Names by which an effect says the session of the subagent that it began.
const CHILDREN: [&str; 4] = ["childSessionId", "child_session_id", "subagentSessionId", "subagent_session_id"];

/// How deep it is looked for these names.
const DEPTH_MAX: usize = 6;

/// The call that an effect is, with what came of it.
pub(super) fn effect(id: &str, entry: &Value, talk: &Talk) -> Tool {
    let (detail, state) = (&entry["detail"], &entry["state"]);
    let name = filled(detail, "toolName").or_else(|| filled(entry, "title")).unwrap_or(text(detail, "kind"));
    let mut call = tool(id, name, &detail["input"]);
    call.start = entry["createdAt"].as_i64();
    call.session = [detail, state].iter().find_map(|value| child(value, DEPTH_MAX)).map(|name| talk.subagent(name));
    if matches!(text(state, "status"), "" | "running" | "in_progress" | "pending" | "queued" | "waiting") {
        return call;
    }
    call.end = entry["updatedAt"].as_i64();
    settled(call, state)
}

/// A call of a tool, by the names that a page knows. The agent's own names have the name of a group before them.
fn tool(call: &str, name: &str, input: &Value) -> Tool {
    let paths = [("path", "filePath"), ("file_path", "filePath")];
    let short = name.rsplit('.').next().unwrap_or(name);
    let (name, input) = match short {
        "read_file" => ("read", renamed(input, &paths)),
        "write_file" => ("write", renamed(input, &paths)),
        "edit" | "edit_file" => {
            let names = [("old_string", "oldString"), ("new_string", "newString")];
            ("edit", renamed(&renamed(input, &paths), &names))
        }
        "list_dir" | "list_directory" => ("list", input.clone()),
        "todo" => ("todowrite", input.clone()),
        "web_fetch" => ("webfetch", input.clone()),
        "web_search" => ("websearch", input.clone()),
        "bash" | "grep" | "glob" | "task" | "apply_patch" => (short, input.clone()),
        _ => (name, input.clone()),
    };
    Tool::new(call, name, input)
}

/// A call with its result.
fn settled(mut call: Tool, state: &Value) -> Tool {
    let output = &state["output"];
    let own = &output["structured_content"];
    call.exit = own["returncode"].as_i64();
    call.diff = ["diff", "patch", "unified_diff"].iter().find_map(|name| filled(own, name)).map(str::to_owned);
    if own["was_truncated"] == true {
        call.whole_bytes = own["file_size_bytes"].as_u64();
    }
    let blocks = output["content"].as_array().into_iter().flatten();
    let texts: Vec<_> = blocks.filter_map(|block| filled(block, "text")).collect();
    let shown = filled(state, "outputText");
    let said = match (own["stdout"].as_str(), own["content"].as_str()) {
        (Some(stdout), _) => [stdout, text(own, "stderr")].concat(),
        (None, Some(content)) => content.to_owned(),
        (None, None) => match shown {
            Some(shown) => shown.to_owned(),
            None if !texts.is_empty() => texts.join("\n"),
            None if own.is_null() => output.as_str().unwrap_or_default().to_owned(),
            None => own.to_string(),
        },
    };
    let is_done = text(state, "status") == "completed"
        && state["display"]["success"] != false
        && matches!(text(output, "type"), "" | "success");
    if is_done {
        call.state = ToolState::Done(said);
        return call;
    }
    let errors = [(state, "error"), (&state["error"], "message"), (output, "error"), (&output["error"], "message")];
    let more = [(output, "message"), (&state["display"], "message"), (state, "status")];
    let error = errors.iter().find_map(|(of, name)| filled(of, name));
    let error = error.map(str::to_owned).or_else(|| Some(said).filter(|said| !said.is_empty()));
    let error = error.or_else(|| more.iter().find_map(|(of, name)| filled(of, name)).map(str::to_owned));
    call.state = ToolState::Failed(error.unwrap_or_default());
    call
}

/// The session of a subagent, wherever in an effect it is named.
fn child(value: &Value, depth: usize) -> Option<&str> {
    let members = value.as_object().filter(|_| depth > 0)?;
    let named = CHILDREN.iter().find_map(|name| filled(value, name));
    named.or_else(|| members.values().find_map(|value| child(value, depth - 1)))
}
