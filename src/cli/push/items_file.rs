//! Lines of items as a source: each is an item, or a recorded request of several. A line that is no item is passed over, and said.

use std::path::{Path, PathBuf};

use async_trait::async_trait;
use capshare::share::error::Refusal;
use capshare::transcripts::{LeftOut, Piece, Report, read_item_line};

use crate::cli::connect::of_refusal;
use crate::cli::exit::{Exit, Failure};
use crate::cli::output::Output;
use crate::cli::push::lines::{Change, Line, Lines};
use crate::cli::push::source::{Progress, Source, Waited, cannot_read};

/// A file of lines, and how far it was read.
pub(super) struct ItemsFile {
    path: PathBuf,
    lines: Lines,
    follow: bool,
    /// The last line was given out, and nobody follows the file.
    is_over: bool,
    /// Bytes of the file: at least as many as were read.
    total: u64,
    report: Report,
    /// What was wrong with the first line that was passed over.
    missing: Option<(Option<Refusal>, String)>,
}

impl ItemsFile {
    pub(super) fn new(path: &Path, lines: Lines, follow: bool, total: u64) -> Self {
        let (report, missing) = (Report::default(), None);
        Self { path: path.to_owned(), lines, follow, is_over: false, total, report, missing }
    }

    /// The piece of a line of items; `None` for a line without one. `number`: the line's, counted from 1.
    fn read(&mut self, line: &[u8], number: u64, output: &mut Output) -> Option<Piece> {
        if line.trim_ascii().is_empty() {
            return None;
        }
        let refusal = match read_item_line(&String::from_utf8_lossy(line)) {
            Ok(piece) => return Some(piece),
            Err(refusal) => refusal,
        };
        // The index of the item within the line would tell the user nothing.
        let reason =
            if let Refusal::InvalidInput { reason, .. } = &refusal { reason.to_string() } else { refusal.to_string() };
        let why = if matches!(refusal, Refusal::LimitExceeded { .. }) { LeftOut::TooLarge } else { LeftOut::NotAnItem };
        self.pass_over(number, &reason, why, Some(refusal), output);
        None
    }

    fn pass_over(&mut self, number: u64, reason: &str, why: LeftOut, refusal: Option<Refusal>, output: &mut Output) {
        let message = format!("{}, line {number}: {reason}", self.path.display());
        // The file goes on, and so does its share.
        output.note(&format!("{message}; the line was skipped"));
        *self.report.left_out.entry(why).or_default() += 1;
        self.missing.get_or_insert((refusal, message));
    }
}

#[async_trait(?Send)]
impl Source for ItemsFile {
    async fn next_at_hand(&mut self, output: &mut Output) -> Result<Option<Piece>, Failure> {
        while !self.is_over {
            let line = self.lines.next().await.map_err(|error| cannot_read(&self.path, &error))?;
            self.total = self.total.max(self.lines.offset());
            let number = self.lines.number();
            let line = match line {
                Some(Line::Whole(line)) => line,
                Some(Line::TooLarge(bytes)) => {
                    let reason = format!("it has {bytes} bytes, more than a line may have");
                    self.pass_over(number, &reason, LeftOut::TooLarge, None, output);
                    continue;
                }
                // Somebody may still be writing the last one.
                None if self.follow || self.lines.is_open() => return Ok(None),
                None => {
                    self.is_over = true;
                    let Some(rest) = self.lines.take_rest() else { break };
                    rest
                }
            };
            let piece = self.read(&line, self.lines.number(), output);
            if piece.is_some() {
                return Ok(piece);
            }
        }
        Ok(None)
    }

    async fn wait(&mut self, output: &mut Output) -> Result<Waited, Failure> {
        if self.is_over || !(self.follow || self.lines.is_open()) {
            return Ok(Waited::Over);
        }
        let number = self.lines.number();
        let (what, rest) = match self.lines.change().await.map_err(|error| cannot_read(&self.path, &error))? {
            Change::Grown | Change::Ended => return Ok(Waited::Again),
            Change::Gone => {
                let message = format!("{} is gone: it was deleted or moved; its share stays", self.path.display());
                return Err(Failure::new(Exit::Failed, message));
            }
            Change::Truncated => ("was cut", None),
            Change::Rotated(rest) => ("is another file now", rest),
        };
        output.note(&format!("{} {what}: reading it from its start", self.path.display()));
        let piece = rest.and_then(|rest| self.read(&rest, number + 1, output));
        Ok(piece.map_or(Waited::Again, Waited::Piece))
    }

    fn progress(&self) -> Progress {
        Progress { read: self.lines.offset(), total: self.total, lines: self.lines.number() }
    }

    fn report(&self) -> Option<&Report> {
        Some(&self.report)
    }

    fn missing(&self) -> Option<Failure> {
        // Who follows a file was told of each line.
        let (refusal, message) = self.missing.as_ref().filter(|_| !self.follow)?;
        Some(match refusal {
            Some(refusal) => of_refusal(refusal).saying(message.clone()),
            None => Failure::new(Exit::Limit, message.clone()),
        })
    }
}
