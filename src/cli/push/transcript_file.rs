//! An agent's transcript as a source, with the other files that its session has: what it goes on from, the subagents' transcripts, and,
//! when somebody goes back, the next file of its thread.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};

use async_trait::async_trait;
use capshare::share::item::ItemKey;
use capshare::transcripts::{Agent, Base, Piece, Reader, Report, base_of};

use crate::cli::exit::Failure;
use crate::cli::output::Output;
use crate::cli::push::beside::Beside;
use crate::cli::push::lines::{Change, Line, Lines};
use crate::cli::push::source::{LOOK_EVERY, Looked, Progress, Source, Waited, cannot_read, gone};
use crate::cli::push::thread::{self, ABOUT_BYTES_MAX, Begun, Finder, SEGMENTS_MAX, Subagent};

/// A transcript, and how far it was read.
pub(super) struct TranscriptFile {
    path: PathBuf,
    lines: Lines,
    reader: Reader,
    follow: bool,
    /// The last line was given out, and nobody follows the file.
    is_over: bool,
    /// The first line was taken, which says what the file goes on from.
    is_begun: bool,
    /// What it goes on from and was not read yet, the oldest first.
    base: VecDeque<BaseFile>,
    finder: Finder,
    /// What says more of the session.
    about: Option<Beside>,
    below: Vec<BelowFile>,
    /// When the folder was looked at last.
    looked: Looked,
    /// Bytes of the file: at least as many as were read.
    total: u64,
    /// The file is gone, and the rest of it was given out.
    is_gone: bool,
    /// What the share holds, until the pipe through which the transcript comes is over. A pipe that breaks off does not say that what
    /// it did not give is not there any more.
    held: Vec<ItemKey>,
}

/// A file that the transcript goes on from, as far as it does.
struct BaseFile {
    base: Base,
    lines: Lines,
    /// The position after the last line.
    end: u64,
}

/// The transcript of a subagent.
struct BelowFile {
    name: String,
    lines: Lines,
}

impl TranscriptFile {
    pub(super) fn new(path: &Path, lines: Lines, reader: Reader, follow: bool, total: u64) -> Self {
        let (base, mut finder, below) = (VecDeque::new(), Finder::default(), Vec::new());
        if follow {
            finder.follow(path);
        }
        let (is_over, is_begun, is_gone, looked) = (false, false, false, Looked::default());
        let about = thread::about(reader.agent(), path).map(|path| Beside::new(path, ABOUT_BYTES_MAX));
        let path = path.to_owned();
        let held = Vec::new();
        Self {
            path,
            lines,
            reader,
            follow,
            is_over,
            is_begun,
            base,
            finder,
            about,
            below,
            looked,
            total,
            is_gone,
            held,
        }
    }

    /// Takes a line of the transcript itself. It waits for nothing, so that the line is not lost when this is dropped.
    fn line(&mut self, line: &[u8], output: &mut Output) -> Result<Option<Piece>, Failure> {
        let piece = self.reader.line(line);
        if !self.is_begun && !line.trim_ascii().is_empty() {
            self.is_begun = true;
            self.open_base(line, output)?;
        }
        Ok(piece)
    }

    /// Opens what the transcript goes on from, by its first line.
    fn open_base(&mut self, first: &[u8], output: &mut Output) -> Result<(), Failure> {
        let mut base = base_of(first);
        while let Some(of) = base {
            if self.base.len() >= SEGMENTS_MAX {
                self.reader.is_a_part();
                break;
            }
            let Some(path) = thread::segment(&self.path, &of.segment) else {
                output.note(&format!(
                    "{} goes on from a file that is not beside it, the one whose name ends with {}: what it says is not shared, and what the \
                     share holds of it stays",
                    self.path.display(),
                    of.segment
                ));
                self.reader.is_a_part();
                break;
            };
            let first = thread::first_record(&path).to_string();
            base = base_of(first.as_bytes());
            let lines = Lines::open_at_once(&path).map_err(|error| cannot_read(&path, &error))?;
            self.base.push_front(BaseFile { base: of, lines, end: 0 });
        }
        Ok(())
    }

