//! The tools of Kimi Code and of kimi-cli, by the names that a page knows, and what came of their calls.

use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::transcripts::kimi::content::{file, parts, words};
use crate::transcripts::tool::{Tool, ToolState};
use crate::transcripts::values::{count, filled, renamed, text};

/// Before the exit code of a command that failed.
const FAILED: &str = "Command failed with exit code: ";

/// A call of a tool. `input`: its arguments, an object or the JSON text of one.
pub(in crate::transcripts) fn tool(call: &str, name: &str, input: &Value) -> Tool {
    let parsed = input.as_str().and_then(|text| serde_json::from_str(text).ok());
    let input = parsed.as_ref().unwrap_or(input);
    let paths = [("path", "filePath")];
    let (tool, input) = match name {
        "Read" | "ReadFile" => ("read", renamed(input, &paths)),
        "Write" | "WriteFile" => ("write", renamed(input, &paths)),
        "Edit" => {
            let names = [("old_string", "oldString"), ("new_string", "newString"), ("replace_all", "replaceAll")];
            ("edit", renamed(&renamed(input, &paths), &names))
        }
        "StrReplaceFile" => ("edit", replaced(&renamed(input, &paths))),
        "Bash" | "Shell" => ("bash", input.clone()),
        "Grep" => ("grep", input.clone()),
        "Glob" => ("glob", input.clone()),
        "FetchURL" => ("webfetch", input.clone()),
        "WebSearch" | "SearchWeb" => ("websearch", input.clone()),
        "TodoList" | "SetTodoList" => ("todowrite", todos(input)),
        "Agent" | "Task" => ("task", renamed(input, &[("subagent_name", "subagent_type")])),
        other => (other, input.clone()),
    };
    Tool::new(call, tool, input)
}

/// One replacement of kimi-cli with the names of an edit; several stay as they are.
fn replaced(input: &Value) -> Value {
    let edit = input["edit"].as_array().filter(|edits| edits.len() == 1).map_or(&input["edit"], |edits| &edits[0]);
    if !edit["old"].is_string() {
        return input.clone();
    }
    json!({ "filePath": input["filePath"], "oldString": edit["old"], "newString": edit["new"] })
}

fn todos(input: &Value) -> Value {
    let Some(todos) = input["todos"].as_array() else { return input.clone() };
    let todo = |todo: &Value| {
        let status = if text(todo, "status") == "done" { "completed" } else { text(todo, "status") };
        json!({ "content": todo["title"], "status": status })
    };
    json!({ "todos": todos.iter().map(todo).collect::<Vec<_>>() })
}

/// A call with its result, as Kimi Code says it: `{output, isError, durationMs}`.
pub(super) fn settled(mut call: Tool, result: &Value, at: Option<i64>) -> Tool {
    let lasted = result["durationMs"].as_i64();
    call.end = call.start.zip(lasted).map(|(start, lasted)| start.saturating_add(lasted)).or(at);
    let content = parts(&result["output"]);
    call.files = content.iter().filter_map(file).collect();
    let mut said = words(&content);
    let is_error = result["isError"] == json!(true);
    if let Some((held, whole)) = preview(&said) {
        (said, call.whole_bytes) = (held, whole);
    }
    match call.name.as_str() {
        // What goes on in the background says so in the place of an output.
        "bash" if !said.starts_with("task_id: ") => {
            let code = take_exit_code(&mut said);
            call.exit = code.or((!is_error).then_some(0));
        }
        "task" if said.starts_with("task_id: ") && said.contains("\nstatus: running\n") && !is_error => {
            call.end = None;
            return call;
        }
        "task" => said = report(&said).to_owned(),
        _ => {}
    }
    call.state = if is_error { ToolState::Failed(said) } else { ToolState::Done(said) };
    call
}

