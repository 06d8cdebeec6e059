//! Transcripts that other agents leave on disk, read into items of the shapes that OpenCode's have, so that a page and a
//! document show them as they show any session.
//!
//! [`Source`](super::source::Source) gives a [`Transcript`] each record of a file, one line or one whole document, and
//! queues the items that come back. There is a reader for each agent, which knows its records and holds what the next one
//! needs: the calls that have no result yet, the message that is being written. A reader refuses nothing: a record that it
//! does not know goes to the `other` lane as it came, under the agent's name and the record's type; what can be no item is left
//! out; both are counted in the [`Report`]. Ids are those of the records, or numbers of lines, so that a file that is read
//! again makes the same items. Nothing here writes or waits, and nothing is left behind when it is dropped.

mod asciicast;
mod claude;
mod codex;
mod document;
mod find;
mod gemini;
mod items;
mod opencode;
mod report;
mod sniff;

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher as _};
use std::path::{Path, PathBuf};

use capshare::client::Items;
use capshare::share::error::Refusal;
use capshare::share::item::ItemKey;
use capshare::share::limits::SHARE_ITEMS_MAX;
use serde_json::{Value, json};

pub(super) use self::document::Document;
pub(super) use self::find::{database, latest};
pub(super) use self::opencode::Database;
pub(super) use self::report::Report;
pub(super) use self::sniff::{Shape, sniff};
use crate::cli::push::source::Piece;

/// Records of one transcript that go to the `other` lane: a tenth of what a share may hold, so that they never displace what is
/// shown. Further ones are left out and counted.
const OTHERS_MAX: u64 = SHARE_ITEMS_MAX as u64 / 10;

/// An agent whose transcripts are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Agent {
    /// Claude Code: ~/.claude/projects
    Claude,
    /// Codex CLI: ~/.codex/sessions
    Codex,
    /// Gemini CLI: ~/.gemini/tmp/*/chats
    Gemini,
    /// A terminal that asciinema recorded: *.cast in the current folder
    Asciicast,
    /// OpenCode itself: ~/.local/share/opencode/opencode.db
    #[value(name = "opencode")]
    OpenCode,
}

impl Agent {
    /// Its name in the command line, in types of the `other` lane, and in results.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Claude => "claude",
            Self::Codex => "codex",
            Self::Gemini => "gemini",
            Self::Asciicast => "asciicast",
            Self::OpenCode => "opencode",
        }
    }

    /// Its name for people.
    pub(super) fn title(self) -> &'static str {
        match self {
            Self::Claude => "Claude Code",
            Self::Codex => "Codex CLI",
            Self::Gemini => "Gemini CLI",
            Self::Asciicast => "asciinema",
            Self::OpenCode => "OpenCode",
        }
    }

    /// What reads its transcripts; OpenCode writes none.
    fn reader(self, path: &Path) -> Option<Box<dyn Reader>> {
        Some(match self {
            Self::Claude => Box::new(claude::Claude::default()),
            Self::Codex => Box::new(codex::Codex::default()),
            Self::Gemini => Box::new(gemini::Gemini::default()),
            Self::Asciicast => Box::new(asciicast::Asciicast::of(path)),
            Self::OpenCode => return None,
        })
    }
}

/// A record of a transcript.
struct Record<'a> {
    /// As it came.
    raw: &'a str,
    value: Value,
    /// The number of its line, from 1.
    line: u64,
}

/// What knows the records of one agent.
trait Reader: Send {
    /// Takes a record, and gives out the items that it makes.
    fn record(&mut self, record: &Record<'_>, out: &mut Out);

    /// All that is at hand was taken: gives out what waited for more. `is_over`: nothing more comes.
    fn settle(&mut self, is_over: bool, out: &mut Out);

    /// The session's id, once it is known.
    fn session(&self) -> Option<&str>;
}

/// A transcript on its way into a share.
pub(super) struct Transcript {
    agent: Agent,
    path: PathBuf,
    reader: Box<dyn Reader>,
    out: Out,
    /// Whether somebody was told which session it is.
    is_told: bool,
}

impl Transcript {
    /// `None` for an agent that writes none.
    pub(super) fn of(agent: Agent, path: &Path) -> Option<Self> {
        let reader = agent.reader(path)?;
        Some(Self { agent, path: path.to_owned(), reader, out: Out::of(agent), is_told: false })
    }

    pub(super) fn agent(&self) -> Agent {
        self.agent
    }

    /// What was not shown, so far.
    pub(super) fn report(&self) -> &Report {
        &self.out.report
    }

    /// Takes one line.
    pub(super) fn line(&mut self, line: &[u8], number: u64) -> Option<Piece> {
        self.take(line, number);
        self.piece()
    }

    /// Takes a file that is one document.
    fn document(&mut self, document: &[u8], is_over: bool) -> Option<Piece> {
        self.take(document, 1);
        self.settle(is_over)
    }

