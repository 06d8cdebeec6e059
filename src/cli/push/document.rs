//! A transcript that is one JSON document, written anew each time: it is read whole whenever it is another than before.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::{Agent, Transcript};
use crate::cli::exit::{Exit, Failure};
use crate::cli::push::source::{EXPORT_BYTES_MAX, Piece, cannot_read};

/// Between two looks at a file that may be written anew: each reads all of it if so.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// A document, and as what it was read.
pub(in crate::cli::push) struct Document {
    path: PathBuf,
    transcript: Transcript,
    /// Its size and time when it was read last.
    seen: Option<(u64, SystemTime)>,
}

impl Document {
    /// `None` for an agent that writes none.
    pub(in crate::cli::push) fn of(agent: Agent, path: &Path) -> Option<Self> {
        Some(Self { path: path.to_owned(), transcript: Transcript::of(agent, path)?, seen: None })
    }

    pub(in crate::cli::push) fn transcript(&self) -> &Transcript {
        &self.transcript
    }

    /// What is new, without waiting. `follow`: one that is being written is read when it is whole.
    pub(in crate::cli::push) async fn next_at_hand(&mut self, follow: bool) -> Result<Option<Piece>, Failure> {
        let cannot = |error: std::io::Error| cannot_read(&self.path, &error);
        let about = match tokio::fs::metadata(&self.path).await {
            Ok(about) => about,
            // Between two of its writings.
            Err(error) if follow && error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(cannot(error)),
        };
        let now = (about.len(), about.modified().map_err(cannot)?);
        if self.seen == Some(now) {
            return Ok(None);
        }
        if now.0 > EXPORT_BYTES_MAX {
            let message = format!("{} is larger than any share may be", self.path.display());
            return Err(Failure::new(Exit::Limit, message));
        }
        let bytes = tokio::fs::read(&self.path).await.map_err(cannot)?;
        self.seen = Some(now);
        if serde_json::from_slice::<serde::de::IgnoredAny>(&bytes).is_err() {
            if follow {
                return Ok(None);
            }
            return Err(Failure::new(Exit::Failed, format!("{} is no JSON document", self.path.display())));
        }
        Ok(self.transcript.document(&bytes, !follow))
    }

    /// Waits until it is worth looking again. May be dropped.
    pub(in crate::cli::push) async fn wait(&self) {
        tokio::time::sleep(LOOK_EVERY).await;
    }
}
