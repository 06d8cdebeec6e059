//! asciicast, versions 2 and 3: what a terminal showed, as asciinema records it into a `.cast` file.
//!
//! After <https://docs.asciinema.org/manual/asciicast/v2> and `/v3`, read in November 2026. The first line is the header, an object;
//! each further one is an event, `[time, code, data]`: `o` output, `i` input, `r` a new size, `m` a mark, `x` the end. Times are
//! seconds since the beginning, in version 3 since the event before.
//!
//! The recording becomes one message, and its output calls of `bash` of at most [`CHUNK_BYTES`], or as much more as the line
//! takes, a minute, or what is between two marks, whichever comes first; so while a recording grows, only the last of them is sent
//! anew. A recording that was gone on with has several ends, each of them with the exit code of what ended there. Escapes are taken
//! out: they move a cursor that nobody has. A line is given out when it is whole, or nothing more
//! comes, so that a key in it is known for one and masked. What was typed is left out and counted: it holds the
//! passwords that no terminal shows, one letter at a time, in which no rule finds them.

use serde_json::{Value, json};

use crate::transcripts::agent::Form;
use crate::transcripts::dialect::{Dialect, Record, digest};
use crate::transcripts::report::LeftOut;
use crate::transcripts::session::Title;
use crate::transcripts::talk::Talk;
use crate::transcripts::tool::{Tool, ToolState};
use crate::transcripts::turn::Turn;
use crate::transcripts::values::text;

/// Bytes of output in one call, some hundred lines. The call ends at the next line break.
const CHUNK_BYTES: usize = 16 << 10;

/// Bytes of output in one call that has no line break, as a program that fills the screen writes it. The call ends at a blank, if
/// there is one.
const LINE_BYTES_MAX: usize = 4 * CHUNK_BYTES;

/// Longest time of one call, in milliseconds.
const CHUNK_MS: i64 = 60_000;

/// The id of the one message of a recording.
const MESSAGE: &str = "recording";

pub(super) struct Asciicast {
    /// Tells the recording from others if its header does not say when it began.
    origin: String,
    /// The header's version of the format; `None` before the header.
    version: Option<u64>,
    command: String,
    /// When the recording began, in milliseconds since 1970; `at` is the time of the last event, in milliseconds since then.
    began: i64,
    at: i64,
    escape: Escape,
    chunk: Chunk,
    chunks: usize,
    /// The call that was told last.
    last: Option<Tool>,
}

/// Output that is not yet all given out.
#[derive(Default)]
struct Chunk {
    title: String,
    output: String,
    began: Option<i64>,
}

/// The position of the output within an escape sequence.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Escape {
    None,
    Begun,
    /// `ESC [`, until a letter.
    Control,
    /// `ESC ]` and its like, until a bell or `ESC \`.
    Text,
    TextEnds,
    /// One more character of the sequence follows.
    One,
}

impl Asciicast {
    pub(super) fn of(origin: &str) -> Self {
        Self {
            origin: origin.to_owned(),
            version: None,
            command: String::new(),
            began: 0,
            at: 0,
            escape: Escape::None,
            chunk: Chunk::default(),
            chunks: 0,
            last: None,
        }
    }

    fn header(&mut self, header: &Value, raw: &str, talk: &mut Talk) {
        let version = header["version"].as_u64().unwrap_or_default();
        self.version = Some(version);
        self.began = header["timestamp"].as_i64().unwrap_or_default().saturating_mul(1_000);
        // A recording has no id. A header with a time serves as one; without a time, only the file tells it from others.
        let origin = if self.began == 0 { self.origin.as_str() } else { "" };
        talk.by("asciinema");
        talk.session.named(&format!("asciicast-{}", digest(&format!("{raw}{origin}"))));
        let shell = text(&header["env"], "SHELL");
        let said = [text(header, "command"), shell, "terminal"].into_iter().find(|said| !said.is_empty());
        said.unwrap_or_default().clone_into(&mut self.command);
        let size = match (&header["width"], &header["term"]["cols"], &header["height"], &header["term"]["rows"]) {
            (Value::Number(width), _, Value::Number(height), _)
            | (_, Value::Number(width), _, Value::Number(height)) => {
                format!(" ({width}×{height})")
            }
            _ => String::new(),
        };
        talk.session.title(Title::Summary, &format!("{}{size}", self.command));
        let title = text(header, "title");
        if !title.is_empty() {
            talk.session.title(Title::Given, &format!("{title}{size}"));
        }
        talk.session.version = Some(format!("asciicast {version}"));
        talk.session.at(Some(self.began));
    }

    fn show(&mut self, said: &str, talk: &mut Talk) {
        let now = self.now();
        for c in said.chars() {
            if let Some(c) = self.escape.next(c) {
                // A text may fill several calls: each has a beginning, or it would not be given out.
                self.chunk.began.get_or_insert(now);
                self.chunk.output.push(c);
            }
            let length = self.chunk.output.len();
            if (c == '\n' && length >= CHUNK_BYTES) || length >= LINE_BYTES_MAX {
                self.close(length >= LINE_BYTES_MAX, talk);
            }
        }
    }

