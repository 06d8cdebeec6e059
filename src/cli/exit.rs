//! Exit codes, and the one failure type that bears them.

use std::error::Error;
use std::process::ExitCode;

use capshare::share::error::Refusal;

/// The program's exit codes. The table in `--help` is [`HELP`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    /// A failure without a code of its own.
    Failed = 1,
    /// The command line or a setting is invalid.
    Usage = 2,
    /// There is no such share or token.
    NotFound = 3,
    /// A wrong or missing credential or secret.
    Unauthorized = 4,
    /// The host does not answer, or is not a capshare host of this version.
    Unreachable = 5,
    /// A limit would be exceeded.
    Limit = 6,
    /// The store cannot be used.
    Store = 7,
    /// The host cannot listen on the address.
    Address = 8,
    /// The reader of stdout is gone. The code is the one that a shell gives for SIGPIPE.
    PipeClosed = 141,
}

/// The table of exit codes that stands below each `--help`.
pub(crate) const HELP: &str = "\
Exit codes:
  0  done
  1  failed, for a reason without a code of its own
  2  the command line or a setting is invalid
  3  there is no such share or token
  4  unauthorized: a credential or secret is wrong or missing
  5  the host cannot be reached, or speaks another version of the contract
  6  a limit would be exceeded
  7  the store cannot be used
  8  the host cannot listen on the address
  130  interrupted twice: the program ended without finishing what it had begun

Results go to stdout, everything else to stderr. With --json each result is one object on one line, and so is an error:
{\"error\":{\"code\":..,\"exit\":..,\"message\":..}}.";

impl Exit {
    /// Its name in JSON errors, where no refusal gives a better one.
    fn name(self) -> &'static str {
        match self {
            Self::Failed => "Failed",
            Self::Usage => "Usage",
            Self::NotFound => "NotFound",
            Self::Unauthorized => "Unauthorized",
            Self::Unreachable => "Unreachable",
            Self::Limit => "LimitExceeded",
            Self::Store => "StorageFailure",
            Self::Address => "AddressUnavailable",
            Self::PipeClosed => "PipeClosed",
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// Characters of one cause that stand in a message; the rest is cut off.
const CAUSE_CHARS_MAX: usize = 300;

/// Why a command failed. Its message says what to do next, and holds no secret.
#[derive(Debug)]
pub(crate) struct Failure {
    exit: Exit,
    code: &'static str,
    message: String,
}

impl Failure {
    pub(crate) fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self { exit, code: exit.name(), message: message.into() }
    }

    /// Gives the failure the code of the refusal that it comes from.
    pub(crate) fn refused(mut self, refusal: &Refusal) -> Self {
        self.code = refusal.code();
        self
    }

    /// Makes a failure of an error and its causes: libraries often put the reason into a cause.
    pub(crate) fn of(exit: Exit, error: &dyn Error) -> Self {
        let mut message = error.to_string();
        let mut source = error.source();
        while let Some(error) = source {
            // A service's answer may be a page of XML.
            let cause: String = error.to_string().split_whitespace().collect::<Vec<_>>().join(" ");
            let cause: String = cause.chars().take(CAUSE_CHARS_MAX).collect();
            // Many errors repeat their cause.
            if !message.contains(&cause) {
                message = format!("{message}: {cause}");
            }
            source = error.source();
        }
        Self::new(exit, message)
    }

    /// Replaces the message.
    pub(crate) fn saying(mut self, message: String) -> Self {
        self.message = message;
        self
    }

    /// Takes a secret out of the message, which a library may have repeated in it.
    pub(crate) fn without(mut self, secret: Option<&str>) -> Self {
        if let Some(secret) = secret.filter(|secret| !secret.is_empty()) {
            self.message = self.message.replace(secret, "[secret]");
        }
        self
    }

    pub(crate) fn exit(&self) -> Exit {
        self.exit
    }

    /// The name in JSON: that of the refusal if there was one.
    pub(crate) fn code(&self) -> &'static str {
        self.code
    }

    pub(crate) fn message(&self) -> &str {
        &self.message
    }
}