/// A call with its result, as kimi-cli says it: `{is_error, output, message, display}`.
pub(in crate::transcripts) fn returned(mut call: Tool, value: &Value, at: Option<i64>) -> Tool {
    call.end = at;
    let content = parts(&value["output"]);
    call.files = content.iter().filter_map(file).collect();
    let is_error = value["is_error"] == json!(true);
    let mut message = text(value, "message").to_owned();
    let mut said = words(&content);
    match call.name.as_str() {
        "bash" => {
            let code = take_exit_code(&mut message);
            call.exit = code.or((!is_error).then_some(0));
        }
        "task" => said = report(&said).to_owned(),
        _ => {}
    }
    if said.is_empty() {
        said = message;
    }
    let display = value["display"].as_array().into_iter().flatten();
    let diffs: Vec<_> = display.filter(|block| text(block, "type") == "diff").filter_map(diff).collect();
    call.diff = (!diffs.is_empty()).then(|| diffs.concat());
    call.state = if is_error { ToolState::Failed(said) } else { ToolState::Done(said) };
    call
}

/// Takes the line that says the exit code of a command that failed from the end of a text.
fn take_exit_code(said: &mut String) -> Option<i64> {
    let end = said.trim_end();
    let at = end.rfind('\n').map_or(0, |at| at + 1);
    let code = end[at..].strip_prefix(FAILED)?.trim_end_matches('.').parse().ok()?;
    said.truncate(at);
    Some(code)
}

/// What is left of a result that was too long, and the bytes of the whole one. The program put around it where the rest is.
fn preview(said: &str) -> Option<(String, Option<u64>)> {
    let (about, held) = said.strip_prefix("Tool output exceeded ")?.split_once("\n[preview")?;
    let bytes = about.lines().find_map(|line| line.strip_prefix("output_size_bytes: ")?.parse().ok());
    let (_, held) = held.split_once('\n')?;
    let (held, ended) = ["\nCommand executed successfully.\ntask_id: ", "\nCommand failed with exit code: "]
        .iter()
        .find_map(|tail| held.rfind(tail))
        .map_or((held, ""), |at| held.split_at(at));
    let mut kept = String::new();
    for line in held.trim_end().split_inclusive('\n') {
        match line.trim_end() {
            line if line.starts_with("[elided: ") => kept.push_str("…\n"),
            line if line.starts_with("[preview: ") => {}
            _ => kept.push_str(line),
        }
    }
    if let Some(code) = ended.trim_start().lines().next().filter(|line| line.starts_with(FAILED)) {
        let _ = write!(kept, "\n{code}");
    }
    Some((kept, bytes))
}

/// What a subagent reported, out of what the program says of it to the model.
fn report(said: &str) -> &str {
    let (_, report) =
        said.split_once("\n[summary]\n").or_else(|| said.split_once("\nsubagent error: ")).unwrap_or(("", said));
    report
        .rsplit_once("\n\nresume_hint: ")
        .or_else(|| report.rsplit_once("\nresume_hint: "))
        .map_or(report, |(report, _)| report)
}

/// A change in the unified form, of the old and the new text that the program shows.
fn diff(block: &Value) -> Option<String> {
    let (old, new) = (block["old_text"].as_str()?, block["new_text"].as_str()?);
    let (old, new): (Vec<_>, Vec<_>) = (old.lines().collect(), new.lines().collect());
    let same = old.iter().zip(&new).take_while(|(old, new)| old == new).count();
    let most = old.len().min(new.len()) - same;
    let last = old.iter().rev().zip(new.iter().rev()).take(most).take_while(|(old, new)| old == new).count();
    let path = filled(block, "path").unwrap_or("file");
    let (from, to) = (count(block, "old_start").max(1), count(block, "new_start").max(1));
    let mut diff = format!("--- {path}\n+++ {path}\n@@ -{from},{} +{to},{} @@\n", old.len(), new.len());
    let mut put = |mark: char, lines: &[&str]| {
        lines.iter().for_each(|line| {
            let _ = writeln!(diff, "{mark}{line}");
        });
    };
    put(' ', &old[..same]);
    put('-', &old[same..old.len() - last]);
    put('+', &new[same..new.len() - last]);
    put(' ', &old[old.len() - last..]);
    Some(diff)
}
