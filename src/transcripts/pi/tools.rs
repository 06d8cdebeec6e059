//! The tools of pi, by the names that a page knows, and what came of their calls.

use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::transcripts::tool::{File, Tool, ToolState};
use crate::transcripts::values::{count, filled, renamed, text};

/// A call of a tool, by the names that a page knows.
pub(super) fn tool(call: &str, name: &str, input: &Value) -> Tool {
    let paths = [("path", "filePath"), ("file_path", "filePath")];
    let (name, input) = match name {
        "read" | "write" => (name, renamed(input, &paths)),
        "edit" => return edit(call, &renamed(input, &paths)),
        "find" => ("glob", input.clone()),
        "ls" => ("list", input.clone()),
        other => (other, input.clone()),
    };
    Tool::new(call, name, input)
}

/// A call that changes a file, in one place or in several.
fn edit(call: &str, input: &Value) -> Tool {
    let names = [("oldText", "oldString"), ("newText", "newString")];
    let edits: Vec<Value> = input["edits"].as_array().into_iter().flatten().map(|edit| renamed(edit, &names)).collect();
    let mut input = renamed(input, &names);
    let Some(members) = input.as_object_mut().filter(|_| !edits.is_empty()) else {
        return Tool::new(call, "edit", input);
    };
    members.remove("edits");
    match edits.as_slice() {
        [Value::Object(only)] => {
            members.extend(only.clone());
            Tool::new(call, "edit", input)
        }
        _ => {
            members.insert("edits".to_owned(), json!(edits));
            Tool::new(call, "multiedit", input)
        }
    }
}

/// A call with its result.
pub(super) fn settled(mut call: Tool, message: &Value, end: Option<i64>) -> Tool {
    let details = &message["details"];
    let is_error = message["isError"] == json!(true);
    call.end = end;
    if let (Some(end), Some(lasted)) = (end, message["durationMs"].as_i64()) {
        call.start = Some(end.saturating_sub(lasted));
    }
    let mut texts = Vec::new();
    for block in message["content"].as_array().into_iter().flatten() {
        match text(block, "type") {
            "image" => call.files.push(File::held(text(block, "mimeType"), text(block, "data"))),
            _ => texts.push(filled(block, "text").map_or_else(|| block.to_string(), str::to_owned)),
        }
    }
    let mut said = message["content"].as_str().map_or_else(|| texts.join("\n"), str::to_owned);
    if call.name == "bash" {
        (said, call.exit) = command_output(said, is_error);
    }
    let cut = &details["truncation"];
    if cut["truncated"] == json!(true) {
        said.truncate(without_note(&said).len());
        call.whole_bytes = Some(count(cut, "totalBytes")).filter(|bytes| *bytes > 0);
    }
    call.diff = filled(details, "patch").map(str::to_owned).or_else(|| {
        let shown = filled(details, "diff")?;
        Some(unified(text(&call.input, "filePath"), shown)).filter(|diff| !diff.is_empty())
    });
    call.state = if is_error { ToolState::Failed(said) } else { ToolState::Done(said) };
    call
}

/// What a command wrote, and its exit code, out of what the program says of it to the model.
fn command_output(said: String, is_error: bool) -> (String, Option<i64>) {
    let ended = said.rsplit_once("Command exited with code ").filter(|_| is_error);
    let code = ended.and_then(|(before, code)| Some((before, code.trim().parse::<i64>().ok()?)));
    let (output, exit) = match code {
        Some((before, code)) => (before.strip_suffix("\n\n").unwrap_or(before).to_owned(), Some(code)),
        None => (said, (!is_error).then_some(0)),
    };
    (if output == "(no output)" { String::new() } else { output }, exit)
}

/// A text without the note about what is missing, which the program puts behind it for the model.
fn without_note(said: &str) -> &str {
    match said.trim_end().rsplit_once("\n\n[") {
        Some((before, note)) if note.ends_with(']') && !note.contains('\n') => before,
        _ => said,
    }
}

/// The change of a file in the unified form, from what the screen shows of it: each line begins with a sign and the line's number.
/// Versions before 1.0 keep only this. Empty if it is not so.
fn unified(file: &str, shown: &str) -> String {
    let mut hunks: Vec<Hunk<'_>> = Vec::new();
    // By how many lines the new file is longer than the old one, up to here.
    let mut longer = 0;
    let mut is_cut = true;
    for line in shown.lines() {
        let Some((sign, number, rest)) = numbered(line) else {
            is_cut = true;
            continue;
        };
        if is_cut {
            let old = if sign == '+' { number - longer } else { number };
            hunks.push(Hunk { old, new: old + longer, lines: Vec::new() });
        }
        is_cut = false;
        longer += match sign {
            '+' => 1,
            '-' => -1,
            _ => 0,
        };
        if let Some(hunk) = hunks.last_mut() {
            hunk.lines.push((sign, rest));
        }
    }
    if hunks.is_empty() {
        return String::new();
    }
    let mut diff = format!("--- {file}\n+++ {file}\n");
    for Hunk { old, new, lines } in hunks {
        let count = |other: char| lines.iter().filter(|(sign, _)| *sign != other).count();
        let _ = writeln!(diff, "@@ -{old},{} +{new},{} @@", count('+'), count('-'));
        for (sign, rest) in lines {
            let _ = writeln!(diff, "{sign}{rest}");
        }
    }
    diff
}

/// Lines of a change that stand together.
struct Hunk<'a> {
    old: i64,
    new: i64,
    lines: Vec<(char, &'a str)>,
}

/// A line with its sign and its number. `None`: it stands for lines that are not shown.
fn numbered(line: &str) -> Option<(char, i64, &str)> {
    let sign = line.chars().next().filter(|sign| matches!(sign, '+' | '-' | ' '))?;
    let (number, rest) = line[1..].trim_start().split_once(' ').unwrap_or((line[1..].trim_start(), ""));
    Some((sign, number.parse().ok()?, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_screen_shows_of_a_change_becomes_the_unified_form() {
        let shown = "  1 a\n- 2 b\n+ 2 B\n+ 3 C\n  3 d\n    ...\n 11 k\n-12 l\n 13 m";
        let diff = unified("f", shown);
        assert_eq!(diff, "--- f\n+++ f\n@@ -1,3 +1,4 @@\n a\n-b\n+B\n+C\n d\n@@ -11,3 +12,2 @@\n k\n-l\n m\n");
        assert_eq!(unified("f", "no change"), "");
    }
}