    /// All that is at hand was taken. `is_over`: nothing more comes.
    pub(super) fn settle(&mut self, is_over: bool) -> Option<Piece> {
        self.reader.settle(is_over, &mut self.out);
        self.piece()
    }

    /// The file is read from its start from now on. `rest`: what stood at its end without a break.
    pub(super) fn begin_anew(&mut self, rest: Option<&[u8]>, number: u64) -> Option<Piece> {
        if let Some(rest) = rest {
            self.take(rest, number);
        }
        self.reader.settle(true, &mut self.out);
        if let Some(reader) = self.agent.reader(&self.path) {
            self.reader = reader;
        }
        self.out.said.clear();
        self.piece()
    }

    fn take(&mut self, line: &[u8], number: u64) {
        // Version 3 of asciicast has comments.
        if line.trim_ascii().is_empty() || (self.agent == Agent::Asciicast && line.starts_with(b"#")) {
            return;
        }
        let raw = str::from_utf8(line).ok().map(str::trim);
        match raw.and_then(|raw| Some((raw, serde_json::from_str(raw).ok()?))) {
            Some((raw, value)) => self.reader.record(&Record { raw, value, line: number }, &mut self.out),
            None => self.out.report.leave_out("no JSON"),
        }
    }

    fn piece(&mut self) -> Option<Piece> {
        let session = self.reader.session().filter(|_| !self.is_told || !self.out.items.is_empty()).map(str::to_owned);
        self.is_told |= session.is_some();
        let items = std::mem::take(&mut self.out.items);
        (session.is_some() || !items.is_empty()).then_some(Piece { items, session })
    }
}

/// Where readers put items.
struct Out {
    agent: &'static str,
    items: Items,
    /// Of each item that was given out, a hash of its key and one of its text: what did not change is not given out again.
    said: HashMap<u64, u64>,
    report: Report,
}

impl Out {
    fn of(agent: Agent) -> Self {
        Self { agent: agent.name(), items: Items::new(), said: HashMap::new(), report: Report::default() }
    }

    /// An item of a type. One that can be none is left out and counted.
    fn put(&mut self, kind: &str, value: &Value) {
        let key = hash(&[kind, text(value, "providerID"), text(value, "messageID"), text(value, "id")]);
        self.add(kind, &value.to_string(), key);
    }

    /// The removal of a message that was given out, and of its parts.
    fn remove(&mut self, message: &str) {
        self.remove_key(ItemKey::message(message));
    }

    fn remove_key(&mut self, key: Result<ItemKey, Refusal>) {
        self.said.clear();
        let removed = key.map(|key| self.items.remove(key.as_str()));
        if !matches!(removed, Ok(Ok(()))) {
            self.report.leave_out("no item");
        }
    }

    /// A record that has no place, as it came. `id`: what it is called where it has no id of its own.
    fn other(&mut self, kind: &str, id: &str, raw: &str) {
        let kind = if kind.is_empty() { "unknown" } else { kind };
        let kind: String = format!("{}.{kind}", self.agent)
            .chars()
            .take(64)
            .map(|c| if c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_') { c } else { '_' })
            .collect();
        if self.report.others() >= OTHERS_MAX {
            return self.report.leave_out("past the number of records that may be in the other lane");
        }
        let value: Value = serde_json::from_str(raw).unwrap_or_default();
        let own = value.get("id");
        let inside = raw.trim().strip_prefix('{').map(str::trim_start);
        let (id, item) = match (own, inside) {
            (Some(Value::String(own)), _) if !own.is_empty() => (own.clone(), raw.to_owned()),
            (None, Some("}")) => (id.to_owned(), json!({ "id": id }).to_string()),
            (None, Some(inside)) => (id.to_owned(), format!("{{\"id\":{},{inside}", json!(id))),
            _ => (id.to_owned(), format!("{{\"id\":{},\"record\":{raw}}}", json!(id))),
        };
        let key = hash(&[&kind, &id]);
        if self.add(&kind, &item, key) {
            self.report.other(kind);
        }
    }

    fn add(&mut self, kind: &str, json: &str, key: u64) -> bool {
        let said = hash(&[json]);
        if self.said.get(&key) == Some(&said) {
            return false;
        }
        match self.items.put(kind, json) {
            Ok(()) => {
                // What is forgotten is sent once more, and dropped by the host.
                if self.said.len() >= SHARE_ITEMS_MAX {
                    self.said.clear();
                }
                self.said.insert(key, said);
                true
            }
            Err(Refusal::LimitExceeded { .. }) => {
                self.report.leave_out("past a limit");
                false
            }
            Err(_) => {
                self.report.leave_out("no item");
                false
            }
        }
    }
}

fn hash(texts: &[&str]) -> u64 {
    let mut hasher = DefaultHasher::new();
    texts.hash(&mut hasher);
    hasher.finish()
}

/// A member that is a text, else an empty one.
fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value.get(name).and_then(Value::as_str).unwrap_or_default()
}
