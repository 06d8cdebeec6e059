//! The Markdown document: a session to be read by people and by machines that read like people.
//!
//! A title and its facts; then each message under a heading with its speaker, its parts in order: texts as they are, thoughts
//! as quotations, tool calls with what was asked and what came of it in fenced blocks. Files that came along are named, not
//! held. At the end the files that the session changed. Nothing is cut; what controls a terminal is carried out or left out.

use std::fmt::Write as _;
use std::sync::Arc;

use serde_json::Value;

use crate::share::item::{ItemKey, ItemKind, Payload};
use crate::viewer::render::about::{About, counted, line};
use crate::viewer::render::call::Block;
use crate::viewer::render::document::{Document, Turn};
use crate::viewer::render::format::{held_bytes, local, visible};
use crate::viewer::render::pieces::{Bit, Pieces};
use crate::viewer::render::read::{self, File, Message, Part, Tool};
use crate::viewer::render::terminal::{plain, without_escapes};

impl Document {
    /// The Markdown document, piece by piece.
    pub fn markdown(self) -> impl Iterator<Item = String> + Send {
        let head = head(&About::of(&self));
        let Self { messages, session_diff, other, folder, .. } = self;
        let folder: Arc<str> = folder.into();
        let of_parts = Arc::clone(&folder);
        let turns = messages.into_iter().flat_map(move |turn| {
            let Turn { message, parts, is_below } = turn.opened().into_owned();
            let (heading, folder) = (Bit::Made(heading(&message, is_below)), Arc::clone(&of_parts));
            std::iter::once(heading).chain(parts.into_iter().map(move |part| Bit::Made(part_text(&part, &folder))))
        });
        let changes = session_diff.map(|diff| Bit::Made(changes(&diff)));
        let other = other.into_iter().map(move |(key, value)| Bit::Made(unknown(&key, &value, &folder)));
        Pieces(std::iter::once(Bit::Made(head)).chain(turns).chain(changes).chain(other)).map(without_controls)
    }
}

/// Takes out what a terminal would obey: the colours of a tool's output mean nothing in Markdown.
fn without_controls(mut piece: String) -> String {
    piece.retain(|c| !c.is_control() || matches!(c, '\n' | '\t'));
    piece
}

fn head(about: &About) -> String {
    let mut head = format!("# {}\n", escaped(&about.title));
    if let Some(first) = about.version.as_ref() {
        let _ = write!(head, "\n- Version: {}", escaped(first));
    }
    for fact in about.facts() {
        let _ = write!(head, "\n- {}", escaped(&fact));
    }
    head.push('\n');
    head
}

/// `is_below`: it is a subagent's message.
fn heading(message: &Payload, is_below: bool) -> String {
    let message: Message = read::item(message.as_str());
    let below = if is_below { "Subagent · " } else { "" };
    let mut heading = format!("\n## {below}{}", escaped(&line(message.speaker(), 64)));
    if message.role.as_deref() == Some("assistant")
        && let Some(model) = message.model_label()
    {
        let _ = write!(heading, " · {}", escaped(&line(&model, 120)));
    }
    heading.push('\n');
    if let Some(error) = message.error_text() {
        heading.push_str(&error_text(&error));
    }
    heading
}

/// Writes an error: on its line if it is one, else in a block.
fn error_text(error: &str) -> String {
    let error = plain(error);
    match error.trim() {
        line if line.contains('\n') || line.len() > 2_000 => format!("\n**Error:**\n{}", fenced("", line)),
        line => format!("\n**Error:** {}\n", escaped(line)),
    }
}

fn part_text(part: &Payload, folder: &str) -> String {
    match Part::of(part.as_str()).1 {
        Part::Text(text) => format!("\n{}\n", without_escapes(&text).trim_end()),
        Part::Reasoning(text) => {
            let text = without_escapes(&text);
            let quoted: String = text.trim().lines().map(|line| format!("> {line}\n")).collect();
            if quoted.is_empty() { quoted } else { format!("\n> _Reasoning_\n>\n{quoted}") }
        }
        Part::Tool(tool) => call(&tool, folder),
        Part::File(file) => format!("\n{}\n", attachment(&file)),
        Part::Patch(files) if files.is_empty() => String::new(),
        Part::Patch(files) => {
            let names: Vec<_> = files.iter().map(|file| code_span(&line(local(file, folder), 1_024))).collect();
            format!("\n_Changed:_ {}\n", names.join(", "))
        }
        Part::Note(note) if note.len() > 2_000 || note.contains('\n') => fenced("", &without_escapes(&note)),
        Part::Note(note) => format!("\n_{}_\n", escaped(&line(&note, 2_000))),
        Part::Hidden => String::new(),
        Part::Unknown => fenced("json", &pretty(part)),
    }
}

