//! Everything that the program says: results on stdout, for people or as JSON, and failures on stderr.
//!
//! Nothing else writes there, but for the log and the progress bars. A reader that has gone (`capshare watch ID | head`) ends
//! the command.
//!
//! What comes from a share or from a host may hold characters that a [terminal obeys](clean). A terminal gets none of them,
//! in whatever form the result is; a file or a pipe gets a result as it is. Remarks and failures are clean wherever they go,
//! because they are read by people. A word of somebody else that stands within a line is put there by [`clean::word`].

pub(crate) mod clean;

use std::fmt::Display;
use std::io::{BufRead as _, ErrorKind, IsTerminal as _, Read as _, Write as _};

use serde::Serialize;

use crate::cli::exit::{Exit, Failure};

/// What clears a terminal and puts its cursor at the top.
const CLEAR: &str = "\x1b[2J\x1b[H";

/// Bytes of an answer that are read.
const ANSWER_BYTES_MAX: u64 = 4 << 10;

/// Where a command's results, remarks and failures go, and in which form.
#[derive(Clone, Copy)]
pub(crate) struct Output {
    json: bool,
    /// Stdout is a terminal.
    to_terminal: bool,
    /// Remarks are not printed.
    is_silent: bool,
}

impl Output {
    pub(crate) fn new(json: bool) -> Self {
        Self { json, to_terminal: std::io::stdout().is_terminal(), is_silent: false }
    }

    /// One that prints no remarks, for a look at what is read again later.
    pub(crate) fn silent(self) -> Self {
        Self { is_silent: true, ..self }
    }

    /// Whether results are printed as JSON objects.
    pub(crate) fn is_json(&self) -> bool {
        self.json
    }

    /// Prints a result: a line for people or, with `--json`, the object on one line.
    pub(crate) fn result(&mut self, people: impl Display, object: &impl Serialize) -> Result<(), Failure> {
        if self.json { self.object(object) } else { self.text(&format!("{people}\n")) }
    }

    /// Prints an object as JSON on one line, with `--json` and without.
    pub(crate) fn object(&mut self, object: &impl Serialize) -> Result<(), Failure> {
        let line = serde_json::to_string(object).map_err(|error| Failure::of(Exit::Failed, &error))?;
        self.json_text(&format!("{line}\n"))
    }

    /// Prints a text for people.
    pub(crate) fn text(&mut self, text: &str) -> Result<(), Failure> {
        if self.to_terminal { Self::write(&clean::lines(text)) } else { Self::write(text) }
    }

    /// Prints JSON that is already text: a piece of it, or lines.
    pub(crate) fn json_text(&mut self, json: &str) -> Result<(), Failure> {
        if self.to_terminal { Self::write(&clean::json(json)) } else { Self::write(json) }
    }

    /// Clears the terminal, if there is one, for a text that takes the place of the last.
    pub(crate) fn clear(&mut self) -> Result<(), Failure> {
        if self.to_terminal { Self::write(CLEAR) } else { Ok(()) }
    }

    fn write(text: &str) -> Result<(), Failure> {
        let mut stdout = std::io::stdout().lock();
        stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()).map_err(|error| {
            let exit = if error.kind() == ErrorKind::BrokenPipe { Exit::PipeClosed } else { Exit::Failed };
            Failure::new(exit, format!("stdout: {error}"))
        })
    }

    /// Prints to stderr why the command failed.
    pub(crate) fn failure(&mut self, failure: &Failure) {
        if failure.exit() == Exit::PipeClosed {
            return;
        }
        if self.json {
            let (code, exit) = (failure.code(), failure.exit() as u8);
            Self::tell_json(
                &serde_json::json!({ "error": { "code": code, "exit": exit, "message": failure.message() } }),
            );
        } else {
            Self::tell(failure.message());
        }
    }

    /// Prints a remark to stderr, while the command goes on.
    pub(crate) fn note(&mut self, text: &str) {
        if self.is_silent {
            return;
        }
        if self.json { Self::tell_json(&serde_json::json!({ "note": text })) } else { Self::tell(text) }
    }

    /// Whether there is somebody who can be asked: not where a program reads what is printed.
    pub(crate) fn can_ask(&self) -> bool {
        !self.json && std::io::stdin().is_terminal() && std::io::stderr().is_terminal()
    }

    /// Prints a question to stderr, and gives the line that is typed; an empty one at the end of the input. May be dropped.
    pub(crate) async fn ask(&mut self, question: &str) -> String {
        let mut stderr = std::io::stderr().lock();
        let _gone = write!(stderr, "capshare: {} ", clean::lines(question)).and_then(|()| stderr.flush());
        drop(stderr);
        let (tell, told) = tokio::sync::oneshot::channel();
        // A read of a terminal cannot be given up, so it is no task of the runtime, which would wait for it at the end.
        std::thread::spawn(move || {
            let mut line = String::new();
            let read = std::io::stdin().lock().take(ANSWER_BYTES_MAX).read_line(&mut line);
            tell.send(read.map(|_| line).unwrap_or_default())
        });
        told.await.unwrap_or_default()
    }

    fn tell(text: &str) {
        // With stderr gone there is nobody left to tell.
        let _gone = writeln!(std::io::stderr().lock(), "capshare: {}", clean::lines(text));
    }

    fn tell_json(object: &serde_json::Value) {
        let _gone = writeln!(std::io::stderr().lock(), "{}", clean::json(&object.to_string()));
    }
}
