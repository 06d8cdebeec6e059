//! The folder of a session of Mistral Vibe as lines: what its newest generation holds, then the journal that goes on from there. When the
//! next generation comes, all of it is read anew, for the old journal is dead.

use std::collections::VecDeque;
use std::io::ErrorKind;
use std::path::{Component, Path, PathBuf};

use capshare::share::limits::TRANSCRIPT_DOCUMENT_BYTES_MAX;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::cli::push::lines::{Line, Lines};
use crate::cli::push::source::{Away, Looked};

/// Generations that are read one after the other, because each was deleted while it was read: the next one had come.
const TRIES_MAX: usize = 5;

/// Bytes of each of the small files. A manifest of this size names no more chunks than can be read in some seconds.
pub(super) const FILE_BYTES_MAX: u64 = 4 << 20;

/// The file that names the newest generation, and the one that says whose session it is.
pub(super) const CURRENT: &str = "CURRENT";
const ABOUT: &str = "meta.json";

/// A session's folder, and how far it was read.
pub(super) struct Store {
    folder: PathBuf,
    /// The text of `CURRENT` when the generation was read.
    generation: Vec<u8>,
    /// The text of `meta.json` when it was given out last.
    about: Vec<u8>,
    /// What is to be given out before the journal's lines.
    queue: VecDeque<Vec<u8>>,
    journal: Option<Lines>,
    journal_path: PathBuf,
    looked: Looked,
    away: Away,
    /// Bytes that were given out.
    read: u64,
}

/// What is at hand.
pub(super) enum Next {
    Line(Vec<u8>),
    TooLarge,
    /// Another generation has come: what follows is the whole session again.
    Anew,
    /// The folder has been away for so long that it is gone.
    Gone,
    /// Nothing more, for now.
    Nothing,
}

impl Store {
    pub(super) fn new(folder: &Path) -> Self {
        Self {
            folder: folder.to_owned(),
            generation: Vec::new(),
            about: Vec::new(),
            queue: VecDeque::new(),
            journal: None,
            journal_path: PathBuf::new(),
            looked: Looked::default(),
            away: Away::default(),
            read: 0,
        }
    }

    pub(super) fn read(&self) -> u64 {
        self.read
    }

    /// What is at hand. May be dropped and called again without losing anything.
    pub(super) async fn next(&mut self) -> std::io::Result<Next> {
        if self.queue.is_empty() && self.looked.is_due() {
            match self.look().await {
                Ok(next) => {
                    self.away.is_back();
                    self.looked.is_done();
                    if let Some(next) = next {
                        return Ok(next);
                    }
                }
                Err(error) if self.generation.is_empty() => return Err(error),
                // A file may be away, or half written, for a moment.
                Err(error) => {
                    let (is_away, is_broken) =
                        (error.kind() == ErrorKind::NotFound, error.kind() == ErrorKind::InvalidData);
                    return match self.away.is_gone() {
                        false if is_away || is_broken => Ok(Next::Nothing),
                        true if is_away => Ok(Next::Gone),
                        _ => Err(error),
                    };
                }
            }
        }
        if let Some(line) = self.queue.pop_front() {
            self.read += line.len() as u64;
            return Ok(Next::Line(line));
        }
        if self.journal.is_none() {
            // It comes with its first line.
            self.journal = Lines::open(&self.journal_path).await.ok();
        }
        let Some(journal) = &mut self.journal else { return Ok(Next::Nothing) };
        Ok(match journal.next().await? {
            Some(Line::Whole(line)) => {
                self.read += line.len() as u64;
                Next::Line(line)
            }
            Some(Line::TooLarge(_)) => Next::TooLarge,
            None => Next::Nothing,
        })
    }

    /// The last line of the journal, if it has no break and nothing more comes.
    pub(super) fn take_rest(&mut self) -> Option<Vec<u8>> {
        self.journal.as_mut().and_then(Lines::take_rest)
    }

