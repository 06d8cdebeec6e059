//! The one table of readers: for each agent its names, the versions that its reader was tried with, and how its files are known.

use serde_json::Value;

use crate::transcripts::agent::{Agent, Form};
use crate::transcripts::asciicast::{self, Asciicast};
use crate::transcripts::claude::{self, Claude};
use crate::transcripts::cline::{self, Cline};
use crate::transcripts::codex::{self, Codex};
use crate::transcripts::continue_sessions::{self, Continue};
use crate::transcripts::copilot::{self, Copilot};
use crate::transcripts::dialect::{Dialect, Origin};
use crate::transcripts::gemini::{self, Gemini};
use crate::transcripts::kimi::{self, Kimi};
use crate::transcripts::kimi_cli::{self, KimiCli};
use crate::transcripts::pi::{self, Pi};
use crate::transcripts::qwen::{self, Qwen};
use crate::transcripts::vibe::{self, Vibe};

/// A reader, as it is registered.
pub(super) struct Entry {
    pub(super) agent: Agent,
    /// The agent's short name, which is that of the command line, too.
    pub(super) name: &'static str,
    /// The agent's name for people.
    pub(super) title: &'static str,
    /// The oldest and the newest version that the reader was tried with.
    pub(super) versions: (&'static str, &'static str),
    /// Begins a reader.
    pub(super) begin: fn(&Origin<'_>) -> Box<dyn Dialect>,
    /// The form of a file in which this record stands, if it is the agent's.
    pub(super) knows: fn(&Value) -> Option<Form>,
    /// Whether the beginning of a document, which is no JSON by itself, shows that it is the agent's; `None` for one that writes lines only.
    pub(super) begins: Option<fn(&str) -> bool>,
}

/// The readers. A record is the first one's that knows it.
pub(super) const TABLE: &[Entry] = &[
    Entry {
        agent: Agent::Asciicast,
        name: "asciicast",
        title: "asciinema",
        versions: ("2.4.0", "3.2.0"),
        begin: |origin| Box::new(Asciicast::of(origin.name)),
        knows: asciicast::knows,
        begins: None,
    },
    Entry {
        agent: Agent::Cline,
        name: "cline",
        title: "Cline",
        versions: ("3.0.65", "3.0.65"),
        begin: |origin| Box::new(Cline::of(origin.is_child)),
        knows: cline::knows,
        begins: Some(cline::begins),
    },
    Entry {
        agent: Agent::Continue,
        name: "continue",
        title: "Continue",
        versions: ("1.5.47", "1.5.47"),
        begin: |_| Box::new(Continue::default()),
        knows: continue_sessions::knows,
        begins: Some(continue_sessions::begins),
    },
    Entry {
        agent: Agent::KimiCode,
        name: "kimi-code",
        title: "Kimi Code",
        versions: ("2.1.0", "2.1.0"),
        begin: |origin| Box::new(Kimi::of(origin)),
        knows: kimi::knows,
        begins: None,
    },
    Entry {
        agent: Agent::KimiCli,
        name: "kimi-cli",
        title: "kimi-cli",
        versions: ("1.51.0", "1.51.0"),
        begin: |origin| Box::new(KimiCli::of(origin)),
        knows: kimi_cli::knows,
        begins: None,
    },
    Entry {
        agent: Agent::Gemini,
        name: "gemini",
        title: "Gemini CLI",
        versions: ("0.8.0", "0.61.0"),
        begin: |_| Box::new(Gemini::default()),
        knows: gemini::knows,
        begins: Some(gemini::begins),
    },
    Entry {
        agent: Agent::Codex,
        name: "codex",
        title: "Codex CLI",
        versions: ("0.20.0", "0.171.0"),
        begin: |_| Box::new(Codex::default()),
        knows: codex::knows,
        begins: None,
    },
    Entry {
        agent: Agent::Qwen,
        name: "qwen",
        title: "Qwen Code",
        versions: ("0.24.4", "0.24.4"),
        begin: |origin| Box::new(Qwen::of(origin)),
        knows: qwen::knows,
        begins: None,
    },
    Entry {
        agent: Agent::Pi,
        name: "pi",
        title: "pi",
        versions: ("0.73.1", "1.6.0"),
        begin: |_| Box::new(Pi::default()),
        knows: pi::knows,
        begins: None,
    },
    Entry {
        agent: Agent::Copilot,
        name: "copilot",
        title: "GitHub Copilot CLI",
        versions: ("1.0.102", "1.0.102"),
        begin: |_| Box::new(Copilot::default()),
        knows: copilot::knows,
        begins: None,
    },
    Entry {
        agent: Agent::Vibe,
        name: "vibe",
        title: "Mistral Vibe",
        versions: ("3.0.2", "3.0.3"),
        begin: |_| Box::new(Vibe::default()),
        knows: vibe::knows,
        begins: None,
    },
    Entry {
        agent: Agent::Claude,
        name: "claude",
        title: "Claude Code",
        versions: ("1.0.0", "2.1.332"),
        begin: |origin| Box::new(Claude::of(origin)),
        knows: claude::knows,
        begins: None,
    },
];

/// The entry of an agent.
pub(super) fn entry(agent: Agent) -> &'static Entry {
    let place = TABLE.iter().position(|entry| entry.agent == agent);
    place.and_then(|place| TABLE.get(place)).unwrap_or(&TABLE[0])
}

impl Agent {
    /// Every agent that is read.
    pub fn all() -> impl Iterator<Item = Self> {
        TABLE.iter().map(|entry| entry.agent)
    }

    /// The agent's short name, such as `claude`: in the command line, in its sessions, and before the types of its records in the
    /// `other` lane.
    #[must_use]
    pub fn name(self) -> &'static str {
        entry(self).name
    }

    /// The agent's name for people, such as `Claude Code`.
    #[must_use]
    pub fn title(self) -> &'static str {
        entry(self).title
    }

    /// Whether the agent writes documents ([`Form::Document`]), or once did.
    #[must_use]
    pub fn writes_documents(self) -> bool {
        entry(self).begins.is_some()
    }

    /// The oldest and the newest version of the agent that its reader was tried with. Versions before, between and after are read
    /// too, as far as their records are the same.
    #[must_use]
    pub fn versions(self) -> (&'static str, &'static str) {
        entry(self).versions
    }
}