    /// The next piece of what the transcript goes on from.
    async fn next_of_base(&mut self) -> Result<Option<Piece>, Failure> {
        while let Some(base) = self.base.front_mut() {
            let line = base.lines.next_of_all().await.map_err(|error| cannot_read(&self.path, &error))?;
            let line = match line {
                Some(line) => line,
                None => match base.lines.take_rest() {
                    Some(rest) => Line::Whole(rest),
                    None => {
                        self.base.pop_front();
                        continue;
                    }
                },
            };
            let line = match line {
                Line::Whole(line) => line,
                Line::TooLarge(bytes) => {
                    base.end += bytes + 1;
                    self.reader.line_is_too_large();
                    continue;
                }
            };
            base.end += line.len() as u64 + 1;
            if !base.base.has(&line, base.end) {
                self.base.pop_front();
                continue;
            }
            if let Some(piece) = self.reader.line(&line) {
                return Ok(Some(piece));
            }
        }
        Ok(None)
    }

    /// The next piece of the subagents' transcripts.
    async fn next_of_below(&mut self) -> Result<Option<Piece>, Failure> {
        self.look_below();
        for below in &mut self.below {
            loop {
                let line = below.lines.next_of_all().await.map_err(|error| cannot_read(&self.path, &error))?;
                let rest = if line.is_none() && self.is_over { below.lines.take_rest().map(Line::Whole) } else { None };
                let piece = match line.or(rest) {
                    Some(Line::Whole(line)) => self.reader.subagent_line(&below.name, &line),
                    Some(Line::TooLarge(_)) => {
                        self.reader.line_is_too_large();
                        None
                    }
                    None => break,
                };
                if piece.is_some() {
                    return Ok(piece);
                }
            }
        }
        Ok(None)
    }

    /// Opens the files of subagents that are there now.
    fn look_below(&mut self) {
        let Some(session) = self.reader.session().map(str::to_owned) else { return };
        if !self.looked.is_due() {
            return;
        }
        for Subagent { name, call, path } in self.finder.subagents(self.reader.agent(), &self.path, &session) {
            let is_known = self.below.iter().any(|below| below.name == name);
            if !is_known
                && let Ok(lines) = Lines::open_at_once(&path)
                && self.reader.begin_subagent(&name, call.as_deref())
            {
                self.below.push(BelowFile { name, lines });
            }
        }
        self.looked.is_done();
    }

    /// If the thread goes on in another file, opens that one.
    async fn look_for_next(&mut self, output: &mut Output) -> Result<Option<Waited>, Failure> {
        let Some(session) = self.reader.session().map(str::to_owned) else { return Ok(None) };
        for (other, begun) in self.finder.begun(&self.path, &session) {
            let shown = other.display();
            output.note(&match begun {
                Begun::Branch => {
                    format!("{shown} is a branch of this session, and a session of its own: push that file to share it")
                }
                Begun::Cleared => format!(
                    "{shown} was begun by /clear: if that was said in this session, it has ended, and its share stays as it is; push that file to \
                     share what comes next"
                ),
            });
        }
        if self.reader.agent() != Agent::Codex {
            return Ok(None);
        }
        let Some(next) = self.finder.next(&self.path, &session) else { return Ok(None) };
        output.note(&format!("the session goes on in {}", next.display()));
        let lines = Lines::open(&next).await.map_err(|error| cannot_read(&next, &error))?;
        let mut old = std::mem::replace(&mut self.lines, lines);
        self.path = next;
        Ok(Some(self.restart(old.take_rest())))
    }

    /// Reads the transcript from its start.
    fn restart(&mut self, rest: Option<Vec<u8>>) -> Waited {
        self.is_begun = false;
        self.looked.forget();
        if let Some(about) = &mut self.about {
            about.forget();
        }
        self.base.clear();
        self.below.clear();
        self.reader.restart(rest.as_deref()).map_or(Waited::Again, Waited::Piece)
    }
}

