//! An OpenCode export as a source: one JSON document that is read whole, once. What of it cannot be shared is said, and the rest is
//! shared.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};

use async_trait::async_trait;
use capshare::share::limits::TRANSCRIPT_DOCUMENT_BYTES_MAX;
use capshare::transcripts::{ExportError, Piece, Report, read_export_leniently};

use crate::cli::exit::{Exit, Failure};
use crate::cli::output::Output;
use crate::cli::push::lines::Lines;
use crate::cli::push::source::{Progress, Source, Waited, cannot_read, too_large};

/// An export, and how much of it was given out.
pub(super) struct ExportFile {
    path: PathBuf,
    pieces: VecDeque<(Piece, u64)>,
    progress: Progress,
    report: Report,
    ends_early: bool,
}

impl ExportFile {
    /// Reads the file.
    pub(super) async fn read(path: &Path, lines: &mut Lines) -> Result<Self, Failure> {
        let bytes = lines.rest(TRANSCRIPT_DOCUMENT_BYTES_MAX).await.map_err(|error| cannot_read(path, &error))?;
        let bytes = bytes.ok_or_else(|| too_large(path))?;
        let text = String::from_utf8_lossy(&bytes);
        let export = read_export_leniently(&text).map_err(|error| failure(path, &text, &error))?;
        let progress = Progress { total: bytes.len() as u64, ..Progress::default() };
        let (pieces, report, ends_early) = (export.pieces.into(), export.report, export.ends_early);
        Ok(Self { path: path.to_owned(), pieces, progress, report, ends_early })
    }
}

#[async_trait(?Send)]
impl Source for ExportFile {
    async fn next_at_hand(&mut self, _output: &mut Output) -> Result<Option<Piece>, Failure> {
        Ok(self.pieces.pop_front().map(|(piece, bytes)| {
            self.progress.read += bytes;
            piece
        }))
    }

    async fn wait(&mut self, _output: &mut Output) -> Result<Waited, Failure> {
        Ok(Waited::Over)
    }

    fn progress(&self) -> Progress {
        self.progress
    }

    fn report(&self) -> Option<&Report> {
        Some(&self.report)
    }

    fn missing(&self) -> Option<Failure> {
        let shown = self.path.display();
        let message = format!("{shown} ends early: the export was cut off, and what stands before its end was shared");
        self.ends_early.then(|| Failure::new(Exit::Failed, message))
    }
}

fn failure(path: &Path, text: &str, error: &ExportError) -> Failure {
    let shown = path.display();
    if matches!(error, ExportError::TooLarge { .. }) {
        return too_large(path);
    }
    if text.trim().is_empty() {
        return Failure::new(Exit::Failed, format!("{shown} is empty"));
    }
    // The form was a guess: the file may be meant as lines, and be wrong from the first on.
    let message = format!(
        "{shown} is neither an OpenCode export, a JSON document with \"info\" and \"messages\" ({error}), nor JSON lines of \
         {{\"type\", \"data\"}}, nor the transcript of a known agent: --agent AGENT says whose it is"
    );
    Failure::new(Exit::Failed, message)
}
