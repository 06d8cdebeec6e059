//! An OpenCode export as a source: one JSON document, which is shared as it is read. What of it cannot be shared is said, and the rest is
//! shared.

use std::path::{Path, PathBuf};

use async_trait::async_trait;
use capshare::share::limits::TRANSCRIPT_DOCUMENT_BYTES_MAX;
use capshare::transcripts::{ExportError, ExportReader, Piece, Report};

use crate::cli::exit::{Exit, Failure};
use crate::cli::output::Output;
use crate::cli::push::lines::Lines;
use crate::cli::push::source::{Progress, Source, Waited, cannot_read, too_large};

/// An export, and how much of it was read.
pub(super) struct ExportFile {
    path: PathBuf,
    lines: Lines,
    reader: ExportReader,
    /// What the file begins with.
    first: Option<Piece>,
    progress: Progress,
    /// Something was read that is no white space.
    has_text: bool,
    is_read: bool,
    ends_early: bool,
}

impl ExportFile {
    /// Opens a file of so many bytes; 0 if that is not known. It is read until it is known to be an export, so that another one is refused before
    /// anything is shared.
    pub(super) async fn open(path: &Path, lines: Lines, total: u64) -> Result<Self, Failure> {
        if total > TRANSCRIPT_DOCUMENT_BYTES_MAX as u64 {
            return Err(too_large(path));
        }
        let (path, reader, progress) =
            (path.to_owned(), ExportReader::default(), Progress { total, ..Progress::default() });
        let (first, has_text, is_read, ends_early) = (None, false, false, false);
        let mut file = Self { path, lines, reader, first, progress, has_text, is_read, ends_early };
        file.first = file.read().await?;
        Ok(file)
    }

    /// The next piece. May be dropped and called again without losing one.
    async fn read(&mut self) -> Result<Option<Piece>, Failure> {
        loop {
            if let Some((piece, _)) = self.reader.take() {
                return Ok(Some(piece));
            }
            if self.is_read {
                return Ok(None);
            }
            let text = self.lines.piece().await.map_err(|error| cannot_read(&self.path, &error))?;
            if text.is_empty() {
                self.is_read = true;
                self.ends_early = !self.reader.end().map_err(|error| self.failure(&error))?;
                continue;
            }
            self.has_text |= !text.trim_ascii().is_empty();
            self.reader.feed(text);
            self.progress.read += text.len() as u64;
            self.progress.total = self.progress.total.max(self.progress.read);
        }
    }

    fn failure(&self, error: &ExportError) -> Failure {
        let shown = self.path.display();
        if matches!(error, ExportError::TooLarge { .. }) {
            return too_large(&self.path);
        }
        if !self.has_text {
            return Failure::new(Exit::Failed, format!("{shown} is empty"));
        }
        // The form was a guess: the file may be meant as lines, and be wrong from the first on.
        let message = format!(
            "{shown} is neither an OpenCode export, a JSON document with \"info\" and \"messages\" ({error}), nor JSON lines of \
             {{\"type\", \"data\"}}, nor the transcript of a known agent: --agent AGENT says whose it is"
        );
        Failure::new(Exit::Failed, message)
    }
}

#[async_trait(?Send)]
impl Source for ExportFile {
    async fn next_at_hand(&mut self, _output: &mut Output) -> Result<Option<Piece>, Failure> {
        match self.first.take() {
            Some(first) => Ok(Some(first)),
            None => self.read().await,
        }
    }

    async fn wait(&mut self, _output: &mut Output) -> Result<Waited, Failure> {
        Ok(Waited::Over)
    }

    fn progress(&self) -> Progress {
        self.progress
    }

    fn report(&self) -> Option<&Report> {
        Some(self.reader.report())
    }

    fn missing(&self) -> Option<Failure> {
        let shown = self.path.display();
        let message = format!(
            "{shown} ends early: the export was cut off, or is no JSON from some place on; what stands before that was shared"
        );
        self.ends_early.then(|| Failure::new(Exit::Failed, message))
    }
}
