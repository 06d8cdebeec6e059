//! A file of lines as a source: items, `{"type", "data"}` or recorded requests, or the records of an agent's transcript.

use std::path::{Path, PathBuf};

use async_trait::async_trait;
use capshare::share::error::Refusal;
use capshare::transcripts::{Piece, Reader, Report, read_item_line};

use crate::cli::connect::of_refusal;
use crate::cli::exit::Failure;
use crate::cli::output::Output;
use crate::cli::push::lines::{Change, Lines};
use crate::cli::push::source::{Progress, Source, Waited, cannot_read};

/// A file of lines, and how far it was read.
pub(super) struct LinesFile {
    path: PathBuf,
    lines: Lines,
    contents: Contents,
    follow: bool,
    /// The last line was given out, and nobody follows the file.
    is_over: bool,
    /// Bytes of the file: at least as many as were read.
    total: u64,
}

/// What the lines hold.
pub(super) enum Contents {
    /// Items as they are.
    Items,
    /// An agent's records.
    Transcript(Box<Reader>),
}

impl LinesFile {
    /// Opens the file, of so many bytes.
    pub(super) async fn open(path: &Path, contents: Contents, follow: bool, total: u64) -> Result<Self, Failure> {
        let lines = Lines::open(path).await.map_err(|error| cannot_read(path, &error))?;
        Ok(Self { path: path.to_owned(), lines, contents, follow, is_over: false, total })
    }

    /// The piece of a line of items; `None` for a line without one. `number`: the line's, counted from 1.
    fn read_items(&self, line: &[u8], number: u64, output: &mut Output) -> Result<Option<Piece>, Failure> {
        if line.trim_ascii().is_empty() {
            return Ok(None);
        }
        let text = str::from_utf8(line).map_err(|_| Refusal::invalid(0, "it is not UTF-8"));
        match text.and_then(read_item_line) {
            Ok(piece) => Ok(Some(piece)),
            Err(refusal) => {
                // The index of the item within the line would tell the user nothing.
                let reason = if let Refusal::InvalidInput { reason, .. } = &refusal {
                    reason.to_string()
                } else {
                    refusal.to_string()
                };
                let message = format!("{}, line {number}: {reason}", self.path.display());
                if !self.follow {
                    return Err(of_refusal(&refusal).saying(message));
                }
                // The file goes on, and so does its share.
                output.note(&format!("{message}; the line was skipped"));
                Ok(None)
            }
        }
    }
}

#[async_trait(?Send)]
impl Source for LinesFile {
    async fn next_at_hand(&mut self, output: &mut Output) -> Result<Option<Piece>, Failure> {
        while !self.is_over {
            let line = self.lines.next().await.map_err(|error| cannot_read(&self.path, &error))?;
            self.total = self.total.max(self.lines.offset());
            let line = match line {
                Some(line) => line,
                // Somebody may still be writing the last one.
                None if self.follow => {
                    return Ok(match &mut self.contents {
                        Contents::Items => None,
                        Contents::Transcript(reader) => reader.pause(),
                    });
                }
                None => {
                    self.is_over = true;
                    let Some(rest) = self.lines.take_rest() else { break };
                    rest
                }
            };
            let piece = match &mut self.contents {
                Contents::Items => self.read_items(&line, self.lines.number(), output)?,
                Contents::Transcript(reader) => reader.line(&line),
            };
            if piece.is_some() {
                return Ok(piece);
            }
        }
        Ok(self.end())
    }

    async fn wait(&mut self, output: &mut Output) -> Result<Waited, Failure> {
        if !self.follow {
            return Ok(Waited::Over);
        }
        let number = self.lines.number();
        let (what, rest) = match self.lines.change().await.map_err(|error| cannot_read(&self.path, &error))? {
            Change::Grown => return Ok(Waited::Again),
            Change::Truncated => ("was cut", None),
            Change::Rotated(rest) => ("is another file now", rest),
        };
        output.note(&format!("{} {what}: reading it from its start", self.path.display()));
        let piece = match (&mut self.contents, rest) {
            (Contents::Transcript(reader), rest) => reader.restart(rest.as_deref()),
            (Contents::Items, Some(rest)) => self.read_items(&rest, number + 1, output)?,
            (Contents::Items, None) => None,
        };
        Ok(piece.map_or(Waited::Again, Waited::Piece))
    }

    fn end(&mut self) -> Option<Piece> {
        match &mut self.contents {
            Contents::Items => None,
            Contents::Transcript(reader) => reader.end(),
        }
    }

    fn progress(&self) -> Progress {
        Progress { read: self.lines.offset(), total: self.total, lines: self.lines.number() }
    }

    fn report(&self) -> Option<(&'static str, &Report)> {
        match &self.contents {
            Contents::Items => None,
            Contents::Transcript(reader) => Some((reader.agent().name(), reader.report())),
        }
    }
}
