//! The tools of Codex, by the names that a page knows, and what came of their calls.

use serde_json::{Value, json};

use crate::transcripts::talk::Talk;
use crate::transcripts::tool::{File, Tool, ToolState};
use crate::transcripts::turn::Tokens;
use crate::transcripts::values::{count, filled, renamed, text};

/// Whether a text in a user's message was put in by the program.
pub(super) fn is_put_in(said: &str) -> bool {
    let said = said.trim();
    let tag = said.strip_prefix('<').and_then(|rest| rest.split_once('>')).map(|(tag, _)| tag);
    said.starts_with("# AGENTS.md instructions") || tag.is_some_and(|tag| said.ends_with(&format!("</{tag}>")))
}

/// What a person typed, without what an editor's extension puts before it: the file that is open, what is selected, the tabs.
pub(super) fn typed(said: &str) -> &str {
    let is_after_context = said.trim_start().starts_with("# Context from my IDE setup:");
    let typed = said.rsplit_once("## My request for Codex:").filter(|_| is_after_context);
    typed.map_or(said, |(_, typed)| typed.trim())
}

/// The texts of a content: a text, or a list of `{type, text}`.
pub(super) fn texts(content: &Value) -> Vec<String> {
    match content {
        Value::String(said) => vec![said.clone()],
        Value::Array(pieces) => {
            let texts = pieces.iter().map(|piece| text(piece, "text")).filter(|said| !said.is_empty());
            texts.map(str::to_owned).collect()
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => Vec::new(),
    }
}

pub(super) fn mime(url: &str) -> &str {
    url.strip_prefix("data:").and_then(|rest| rest.split_once(';')).map_or("image/png", |(mime, _)| mime)
}

pub(super) fn tokens(usage: &Value) -> Option<Tokens> {
    usage.is_object().then(|| {
        let (cached, thought) = (count(usage, "cached_input_tokens"), count(usage, "reasoning_output_tokens"));
        Tokens {
            input: count(usage, "input_tokens").saturating_sub(cached),
            output: count(usage, "output_tokens").saturating_sub(thought),
            reasoning: thought,
            read: cached,
            write: 0,
        }
    })
}

/// A call, by the names that a page knows.
pub(super) fn tool(call: &str, item: &Value) -> Tool {
    let (name, input) = named(item);
    Tool::new(call, &name, input)
}

fn named(item: &Value) -> (String, Value) {
    match text(item, "type") {
        "local_shell_call" => return ("bash".to_owned(), json!({ "command": command(&item["action"]["command"]) })),
        "web_search_call" => {
            let action = &item["action"];
            let tool = if text(action, "type") == "search" { "websearch" } else { "webfetch" };
            return (tool.to_owned(), action.clone());
        }
        _ => {}
    }
    // Arguments come as a text of JSON, those of a custom tool as any text.
    let arguments = item.get("arguments").or_else(|| item.get("input")).cloned().unwrap_or_default();
    let input = arguments.as_str().and_then(|said| serde_json::from_str(said).ok()).filter(Value::is_object);
    let input =
        input.unwrap_or_else(|| if arguments.is_object() { arguments.clone() } else { json!({ "input": arguments }) });
    let name = text(item, "name");
    let (tool, input) = match name {
        "shell" | "shell_command" | "container.exec" | "exec_command" => {
            let said = input.get("command").or_else(|| input.get("cmd")).map(command).unwrap_or_default();
            (
                "bash",
                json!({ "command": said, "description": text(&input, "justification"), "workdir": input["workdir"] }),
            )
        }
        "apply_patch" => ("apply_patch", renamed(&input, &[("input", "patchText"), ("patch", "patchText")])),
        "update_plan" => {
            let steps = input["plan"].as_array().into_iter().flatten();
            let todos: Vec<_> = steps.map(|step| renamed(step, &[("step", "content")])).collect();
            ("todowrite", json!({ "todos": todos }))
        }
        "spawn_agent" => ("task", renamed(&input, &[("message", "prompt"), ("agent_type", "subagent_type")])),
        "view_image" => ("read", renamed(&input, &[("path", "filePath")])),
        "read_file" => ("read", renamed(&input, &[("file_path", "filePath")])),
        "list_dir" => ("list", renamed(&input, &[("dir_path", "path")])),
        "grep_files" => ("grep", input),
        other => (other, input),
    };
    (tool.to_owned(), input)
}

/// A command line, from a text or a list of words; a shell's own words before its script are dropped.
pub(super) fn command(value: &Value) -> String {
    let words: Vec<&str> = value.as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    match &words[..] {
        [_, "-c" | "-lc", script] => (*script).to_owned(),
        [] => value.as_str().unwrap_or_default().to_owned(),
        words => words.join(" "),
    }
}

/// A call with its result: a text, pieces, `{content, success}`, or a text that holds `{"output", "metadata": {"exit_code"}}`.
pub(super) fn settled(mut call: Tool, output: &Value, end: Option<i64>, talk: &Talk) -> Tool {
    let content = output.get("content").unwrap_or(output);
    let is_error = output.get("success") == Some(&json!(false));
    let images = content.as_array().into_iter().flatten().map(|piece| text(piece, "image_url"));
    call.files = images.filter(|url| !url.is_empty()).map(|url| File::at(mime(url), url)).collect();
    let mut said = match texts(content) {
        texts if texts.is_empty() && content.is_object() => content.to_string(),
        texts => texts.join("\n"),
    };
    let inner: Value = serde_json::from_str(&said).unwrap_or_default();
    call.exit = inner["metadata"]["exit_code"].as_i64();
    if let Some(inside) = inner["output"].as_str() {
        said = inside.to_owned();
    } else if ["Chunk ID: ", "Exit code: ", "Wall time: "].iter().any(|begin| said.starts_with(begin))
        && let Some((head, rest)) = said.split_once("\nOutput:\n")
    {
        let of = |line: &str| {
            let code = line.strip_prefix("Exit code: ").or_else(|| line.strip_prefix("Process exited with code "))?;
            code.trim().parse::<i64>().ok()
        };
        call.exit = head.lines().find_map(of);
        said = rest.to_owned();
    }
    call.end = end;
    // A subagent that was begun has not ended: its report comes later.
    if call.name == "task"
        && let Some(agent) = filled(&inner, "agent_id")
    {
        call.session = Some(talk.subagent(agent));
        if call.state == ToolState::Running {
            call.end = None;
        }
        return call;
    }
    call.state = if is_error { ToolState::Failed(said) } else { ToolState::Done(said) };
    call
}

/// Whether the result of a call says that its command goes on.
pub(super) fn is_still_running(output: &Value) -> bool {
    let said = output.as_str().unwrap_or_default();
    let head = said.split_once("\nOutput:").map_or(said, |(head, _)| head);
    head.lines().any(|line| line.starts_with("Process running with session ID"))
}
