//! Everything that the program says: results on stdout, for people or as JSON, and failures on stderr.
//!
//! Nothing else writes there, but for the log. A reader that has gone (`capshare watch ID | head`) ends the command.

use std::fmt::Display;
use std::io::{ErrorKind, Write as _};

use serde::Serialize;

use crate::cli::exit::{Exit, Failure};

/// Where a command's words go.
#[derive(Clone, Copy)]
pub(crate) struct Output {
    json: bool,
}

impl Output {
    pub(crate) fn new(json: bool) -> Self {
        Self { json }
    }

    /// Whether results are objects.
    pub(crate) fn is_json(&self) -> bool {
        self.json
    }

    /// A result: a line for people, or the object on one line.
    pub(crate) fn result(&mut self, people: impl Display, object: &impl Serialize) -> Result<(), Failure> {
        if self.json { self.object(object) } else { self.text(&format!("{people}\n")) }
    }

    /// An object on one line, in either form.
    pub(crate) fn object(&mut self, object: &impl Serialize) -> Result<(), Failure> {
        let mut line = serde_json::to_string(object).map_err(|error| Failure::of(Exit::Failed, &error))?;
        line.push('\n');
        self.text(&line)
    }

    /// A text as it is.
    pub(crate) fn text(&mut self, text: &str) -> Result<(), Failure> {
        let mut stdout = std::io::stdout().lock();
        stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()).map_err(|error| {
            let exit = if error.kind() == ErrorKind::BrokenPipe { Exit::PipeClosed } else { Exit::Failed };
            Failure::new(exit, format!("stdout: {error}"))
        })
    }

    /// Why the command came to nothing.
    pub(crate) fn failure(&mut self, failure: &Failure) {
        if failure.exit() == Exit::PipeClosed {
            return;
        }
        let line = if self.json {
            let (code, exit) = (failure.code(), failure.exit() as u8);
            serde_json::json!({ "error": { "code": code, "exit": exit, "message": failure.message() } }).to_string()
        } else {
            format!("capshare: {}", failure.message())
        };
        Self::tell(&line);
    }

    /// A remark on the way, which is no result.
    pub(crate) fn note(&mut self, text: &str) {
        if self.json {
            Self::tell(&serde_json::json!({ "note": text }).to_string());
        } else {
            Self::tell(&format!("capshare: {text}"));
        }
    }

    fn tell(line: &str) {
        // With stderr gone there is nobody left to tell.
        let _gone = writeln!(std::io::stderr().lock(), "{line}");
    }
}
