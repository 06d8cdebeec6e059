//! Transcripts that coding agents leave on disk, read into changes for a share.
//!
//! Claude Code, Codex CLI, Gemini CLI and asciinema each write a record of a session into a file of their own. A [`Reader`] is
//! fed the lines of such a file and gives out [`Piece`]s: changes in the shapes that OpenCode's items have, so that a page and a
//! document show them as they show any session. Three forms that come from OpenCode are read too: the document that
//! `opencode export` prints ([`read_export`]), lines of items or of recorded requests ([`read_item_line`]), and rows of its
//! database ([`OpenCodeRows`]). [`recognise()`] says which agent a file is of, from its beginning.
//!
//! The module is pure: it opens no file, waits for nothing, and reads no clock. Who uses it reads the bytes, follows a file that
//! grows, and sends the changes. The `capshare push` command is one such user.
//!
//! # What is fed
//!
//! One line at a time, without its line break, in the order of the file, blank lines too: records without an id are named by the
//! numbers of their lines, so that a file that is read again makes the items of the first time. Or one whole document, for an
//! agent that writes one ([`Form::Document`]). After what is at hand, [`Reader::pause`] gives out what a reader was still
//! gathering; after the last byte, [`Reader::end`].
//!
//! # What comes out
//!
//! A [`Piece`] holds [`Change`](crate::share::change::Change)s that the contract's edge has checked, in order; with the feature
//! `client`, `Items::from(piece.changes)` queues them. A value that was given out before is not given out again while it stays
//! the same. A record that has no place in a conversation becomes an item of the `other` lane, under the agent's name and the
//! record's type. The [`Report`] counts these, and what was left out, with the reason.
//!
//! # Errors
//!
//! A [`Reader`] and [`OpenCodeRows`] refuse nothing: a broken record is counted in the [`Report`], and reading goes on.
//! [`read_export`] and [`read_item_line`] read items as they are, and refuse what is not one.
//!
//! # Bounds
//!
//! A line above [`TRANSCRIPT_LINE_BYTES_MAX`](crate::share::limits::TRANSCRIPT_LINE_BYTES_MAX), or a document above
//! [`TRANSCRIPT_DOCUMENT_BYTES_MAX`](crate::share::limits::TRANSCRIPT_DOCUMENT_BYTES_MAX), is left out. A text is cut at 512 KiB, and
//! the number of bytes that are missing is appended to it. Between two records a reader holds at most 64 calls without a result, a
//! hash of each item that a share can hold, the ids of a Gemini session's messages, and the last 16 messages that are being written.
//!
//! # Example
//!
//! ```
//! use capshare::transcripts::{Form, Reader, recognise};
//!
//! let file = concat!(
//!     r#"{"type": "user", "uuid": "u1", "sessionId": "s1", "message": {"role": "user", "content": "Mend the parser"}}"#,
//!     "\n",
//!     r#"{"type": "system", "uuid": "u2", "sessionId": "s1"}"#,
//! );
//! let (agent, form) = recognise(file.as_bytes()).ok_or("not a transcript")?;
//! assert_eq!(form, Form::Lines);
//!
//! let mut reader = Reader::new(agent, "/home/ann/session.jsonl");
//! let mut keys = Vec::new();
//! let mut take = |piece: Option<capshare::transcripts::Piece>| {
//!     keys.extend(piece.into_iter().flat_map(|piece| piece.changes).map(|change| change.key.to_string()));
//! };
//! for line in file.lines() {
//!     take(reader.line(line.as_bytes()));
//! }
//! take(reader.end());
//!
//! assert_eq!(reader.session(), Some("s1"));
//! assert_eq!(keys, ["message/u1", "part/u1/u1-0", "other/claude.system/u2", "session"]);
//! assert_eq!(reader.report().other["claude.system"], 1);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod agent;
mod asciicast;
mod claude;
mod codex;
mod dialect;
mod export;
mod gemini;
mod item_lines;
mod items;
mod opencode;
mod out;
mod piece;
mod reader;
mod recognise;
mod report;
mod values;

pub use self::agent::{Agent, Form};
pub use self::export::{ExportError, read_export};
pub use self::item_lines::read_item_line;
pub use self::opencode::OpenCodeRows;
pub use self::piece::Piece;
pub use self::reader::Reader;
pub use self::recognise::recognise;
pub use self::report::{LeftOut, Report};