#[async_trait(?Send)]
impl Source for TranscriptFile {
    async fn next_at_hand(&mut self, output: &mut Output) -> Result<Option<Piece>, Failure> {
        if let Some(about) = &mut self.about
            && let Some(bytes) = about.changed().await
            && let Some(piece) = self.reader.about(&bytes)
        {
            return Ok(Some(piece));
        }
        loop {
            if let Some(piece) = self.next_of_base().await? {
                return Ok(Some(piece));
            }
            if self.is_over {
                break;
            }
            let line = self.lines.next().await.map_err(|error| cannot_read(&self.path, &error))?;
            self.total = self.total.max(self.lines.offset());
            let line = match line {
                Some(Line::Whole(line)) => line,
                Some(Line::TooLarge(_)) => {
                    self.reader.line_is_too_large();
                    continue;
                }
                // Somebody may still be writing the last one.
                None if self.follow || self.lines.is_open() => break,
                None => {
                    self.is_over = true;
                    self.reader.held(std::mem::take(&mut self.held));
                    let Some(rest) = self.lines.take_rest() else { break };
                    rest
                }
            };
            if let Some(piece) = self.line(&line, output)? {
                return Ok(Some(piece));
            }
        }
        if let Some(piece) = self.next_of_below().await? {
            return Ok(Some(piece));
        }
        Ok(if self.is_over { self.reader.end() } else { self.reader.pause() })
    }

    async fn wait(&mut self, output: &mut Output) -> Result<Waited, Failure> {
        if self.is_gone {
            return Err(gone(&self.path));
        }
        if self.is_over || !(self.follow || self.lines.is_open()) {
            return Ok(Waited::Over);
        }
        let change = tokio::select! {
            change = self.lines.change() => change,
            () = tokio::time::sleep(LOOK_EVERY), if self.follow => {
                let next = self.look_for_next(output).await?;
                return Ok(next.unwrap_or(Waited::Again));
            }
        };
        let (what, rest) = match change.map_err(|error| cannot_read(&self.path, &error))? {
            Change::Grown => return Ok(Waited::Again),
            Change::Ended => return Ok(Waited::Again),
            Change::Gone => {
                self.is_gone = true;
                return Ok(self.reader.end().map_or(Waited::Again, Waited::Piece));
            }
            Change::Truncated => ("was cut", None),
            Change::Rotated(rest) => ("is another file now", rest),
        };
        output.note(&format!("{} {what}: reading it from its start", self.path.display()));
        Ok(self.restart(rest))
    }

    fn end(&mut self) -> Option<Piece> {
        self.reader.end()
    }

    fn progress(&self) -> Progress {
        Progress { read: self.lines.offset(), total: self.total, lines: self.lines.number() }
    }

    fn held(&mut self, keys: Vec<ItemKey>) {
        if self.lines.is_open() {
            self.held = keys;
        } else {
            self.reader.held(keys);
        }
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

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;

    use super::*;

    /// A push drops what waits for the next piece whenever the host has acknowledged something.
    #[tokio::test]
    async fn nothing_is_lost_when_the_next_piece_is_waited_for_again_and_again() {
        let name = "rollout-2026-11-30T04-35-14-01a22abc-0161-7553-9d08-e240451b54d5_01a22abc-528a-7793-a00b-e7c90b7d9d94.jsonl";
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/agents/codex-0.171.0").join(name);
        let mut read = Vec::new();
        for is_dropped in [false, true] {
            let lines = Lines::open(&path).await.unwrap();
            let mut file = TranscriptFile::new(&path, lines, Reader::new(Agent::Codex, "a file"), false, 0);
            let (mut output, mut pieces) = (Output::new(true), Vec::new());
            loop {
                let next = if is_dropped {
                    let Some(next) = file.next_at_hand(&mut output).now_or_never() else {
                        // What was begun goes on meanwhile.
                        tokio::task::yield_now().await;
                        continue;
                    };
                    next
                } else {
                    file.next_at_hand(&mut output).await
                };
                match next {
                    Ok(Some(piece)) => pieces.push(piece),
                    Ok(None) => break,
                    Err(failure) => panic!("{}", failure.message()),
                }
            }
            read.push(pieces);
        }
        assert!(read[0].len() > 10 && read[0] == read[1], "{} pieces, {} pieces", read[0].len(), read[1].len());
    }
}
