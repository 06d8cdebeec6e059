//! A file as lines, also while somebody writes to it: growth, truncation, rotation and deletion are found by looking at it again.
//! What comes through a pipe is read in the same way.
//!
//! It holds one line and one read of the file. A last line without its line break is not given out until the
//! break is there, or until the caller knows that nothing more comes. A line that is larger than any may be is passed over, and said.

use std::path::{Path, PathBuf};

use capshare::share::limits::TRANSCRIPT_LINE_BYTES_MAX;
use tokio::fs::File;
use tokio::io::AsyncReadExt as _;

use crate::cli::push::input::{self, Stream};
use crate::cli::push::source::{Away, GROWN_EVERY};

/// Bytes read at a time.
const READ_BYTES: usize = 64 << 10;

/// Bytes by which the form of a file is recognised, at least; more if its first line has more.
const HEAD_BYTES: usize = 256 << 10;

/// What some programs write before a text in UTF-8.
const MARK: &[u8] = b"\xef\xbb\xbf";

/// A file, and how far it was read.
pub(super) struct Lines {
    from: From,
    /// Read and not yet given out, from `start`; up to `scanned` there is no line break.
    buffer: Vec<u8>,
    start: usize,
    scanned: usize,
    /// The bytes of the line that is passed over, while it is.
    passed_over: Option<u64>,
    /// Bytes read from this file.
    offset: u64,
    /// Lines given out of this file.
    number: u64,
    away: Away,
}

/// Where the bytes come from.
enum From {
    File { path: PathBuf, file: File },
    Stream { stream: Stream, is_over: bool },
}

/// A line, without its break.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Line {
    Whole(Vec<u8>),
    /// It has so many bytes, more than a line may have.
    TooLarge(u64),
}

/// What became of a file.
pub(super) enum Change {
    /// There is more of it.
    Grown,
    /// It is shorter than what was read of it: it is read from its start.
    Truncated,
    /// There is another file under its name, which is read from its start. The old one's last line, if it had no break.
    Rotated(Option<Vec<u8>>),
    /// It is not there any more.
    Gone,
    /// The pipe was closed: nothing more comes.
    Ended,
}

impl Lines {
    pub(super) async fn open(path: &Path) -> std::io::Result<Self> {
        let file = File::open(path).await?;
        Ok(Self::of(From::File { path: path.to_owned(), file }))
    }

    /// As [`open`](Self::open), for who must not be dropped meanwhile; the file may be packed, if nobody appends to it.
    pub(super) fn open_at_once(path: &Path) -> std::io::Result<Self> {
        if let Some(stream) = input::open(path)? {
            return Ok(Self::stream(stream));
        }
        let file = File::from_std(std::fs::File::open(path)?);
        Ok(Self::of(From::File { path: path.to_owned(), file }))
    }

    pub(super) fn stream(stream: Stream) -> Self {
        Self::of(From::Stream { stream, is_over: false })
    }

    fn of(from: From) -> Self {
        let (buffer, passed_over, away) = (Vec::new(), None, Away::default());
        Self { from, buffer, start: 0, scanned: 0, passed_over, offset: 0, number: 0, away }
    }

    /// The number of the line that was given out last, from 1.
    pub(super) fn number(&self) -> u64 {
        self.number
    }

    /// How many bytes of the file were read.
    pub(super) fn offset(&self) -> u64 {
        self.offset
    }

    /// Whether more may come though nothing is at hand and nobody follows a file: it comes through a pipe.
    pub(super) fn is_open(&self) -> bool {
        matches!(self.from, From::Stream { is_over: false, .. })
    }

    /// The beginning, by which the form is recognised, and whether that is all. To be called before the first line. Of a pipe it is waited
    /// for until there is a line.
    pub(super) async fn head(&mut self) -> std::io::Result<(&[u8], bool)> {
        let (mut is_all, mut has_line, mut scanned) = (false, false, 0);
        loop {
            has_line |= memchr::memchr(b'\n', &self.buffer[scanned..]).is_some();
            scanned = self.buffer.len();
            let is_enough = if self.is_open() { has_line } else { has_line && self.buffer.len() >= HEAD_BYTES };
            if is_enough || self.buffer.len() > TRANSCRIPT_LINE_BYTES_MAX {
                break;
            }
            if !self.more().await? {
                is_all = true;
                break;
            }
        }
        Ok((&self.buffer, is_all))
    }

    /// All that follows, as one text; `None` if it is more than so many bytes.
    pub(super) async fn rest(&mut self, most: usize) -> std::io::Result<Option<Vec<u8>>> {
        while self.more().await? {
            if self.buffer.len() > most {
                return Ok(None);
            }
        }
        Ok(Some(self.take_rest().unwrap_or_default()))
    }

    /// The next piece of the text, whatever its lines are; of a pipe it is waited for. Empty: there is no more.
    pub(super) async fn piece(&mut self) -> std::io::Result<&[u8]> {
        if self.start == self.buffer.len() {
            // The beginning, if it has no line break, is long.
            if self.buffer.capacity() > 2 * READ_BYTES {
                self.buffer = Vec::new();
            } else {
                self.buffer.clear();
            }
            self.start = 0;
            // A first read may bring no more than the mark.
            while self.buffer.is_empty() && self.more().await? {}
        }
        let from = self.start;
        self.start = self.buffer.len().min(from + READ_BYTES);
        Ok(&self.buffer[from..self.start])
    }