    /// Looks whether there is another generation, and whether the session is called otherwise now.
    async fn look(&mut self) -> std::io::Result<Option<Next>> {
        let current = small(&self.folder.join(CURRENT)).await?;
        if current != self.generation {
            let is_first = self.generation.is_empty();
            self.load().await?;
            return Ok((!is_first).then_some(Next::Anew));
        }
        if let Ok(about) = small(&self.folder.join(ABOUT)).await
            && about != self.about
        {
            self.queue.push_back(about.clone());
            self.about = about;
        }
        Ok(None)
    }

    /// Reads the newest generation.
    async fn load(&mut self) -> std::io::Result<()> {
        let mut current = small(&self.folder.join(CURRENT)).await?;
        let mut tries = 1;
        let (queue, journal) = loop {
            match self.generation_of(&current).await {
                Ok(read) => break read,
                Err(error) if error.kind() == ErrorKind::NotFound && tries < TRIES_MAX => {
                    // It was deleted if another one is the newest by now.
                    let newest = small(&self.folder.join(CURRENT)).await?;
                    if newest == current {
                        return Err(error);
                    }
                    (current, tries) = (newest, tries + 1);
                }
                Err(error) => return Err(error),
            }
        };
        self.about = queue.front().cloned().unwrap_or_default();
        (self.queue, self.journal_path, self.journal) = (queue, journal, None);
        self.generation = current;
        Ok(())
    }

    /// What a generation holds, each part as a line, and the path of the journal that goes on from it.
    async fn generation_of(&self, current: &[u8]) -> std::io::Result<(VecDeque<Vec<u8>>, PathBuf)> {
        let current: Value = serde_json::from_slice(current).map_err(invalid)?;
        let generation = self.folder.join("generations").join(name(&current["generation"])?);
        let manifest = small(&generation.join("manifest.json")).await?;
        let manifest: Value = serde_json::from_slice(&manifest).map_err(invalid)?;
        let mut queue = VecDeque::new();
        if let Ok(about) = small(&self.folder.join(ABOUT)).await {
            queue.push_back(about);
        }
        let projection = &manifest["projection_state"];
        // All chunks together are as large as a document may be.
        let mut left = TRANSCRIPT_DOCUMENT_BYTES_MAX as u64;
        for chunk in projection["chunks"].as_array().into_iter().flatten() {
            let path = self.folder.join("chunks").join(format!("{}.json", name(chunk)?.display()));
            let text = whole(&path, left).await?;
            left = left.saturating_sub(text.len() as u64);
            let entries: Vec<Box<RawValue>> = serde_json::from_slice(&text).map_err(invalid)?;
            queue.extend(entries.into_iter().map(|entry| entry.get().as_bytes().to_vec()));
        }
        queue.push_back(small(&generation.join(name(&projection["path"])?)).await?);
        let journal = relative(&manifest["recovery_journal_segment"]["path"])?;
        Ok((queue, self.folder.join(journal)))
    }
}

/// A name of a file in a folder.
fn name(value: &Value) -> std::io::Result<PathBuf> {
    relative(value).and_then(|path| if path.components().count() == 1 { Ok(path) } else { Err(invalid("a path")) })
}

/// A path that leads into a folder, and not out of it.
fn relative(value: &Value) -> std::io::Result<PathBuf> {
    let path = PathBuf::from(value.as_str().unwrap_or_default());
    let is_inside = path.components().all(|part| matches!(part, Component::Normal(_)));
    if is_inside && path.components().next().is_some() { Ok(path) } else { Err(invalid("no name of a file")) }
}

fn invalid(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> std::io::Error {
    std::io::Error::new(std::io::ErrorKind::InvalidData, error)
}

async fn small(path: &Path) -> std::io::Result<Vec<u8>> {
    whole(path, FILE_BYTES_MAX).await
}

/// A file of at most so many bytes.
async fn whole(path: &Path, most: u64) -> std::io::Result<Vec<u8>> {
    if tokio::fs::metadata(path).await?.len() > most {
        return Err(invalid(format!("{} is larger than any such file may be", path.display())));
    }
    tokio::fs::read(path).await
}
