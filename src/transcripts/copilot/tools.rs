//! The tools of Copilot CLI, by the names that a page knows, and what came of their calls.

use serde_json::{Value, json};

use crate::transcripts::tool::{File, Tool, ToolState};
use crate::transcripts::values::{filled, renamed, text};

/// A call of a tool, by the names that a page knows.
pub(super) fn tool(call: &str, name: &str, input: &Value) -> Tool {
    let paths = [("path", "filePath"), ("file_path", "filePath"), ("filePath", "filePath")];
    let (name, input) = match name {
        "view" => ("read", renamed(input, &paths)),
        "create" => ("write", renamed(&renamed(input, &paths), &[("file_text", "content")])),
        "edit" | "str_replace" => {
            let names = [("old_str", "oldString"), ("new_str", "newString")];
            ("edit", renamed(&renamed(input, &paths), &names))
        }
        "apply_patch" => ("apply_patch", patch(input)),
        "web_fetch" => ("webfetch", input.clone()),
        "web_search" => ("websearch", input.clone()),
        "task" => ("task", renamed(input, &[("agent_type", "subagent_type")])),
        other => (other, input.clone()),
    };
    Tool::new(call, name, input)
}

/// A patch, which is a text by itself, or an object with a text, or this as a text.
fn patch(input: &Value) -> Value {
    let object = input.as_str().map_or_else(
        || input.clone(),
        |said| serde_json::from_str::<Value>(said).unwrap_or_else(|_| json!({ "patchText": said })),
    );
    renamed(&object, &[("patch", "patchText"), ("input", "patchText")])
}

/// A call with its result.
pub(super) fn settled(mut call: Tool, data: &Value, end: Option<i64>) -> Tool {
    let result = &data["result"];
    call.end = end;
    let mut said = text(result, "content").to_owned();
    let about = &data["toolTelemetry"]["properties"];
    // Of a large result the program tells the model where it is, and shows it the beginning.
    if text(about, "largeOutputHandled") == "true"
        && let Some((_, beginning)) = said.split_once("\nPreview (first ").and_then(|(_, rest)| rest.split_once("):\n"))
    {
        said = beginning.to_owned();
        call.whole_bytes = text(about, "largeOutputOriginalSizeBytes").parse().ok();
    }
    let shell = &data["shellExecution"];
    if call.name == "bash" || shell.is_object() {
        let (output, code) = command_output(&said);
        call.exit = shell["exitCode"].as_i64().or(code);
        said = output;
    }
    let shown = text(result, "detailedContent").trim_start_matches('\n');
    call.diff = Some(shown.to_owned()).filter(|shown| is_change(shown));
    for file in result["binaryResultsForLlm"].as_array().into_iter().flatten() {
        if let Some(held) = filled(file, "data") {
            call.files.push(File::held(text(file, "mimeType"), held));
        }
    }
    call.state = match (data["success"] == true, filled(&data["error"], "message")) {
        (true, _) => ToolState::Done(said),
        (false, Some(error)) => ToolState::Failed(error.to_owned()),
        (false, None) => ToolState::Failed(said),
    };
    call
}

/// What a command wrote, and its exit code, without the line that the program puts behind it for the model.
fn command_output(said: &str) -> (String, Option<i64>) {
    let (before, last) = said.rsplit_once('\n').map_or((None, said), |(before, last)| (Some(before), last));
    let inside = last.trim().strip_prefix('<').and_then(|rest| rest.strip_suffix('>'));
    let code = inside.and_then(|inside| inside.rsplit_once("exit code ")).and_then(|(_, code)| code.parse().ok());
    match code {
        Some(code) => (before.map(|before| format!("{before}\n")).unwrap_or_default(), Some(code)),
        None => (said.to_owned(), None),
    }
}

/// Whether a text is a change: of a file that was read it has the form of one, too.
fn is_change(shown: &str) -> bool {
    let is_sign = |line: &str| {
        (line.starts_with('+') && !line.starts_with("+++")) || (line.starts_with('-') && !line.starts_with("---"))
    };
    shown.starts_with("diff --git ") && shown.lines().any(is_sign)
}

/// What a person attached. A file that is not in the transcript is named.
pub(super) fn attached(attachment: &Value) -> File {
    let names = ["displayName", "title", "path", "url", "filePath"];
    let name = names.iter().find_map(|name| filled(attachment, name)).unwrap_or_default();
    let mime = filled(attachment, "mimeType").unwrap_or(match text(attachment, "type") {
        "directory" => "application/x-directory",
        _ => "text/plain",
    });
    let held = filled(attachment, "data").map(|held| File::held(mime, held));
    let at = || match (filled(attachment, "url"), filled(attachment, "path").or_else(|| filled(attachment, "filePath")))
    {
        (Some(url), _) => File::at(mime, url),
        (None, Some(path)) => File::at(mime, &format!("file://{path}")),
        (None, None) => File::at(mime, ""),
    };
    File { name: name.to_owned(), ..held.unwrap_or_else(at) }
}
