//! What a file holds: an OpenCode export, or JSON lines. Which of them is found out from its beginning.
//!
//! An export is one JSON document, `{"info": SESSION, "messages": [{"info": MESSAGE, "parts": [PART]}]}`, and is read whole;
//! with it what `capshare export` puts beside these, `models`, `session_diff` and `other`.
//! Lines are `{"type", "data"}`, or a recorded request whose `body` has `data`, a list of these; they are read one by one.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};

use capshare::client::Items;
use capshare::share::error::Refusal;
use capshare::share::limits::SHARE_BYTES_MAX;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::cli::connect::of_refusal;
use crate::cli::exit::{Exit, Failure};
use crate::cli::output::Output;
use crate::cli::push::lines::{Change, Lines};

/// The largest export that is read: a full share, and as much again for white space.
const EXPORT_BYTES_MAX: u64 = 2 * SHARE_BYTES_MAX as u64;

/// A file on its way into a share.
pub(super) struct Source {
    path: PathBuf,
    form: Form,
    follow: bool,
    total: u64,
    read: u64,
}

enum Form {
    Export(VecDeque<(Piece, u64)>),
    Lines { lines: Lines, is_over: bool },
}

/// Some of it: what one line, or one message of an export, holds.
#[derive(Default)]
pub(super) struct Piece {
    pub(super) items: Items,
    /// The session that it belongs to, if it says so.
    pub(super) session: Option<String>,
}

impl Source {
    pub(super) async fn open(path: &Path, follow: bool) -> Result<Self, Failure> {
        let cannot = |error: std::io::Error| cannot_read(path, &error);
        let total = tokio::fs::metadata(path).await.map_err(cannot)?.len();
        let is_lines = follow || begins_with_an_item(path).await.map_err(cannot)?;
        let form = if is_lines {
            Form::Lines { lines: Lines::open(path).await.map_err(cannot)?, is_over: false }
        } else if total > EXPORT_BYTES_MAX {
            return Err(Failure::new(Exit::Limit, format!("{} is larger than any share may be", path.display())));
        } else {
            let text = tokio::fs::read_to_string(path).await.map_err(cannot)?;
            Form::Export(read_export(&text).map_err(|failure| failure.about(path))?)
        };
        Ok(Self { path: path.to_owned(), form, follow, total, read: 0 })
    }

    /// Bytes of the file, as far as is known.
    pub(super) fn total(&self) -> u64 {
        self.total
    }

    /// Bytes that were read and given out.
    pub(super) fn read(&self) -> u64 {
        self.read
    }

    /// Lines that were given out; of an export, 0.
    pub(super) fn lines_read(&self) -> u64 {
        match &self.form {
            Form::Export(_) => 0,
            Form::Lines { lines, .. } => lines.number(),
        }
    }

    /// The next piece; with `follow` it waits for one. May be dropped and called again without losing one.
    pub(super) async fn next(&mut self, output: &mut Output) -> Result<Option<Piece>, Failure> {
        loop {
            if let Some(piece) = self.next_at_hand(output).await? {
                return Ok(Some(piece));
            }
            let Form::Lines { lines, .. } = &mut self.form else { return Ok(None) };
            if !self.follow {
                return Ok(None);
            }
            let rest = match lines.change().await.map_err(|error| cannot_read(&self.path, &error))? {
                Change::Grown => None,
                Change::Truncated => {
                    output.note(&format!("{} was cut: reading it from its start", self.path.display()));
                    None
                }
                Change::Rotated(rest) => {
                    output.note(&format!("{} is another file now: reading it from its start", self.path.display()));
                    rest
                }
            };
            if let Some(piece) = rest.and_then(|line| self.read_line(&line, output).transpose()) {
                return piece.map(Some);
            }
        }
    }

    /// The next piece without waiting.
    pub(super) async fn next_at_hand(&mut self, output: &mut Output) -> Result<Option<Piece>, Failure> {
        loop {
            let line = match &mut self.form {
                Form::Export(pieces) => {
                    let Some((piece, bytes)) = pieces.pop_front() else { return Ok(None) };
                    self.read += bytes;
                    return Ok(Some(piece));
                }
                Form::Lines { is_over: true, .. } => return Ok(None),
                Form::Lines { lines, is_over } => {
                    let line = lines.next().await.map_err(|error| cannot_read(&self.path, &error))?;
                    self.read = lines.offset();
                    self.total = self.total.max(self.read);
                    match line {
                        Some(line) => line,
                        // Somebody may still be writing it.
                        None if self.follow => return Ok(None),
                        None => {
                            *is_over = true;
                            let Some(rest) = lines.take_rest() else { return Ok(None) };
                            rest
                        }
                    }
                }
            };
            if let Some(piece) = self.read_line(&line, output)? {
                return Ok(Some(piece));
            }
        }
    }

    /// A line's piece; `None` for a line without one.
    fn read_line(&self, line: &[u8], output: &mut Output) -> Result<Option<Piece>, Failure> {
        if line.trim_ascii().is_empty() {
            return Ok(None);
        }
        let text = str::from_utf8(line).map_err(|_| Refusal::invalid(0, "it is no UTF-8"));
        match text.and_then(read_line) {
            Ok(piece) => Ok(Some(piece)),
            Err(refusal) => {
                let message = format!("{}, line {}: {}", self.path.display(), self.lines_read(), reason(&refusal));
                if !self.follow {
                    return Err(of_refusal(&refusal).saying(message));
                }
                // The file goes on, and so does its share.
                output.note(&format!("{message}; skipped"));
                Ok(None)
            }
        }
    }
}

