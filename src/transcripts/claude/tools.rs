//! The tools of Claude Code, by the names that a page knows, and what came of their calls.

use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::transcripts::notice::read_words;
use crate::transcripts::talk::Talk;
use crate::transcripts::tool::{File, Tool, ToolState};
use crate::transcripts::values::{count, filled, renamed, text};

/// The blocks of a content, which may be a text.
pub(in crate::transcripts) fn blocks(content: &Value) -> Vec<Value> {
    match content {
        Value::String(said) => vec![json!({ "type": "text", "text": said })],
        Value::Array(blocks) => blocks.clone(),
        Value::Object(_) => vec![content.clone()],
        Value::Null | Value::Bool(_) | Value::Number(_) => Vec::new(),
    }
}

/// A picture or a document.
pub(in crate::transcripts) fn file(block: &Value) -> Option<File> {
    let source = &block["source"];
    let mime = text(source, "media_type");
    let mut file = match text(source, "type") {
        "base64" => File::held(mime, source["data"].as_str()?),
        "url" => File::at(mime, source["url"].as_str()?),
        _ => return None,
    };
    text(block, "title").clone_into(&mut file.name);
    Some(file)
}

/// A call with its result. `of_tool`: what the tool itself said.
pub(super) fn settled(mut call: Tool, block: &Value, of_tool: Option<&Value>, end: Option<i64>, talk: &Talk) -> Tool {
    let is_error = block["is_error"] == json!(true);
    call.end = end;
    let mut texts = Vec::new();
    for piece in blocks(&block["content"]) {
        match file(&piece) {
            Some(file) => call.files.push(file),
            None => texts.push(words(&piece)),
        }
    }
    let mut output = texts.join("\n");
    let of_tool = of_tool.unwrap_or(&Value::Null);
    if output.starts_with("<persisted-output>") {
        let held = [text(of_tool, "stdout"), text(of_tool, "stderr")];
        let held = held.iter().filter(|said| !said.is_empty()).copied().collect::<Vec<_>>().join("\n");
        if !held.is_empty() {
            output = held;
        }
        call.whole_bytes = of_tool["persistedOutputSize"].as_u64();
    } else if let Some(inside) = output.strip_prefix("<tool_use_error>") {
        output = inside.strip_suffix("</tool_use_error>").unwrap_or(inside).to_owned();
    } else if of_tool == "User rejected tool use" {
        output = "User rejected tool use".to_owned();
    }
    // Versions before 2.1 put a reminder for the model behind what was read.
    if call.name == "read" {
        output.truncate(read_words(&output).len());
    }
    if let Some(patch) = of_tool.get("structuredPatch").and_then(Value::as_array) {
        call.diff = Some(diff(text(&call.input, "filePath"), patch)).filter(|diff| !diff.is_empty());
    }
    if call.name == "bash" {
        let code = output.strip_prefix("Exit code ").and_then(|rest| rest.lines().next()?.trim().parse::<i64>().ok());
        call.exit = code.or((!is_error).then_some(0));
    }
    if let Some(agent) = filled(of_tool, "agentId") {
        call.session = Some(talk.subagent(agent));
    }
    // One that works in the background has not ended: its report comes later.
    let is_launched = of_tool["isAsync"] == json!(true) || text(of_tool, "status") == "async_launched";
    call.state = match (is_error, is_launched) {
        (true, _) => ToolState::Failed(output),
        (false, true) => {
            call.end = None;
            ToolState::Running
        }
        (false, false) => ToolState::Done(output),
    };
    call
}

/// The words of a piece of a result, else its JSON.
fn words(piece: &Value) -> String {
    let resource = &piece["resource"];
    let said = [(piece, "text"), (resource, "text"), (resource, "uri"), (piece, "tool_name"), (piece, "uri")];
    let found = said.iter().find_map(|(of, name)| of.get(*name).and_then(Value::as_str));
    found.map_or_else(|| piece.to_string(), str::to_owned)
}

/// A patch from its pieces: `{oldStart, oldLines, newStart, newLines, lines}`.
fn diff(file: &str, pieces: &[Value]) -> String {
    if pieces.is_empty() {
        return String::new();
    }
    let mut diff = format!("--- {file}\n+++ {file}\n");
    for piece in pieces {
        let n = |name: &str| count(piece, name);
        let _ = writeln!(diff, "@@ -{},{} +{},{} @@", n("oldStart"), n("oldLines"), n("newStart"), n("newLines"));
        for line in piece["lines"].as_array().into_iter().flatten().filter_map(Value::as_str) {
            diff.push_str(line);
            diff.push('\n');
        }
    }
    diff
}

/// A call of a tool, by the names that a page knows.
pub(super) fn tool(call: &str, name: &str, input: &Value) -> Tool {
    let known = match name {
        "Bash" => "bash",
        "Read" => "read",
        "Write" => "write",
        "Edit" => "edit",
        "MultiEdit" => "multiedit",
        "Grep" => "grep",
        "Glob" => "glob",
        "LS" => "list",
        "WebFetch" => "webfetch",
        "WebSearch" | "web_search" => "websearch",
        "Task" | "Agent" => "task",
        "TodoWrite" => "todowrite",
        other => return Tool::new(call, other, input.clone()),
    };
    let names = [
        ("file_path", "filePath"),
        ("old_string", "oldString"),
        ("new_string", "newString"),
        ("replace_all", "replaceAll"),
    ];
    let mut input = renamed(input, &names);
    if let Some(edits) = input.get_mut("edits").and_then(Value::as_array_mut) {
        edits.iter_mut().for_each(|edit| *edit = renamed(edit, &names));
    }
    Tool::new(call, known, input)
}
