//! The HTML body: what a browser shows of a share without JavaScript.
//!
//! It is for people, on one page, so it shows the newest that fits and says what it leaves out: at most [`PARTS_MAX`] parts
//! and [`BYTES_MAX`] of HTML, made of at most [`SOURCE_BYTES_MAX`] of items. A text is cut at [`TEXT_BYTES_MAX`], the output
//! of a tool at [`BLOCK_BYTES_MAX`], the list of changed files at [`FILES_MAX`]. That bounds a page to about 600 KiB and its
//! making to some milliseconds, whatever the share holds; the whole is in the JSON and Markdown documents.
//!
//! Everything of an item is escaped, or Markdown that was sanitised. There is no script, no style and no foreign
//! image in it, and no id but those of messages and parts (`msg_...`, `prt_...`), which links may point at.

mod part;
mod text;

use std::borrow::Cow;
use std::fmt::Write as _;

use crate::share::item::{ItemKey, ItemKind, Payload};
use crate::viewer::render::about::{About, counted, line};
use crate::viewer::render::document::{Document, Turn};
use crate::viewer::render::read::{self, Message};

pub use text::escape;

/// Parts on a page: as many as somebody scrolls through.
pub const PARTS_MAX: usize = 400;
/// Bytes of HTML of messages and their parts: 512 KiB.
pub const BYTES_MAX: usize = 512 << 10;
/// Bytes of items that are read for a page: 4 MiB, the size of a message. One item of more than an eighth of it is only named.
pub const SOURCE_BYTES_MAX: usize = 4 << 20;
/// Bytes of one text: 32 KiB.
pub const TEXT_BYTES_MAX: usize = 32 << 10;
/// Bytes of one block of a tool call: 8 KiB, about 150 lines.
pub const BLOCK_BYTES_MAX: usize = 8 << 10;
/// Changed files that are listed.
pub const FILES_MAX: usize = 100;

/// The largest item that is shown.
const ITEM_BYTES_MAX: usize = SOURCE_BYTES_MAX / 8;

impl Document {
    /// The content of a page: a header with the title and the facts, the newest messages, the changed files. `whole` is the path
    /// of the share, such as `/share/ID`, from which the links to the whole documents are made.
    #[must_use]
    pub fn html(&self, whole: &str) -> String {
        let about = About::of(self);
        let mut page = header(&about, whole);
        let mut room = Room { parts: PARTS_MAX, bytes: BYTES_MAX, source: SOURCE_BYTES_MAX };
        // Changed files first: they are few, and say most in least space.
        let changes = self.session_diff.as_ref().map(|diff| part::changed_files(diff, &mut room)).unwrap_or_default();
        let mut shown = Vec::new();
        for turn in self.messages.iter().rev() {
            if !room.is_left() {
                break;
            }
            shown.push(message(turn, &mut room));
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
        for (key, value) in &self.other {
            if !room.is_left() {
                break;
            }
            page.push_str(&other(key, value, &mut room));
        }
        page
    }
}

/// What there is still room for on the page.
#[derive(Debug)]
struct Room {
    parts: usize,
    bytes: usize,
    source: usize,
}

impl Room {
    fn is_left(&self) -> bool {
        self.parts > 0 && self.bytes > 0 && self.source > 0
    }

    /// Room for an item: whether it may be read.
    fn read(&mut self, item: &Payload) -> bool {
        let bytes = item.as_str().len();
        if bytes > ITEM_BYTES_MAX {
            return false;
        }
        self.source = self.source.saturating_sub(bytes);
        true
    }

    fn take(&mut self, html: &str) {
        self.bytes = self.bytes.saturating_sub(html.len());
    }
}

fn header(about: &About, whole: &str) -> String {
    let mut header = format!("<header class=\"share\">\n<h1>{}</h1>\n<ul class=\"facts\">", escape(&about.title));
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

/// A message on the page, with how many of its parts; of one that was opened, none.
struct Shown {
    html: String,
    parts: usize,
}

fn message(turn: &Turn, room: &mut Room) -> Shown {
    // Of one that is too large nothing is read.
    let (there, is_small) = (turn.parts.len(), turn.message.as_str().len() <= ITEM_BYTES_MAX);
    let turn = if is_small { turn.opened() } else { Cow::Borrowed(turn) };
    let mut parts = Vec::new();
    let mut count = 0;
    for payload in turn.parts.iter().rev() {
        if !room.is_left() {
            break;
        }
        count += 1;
        let html = part::part(payload, room);
        // A mark of a step is no part for people, and takes no place.
        room.parts -= usize::from(!html.is_empty());
        room.take(&html);
        parts.push(html);
    }
    let message: Message =
        if room.read(&turn.message) { read::item(turn.message.as_str()) } else { Message::default() };
    let role = match message.role.as_deref() {
        Some("user") => "user",
        Some("assistant") => "assistant",
        Some(_) | None => "other",
    };
    let id = anchor(message.id.as_deref(), "msg_");
    let mut html = format!("<article class=\"message {role}\"{id}>\n<h2>{}", escape(&line(message.speaker(), 64)));
    if role == "assistant"
        && let Some(model) = message.model_label()
    {
        let _ = write!(html, " <span class=\"model\">{}</span>", escape(&line(&model, 120)));
    }
    html.push_str("</h2>\n");
    // The parts have taken theirs.
    let taken: usize = parts.iter().map(String::len).sum();
    html.extend(parts.into_iter().rev());
    if let Some(error) = message.error_text() {
        let _ = writeln!(html, "<p class=\"error\">{}</p>", escape(&line(&error, 2_000)));
    }
    html.push_str("</article>\n");
    room.bytes = room.bytes.saturating_sub(html.len() - taken);
    Shown { html, parts: count.min(there) }
}

fn other(key: &ItemKey, value: &Payload, room: &mut Room) -> String {
    let kind = match key.kind() {
        ItemKind::Other { kind, .. } => kind,
        ItemKind::Part { .. } => return part::part(value, room),
        ItemKind::Session | ItemKind::SessionDiff | ItemKind::Message { .. } | ItemKind::Model { .. } => String::new(),
    };
    room.parts -= 1;
    let content = if room.read(value) { part::json(value) } else { part::too_large(value) };
    let html = format!(
        "<details class=\"part unknown\"><summary>{}</summary>{content}</details>\n",
        escape(&line(&kind, 256))
    );
    room.take(&html);
    html
}

/// An id that a link may point at; others are left out, so that no producer names an element of the page.
fn anchor(id: Option<&str>, prefix: &str) -> String {
    let is_one = |id: &&str| {
        id.strip_prefix(prefix).is_some_and(|rest| {
            !rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-')
        })
    };
    id.filter(is_one).map(|id| format!(" id=\"{id}\"")).unwrap_or_default()
}