    /// Ends a call. `at_blank`: what follows the last blank is left to the next.
    fn close(&mut self, at_blank: bool, talk: &mut Talk) {
        let output = &mut self.chunk.output;
        let blank = output.char_indices().rfind(|(_, c)| at_blank && c.is_whitespace());
        let rest = blank.map(|(at, c)| output.split_off(at + c.len_utf8())).unwrap_or_default();
        let to = self.chunk.output.len();
        self.tell(to, None, talk);
        self.chunks += 1;
        self.chunk = Chunk { output: rest, ..Chunk::default() };
    }

    /// Tells the call with its output up to the byte `to`.
    fn tell(&mut self, to: usize, exit: Option<i64>, talk: &mut Talk) {
        let Some(start) = self.chunk.began.filter(|_| to > 0) else { return };
        let message = Turn { at: Some(self.began), ended: Some(self.now()), ..Turn::assistant(MESSAGE) };
        talk.turn(message);
        let seconds = (start - self.began) / 1_000;
        let title = match &self.chunk.title {
            title if title.is_empty() => format!("from {}:{:02}", seconds / 60, seconds % 60),
            title => title.clone(),
        };
        let input = json!({ "command": self.command, "description": title });
        let mut call = Tool::new(&format!("output-{}", self.chunks), "bash", input);
        call.state = ToolState::Done(self.chunk.output[..to].replace("\r\n", "\n"));
        (call.start, call.end, call.exit) = (Some(start), Some(self.now()), exit);
        talk.tool(MESSAGE, &call);
        self.last = Some(call);
    }

    /// A recording ended, with the exit code of its command. Another may follow.
    fn exit(&mut self, exit: Option<i64>, talk: &mut Talk) {
        let to = self.chunk.output.len();
        if to > 0 {
            self.tell(to, exit, talk);
            self.chunks += 1;
            self.chunk = Chunk::default();
        } else if let Some(last) = &mut self.last {
            last.exit = exit;
            talk.tool(MESSAGE, last);
        }
    }

    fn now(&self) -> i64 {
        self.began.saturating_add(self.at)
    }
}

/// Whether a record is the header of a recording.
pub(super) fn knows(record: &Value) -> Option<Form> {
    let is_header = record["version"].is_u64() && (record["width"].is_u64() || record["term"].is_object());
    is_header.then_some(Form::Lines)
}

impl Dialect for Asciicast {
    fn record(&mut self, record: &Record<'_>, talk: &mut Talk) {
        if self.version.is_none() && record.value["version"].is_u64() {
            return self.header(&record.value, record.raw, talk);
        }
        let event = record.value.as_array().map(Vec::as_slice);
        let Some([Value::Number(time), Value::String(code), Value::String(data)]) = event else {
            return talk.out.unknown("record", &record.name(), record.raw);
        };
        let ms = (time.as_f64().unwrap_or_default() * 1_000.0) as i64;
        self.at = if self.version == Some(3) { self.at.saturating_add(ms.max(0)) } else { self.at.max(ms) };
        talk.session.at(Some(self.now()));
        match code.as_str() {
            "o" => {
                if self.chunk.began.is_some_and(|began| self.now() - began >= CHUNK_MS)
                    && self.chunk.output.ends_with('\n')
                {
                    self.close(false, talk);
                }
                self.chunk.began.get_or_insert(self.began.saturating_add(self.at));
                self.show(data, talk);
                self.chunk.began.get_or_insert(self.began.saturating_add(self.at));
            }
            "i" => talk.out.leave_out(LeftOut::TypedInput),
            "m" => {
                self.close(false, talk);
                data.clone_into(&mut self.chunk.title);
            }
            "x" => self.exit(data.parse().ok(), talk),
            // A new size changes nothing of what is shown here.
            "r" => {}
            code => talk.out.unknown(code, &record.name(), record.raw),
        }
    }

    /// Version 3 has comments.
    fn is_comment(&self, line: &str) -> bool {
        line.starts_with('#')
    }

    fn settle(&mut self, is_over: bool, talk: &mut Talk) {
        // What is not whole may be the beginning of a key.
        let whole = self.chunk.output.rfind('\n').map_or(0, |at| at + 1);
        self.tell(if is_over { self.chunk.output.len() } else { whole }, None, talk);
    }
}

impl Escape {
    /// Takes the next character; gives it back if a reader sees it.
    fn next(&mut self, c: char) -> Option<char> {
        let (next, seen) = match (*self, c) {
            (Self::None, '\u{1b}') => (Self::Begun, None),
            (Self::None, '\n' | '\r' | '\t') => (Self::None, Some(c)),
            (Self::None, c) => (Self::None, (!c.is_control()).then_some(c)),
            (Self::Begun, '[') => (Self::Control, None),
            (Self::Begun, ']' | 'P' | '_' | '^' | 'X') => (Self::Text, None),
            (Self::Begun, '(' | ')' | '*' | '+' | '#' | '%' | ' ') => (Self::One, None),
            (Self::Control, '@'..='~') | (Self::Text, '\u{7}') | (Self::Begun | Self::One | Self::TextEnds, _) => {
                (Self::None, None)
            }
            (Self::Text, '\u{1b}') => (Self::TextEnds, None),
            (Self::Control | Self::Text, _) => (*self, None),
        };
        *self = next;
        seen
    }
}
