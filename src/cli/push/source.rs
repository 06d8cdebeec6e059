//! What a file holds: an OpenCode export, its database, JSON lines, or the transcript of another agent. Which of them is found out
//! from its beginning.
//!
//! An export is one JSON document and is read whole ([`export`](super::export)). A transcript is read by its agent's reader
//! ([`agents`](super::agents)). Lines are `{"type", "data"}`, or a recorded request whose `body` has `data`, a list of these; they are read one by one.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};

use capshare::client::Items;
use capshare::share::error::Refusal;
use capshare::share::id::SessionId;
use capshare::share::limits::SHARE_BYTES_MAX;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::cli::connect::of_refusal;
use crate::cli::exit::{Exit, Failure};
use crate::cli::output::Output;
use crate::cli::push::agents::{self, Agent, Database, Document, Report, Shape, Transcript};
use crate::cli::push::export::read_export;
use crate::cli::push::lines::{Change, Lines};

/// The largest export that is read: a full share, and as much again for white space.
pub(super) const EXPORT_BYTES_MAX: u64 = 2 * SHARE_BYTES_MAX as u64;

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
    Lines { lines: Lines, is_over: bool, transcript: Option<Transcript> },
    Document(Document),
    Database(Box<Database>),
}

/// Some of it: what one line, or one message of an export, holds.
#[derive(Default)]
pub(super) struct Piece {
    pub(super) items: Items,
    /// The session that it belongs to, if it says so.
    pub(super) session: Option<String>,
}

impl Source {
    /// Opens a file. `agent`: whose transcript it is said to be. `session`: which of a database's it is.
    pub(super) async fn open(
        path: &Path,
        agent: Option<Agent>,
        session: Option<&SessionId>,
        follow: bool,
    ) -> Result<Self, Failure> {
        let cannot = |error: std::io::Error| cannot_read(path, &error);
        let total = tokio::fs::metadata(path).await.map_err(cannot)?.len();
        let lines = async |transcript| {
            let lines = Lines::open(path).await.map_err(cannot)?;
            Ok::<_, Failure>(Form::Lines { lines, is_over: false, transcript })
        };
        let form = match agents::sniff(path, agent, follow).await.map_err(cannot)? {
            Shape::Lines => lines(None).await?,
            Shape::Transcript(agent) => lines(Transcript::of(agent, path)).await?,
            Shape::Document(agent) => match Document::of(agent, path) {
                Some(document) => Form::Document(document),
                None => lines(None).await?,
            },
            Shape::Database => match session {
                Some(session) => Form::Database(Box::new(Database::open(path, session.as_str())?)),
                None => {
                    let message = format!("{} has many sessions: say which by --session ID", path.display());
                    return Err(Failure::new(Exit::Usage, message));
                }
            },
            Shape::Export if total > EXPORT_BYTES_MAX => {
                return Err(Failure::new(Exit::Limit, format!("{} is larger than any share may be", path.display())));
            }
            Shape::Export => {
                let text = tokio::fs::read_to_string(path).await.map_err(cannot)?;
                Form::Export(read_export(&text).map_err(|failure| failure.about(path))?)
            }
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
            Form::Export(_) | Form::Document(_) | Form::Database(_) => 0,
            Form::Lines { lines, .. } => lines.number(),
        }
    }

    /// Whose it is, and what of it is not shown, so far. `None` for what holds items as they are.
    pub(super) fn report(&self) -> Option<(Agent, &Report)> {
        let transcript = match &self.form {
            Form::Export(_) => None,
            Form::Database(database) => return Some((Agent::OpenCode, database.report())),
            Form::Document(document) => Some(document.transcript()),
            Form::Lines { transcript, .. } => transcript.as_ref(),
        };
        transcript.map(|transcript| (transcript.agent(), transcript.report()))
    }

    /// What waits for more, when nothing more is to be read.
    pub(super) fn end(&mut self) -> Option<Piece> {
        match &mut self.form {
            Form::Lines { transcript: Some(transcript), .. } => transcript.settle(true),
            Form::Export(_) | Form::Document(_) | Form::Database(_) | Form::Lines { transcript: None, .. } => None,
        }
    }

    /// The next piece; with `follow` it waits for one. May be dropped and called again without losing one.
    pub(super) async fn next(&mut self, output: &mut Output) -> Result<Option<Piece>, Failure> {
        loop {
            if let Some(piece) = self.next_at_hand(output).await? {
                return Ok(Some(piece));
            }
            if !self.follow {
                return Ok(None);
            }
            let (lines, transcript) = match &mut self.form {
                Form::Export(_) => return Ok(None),
                Form::Document(document) => {
                    document.wait().await;
                    continue;
                }
                Form::Database(database) => {
                    database.wait().await;
                    continue;
                }
                Form::Lines { lines, transcript, .. } => (lines, transcript),
            };
            let number = lines.number();
            let (what, rest) = match lines.change().await.map_err(|error| cannot_read(&self.path, &error))? {
                Change::Grown => continue,
                Change::Truncated => ("was cut", None),
                Change::Rotated(rest) => ("is another file now", rest),
            };
            output.note(&format!("{} {what}: reading it from its start", self.path.display()));
            let piece = match transcript {
                Some(transcript) => transcript.begin_anew(rest.as_deref(), number + 1),
                None => rest.map(|line| self.read_line(&line, output)).transpose()?.flatten(),
            };
            if piece.is_some() {
                return Ok(piece);
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
                Form::Document(document) => {
                    let piece = document.next_at_hand(self.follow).await?;
                    self.read = self.total;
                    return Ok(piece);
                }
                Form::Database(database) => return database.next_at_hand(),
                Form::Lines { is_over: true, transcript, .. } => {
                    return Ok(transcript.as_mut().and_then(|transcript| transcript.settle(true)));
                }
                Form::Lines { lines, is_over, transcript } => {
                    let line = lines.next().await.map_err(|error| cannot_read(&self.path, &error))?;
                    self.read = lines.offset();
                    self.total = self.total.max(self.read);
                    match line {
                        Some(line) => line,
                        // Somebody may still be writing it.
                        None if self.follow => {
                            return Ok(transcript.as_mut().and_then(|transcript| transcript.settle(false)));
                        }
                        None => {
                            *is_over = true;
                            let Some(rest) = lines.take_rest() else { continue };
                            rest
                        }
                    }
                }
            };
            let piece = match &mut self.form {
                Form::Lines { lines, transcript: Some(transcript), .. } => transcript.line(&line, lines.number()),
                Form::Export(_) | Form::Document(_) | Form::Database(_) | Form::Lines { transcript: None, .. } => {
                    self.read_line(&line, output)?
                }
            };
            if piece.is_some() {
                return Ok(piece);
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
pub(super) struct Origin {
    pub(super) id: Option<String>,
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

/// Why an item is none, without its place in a list that the reader does not see.
pub(super) fn reason(refusal: &Refusal) -> String {
    if let Refusal::InvalidInput { reason, .. } = refusal { reason.to_string() } else { refusal.to_string() }
}

pub(super) fn cannot_read(path: &Path, error: &std::io::Error) -> Failure {
    Failure::new(Exit::Failed, format!("{} cannot be read: {error}", path.display()))
}
