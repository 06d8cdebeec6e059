//! The tools of Cline, by the names that a page knows, and what came of their calls.

use serde_json::{Value, json};

use crate::transcripts::claude::tools::file;
use crate::transcripts::tool::{Tool, ToolState};
use crate::transcripts::values::{filled, renamed, text};

/// A call of a tool. A call may hold several commands, or name several files: one alone is shown as a page shows such a call.
pub(super) fn tool(call: &str, name: &str, input: &Value) -> Tool {
    let (tool, input) = match name {
        "read_files" => ("read", read(input)),
        "run_commands" | "bash" | "execute_command" => ("bash", commands(input)),
        "editor" => edit(input),
        "spawn_agent" => ("task", task(input)),
        "fetch_web_content" | "web_fetch" => ("webfetch", input.clone()),
        "web_search" => ("websearch", input.clone()),
        other => (other, input.clone()),
    };
    Tool::new(call, tool, input)
}

fn read(input: &Value) -> Value {
    match input["files"].as_array().map(Vec::as_slice) {
        Some([file]) if file["path"].is_string() => {
            let mut input = json!({ "filePath": file["path"] });
            let lines = [("start_line", "startLine"), ("end_line", "endLine")];
            for (from, to) in lines.into_iter().filter(|(from, _)| file[*from].is_number()) {
                input[to] = file[from].clone();
            }
            input
        }
        _ => input.clone(),
    }
}

fn commands(input: &Value) -> Value {
    let command = |command: &Value| {
        let said = command.as_str().or_else(|| filled(command, "command"));
        said.map_or_else(|| command.to_string(), str::to_owned)
    };
    match input["commands"].as_array() {
        Some(commands) => json!({ "command": commands.iter().map(command).collect::<Vec<_>>().join("\n") }),
        None => input.clone(),
    }
}

fn edit(input: &Value) -> (&'static str, Value) {
    let names = [("path", "filePath"), ("old_text", "oldString"), ("new_text", "newString")];
    if input["old_text"].is_string() {
        ("edit", renamed(input, &names))
    } else {
        ("write", renamed(input, &[("path", "filePath"), ("new_text", "content")]))
    }
}

/// What is asked of a subagent. Its instructions are the model's, and long.
fn task(input: &Value) -> Value {
    let task = text(input, "task");
    let first = task.lines().next().unwrap_or_default();
    json!({ "description": first.chars().take(80).collect::<String>(), "prompt": task })
}

/// A call with its result.
pub(super) fn settled(mut call: Tool, result: &Value, end: Option<i64>) -> Tool {
    call.end = end;
    let mut is_error = result["is_error"] == json!(true);
    let pieces = pieces(&result["content"]);
    let mut said = Vec::new();
    for piece in &pieces {
        is_error |= piece["success"] == json!(false);
        match file(piece) {
            Some(file) => call.files.push(file),
            None => said.push(words(piece)),
        }
    }
    let mut said = said.join("\n");
    match call.name.as_str() {
        "bash" if pieces.len() == 1 => {
            let code = exit_code(&said);
            call.exit = code.as_ref().map(|(code, _)| *code).or((!is_error).then_some(0));
            if let Some((_, rest)) = code {
                said = rest;
            }
        }
        "edit" => call.diff = diff(&said),
        _ => {}
    }
    call.state = if is_error { ToolState::Failed(said) } else { ToolState::Done(said) };
    call
}

/// The results of a call: a list, one, or the JSON text of one.
fn pieces(content: &Value) -> Vec<Value> {
    match content {
        Value::Array(pieces) => pieces.clone(),
        Value::String(said) => match serde_json::from_str::<Value>(said) {
            Ok(one) if one.is_object() || one.is_array() => pieces(&one),
            Ok(_) | Err(_) => vec![json!({ "type": "text", "text": said })],
        },
        Value::Null => Vec::new(),
        Value::Bool(_) | Value::Number(_) | Value::Object(_) => vec![content.clone()],
    }
}

/// The words of one of the results of a call.
fn words(piece: &Value) -> String {
    let result = &piece["result"];
    if let Some(said) = result.as_str() {
        return said.to_owned();
    }
    if let Some(parts) = result.as_array() {
        return parts.iter().map(|part| text(part, "text")).collect::<Vec<_>>().join("\n");
    }
    let known = ["text", "error", "content"].into_iter().find_map(|name| filled(piece, name));
    known.map_or_else(|| piece.to_string(), str::to_owned)
}

/// The exit code of a command that failed, and what it wrote.
fn exit_code(said: &str) -> Option<(i64, String)> {
    let (code, rest) = said.strip_prefix("[Command exited with code ")?.split_once(']')?;
    let rest = rest.trim_start_matches('\n');
    Some((code.parse().ok()?, rest.strip_prefix("[stderr]\n").unwrap_or(rest).to_owned()))
}

/// The change that an edit shows behind its words.
fn diff(said: &str) -> Option<String> {
    let (_, rest) = said.split_once("```diff\n")?;
    Some(rest.rsplit_once("\n```").map_or(rest, |(diff, _)| diff).to_owned())
}
