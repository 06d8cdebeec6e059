//! Parts of messages in HTML.

use std::fmt::Write as _;

use serde_json::Value;

use crate::share::item::Payload;
use crate::viewer::render::about::{counted, line};
use crate::viewer::render::call::Block;
use crate::viewer::render::format::{held_bytes, local, visible};
use crate::viewer::render::html::budget::{BLOCK_BYTES_MAX, BYTES_MAX, Budget, FILES_MAX, TEXT_BYTES_MAX};
use crate::viewer::render::html::markup::markdown;
use crate::viewer::render::html::text::{anchor, cut, escape, output, typed};
use crate::viewer::render::read::{self, File, Part, Tool};
use crate::viewer::render::terminal::{runs, without_escapes};

/// What a part stands in.
#[derive(Debug, Clone, Copy)]
pub(super) struct Around<'a> {
    /// The folder of the session.
    pub(super) folder: &'a str,
    /// A person typed it.
    pub(super) is_typed: bool,
}

/// Writes a part; empty if there is nothing in it for people.
pub(super) fn part(payload: &Payload, budget: &mut Budget, around: Around<'_>) -> String {
    if !budget.read(payload) {
        return format!("<div class=\"part\">{}</div>\n", too_large(payload));
    }
    let (id, part) = Part::of(payload.as_str());
    let id = anchor(id.as_deref(), "prt_");
    match part {
        Part::Text(text) if text.trim().is_empty() => String::new(),
        Part::Text(text) if around.is_typed => {
            let text = without_escapes(&text);
            let (text, was_cut) = cut(&text, TEXT_BYTES_MAX);
            let goes_on = if was_cut { CUT } else { "" };
            format!(
                "<div class=\"part text\"{id}><div class=\"typed\" dir=\"auto\">{}</div>{goes_on}</div>\n",
                typed(text)
            )
        }
        Part::Text(text) => format!("<div class=\"part text\"{id}>{}</div>\n", long_text(&text)),
        Part::Reasoning(text) if text.trim().is_empty() => String::new(),
        Part::Reasoning(text) => format!(
            "<details class=\"part reasoning\"{id}><summary>Reasoning</summary>{}</details>\n",
            long_text(&text)
        ),
        Part::Tool(tool) => call(&tool, &id, around.folder),
        Part::File(file) => format!("<div class=\"part file\"{id}>{}</div>\n", attachment(&file)),
        Part::Patch(files) if files.is_empty() => String::new(),
        Part::Patch(files) => {
            let name = |file: &String| format!("<code>{}</code>", escape(&line(local(file, around.folder), 1_024)));
            let names = files.iter().take(FILES_MAX).map(name).collect::<Vec<_>>().join(", ");
            format!("<p class=\"part patch\"{id}>Changed {names}{}</p>\n", more(files.len()))
        }
        Part::Note(note) => {
            let note = without_escapes(&note);
            let (text, was_cut) = cut(&note, TEXT_BYTES_MAX);
            let goes_on = if was_cut { CUT } else { "" };
            format!("<p class=\"part note typed\"{id} dir=\"auto\">{}</p>{goes_on}\n", escape(text))
        }
        Part::Hidden => String::new(),
        Part::Unknown => {
            format!("<details class=\"part unknown\"{id}><summary>Unknown</summary>{}</details>\n", json(payload))
        }
    }
}

/// What stands behind the names of files, or things to do, of which there are so many, if not all are named.
fn more(count: usize) -> String {
    if count > FILES_MAX { format!(" and {} more", count - FILES_MAX) } else { String::new() }
}

/// Writes an error.
pub(super) fn error(words: &str) -> String {
    let (html, was_cut) = output(&runs(words), BLOCK_BYTES_MAX);
    format!("<pre class=\"error\">{html}</pre>{}\n", if was_cut { CUT } else { "" })
}

fn long_text(text: &str) -> String {
    let text = without_escapes(text);
    let (text, was_cut) = cut(&text, TEXT_BYTES_MAX);
    let mut html = markdown(text);
    if was_cut {
        html.push_str(CUT);
    }
    html
}

/// What stands under a text that was cut.
const CUT: &str = "<p class=\"cut\">It goes on: the whole is in the Markdown and JSON documents.</p>";

fn call(tool: &Tool, id: &str, folder: &str) -> String {
    let failed = !tool.state.error.is_null() || tool.state.status.as_deref() == Some("error");
    let class = if failed { "part tool failed" } else { "part tool" };
    let mut html = format!(
        "<details class=\"{class}\"{id}><summary><span class=\"name\">{}</span> <span class=\"subject\">{}</span> \
         <span class=\"outcome\">{}</span></summary>\n",
        escape(&line(&tool.name, 64)),
        escape(&tool.subject(folder).unwrap_or_default()),
        escape(&line(&tool.outcome(), 64)),
    );
    for block in tool.blocks() {
        match block {
            Block::Code { text, .. } => html.push_str(&code(&text)),
            Block::Output(text) => {
                let (text, was_cut) = output(&runs(&text), BLOCK_BYTES_MAX);
                let _ = writeln!(html, "<pre><code>{text}</code></pre>{}", if was_cut { CUT } else { "" });
            }
            Block::Diff(patch) => html.push_str(&diff(&patch)),
            Block::Todos(todos) => {
                html.push_str("<ul class=\"todos\">");
                for (todo, what) in todos.iter().take(FILES_MAX) {
                    let _ = write!(html, "<li>{} {}</li>", todo.mark(), escape(&line(what, 1_000)));
                }
                let _ = writeln!(html, "</ul>{}", more(todos.len()));
            }
            Block::Error(words) => html.push_str(&error(&words)),
            Block::File(file) => {
                let _ = writeln!(html, "<div class=\"file\">{}</div>", attachment(&file));
            }
        }
    }
    html.push_str("</details>\n");
    html
}

