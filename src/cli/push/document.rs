//! A transcript that is one JSON document as a source: the agent writes it anew each time, and it is read whole whenever it has
//! changed. So are the documents of its subagents, and what a file beside it says of the session.

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use async_trait::async_trait;
use capshare::share::item::ItemKey;
use capshare::share::limits::TRANSCRIPT_DOCUMENT_BYTES_MAX;
use capshare::transcripts::{Piece, Reader, Report};

use crate::cli::exit::{Exit, Failure};
use crate::cli::output::Output;
use crate::cli::push::beside::Beside;
use crate::cli::push::lines::Lines;
use crate::cli::push::source::{Away, LOOK_EVERY, Looked, Progress, Source, Waited, cannot_read, gone, too_large};
use crate::cli::push::thread::{self, ABOUT_BYTES_MAX, Finder, Subagent};

/// A document, and its state when it was read last.
pub(super) struct DocumentFile {
    path: PathBuf,
    /// What is read once, if nobody follows the file.
    lines: Lines,
    reader: Reader,
    follow: bool,
    /// It was read, and nobody follows it.
    is_read: bool,
    away: Away,
    /// Its size and time when it was read last.
    seen: Option<(u64, SystemTime)>,
    total: u64,
    /// What says more of the session.
    about: Option<Beside>,
    finder: Finder,
    below: Vec<Below>,
    /// When the folder was looked at last, for documents of subagents.
    looked: Looked,
}

/// The document of a subagent.
struct Below {
    name: String,
    file: Beside,
    /// Something of it was given out. Before that the session's document may lack the call that began the subagent.
    is_told: bool,
}

impl DocumentFile {
    /// A file of so many bytes, not yet read.
    pub(super) fn new(path: &Path, lines: Lines, reader: Reader, follow: bool, total: u64) -> Self {
        let about = thread::about(reader.agent(), path).map(|path| Beside::new(path, ABOUT_BYTES_MAX));
        let (path, away, finder, below) = (path.to_owned(), Away::default(), Finder::default(), Vec::new());
        let (is_read, seen, looked) = (false, None, Looked::default());
        Self { path, lines, reader, follow, is_read, away, seen, total, about, finder, below, looked }
    }

    /// What a file beside the document says of the session, if that is new.
    async fn next_about(&mut self) -> Option<Piece> {
        let bytes = self.about.as_mut()?.changed().await?;
        self.reader.about(&bytes)
    }

    /// The next piece of the documents of subagents.
    async fn next_of_below(&mut self) -> Option<Piece> {
        let session = self.reader.session()?.to_owned();
        if self.looked.is_due() {
            self.looked.is_done();
            for Subagent { name, call, path } in self.finder.subagents(self.reader.agent(), &self.path, &session) {
                let is_known = self.below.iter().any(|below| below.name == name);
                if !is_known && self.reader.begin_subagent(&name, call.as_deref()) {
                    self.below.push(Below {
                        name,
                        file: Beside::new(path, TRANSCRIPT_DOCUMENT_BYTES_MAX),
                        is_told: false,
                    });
                }
            }
        }
        for below in &mut self.below {
            if let Some(bytes) = below.file.changed().await
                && let Some(piece) = self.reader.subagent_document(&below.name, &bytes)
            {
                below.is_told = true;
                return Some(piece);
            }
        }
        None
    }

    /// Reads the whole of it, once. What the share holds is told after the piece of the document, which says the session.
    async fn read(&mut self) -> Result<Option<Piece>, Failure> {
        if !self.is_read {
            if let Some(piece) = self.next_about().await {
                return Ok(Some(piece));
            }
            let bytes = self.lines.rest(TRANSCRIPT_DOCUMENT_BYTES_MAX).await;
            let bytes = bytes.map_err(|error| cannot_read(&self.path, &error))?.ok_or_else(|| too_large(&self.path))?;
            if let Err(error) = serde_json::from_slice::<serde::de::IgnoredAny>(&bytes) {
                let why = if error.is_eof() { "ends early: it was cut off" } else { "is not a JSON document" };
                return Err(Failure::new(Exit::Failed, format!("{} {why}", self.path.display())));
            }
            self.is_read = true;
            if let Some(piece) = self.reader.document(&bytes) {
                return Ok(Some(piece));
            }
        }
        if let Some(piece) = self.next_of_below().await {
            return Ok(Some(piece));
        }
        Ok(self.reader.end())
    }
}

#[async_trait(?Send)]
impl Source for DocumentFile {
    async fn next_at_hand(&mut self, _output: &mut Output) -> Result<Option<Piece>, Failure> {
        if !self.follow {
            return self.read().await;
        }
        if let Some(piece) = self.next_about().await {
            return Ok(Some(piece));
        }
        let cannot = |error: std::io::Error| cannot_read(&self.path, &error);
        let about = match tokio::fs::metadata(&self.path).await {
            Ok(about) => about,
            // Between two of its writings it is away for a moment.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return if self.away.is_gone() { Err(gone(&self.path)) } else { Ok(None) };
            }
            Err(error) => return Err(cannot(error)),
        };
        self.away.is_back();
        let now = (about.len(), about.modified().map_err(cannot)?);
        if self.seen == Some(now) {
            if let Some(piece) = self.next_of_below().await {
                return Ok(Some(piece));
            }
            return Ok(self.reader.pause());
        }
        if now.0 > TRANSCRIPT_DOCUMENT_BYTES_MAX as u64 {
            return Err(too_large(&self.path));
        }
        let bytes = tokio::fs::read(&self.path).await.map_err(cannot)?;
        self.seen = Some(now);
        // One that is being written is read when it is whole.
        let is_whole = serde_json::from_slice::<serde::de::IgnoredAny>(&bytes).is_ok();
        if !is_whole {
            return Ok(None);
        }
        self.below.iter_mut().filter(|below| !below.is_told).for_each(|below| below.file.forget());
        Ok(self.reader.document(&bytes))
    }

    async fn wait(&mut self, _output: &mut Output) -> Result<Waited, Failure> {
        if !self.follow {
            return Ok(Waited::Over);
        }
        tokio::time::sleep(LOOK_EVERY).await;
        Ok(Waited::Again)
    }

    fn progress(&self) -> Progress {
        let read = if self.seen.is_some() || self.is_read { self.total } else { 0 };
        Progress { read, total: self.total, lines: 0 }
    }

    fn held(&mut self, keys: Vec<ItemKey>) {
        self.reader.held(keys);
    }

    fn is_whole(&self) -> bool {
        true
    }

    fn agent(&self) -> Option<&'static str> {
        Some(self.reader.agent().name())
    }

    fn report(&self) -> Option<&Report> {
        Some(self.reader.report())
    }
}
