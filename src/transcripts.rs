//! Transcripts that coding agents leave on disk, read into changes for a share.
//!
//! Claude Code, Codex CLI, Gemini CLI, Qwen Code, pi, GitHub Copilot CLI, Kimi Code, kimi-cli, Cline, Continue and asciinema each write a
//! record of a session into a file of their own, and Mistral Vibe into a folder. A [`Reader`] is
//! fed the lines of such a file and gives out [`Piece`]s: changes in the shapes that OpenCode's items have, so that a page and a
//! document show them as they show any session. Three forms that come from OpenCode are read too: the document that
//! `opencode export` prints ([`ExportReader`], [`read_export`]), lines of items or of recorded requests ([`read_item_line`]), and rows of its
//! database ([`OpenCodeRows`]). [`recognise()`] says which agent a file is of, from its beginning.
//!
//! The module is pure: it opens no file, waits for nothing, and reads no clock. Who uses it reads the bytes, follows a file that
//! grows, and sends the changes. The `capshare push` command is one such user.
//!
//! # What is fed
//!
//! One line at a time, without its line break, in the order of the file. Or one whole document, for an agent that writes one
//! ([`Form::Document`]). After what is at hand, [`Reader::pause`] gives out what a reader was still gathering; after the last byte,
//! [`Reader::end`]. The lines of subagents, which some agents write into files of their own, are fed to the same reader
//! ([`Reader::begin_subagent`]), and so are those of the file that a session goes on from ([`base_of`]). Of a folder of Mistral Vibe that is
//! the text of `meta.json`, each entry of the newest generation's chunks, the text of its `projection-state.json`, then the journal's lines.
//! A file beside the transcript that says more of its session is given to [`Reader::about`].
//!
//! # What comes out
//!
//! A [`Piece`] holds [`Change`](crate::share::change::Change)s that the contract's edge has checked, in order; with the feature
//! `client`, `Items::from(piece.changes)` queues them. A value that was given out before is not given out again while it stays
//! the same. Ids are those of the records, so files of one session, read one after the other or again, make the same items; what
//! the user took back is removed, and so is what the share [held](Reader::held) from before and the files do not say any more.
//!
//! The conversation comes out as the user saw it. What the program said to its model (instructions, reminders, notices, tools) and
//! what a reader does not know is counted in the [`Report`] by the agent's own names, and left out, unless
//! [`Reader::with_context`] asks for it.
//!
//! A subagent's messages have the id of its own session, which is [`Tool::session`] of the call that began it: pages and documents
//! show them below that call.
//!
//! # Writing another source
//!
//! [`Talk`] writes any conversation in these shapes, from [`Turn`]s and [`Tool`]s.
//!
//! # Errors
//!
//! A [`Reader`], [`OpenCodeRows`] and [`ExportReader`] refuse no record: a broken one is counted in the [`Report`], and reading goes on.
//! [`read_export`] and [`read_item_line`] read items as they are, and refuse what is not one.
//!
//! # Bounds
//!
//! A line above [`TRANSCRIPT_LINE_BYTES_MAX`](crate::share::limits::TRANSCRIPT_LINE_BYTES_MAX), or a document above
//! [`TRANSCRIPT_DOCUMENT_BYTES_MAX`](crate::share::limits::TRANSCRIPT_DOCUMENT_BYTES_MAX), is left out. A text is cut at 512 KiB, and
//! the number of bytes that are missing is appended to it; a file that no share can hold becomes a text with its name and size.
//! Between two records a reader holds the key of each item that a share can hold; and of each transcript, the session's and those of
//! at most [`TRANSCRIPT_SUBAGENTS_MAX`](crate::share::limits::TRANSCRIPT_SUBAGENTS_MAX) subagents, at most 64 calls that wait for something, the ids
//! of as many messages and some more records, the last 16 messages that are being written, and of pi the last 16 MiB of records.
//!
//! # Example
//!
//! ```
//! use capshare::transcripts::{Form, Reader, recognise};
//!
//! let file = concat!(
//!     r#"{"type": "user", "uuid": "u1", "sessionId": "s1", "message": {"role": "user", "content": "Mend the parser"}}"#,
//!     "\n",
//!     r#"{"type": "system", "subtype": "turn_duration", "uuid": "u2", "sessionId": "s1"}"#,
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
//! assert_eq!(keys, ["message/u1", "part/u1/u1-0", "session"]);
//! assert_eq!(reader.report().context["system.turn_duration"], 1);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod agent;
mod asciicast;
mod calls;
mod claude;
mod cline;
mod codex;
mod continue_sessions;
mod copilot;
mod dialect;
mod export;
mod fit;
mod gemini;
mod item_lines;
mod kimi;
mod kimi_cli;
mod notice;
mod opencode;
mod out;
mod pi;
mod piece;
mod qwen;
mod reader;
mod recognise;
mod report;
mod session;
mod table;
mod talk;
mod tool;
mod tree;
mod turn;
mod values;
mod vibe;

pub use self::agent::{Agent, Form};
pub use self::codex::base::{Base, base_of};
pub use self::export::reader::ExportReader;
pub use self::export::{ExportError, read_export};
pub use self::item_lines::read_item_line;
pub use self::opencode::OpenCodeRows;
pub use self::piece::Piece;
pub use self::reader::Reader;
pub use self::recognise::recognise;
pub use self::report::{LeftOut, Newer, Report};
pub use self::talk::Talk;
pub use self::tool::{File, Tool, ToolState};
pub use self::turn::{Fault, Role, Tokens, Turn};