/// Whether the first line that says something is an item by itself.
async fn begins_with_an_item(path: &Path) -> std::io::Result<bool> {
    let mut lines = Lines::open(path).await?;
    loop {
        let line = match lines.next().await? {
            Some(line) => line,
            None => match lines.take_rest() {
                Some(rest) => rest,
                None => return Ok(true),
            },
        };
        if !line.trim_ascii().is_empty() {
            return Ok(
                serde_json::from_slice::<Line<'_>>(&line).is_ok_and(|line| line.kind.is_some() || line.body.is_some())
            );
        }
    }
}

/// A line: an item, or a recorded request.
#[derive(Deserialize)]
struct Line<'a> {
    #[serde(borrow, rename = "type")]
    kind: Option<&'a RawValue>,
    #[serde(borrow)]
    data: Option<&'a RawValue>,
    #[serde(borrow)]
    body: Option<Body<'a>>,
}

#[derive(Deserialize)]
struct Body<'a> {
    #[serde(rename = "sessionID")]
    session: Option<String>,
    #[serde(borrow, default)]
    data: Vec<&'a RawValue>,
}

/// What an item says of its session.
#[derive(Deserialize)]
struct Origin {
    id: Option<String>,
    #[serde(rename = "sessionID")]
    session: Option<String>,
}

fn read_line(text: &str) -> Result<Piece, Refusal> {
    let line: Line<'_> =
        serde_json::from_str(text).map_err(|error| Refusal::invalid(0, format!("no JSON object: {error}")))?;
    let mut piece = Piece::default();
    match line.body {
        Some(body) => {
            piece.session = body.session;
            for item in body.data {
                let inner: Line<'_> = serde_json::from_str(item.get())
                    .map_err(|_| Refusal::invalid(0, "an item is a JSON object with type and data"))?;
                piece.items.sync_data(item.get())?;
                piece.session = piece.session.or_else(|| session_of(&inner));
            }
        }
        None => {
            piece.items.sync_data(text)?;
            piece.session = session_of(&line);
        }
    }
    Ok(piece)
}

fn session_of(line: &Line<'_>) -> Option<String> {
    let origin: Origin = serde_json::from_str(line.data?.get()).ok()?;
    match line.kind?.get() {
        "\"session\"" => origin.id,
        "\"message\"" | "\"part\"" => origin.session,
        _ => None,
    }
}

#[derive(Deserialize)]
struct Export<'a> {
    #[serde(borrow)]
    info: &'a RawValue,
    #[serde(borrow)]
    messages: Vec<ExportMessage<'a>>,
    #[serde(borrow, default)]
    models: Vec<&'a RawValue>,
    #[serde(borrow)]
    session_diff: Option<&'a RawValue>,
    /// Each `{"type", "data"}`.
    #[serde(borrow, default)]
    other: Vec<&'a RawValue>,
}

#[derive(Deserialize)]
struct ExportMessage<'a> {
    #[serde(borrow)]
    info: &'a RawValue,
    #[serde(borrow)]
    parts: Vec<&'a RawValue>,
}

fn read_export(text: &str) -> Result<VecDeque<(Piece, u64)>, Failure> {
    let export: Export<'_> = serde_json::from_str(text).map_err(|error| {
        let message = format!(
            "neither an export ({{\"info\", \"messages\"}}: {error}) nor JSON lines of {{\"type\", \"data\"}} from its first line on"
        );
        Failure::new(Exit::Failed, message)
    })?;
    let mut pieces = VecDeque::with_capacity(1 + export.messages.len());
    let mut first = Piece::default();
    if export.info.get() != "null" {
        first.items.put("session", export.info.get()).map_err(|refusal| of_refusal(&refusal))?;
    }
    first.session = serde_json::from_str::<Origin>(export.info.get()).ok().and_then(|origin| origin.id);
    pieces.push_back((first, export.info.get().len() as u64));
    for (n, message) in export.messages.iter().enumerate() {
        let mut piece = Piece::default();
        let mut bytes = message.info.get().len();
        let mut read = || -> Result<(), Refusal> {
            piece.items.put("message", message.info.get())?;
            for part in &message.parts {
                bytes += part.get().len();
                piece.items.put("part", part.get())?;
            }
            Ok(())
        };
        read().map_err(|refusal| of_refusal(&refusal).saying(format!("message {}: {}", n + 1, reason(&refusal))))?;
        pieces.push_back((piece, bytes as u64));
    }
    let mut last = Piece::default();
    let mut read = || -> Result<(), Refusal> {
        export.models.iter().try_for_each(|model| last.items.put("model", model.get()))?;
        export.session_diff.iter().try_for_each(|diff| last.items.put("session_diff", diff.get()))?;
        export.other.iter().try_for_each(|item| last.items.sync_data(item.get()))
    };
    read().map_err(|refusal| of_refusal(&refusal).saying(format!("beside the messages: {}", reason(&refusal))))?;
    if !last.items.is_empty() {
        pieces.push_back((last, 0));
    }
    Ok(pieces)
}

/// Why an item is none, without its place in a list that the reader does not see.
fn reason(refusal: &Refusal) -> String {
    if let Refusal::InvalidInput { reason, .. } = refusal { reason.to_string() } else { refusal.to_string() }
}

fn cannot_read(path: &Path, error: &std::io::Error) -> Failure {
    Failure::new(Exit::Failed, format!("{} cannot be read: {error}", path.display()))
}
