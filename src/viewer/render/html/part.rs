//! Parts of messages in HTML.

use std::fmt::Write as _;

use serde_json::Value;

use crate::share::item::Payload;
use crate::viewer::render::about::{counted, line};
use crate::viewer::render::call::Block;
use crate::viewer::render::html::budget::{BLOCK_BYTES_MAX, BYTES_MAX, Budget, FILES_MAX, TEXT_BYTES_MAX};
use crate::viewer::render::html::text::{anchor, cut, escape, markdown};
use crate::viewer::render::read::{self, File, Part, Tool};

/// Writes a part; empty if there is nothing in it for people.
pub(super) fn part(payload: &Payload, budget: &mut Budget) -> String {
    if !budget.read(payload) {
        return format!("<div class=\"part\">{}</div>\n", too_large(payload));
    }
    let (id, part) = Part::of(payload.as_str());
    let id = anchor(id.as_deref(), "prt_");
    match part {
        Part::Text(text) if text.trim().is_empty() => String::new(),
        Part::Text(text) => format!("<div class=\"part text\"{id}>{}</div>\n", long_text(&text)),
        Part::Reasoning(text) if text.trim().is_empty() => String::new(),
        Part::Reasoning(text) => format!(
            "<details class=\"part reasoning\"{id}><summary>Reasoning</summary>{}</details>\n",
            long_text(&text)
        ),
        Part::Tool(tool) => call(&tool, &id),
        Part::File(file) => format!("<div class=\"part file\"{id}>{}</div>\n", attachment(&file)),
        Part::Patch(files) if files.is_empty() => String::new(),
        Part::Patch(files) => {
            let names = files.iter().take(FILES_MAX).map(|file| format!("<code>{}</code>", escape(&line(file, 1_024))));
            format!("<p class=\"part patch\"{id}>Changed {}</p>\n", names.collect::<Vec<_>>().join(", "))
        }
        Part::Note(note) => format!("<p class=\"part note\"{id}>{}</p>\n", escape(&line(&note, 2_000))),
        Part::Hidden => String::new(),
        Part::Unknown => {
            format!("<details class=\"part unknown\"{id}><summary>Unknown</summary>{}</details>\n", json(payload))
        }
    }
}

fn long_text(text: &str) -> String {
    let (text, was_cut) = cut(text, TEXT_BYTES_MAX);
    let mut html = markdown(text);
    if was_cut {
        html.push_str(CUT);
    }
    html
}

/// What stands under a text that was cut.
const CUT: &str = "<p class=\"cut\">It goes on: the whole is in the Markdown and JSON documents.</p>";

fn call(tool: &Tool, id: &str) -> String {
    let failed = tool.state.error.is_some() || tool.state.status.as_deref() == Some("error");
    let class = if failed { "part tool failed" } else { "part tool" };
    let mut html = format!(
        "<details class=\"{class}\"{id}><summary><span class=\"name\">{}</span> <span class=\"subject\">{}</span> \
         <span class=\"outcome\">{}</span></summary>\n",
        escape(&line(&tool.name, 64)),
        escape(&tool.subject().unwrap_or_default()),
        escape(&line(&tool.outcome(), 64)),
    );
    for block in tool.blocks() {
        match block {
            Block::Code { text, .. } => html.push_str(&code(&text)),
            Block::Diff(patch) => html.push_str(&diff(&patch)),
            Block::Todos(todos) => {
                html.push_str("<ul class=\"todos\">");
                for (todo, what) in todos.iter().take(FILES_MAX) {
                    let _ = write!(html, "<li>{} {}</li>", todo.mark(), escape(&line(what, 1_000)));
                }
                html.push_str("</ul>\n");
            }
            Block::Error(error) => {
                let (error, _) = cut(&error, BLOCK_BYTES_MAX);
                let _ = writeln!(html, "<pre class=\"error\">{}</pre>", escape(error));
            }
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
    format!("<pre><code>{}</code></pre>{}\n", escape(text), if was_cut { CUT } else { "" })
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
        let line = escape(line);
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
    let mime = file.mime.as_deref().unwrap_or_default();
    // No SVG: it is a document of its own.
    let is_picture = ["image/png", "image/jpeg", "image/gif", "image/webp"].contains(&mime);
    let held = file.url.as_deref().and_then(|url| url.strip_prefix("data:")).and_then(|url| url.strip_prefix(mime));
    let base64 = held.and_then(|rest| rest.strip_prefix(";base64,")).filter(|data| is_base64(data));
    match base64.filter(|_| is_picture) {
        Some(data) => format!("<img alt=\"{name}\" src=\"data:{mime};base64,{data}\">"),
        None => format!("Attached <code>{name}</code> ({})", escape(&line(mime, 64))),
    }
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
        if html.len() < BYTES_MAX / 4
            && let Some(patch) = file.to_patch().filter(|patch| !patch.is_empty())
        {
            html.push_str(&diff(&patch));
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
