//! The agents whose sessions `capshare push` finds and reads.

use capshare::transcripts;

/// An agent, as the command line names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Agent {
    /// Claude Code: ~/.claude/projects
    Claude,
    /// Codex CLI: ~/.codex/sessions
    Codex,
    /// Gemini CLI: ~/.gemini/tmp/*/chats
    Gemini,
    /// Qwen Code: ~/.qwen/projects
    Qwen,
    /// pi: ~/.pi/agent/sessions
    Pi,
    /// GitHub Copilot CLI: ~/.copilot/session-state
    Copilot,
    /// Mistral Vibe: ~/.vibe/logs/session/unified
    Vibe,
    /// Kimi Code: ~/.kimi-code/sessions
    #[value(alias = "kimi")]
    KimiCode,
    /// kimi-cli, the program before Kimi Code: ~/.kimi/sessions
    KimiCli,
    /// Cline: ~/.cline/data/sessions
    Cline,
    /// Continue: ~/.continue/sessions
    Continue,
    /// A terminal that asciinema recorded: *.cast in the current folder
    Asciicast,
    /// OpenCode itself: ~/.local/share/opencode/opencode.db
    #[value(name = "opencode")]
    OpenCode,
}

impl Agent {
    /// The agent's name for people.
    pub(crate) fn title(self) -> &'static str {
        self.reader().map_or("OpenCode", transcripts::Agent::title)
    }

    /// Which reader reads its transcripts. OpenCode writes none: it keeps a database.
    pub(crate) fn reader(self) -> Option<transcripts::Agent> {
        Some(match self {
            Self::Claude => transcripts::Agent::Claude,
            Self::Codex => transcripts::Agent::Codex,
            Self::Gemini => transcripts::Agent::Gemini,
            Self::Qwen => transcripts::Agent::Qwen,
            Self::Pi => transcripts::Agent::Pi,
            Self::Copilot => transcripts::Agent::Copilot,
            Self::Vibe => transcripts::Agent::Vibe,
            Self::KimiCode => transcripts::Agent::KimiCode,
            Self::KimiCli => transcripts::Agent::KimiCli,
            Self::Cline => transcripts::Agent::Cline,
            Self::Continue => transcripts::Agent::Continue,
            Self::Asciicast => transcripts::Agent::Asciicast,
            Self::OpenCode => return None,
        })
    }
}
