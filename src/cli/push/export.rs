//! An OpenCode export as a source: one JSON document that is read whole, once.

use std::collections::VecDeque;
use std::path::Path;

use async_trait::async_trait;
use capshare::share::limits::TRANSCRIPT_DOCUMENT_BYTES_MAX;
use capshare::transcripts::{ExportError, Piece, read_export};

use crate::cli::connect::of_refusal;
use crate::cli::exit::{Exit, Failure};
use crate::cli::output::Output;
use crate::cli::push::source::{Progress, Source, Waited, cannot_read, too_large};

/// An export, and how much of it was given out.
pub(super) struct ExportFile {
    pieces: VecDeque<(Piece, u64)>,
    progress: Progress,
}

impl ExportFile {
    /// Reads the file, of so many bytes.
    pub(super) async fn open(path: &Path, total: u64) -> Result<Self, Failure> {
        if total > TRANSCRIPT_DOCUMENT_BYTES_MAX as u64 {
            return Err(too_large(path));
        }
        let text = tokio::fs::read_to_string(path).await.map_err(|error| cannot_read(path, &error))?;
        let pieces = read_export(&text).map_err(|error| failure(path, &error))?;
        Ok(Self { pieces: pieces.into(), progress: Progress { total, ..Progress::default() } })
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
}

fn failure(path: &Path, error: &ExportError) -> Failure {
    let shown = path.display();
    if let ExportError::NotAnExport { reason } = error {
        // The form was a guess: the file may be meant as lines, and be wrong from the first on.
        let message = format!(
            "{shown} is neither an OpenCode export, a JSON document with \"info\" and \"messages\" ({reason}), nor JSON lines of \
             {{\"type\", \"data\"}}, nor the transcript of a known agent: --agent AGENT says whose it is"
        );
        return Failure::new(Exit::Failed, message);
    }
    let message = format!("{shown}: {error}");
    error.refusal().map_or_else(
        || Failure::new(Exit::Limit, message.clone()),
        |refusal| of_refusal(refusal).saying(message.clone()),
    )
}
