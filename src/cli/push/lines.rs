//! A file as lines, also while somebody writes to it: growth, truncation and rotation are found by looking at it again.
//!
//! It holds one line and one read of the file. A last line without its line break is not given out until the
//! break is there, or until the caller knows that nothing more comes.

use std::path::{Path, PathBuf};
use std::time::Duration;

use capshare::share::limits::TRANSCRIPT_LINE_BYTES_MAX;
use tokio::fs::File;
use tokio::io::AsyncReadExt as _;

/// Between two looks at a file that may grow.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Bytes read at a time.
const READ_BYTES: usize = 64 << 10;

/// A file, and how far it was read.
pub(super) struct Lines {
    path: PathBuf,
    file: File,
    /// Read and not yet given out, from `start`; up to `scanned` there is no line break.
    buffer: Vec<u8>,
    start: usize,
    scanned: usize,
    /// Bytes read from this file.
    offset: u64,
    /// Lines given out of this file.
    number: u64,
}

/// What became of a file.
pub(super) enum Change {
    /// There is more of it.
    Grown,
    /// It is shorter than what was read of it: it is read from its start.
    Truncated,
    /// There is another file under its name, which is read from its start. The old one's last line, if it had no break.
    Rotated(Option<Vec<u8>>),
}

impl Lines {
    pub(super) async fn open(path: &Path) -> std::io::Result<Self> {
        let file = File::open(path).await?;
        Ok(Self { path: path.to_owned(), file, buffer: Vec::new(), start: 0, scanned: 0, offset: 0, number: 0 })
    }

    /// The number of the line that was given out last, from 1.
    pub(super) fn number(&self) -> u64 {
        self.number
    }

    /// How many bytes of the file were read.
    pub(super) fn offset(&self) -> u64 {
        self.offset
    }

    /// The next whole line at hand, without its break. May be dropped and called again without losing one.
    pub(super) async fn next(&mut self) -> std::io::Result<Option<Vec<u8>>> {
        loop {
            if let Some(at) = self.buffer[self.scanned..].iter().position(|byte| *byte == b'\n') {
                let end = self.scanned + at;
                let line = self.buffer[self.start..end].to_vec();
                self.start = end + 1;
                self.scanned = self.start;
                self.number += 1;
                return Ok(Some(line));
            }
            self.buffer.drain(..self.start);
            self.start = 0;
            self.scanned = self.buffer.len();
            if self.scanned > TRANSCRIPT_LINE_BYTES_MAX {
                let message = format!("line {} has more than {TRANSCRIPT_LINE_BYTES_MAX} bytes", self.number + 1);
                return Err(std::io::Error::new(std::io::ErrorKind::InvalidData, message));
            }
            self.buffer.reserve(READ_BYTES);
            let read = self.file.read_buf(&mut self.buffer).await?;
            self.offset += read as u64;
            if read == 0 {
                return Ok(None);
            }
        }
    }

    /// What stands after the last line break.
    pub(super) fn take_rest(&mut self) -> Option<Vec<u8>> {
        let rest = self.buffer.split_off(self.start);
        self.buffer.clear();
        (self.start, self.scanned) = (0, 0);
        self.number += u64::from(!rest.is_empty());
        (!rest.is_empty()).then_some(rest)
    }

    /// Waits until something became of the file. May be dropped.
    pub(super) async fn change(&mut self) -> std::io::Result<Change> {
        loop {
            tokio::time::sleep(LOOK_EVERY).await;
            let here = self.file.metadata().await?;
            if here.len() > self.offset {
                return Ok(Change::Grown);
            }
            let there = match tokio::fs::metadata(&self.path).await {
                Ok(there) => there,
                // In the middle of a rotation: the new file is about to come.
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
                Err(error) => return Err(error),
            };
            // A file that is held open keeps its number, so another number is another file.
            let is_other = !is_same(&here, &there);
            if !is_other && here.len() >= self.offset {
                continue;
            }
            let new = match Self::open(&self.path).await {
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