fn call(tool: &Tool, folder: &str) -> String {
    let mut text = format!("\n### Tool {}", code_span(&line(&tool.name, 64)));
    if let Some(subject) = tool.subject(folder) {
        // With the separators of Windows a path is code: escaped, it would have each of them twice.
        let subject = if subject.contains('\\') { code_span(&subject) } else { escaped(&subject) };
        let _ = write!(text, " · {subject}");
    }
    let _ = writeln!(text, " ({})", escaped(&line(&tool.outcome(), 64)));
    for block in tool.blocks() {
        match block {
            Block::Code { language, text: code } => text.push_str(&fenced(language, &code)),
            Block::Output(output) => text.push_str(&fenced("", &plain(&output))),
            Block::Diff(patch) => text.push_str(&fenced("diff", &patch)),
            Block::Todos(todos) => {
                text.push('\n');
                for (todo, what) in todos {
                    let what = line(&what, what.len().max(1));
                    let _ = writeln!(text, "- {} {}", todo.mark(), escaped(&what));
                }
            }
            Block::Error(error) => {
                let _ = write!(text, "\n**Error:**\n{}", fenced("", &plain(&error)));
            }
            Block::File(file) => {
                let _ = write!(text, "\n{}\n", attachment(&file));
            }
        }
    }
    text
}

/// Names a file without its content: the document is text.
fn attachment(file: &File) -> String {
    let name = code_span(&line(file.filename.as_deref().unwrap_or("a file"), 256));
    let mime = escaped(&line(file.mime.as_deref().unwrap_or("of no type"), 64));
    let size = file.url.as_deref().and_then(held_bytes);
    let size = size.map(|bytes| format!(", {}", counted(bytes as u64, "byte", "bytes"))).unwrap_or_default();
    format!("_Attached:_ {name} ({mime}{size})")
}

fn changes(diff: &Payload) -> String {
    let diffs = read::file_diffs(diff.as_str());
    if diffs.is_empty() {
        return String::new();
    }
    let mut text = "\n## Changed files\n".to_owned();
    for diff in diffs {
        let _ = write!(text, "\n### {} {}\n", code_span(&line(diff.name(), 1_024)), diff.counts());
        match diff.to_patch() {
            Some(patch) if !patch.is_empty() => text.push_str(&fenced("diff", &patch)),
            None if diff.has_texts() => {
                text.push_str("\n_Both texts are too long to be compared here: they are in the JSON document._\n")
            }
            Some(_) | None => {}
        }
    }
    text
}

fn unknown(key: &ItemKey, value: &Payload, folder: &str) -> String {
    let kind = match key.kind() {
        ItemKind::Other { kind, .. } => kind,
        ItemKind::Part { .. } => return part_text(value, folder),
        ItemKind::Session | ItemKind::SessionDiff | ItemKind::Message { .. } | ItemKind::Model { .. } => String::new(),
    };
    format!("\n## {}\n{}", code_span(&line(&kind, 256)), fenced("json", &pretty(value)))
}

fn pretty(value: &Payload) -> String {
    let parsed: Result<Value, _> = serde_json::from_str(value.as_str());
    parsed.and_then(|value| serde_json::to_string_pretty(&value)).unwrap_or_else(|_| value.as_str().to_owned())
}

/// Writes a code block that its own content cannot end.
fn fenced(language: &str, text: &str) -> String {
    let fence = "`".repeat(longest_run(text).max(2) + 1);
    let text = visible(text.trim_end_matches('\n'));
    format!("\n{fence}{language}\n{text}\n{fence}\n")
}

fn code_span(text: &str) -> String {
    let fence = "`".repeat(longest_run(text) + 1);
    let space = if text.starts_with('`') || text.ends_with('`') { " " } else { "" };
    format!("{fence}{space}{text}{space}{fence}")
}

fn longest_run(text: &str) -> usize {
    let (mut longest, mut run) = (0, 0);
    for byte in text.bytes() {
        run = if byte == b'`' { run + 1 } else { 0 };
        longest = longest.max(run);
    }
    longest
}

/// Escapes text so that it is text in Markdown too, within a line.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        if matches!(c, '\\' | '`' | '*' | '_' | '[' | ']' | '<' | '>' | '#' | '|' | '~' | '!') {
            escaped.push('\\');
        }
        escaped.push(c);
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fence_is_longer_than_any_within() {
        assert_eq!(fenced("sh", "a ``` b"), "\n````sh\na ``` b\n````\n");
        assert_eq!((code_span("a`b").as_str(), code_span("`").as_str()), ("``a`b``", "`` ` ``"));
        assert_eq!(escaped("a_b <c> [d]"), "a\\_b \\<c\\> \\[d\\]");
    }
}
