//! The HTML body: what a browser shows of a share without JavaScript.
//!
//! It is for people, on one page, so it shows the newest that fits and says what it leaves out: at most [`PARTS_MAX`] parts
//! and [`BYTES_MAX`] of HTML, made of at most [`SOURCE_BYTES_MAX`] of items. A text is cut at [`TEXT_BYTES_MAX`], the output
//! of a tool at [`BLOCK_BYTES_MAX`], the list of changed files at [`FILES_MAX`]. That bounds a page to about 600 KiB and its
//! making to some milliseconds, whatever the share holds; the whole is in the JSON and Markdown documents.
//!
//! Everything of an item is escaped, or Markdown that was sanitised. There is no script, no style and no foreign
//! image in it, and no id but those of messages and parts (`msg_...`, `prt_...`), which links may point at.

mod budget;
mod markup;
mod part;
mod text;

use std::borrow::Cow;
use std::fmt::Write as _;

use crate::share::item::{ItemKey, ItemKind, Payload};
use crate::viewer::render::about::{About, counted, line};
use crate::viewer::render::document::{Document, Turn};
use crate::viewer::render::read::{self, Message};

pub use budget::{BLOCK_BYTES_MAX, BYTES_MAX, FILES_MAX, PARTS_MAX, SOURCE_BYTES_MAX, TEXT_BYTES_MAX};
pub use text::escape;

use budget::{Budget, ITEM_BYTES_MAX};
use part::Around;
use text::anchor;

impl Document {
    /// The content of a page: a header with the title and the facts, the newest messages, the changed files. `whole` is the path
    /// of the share, such as `/share/ID`, from which the links to the whole documents are made.
    #[must_use]
    pub fn html(&self, whole: &str) -> String {
        let about = About::of(self);
        let mut page = header(&about, whole);
        let mut budget = Budget::of_page();
        // Changed files first: they are few, and say most in least space.
        let changes = self.session_diff.as_ref().map(|diff| part::changed_files(diff, &mut budget)).unwrap_or_default();
        let mut shown = Vec::new();
        for turn in self.messages.iter().rev() {
            if !budget.is_left() {
                break;
            }
            shown.push(message(turn, &mut budget, &self.folder));
        }
        let left_out = self.part_count() - shown.iter().map(|shown| shown.parts).sum::<usize>();
        let messages = self.messages.len() - shown.len();
        if left_out > 0 || messages > 0 {
            let what = if left_out > 0 {
                counted(left_out as u64, "older part is", "older parts are")
            } else {
                counted(messages as u64, "older message is", "older messages are")
            };
            let _ = writeln!(
                page,
                "<p class=\"left-out\">{what} not shown here: the whole is in <a href=\"{whole}.md\">Markdown</a> and \
                 <a href=\"{whole}.json\">JSON</a>.</p>",
                whole = escape(whole)
            );
        }
        page.extend(shown.into_iter().rev().map(|shown| shown.html));
        page.push_str(&changes);
        for (n, (key, value)) in self.other.iter().enumerate() {
            if !budget.is_left() {
                let what = counted((self.other.len() - n) as u64, "further item is", "further items are");
                let whole = escape(whole);
                let _ = writeln!(
                    page,
                    "<p class=\"left-out\">{what} not shown here: the whole is in <a href=\"{whole}.json\">JSON</a>.</p>"
                );
                break;
            }
            page.push_str(&other(key, value, &mut budget, &self.folder));
        }
        page
    }
}

fn header(about: &About, whole: &str) -> String {
    let mut header =
        format!("<header class=\"share\">\n<h1 dir=\"auto\">{}</h1>\n<ul class=\"facts\">", escape(&about.title));
    for fact in about.facts() {
        let _ = write!(header, "<li>{}</li>", escape(&fact));
    }
    let _ = writeln!(
        header,
        "</ul>\n<noscript><p>Without JavaScript this page shows the share as it was when it was loaded. It is also there as \
         <a href=\"{whole}.md\">Markdown</a> and <a href=\"{whole}.json\">JSON</a>.</p></noscript>\n</header>",
        whole = escape(whole)
    );
    header
}

/// A message on the page, and the number of its parts that are shown; 0 if the parts were made of the message itself.
struct Shown {
    html: String,
    parts: usize,
}

fn message(turn: &Turn, budget: &mut Budget, folder: &str) -> Shown {
    // Of one that is too large nothing is read.
    let (there, is_small) = (turn.parts.len(), turn.message.as_str().len() <= ITEM_BYTES_MAX);
    let turn = if is_small { turn.opened() } else { Cow::Borrowed(turn) };
    let message: Message =
        if budget.read(&turn.message) { read::item(turn.message.as_str()) } else { Message::default() };
    // What a model asked a subagent is Markdown, as its answers are.
    let is_typed = message.role.as_deref() == Some("user") && !turn.is_below;
    let around = Around { folder, is_typed };
    let mut parts = Vec::new();
    let mut count = 0;
    for payload in turn.parts.iter().rev() {
        if !budget.is_left() {
            break;
        }
        count += 1;
        let html = part::part(payload, budget, around);
        // A mark of a step is no part for people, and takes no place.
        budget.parts -= usize::from(!html.is_empty());
        budget.take(&html);
        parts.push(html);
    }
    let role = match message.role.as_deref() {
        Some("user") => "user",
        Some("assistant") => "assistant",
        Some(_) | None => "other",
    };
    let id = anchor(message.id.as_deref(), "msg_");
    let (class, below) = if turn.is_below { (" below", "Subagent · ") } else { ("", "") };
    let speaker = line(message.speaker(), 64);
    let speaker = escape(&speaker);
    let mut html = format!("<article class=\"message {role}{class}\"{id}>\n<h2>{below}{speaker}");
    if role == "assistant"
        && let Some(model) = message.model_label()
    {
        let _ = write!(html, " <span class=\"model\">{}</span>", escape(&line(&model, 120)));
    }
    html.push_str("</h2>\n");
    if let Some(error) = message.error_text() {
        html.push_str(&part::error(&error));
    }
    // The parts have taken theirs.
    let taken: usize = parts.iter().map(String::len).sum();
    html.extend(parts.into_iter().rev());
    html.push_str("</article>\n");
    budget.bytes = budget.bytes.saturating_sub(html.len() - taken);
    Shown { html, parts: count.min(there) }
}

fn other(key: &ItemKey, value: &Payload, budget: &mut Budget, folder: &str) -> String {
    let kind = match key.kind() {
        ItemKind::Other { kind, .. } => kind,
        ItemKind::Part { .. } => return part::part(value, budget, Around { folder, is_typed: false }),
        ItemKind::Session | ItemKind::SessionDiff | ItemKind::Message { .. } | ItemKind::Model { .. } => String::new(),
    };
    budget.parts -= 1;
    let content = if budget.read(value) { part::json(value) } else { part::too_large(value) };
    let html = format!(
        "<details class=\"part unknown\"><summary>{}</summary>{content}</details>\n",
        escape(&line(&kind, 256))
    );
    budget.take(&html);
    html
}
