//! A transcript on its way into a share: each record goes to the reader of its agent, and the items come back.

use std::fmt;

use crate::share::limits::{TRANSCRIPT_DOCUMENT_BYTES_MAX, TRANSCRIPT_LINE_BYTES_MAX};
use crate::transcripts::agent::Agent;
use crate::transcripts::asciicast::Asciicast;
use crate::transcripts::claude::Claude;
use crate::transcripts::codex::Codex;
use crate::transcripts::dialect::{Dialect, Record};
use crate::transcripts::gemini::Gemini;
use crate::transcripts::out::Out;
use crate::transcripts::piece::Piece;
use crate::transcripts::report::{LeftOut, Report};

/// Reads one transcript, record by record.
///
/// Each method gives out the [`Piece`] that is ready, or `None` if there is nothing new. Dropping a reader loses what it was
/// still gathering, and nothing else. The [module's page](super) has an example.
pub struct Reader {
    agent: Agent,
    origin: String,
    dialect: Box<dyn Dialect>,
    out: Out,
    /// The number of the line that was taken last, counted from 1.
    line: u64,
    /// A piece with the session's id was given out.
    session_is_told: bool,
}

impl Reader {
    /// Makes a reader for a transcript of an agent.
    ///
    /// `origin` tells this transcript from others where nothing in it does: a recording of a terminal without a time gets its
    /// session id from it. The absolute path of the file is a good origin. It does not appear in any item.
    #[must_use]
    pub fn new(agent: Agent, origin: &str) -> Self {
        let (dialect, out) = (dialect(agent, origin), Out::of(agent.name()));
        Self { agent, origin: origin.to_owned(), dialect, out, line: 0, session_is_told: false }
    }

    /// The agent that wrote the transcript.
    #[must_use]
    pub fn agent(&self) -> Agent {
        self.agent
    }

    /// The id of the transcript's session, once a record has said it.
    #[must_use]
    pub fn session(&self) -> Option<&str> {
        self.dialect.session()
    }

    /// Counts of the records up to now that are not shown in the conversation.
    #[must_use]
    pub fn report(&self) -> &Report {
        self.out.report()
    }

    /// Takes the next line, without its line break. Blank lines are to be given too, because they count.
    pub fn line(&mut self, line: &[u8]) -> Option<Piece> {
        self.take(line);
        self.piece()
    }

    /// Takes a file that is one JSON document ([`Form::Document`](super::Form::Document)): the whole of it, each time it has
    /// changed.
    pub fn document(&mut self, document: &[u8]) -> Option<Piece> {
        if document.len() > TRANSCRIPT_DOCUMENT_BYTES_MAX {
            self.out.leave_out(LeftOut::TooLarge);
        } else {
            self.record(document, 1);
        }
        self.pause()
    }

    /// Gives out what the lines up to now make, when nothing more is at hand but more may come.
    pub fn pause(&mut self) -> Option<Piece> {
        self.dialect.settle(false, &mut self.out);
        self.piece()
    }

    /// Gives out the rest, when nothing more comes.
    pub fn end(&mut self) -> Option<Piece> {
        self.dialect.settle(true, &mut self.out);
        self.piece()
    }

    /// Begins anew with the first line, after the file was cut or replaced. `rest`: what the old file held after its last line
    /// break.
    pub fn restart(&mut self, rest: Option<&[u8]>) -> Option<Piece> {
        if let Some(rest) = rest {
            self.take(rest);
        }
        self.dialect.settle(true, &mut self.out);
        self.dialect = dialect(self.agent, &self.origin);
        self.line = 0;
        self.out.forget();
        self.piece()
    }

    fn take(&mut self, line: &[u8]) {
        self.line += 1;
        // Version 3 of asciicast has comments.
        if line.trim_ascii().is_empty() || (self.agent == Agent::Asciicast && line.starts_with(b"#")) {
            return;
        }
        if line.len() > TRANSCRIPT_LINE_BYTES_MAX {
            return self.out.leave_out(LeftOut::TooLarge);
        }
        self.record(line, self.line);
    }

    fn record(&mut self, bytes: &[u8], line: u64) {
        let raw = str::from_utf8(bytes).ok().map(str::trim);
        match raw.and_then(|raw| Some((raw, serde_json::from_str(raw).ok()?))) {
            Some((raw, value)) => self.dialect.record(&Record { raw, value, line }, &mut self.out),
            None => self.out.leave_out(LeftOut::NotJson),
        }
    }

    /// What is ready. It says the session if it has items, or if nobody was told it yet.
    fn piece(&mut self) -> Option<Piece> {
        let is_empty = self.out.is_empty();
        let session = self.dialect.session().filter(|_| !self.session_is_told || !is_empty).map(str::to_owned);
        self.session_is_told |= session.is_some();
        (session.is_some() || !is_empty).then(|| Piece { session, ..self.out.take() })
    }
}

impl fmt::Debug for Reader {
    /// Shows no contents: they do not belong into logs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reader").field("agent", &self.agent).field("line", &self.line).finish_non_exhaustive()
    }
}

fn dialect(agent: Agent, origin: &str) -> Box<dyn Dialect> {
    match agent {
        Agent::Claude => Box::new(Claude::default()),
        Agent::Codex => Box::new(Codex::default()),
        Agent::Gemini => Box::new(Gemini::default()),
        Agent::Asciicast => Box::new(Asciicast::of(origin)),
    }
}
