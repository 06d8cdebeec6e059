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
    /// Qwen Code.
    Qwen,
    /// pi.
    Pi,
    /// GitHub Copilot CLI.
    Copilot,
    /// Mistral Vibe.
    Vibe,
    /// Kimi Code.
    KimiCode,
    /// kimi-cli, the program before Kimi Code.
    KimiCli,
    /// Cline's command line.
    Cline,
    /// Continue: its command line and its extensions.
    Continue,
    /// asciinema: a recording of a terminal.
    Asciicast,
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
