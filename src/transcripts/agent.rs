//! The agents whose transcripts are read, and the forms in which they write them.

/// An agent whose transcripts a [`Reader`](super::Reader) reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Agent {
    /// Claude Code.
    Claude,
    /// Codex CLI.
    Codex,
    /// Gemini CLI.
    Gemini,
    /// asciinema: a recording of a terminal.
    Asciicast,
}

impl Agent {
    /// The agent's short name, which begins the types of its items in the `other` lane, such as `claude`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Claude => "claude",
            Self::Codex => "codex",
            Self::Gemini => "gemini",
            Self::Asciicast => "asciicast",
        }
    }
}

/// How a transcript stands in its file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Form {
    /// One record a line; the agent appends to the file.
    Lines,
    /// One JSON document; the agent writes the whole file anew each time.
    Document,
}
