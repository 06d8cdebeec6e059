//! A transcript that is one JSON document as a source: the agent writes it anew each time, and it is read whole whenever it has
//! changed.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use capshare::share::limits::TRANSCRIPT_DOCUMENT_BYTES_MAX;
use capshare::transcripts::{Piece, Reader, Report};

use crate::cli::exit::{Exit, Failure};
use crate::cli::output::Output;
use crate::cli::push::source::{Progress, Source, Waited, cannot_read, too_large};

/// Time between two looks at a file that may be written anew. If it was, a look reads all of it.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// A document, and its state when it was read last.
pub(super) struct DocumentFile {
    path: PathBuf,
    reader: Reader,
    follow: bool,
    /// Its size and time when it was read last.
    seen: Option<(u64, SystemTime)>,
    total: u64,
}

impl DocumentFile {
    /// A file of so many bytes, not yet read.
    pub(super) fn new(path: &Path, reader: Reader, follow: bool, total: u64) -> Self {
        Self { path: path.to_owned(), reader, follow, seen: None, total }
    }
}

#[async_trait(?Send)]
impl Source for DocumentFile {
    async fn next_at_hand(&mut self, _output: &mut Output) -> Result<Option<Piece>, Failure> {
        let cannot = |error: std::io::Error| cannot_read(&self.path, &error);
        let about = match tokio::fs::metadata(&self.path).await {
            Ok(about) => about,
            // Between two of its writings.
            Err(error) if self.follow && error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(cannot(error)),
        };
        let now = (about.len(), about.modified().map_err(cannot)?);
        if self.seen == Some(now) {
            return Ok(None);
        }
        if now.0 > TRANSCRIPT_DOCUMENT_BYTES_MAX as u64 {
            return Err(too_large(&self.path));
        }
        let bytes = tokio::fs::read(&self.path).await.map_err(cannot)?;
        self.seen = Some(now);
        if serde_json::from_slice::<serde::de::IgnoredAny>(&bytes).is_err() {
            // One that is being written is read when it is whole.
            if self.follow {
                return Ok(None);
            }
            return Err(Failure::new(Exit::Failed, format!("{} is not a JSON document", self.path.display())));
        }
        let piece = self.reader.document(&bytes);
        if self.follow { Ok(piece) } else { Ok(merged(piece, self.reader.end())) }
    }

    async fn wait(&mut self, _output: &mut Output) -> Result<Waited, Failure> {
        if !self.follow {
            return Ok(Waited::Over);
        }
        tokio::time::sleep(LOOK_EVERY).await;
        Ok(Waited::Again)
    }

    fn progress(&self) -> Progress {
        let read = if self.seen.is_some() { self.total } else { 0 };
        Progress { read, total: self.total, lines: 0 }
    }

    fn report(&self) -> Option<(&'static str, &Report)> {
        Some((self.reader.agent().name(), self.reader.report()))
    }
}

/// Two pieces as one.
fn merged(first: Option<Piece>, then: Option<Piece>) -> Option<Piece> {
    match (first, then) {
        (Some(mut first), Some(then)) => {
            first.changes.extend(then.changes);
            first.session = first.session.or(then.session);
            Some(first)
        }
        (first, then) => first.or(then),
    }
}
