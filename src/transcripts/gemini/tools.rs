//! The tools of Gemini CLI, by the names that a page knows, and what came of their calls.

use serde_json::{Value, json};

use crate::transcripts::gemini::pieces::{pieces, responses};
use crate::transcripts::talk::Talk;
use crate::transcripts::tool::{Tool, ToolState};
use crate::transcripts::values::{filled, renamed, text, time};

/// A call with its result, as the message of the model holds both.
pub(super) fn settled(mut call: Tool, made: &Value, talk: &Talk) -> Tool {
    let status = text(made, "status");
    if let Some(agent) = filled(made, "agentId") {
        call.session = Some(talk.subagent(agent));
    }
    if !matches!(status, "success" | "error" | "cancelled") {
        return call;
    }
    let results = pieces(&made["result"]);
    let all: Vec<_> = responses(&results).collect();
    // At a resume each of several calls comes with the results of all of them.
    let own = all.iter().find(|(id, _)| *id == call.call).or_else(|| all.first().filter(|_| all.len() == 1));
    let own = own.map_or(&Value::Null, |(_, response)| *response);
    let shown = &made["resultDisplay"];
    let end = time(&made["timestamp"]);
    call.diff = filled(shown, "fileDiff").map(str::to_owned);
    let mut call = called(call, own, end);
    if let ToolState::Done(said) | ToolState::Failed(said) = &mut call.state {
        // What the screen showed of a command is all of it, without what the program said around it.
        let is_more = call.name == "bash" || said.is_empty();
        if is_more && let Some(shown) = shown.as_str().filter(|shown| !shown.is_empty()) {
            shown.clone_into(said);
        }
        if said.is_empty() && own.is_null() {
            *said = results.iter().filter_map(|piece| filled(piece, "text")).collect::<Vec<_>>().join("\n");
        }
    }
    if status != "success"
        && let ToolState::Done(said) | ToolState::Failed(said) = call.state
    {
        call.state = ToolState::Failed(if said.is_empty() { status.to_owned() } else { said });
    }
    call
}

/// A call with its result, as it went to the model.
pub(super) fn called(mut call: Tool, response: &Value, end: Option<i64>) -> Tool {
    call.end = end;
    let failed = filled(response, "error");
    let said = match (failed, response.get("output")) {
        (Some(error), _) => error.to_owned(),
        (None, Some(Value::String(output))) => output.clone(),
        (None, Some(other)) => other.to_string(),
        (None, None) if response.as_object().is_some_and(|all| !all.is_empty()) => response.to_string(),
        (None, None) => String::new(),
    };
    let (said, exit) = match call.name.as_str() {
        "bash" => command_output(&said),
        "task" => (report(&said).to_owned(), None),
        _ => (unwrapped(&said).to_owned(), None),
    };
    call.exit = exit.or_else(|| (call.name == "bash" && failed.is_none() && !response.is_null()).then_some(0));
    call.state = if failed.is_some() { ToolState::Failed(said) } else { ToolState::Done(said) };
    call
}

/// A text without the tag that marks it as not the user's.
fn unwrapped(said: &str) -> &str {
    let inside =
        said.strip_prefix("<untrusted_context>\n").and_then(|rest| rest.strip_suffix("\n</untrusted_context>"));
    inside.unwrap_or(said)
}

/// What a command wrote, and its exit code, out of what the program says of it to the model.
fn command_output(said: &str) -> (String, Option<i64>) {
    // Before a result that was cut stands where the whole of it is.
    let (before, inside) = said.split_once("<untrusted_context>\n").unwrap_or(("", said));
    let inside = inside.strip_suffix("\n</untrusted_context>").unwrap_or(inside);
    let Some(begin) = inside.find("Output: ").filter(|at| *at == 0 || inside[..*at].ends_with('\n')) else {
        return (said.to_owned(), None);
    };
    let mut lines: Vec<&str> = inside[begin + "Output: ".len()..].lines().collect();
    let mut exit = None;
    while let Some(last) = lines.last() {
        let is_fact = ["Exit Code: ", "Process Group PGID: ", "Signal: ", "Background PIDs: ", "Error: (none)"]
            .iter()
            .any(|fact| last.starts_with(fact));
        if !is_fact {
            break;
        }
        exit = last.strip_prefix("Exit Code: ").and_then(|code| code.trim().parse().ok()).or(exit);
        lines.pop();
    }
    let output = lines.join("\n");
    let output = if output == "(empty)" { String::new() } else { output };
    let note = before.lines().next().and_then(|line| line.split(" For full output").next()).unwrap_or_default();
    (if note.is_empty() { output } else { format!("{note}\n{output}") }, exit)
}

/// What a subagent reported, out of what the program says of it.
fn report(said: &str) -> &str {
    let is_framed = said.starts_with("Subagent '");
    said.split_once("\nResult:\n").filter(|_| is_framed).map_or(said, |(_, report)| report)
}

/// A call of a tool, by the names that a page knows.
pub(in crate::transcripts) fn tool(call: &str, name: &str, input: &Value) -> Tool {
    let paths = [("file_path", "filePath"), ("absolute_path", "filePath")];
    let folders = [("dir_path", "path")];
    let (tool, input) = match name {
        "read_file" => ("read", renamed(input, &paths)),
        "write_file" => ("write", renamed(input, &paths)),
        "replace" | "edit" => {
            let names = [("old_string", "oldString"), ("new_string", "newString")];
            ("edit", renamed(&renamed(input, &paths), &names))
        }
        "run_shell_command" => ("bash", input.clone()),
        "search_file_content" | "grep_search" => ("grep", renamed(input, &folders)),
        "glob" => ("glob", renamed(input, &folders)),
        "list_directory" => ("list", renamed(input, &folders)),
        "web_fetch" => ("webfetch", renamed(input, &[("prompt", "url")])),
        "google_web_search" | "web_search" => ("websearch", input.clone()),
        "write_todos" | "todo_write" => {
            let todos = input["todos"].as_array().into_iter().flatten();
            let todos: Vec<_> = todos.map(|todo| renamed(todo, &[("description", "content")])).collect();
            ("todowrite", json!({ "todos": todos }))
        }
        "invoke_agent" | "agent" | "task" => ("task", renamed(input, &[("agent_name", "subagent_type")])),
        other => (other, input.clone()),
    };
    Tool::new(call, tool, input)
}