fn code(text: &str) -> String {
    let (text, was_cut) = cut(text, BLOCK_BYTES_MAX);
    format!("<pre><code>{}</code></pre>{}\n", escape(&visible(text)), if was_cut { CUT } else { "" })
}

/// Writes a patch, with classes for lines that came and lines that went.
fn diff(patch: &str) -> String {
    let (patch, was_cut) = cut(patch, BLOCK_BYTES_MAX);
    let mut html = "<pre class=\"diff\"><code>".to_owned();
    for line in patch.lines() {
        let class = match line.as_bytes().first() {
            _ if line.starts_with("+++ ") || line.starts_with("--- ") => "file",
            Some(b'+') => "added",
            Some(b'-') => "removed",
            Some(b'@') => "hunk",
            Some(_) | None => "",
        };
        let line = visible(line);
        let line = escape(&line);
        let _ = if class.is_empty() {
            writeln!(html, "{line}")
        } else {
            writeln!(html, "<span class=\"{class}\">{line}</span>")
        };
    }
    html.push_str("</code></pre>\n");
    if was_cut {
        html.push_str(CUT);
    }
    html
}

/// Writes a file: shows it if it is a picture whose content is here, else names it.
fn attachment(file: &File) -> String {
    let name = escape(&line(file.filename.as_deref().unwrap_or("a file"), 256)).into_owned();
    let mime = line(file.mime.as_deref().unwrap_or("of no type"), 64);
    let url = file.url.as_deref().unwrap_or_default();
    if let Some((kind, data)) = picture(url) {
        return format!("<img alt=\"{name}\" src=\"data:{kind};base64,{data}\">");
    }
    let held = held_bytes(url)
        .map(|bytes| format!(", {}; it is in the JSON document", counted(bytes as u64, "byte", "bytes")));
    format!("Attached <code>{name}</code> ({}{})", escape(&mime), held.unwrap_or_default())
}

/// The type and the content of a picture that a URL holds, of the types that hold no script.
fn picture(url: &str) -> Option<(&'static str, &str)> {
    let (head, data) = url.split_once(',')?;
    let head = head.to_ascii_lowercase();
    let kind = head.strip_prefix("data:")?.strip_suffix(";base64")?.split(';').next()?;
    // No SVG: it is a document of its own.
    let kind = match kind {
        "image/png" => "image/png",
        "image/jpeg" | "image/jpg" | "image/pjpeg" => "image/jpeg",
        "image/gif" => "image/gif",
        "image/webp" => "image/webp",
        "image/avif" => "image/avif",
        _ => return None,
    };
    is_base64(data).then_some((kind, data))
}

fn is_base64(data: &str) -> bool {
    data.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'='))
}

/// Writes an item as JSON.
pub(super) fn json(payload: &Payload) -> String {
    let parsed: Result<Value, _> = serde_json::from_str(payload.as_str());
    let pretty = parsed.and_then(|value| serde_json::to_string_pretty(&value));
    code(&pretty.unwrap_or_else(|_| payload.as_str().to_owned()))
}

/// What stands for an item that is too large for the page.
pub(super) fn too_large(payload: &Payload) -> String {
    format!("<p class=\"cut\">An item of {} bytes, which is in the JSON document.</p>", payload.as_str().len())
}

/// Writes the files that the session changed.
pub(super) fn changed_files(payload: &Payload, budget: &mut Budget) -> String {
    if !budget.read(payload) {
        return format!("<section class=\"changes\"><h2>Changed files</h2>{}</section>\n", too_large(payload));
    }
    let diffs = read::file_diffs(payload.as_str());
    if diffs.is_empty() {
        return String::new();
    }
    let mut html = format!(
        "<section class=\"changes\">\n<h2>{}</h2>\n",
        counted(diffs.len() as u64, "changed file", "changed files")
    );
    for file in diffs.iter().take(FILES_MAX) {
        let _ = write!(
            html,
            "<details class=\"change\"><summary><code>{}</code> <span class=\"counts\">{}</span></summary>",
            escape(&line(file.name(), 1_024)),
            escape(&file.counts())
        );
        // A quarter of the page at most is for files.
        match file.to_patch() {
            Some(patch) if html.len() < BYTES_MAX / 4 => {
                html.push_str(&if patch.is_empty() { patch } else { diff(&patch) })
            }
            Some(_) => html.push_str(CUT),
            None if file.has_texts() => html.push_str(
                "<p class=\"cut\">Both texts are too long to be compared here: they are in the JSON document.</p>",
            ),
            None => {}
        }
        html.push_str("</details>\n");
    }
    if diffs.len() > FILES_MAX {
        let _ = writeln!(html, "<p class=\"cut\">And {} more.</p>", diffs.len() - FILES_MAX);
    }
    html.push_str("</section>\n");
    budget.take(&html);
    html
}
