//! A session of Mistral Vibe as a source: a folder, and the folders of its subagents beside it.

mod store;

use std::path::{Path, PathBuf};

use async_trait::async_trait;
use capshare::share::item::ItemKey;
use capshare::share::limits::TRANSCRIPT_SUBAGENTS_MAX;
use capshare::transcripts::{Piece, Reader, Report};
use serde_json::Value;

use crate::cli::exit::Failure;
use crate::cli::output::Output;
use crate::cli::push::source::{GROWN_EVERY, Progress, Source, Waited, cannot_read, gone};
use crate::cli::push::vibe::store::{CURRENT, FILE_BYTES_MAX, Next, Store};

/// The folder of the session that a path is of: the folder itself, or a file in it.
pub(super) fn folder_of(path: &Path) -> Option<PathBuf> {
    let is_session = |folder: &Path| {
        let path = folder.join(CURRENT);
        // Other programs have files of this name, too.
        let is_small = std::fs::metadata(&path).is_ok_and(|about| about.is_file() && about.len() <= FILE_BYTES_MAX);
        let current = if is_small { std::fs::read(&path).unwrap_or_default() } else { Vec::new() };
        let current: Value = serde_json::from_slice(&current).unwrap_or_default();
        current["store_format"].as_str().is_some_and(|format| format.starts_with("mistral.vibe."))
    };
    // Standard input is no file of the folder in which the program runs.
    let path = std::path::absolute(path).ok().filter(|path| path.exists())?;
    path.ancestors().take(4).find(|folder| is_session(folder)).map(Path::to_owned)
}

/// A session, and how far it was read.
pub(super) struct VibeFolder {
    folder: PathBuf,
    store: Store,
    reader: Reader,
    follow: bool,
    /// All was given out, and nobody follows the session.
    is_over: bool,
    /// The subagents that the session names, each with its folder.
    below: Vec<(String, Store)>,
    lines: u64,
}

impl VibeFolder {
    pub(super) fn new(folder: &Path, reader: Reader, follow: bool) -> Self {
        let (folder, store) = (folder.to_owned(), Store::new(folder));
        Self { folder, store, reader, follow, is_over: false, below: Vec::new(), lines: 0 }
    }

    /// The next piece of the session's own.
    async fn next_of_own(&mut self) -> Result<Option<Piece>, Failure> {
        loop {
            let next = self.store.next().await.map_err(|error| cannot_read(&self.folder, &error))?;
            let piece = match next {
                Next::Line(line) => {
                    self.lines += 1;
                    self.look_below(&line);
                    self.reader.line(&line)
                }
                Next::TooLarge => {
                    self.reader.line_is_too_large();
                    None
                }
                Next::Anew => {
                    self.below.clear();
                    self.reader.restart(None)
                }
                Next::Gone => return Err(gone(&self.folder)),
                Next::Nothing if self.follow => return Ok(None),
                Next::Nothing => {
                    let rest = self.store.take_rest();
                    return Ok(rest.and_then(|rest| self.reader.line(&rest)));
                }
            };
            if piece.is_some() {
                return Ok(piece);
            }
        }
    }

    /// Remembers the subagents that `meta.json` names.
    fn look_below(&mut self, line: &[u8]) {
        // It is the only line with this name, and small.
        if memchr::memmem::find(line, b"\"child_sessions\"").is_none() {
            return;
        }
        let about: Value = serde_json::from_slice(line).unwrap_or_default();
        for child in about["child_sessions"].as_array().into_iter().flatten() {
            let names = [child.as_str(), child["session_id"].as_str(), child["id"].as_str()];
            let Some(name) = names.into_iter().flatten().find(|name| !name.contains(['/', '\\', '.'])) else {
                continue;
            };
            let is_known = self.below.iter().any(|(known, _)| known == name);
            if !is_known && self.below.len() < TRANSCRIPT_SUBAGENTS_MAX {
                let folder = self.folder.with_file_name(name);
                self.below.push((name.to_owned(), Store::new(&folder)));
            }
        }
    }

    /// The next piece of the subagents'.
    async fn next_of_below(&mut self) -> Option<Piece> {
        for (name, store) in &mut self.below {
            if !self.reader.begin_subagent(name, None) {
                continue;
            }
            // One whose folder is not there says nothing.
            while let Ok(next) = store.next().await {
                let line = match next {
                    Next::Line(line) => line,
                    Next::Anew | Next::TooLarge => continue,
                    Next::Gone | Next::Nothing if self.follow => break,
                    Next::Gone | Next::Nothing => match store.take_rest() {
                        Some(rest) => rest,
                        None => break,
                    },
                };
                if let Some(piece) = self.reader.subagent_line(name, &line) {
                    return Some(piece);
                }
            }
        }
        None
    }
}

#[async_trait(?Send)]
impl Source for VibeFolder {
    async fn next_at_hand(&mut self, _output: &mut Output) -> Result<Option<Piece>, Failure> {
        if !self.is_over
            && let Some(piece) = self.next_of_own().await?
        {
            return Ok(Some(piece));
        }
        if let Some(piece) = self.next_of_below().await {
            return Ok(Some(piece));
        }
        self.is_over = !self.follow;
        Ok(if self.is_over { self.reader.end() } else { self.reader.pause() })
    }

    async fn wait(&mut self, _output: &mut Output) -> Result<Waited, Failure> {
        if self.is_over {
            return Ok(Waited::Over);
        }
        tokio::time::sleep(GROWN_EVERY).await;
        Ok(Waited::Again)
    }

    fn held(&mut self, keys: Vec<ItemKey>) {
        self.reader.held(keys);
    }

    fn is_whole(&self) -> bool {
        true
    }

    fn end(&mut self) -> Option<Piece> {
        self.reader.end()
    }

    fn progress(&self) -> Progress {
        Progress { read: self.store.read(), total: self.store.read(), lines: self.lines }
    }

    fn agent(&self) -> Option<&'static str> {
        Some(self.reader.agent().name())
    }

    fn report(&self) -> Option<&Report> {
        Some(self.reader.report())
    }
}