    /// The next whole line at hand. May be dropped and called again without losing one.
    pub(super) async fn next(&mut self) -> std::io::Result<Option<Line>> {
        loop {
            if let Some(at) = memchr::memchr(b'\n', &self.buffer[self.scanned..]) {
                let end = self.scanned + at;
                let line = match self.passed_over.take() {
                    Some(bytes) => Line::TooLarge(bytes + (end - self.start) as u64),
                    None => Line::Whole(self.buffer[self.start..end].to_vec()),
                };
                self.start = end + 1;
                self.scanned = self.start;
                self.number += 1;
                return Ok(Some(line));
            }
            self.buffer.drain(..self.start);
            self.start = 0;
            if self.buffer.len() > TRANSCRIPT_LINE_BYTES_MAX || self.passed_over.is_some() {
                *self.passed_over.get_or_insert(0) += self.buffer.len() as u64;
                self.buffer = Vec::new();
            }
            self.scanned = self.buffer.len();
            if !self.at_hand().await? {
                return Ok(None);
            }
        }
    }

    /// The next whole line; of what comes piece by piece it is waited for. May be dropped and called again without losing one.
    pub(super) async fn next_of_all(&mut self) -> std::io::Result<Option<Line>> {
        loop {
            let line = self.next().await?;
            if line.is_some() || !self.is_open() {
                return Ok(line);
            }
            self.more().await?;
        }
    }

    /// What stands after the last line break. Of a line that is passed over nothing is left.
    pub(super) fn take_rest(&mut self) -> Option<Vec<u8>> {
        let rest = self.buffer.split_off(self.start);
        self.buffer.clear();
        (self.start, self.scanned) = (0, 0);
        let rest = Some(rest).filter(|rest| self.passed_over.is_none() && !rest.is_empty());
        self.number += u64::from(rest.is_some());
        rest
    }

    /// Reads what is at hand; `false` if that is nothing.
    async fn at_hand(&mut self) -> std::io::Result<bool> {
        match &mut self.from {
            From::File { .. } => self.more().await,
            From::Stream { stream, is_over } => match stream.try_next() {
                Ok(Some(bytes)) => {
                    let bytes = bytes?;
                    self.took(&bytes);
                    Ok(true)
                }
                Ok(None) => Ok(false),
                Err(_) => {
                    *is_over = true;
                    Ok(false)
                }
            },
        }
    }

    /// Reads more; of a pipe it is waited for. `false` if there is no more.
    async fn more(&mut self) -> std::io::Result<bool> {
        match &mut self.from {
            From::File { file, .. } => {
                self.buffer.reserve(READ_BYTES);
                let read = file.read_buf(&mut self.buffer).await?;
                let is_first = self.offset == 0;
                self.offset += read as u64;
                if is_first && self.buffer.starts_with(MARK) {
                    self.buffer.drain(..MARK.len());
                }
                Ok(read > 0)
            }
            From::Stream { stream, is_over } => match stream.next().await {
                Some(bytes) => {
                    let bytes = bytes?;
                    self.took(&bytes);
                    Ok(true)
                }
                None => {
                    *is_over = true;
                    Ok(false)
                }
            },
        }
    }

    fn took(&mut self, bytes: &[u8]) {
        let bytes = bytes.strip_prefix(MARK).filter(|_| self.offset == 0).unwrap_or(bytes);
        self.buffer.extend_from_slice(bytes);
        self.offset += bytes.len() as u64;
    }

    /// Waits until something became of the file. May be dropped.
    pub(super) async fn change(&mut self) -> std::io::Result<Change> {
        loop {
            let From::File { path, file } = &self.from else {
                return Ok(if self.more().await? { Change::Grown } else { Change::Ended });
            };
            tokio::time::sleep(GROWN_EVERY).await;
            let here = file.metadata().await?;
            if here.len() > self.offset {
                return Ok(Change::Grown);
            }
            let there = match tokio::fs::metadata(path).await {
                Ok(there) => there,
                // In the middle of a rotation the new file is about to come.
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                    if self.away.is_gone() {
                        return Ok(Change::Gone);
                    }
                    continue;
                }
                Err(error) => return Err(error),
            };
            self.away.is_back();
            // A file that is held open keeps its number, so another number is another file.
            let is_other = !is_same(&here, &there);
            if !is_other && here.len() >= self.offset {
                continue;
            }
            let new = match Self::open(path).await {
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
                opened => opened?,
            };
            // Nothing is waited for from here on, so the last line is not lost when this is dropped.
            let mut old = std::mem::replace(self, new);
            return Ok(if is_other { Change::Rotated(old.take_rest()) } else { Change::Truncated });
        }
    }
}

#[cfg(unix)]
fn is_same(one: &std::fs::Metadata, other: &std::fs::Metadata) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    (one.dev(), one.ino()) == (other.dev(), other.ino())
}

#[cfg(not(unix))]
fn is_same(one: &std::fs::Metadata, other: &std::fs::Metadata) -> bool {
    one.created().ok() == other.created().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What recognises the form reads a first line to its end, and that is all of a document on one line.
    #[tokio::test]
    async fn of_a_long_beginning_no_more_than_a_read_is_given_out_at_once_and_nothing_is_kept() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("export.json");
        let text: Vec<u8> = (0..20 * READ_BYTES).map(|at| b'a' + (at % 23) as u8).collect();
        std::fs::write(&path, &text).unwrap();
        let mut lines = Lines::open(&path).await.unwrap();
        assert_eq!(lines.head().await.unwrap(), (&text[..], true));
        let mut read = Vec::new();
        loop {
            let piece = lines.piece().await.unwrap();
            assert!(piece.len() <= READ_BYTES);
            if piece.is_empty() {
                break;
            }
            read.extend_from_slice(piece);
        }
        assert_eq!(read, text);
        assert!(lines.buffer.capacity() <= 2 * READ_BYTES, "{}", lines.buffer.capacity());
    }
}
