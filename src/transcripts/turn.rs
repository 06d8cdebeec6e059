//! What somebody said in a conversation: a [`Turn`] is the head of a message, to which texts, thoughts, files and calls are added.

use serde_json::{Value, json};

use crate::transcripts::values::object;

/// Who speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
#[non_exhaustive]
pub enum Role {
    /// A person.
    #[default]
    User,
    /// A model.
    Assistant,
}

/// The head of a message: who said it, when, and what it took. [`Talk::turn`](super::Talk::turn) writes it into a share.
///
/// What is not known stays at its default, and is not written: a share says no zero that nobody counted.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Turn {
    /// The message's id: the record's own, so that the message is the same one whenever it is read.
    pub id: String,
    /// Who speaks.
    pub role: Role,
    /// When it was begun, in milliseconds since 1970.
    pub at: Option<i64>,
    /// When it was whole, in milliseconds since 1970.
    pub ended: Option<i64>,
    /// Of an answer, the id of the user's message that it answers. [`Talk::turn`](super::Talk::turn) fills it in where it is `None`.
    pub asked: Option<String>,
    /// The model that said it; empty if it is not known.
    pub model: String,
    /// Who runs the model, such as `anthropic`; may be empty.
    pub provider: String,
    /// The tokens that it took.
    pub tokens: Option<Tokens>,
    /// What it cost, in dollars.
    pub cost: Option<f64>,
    /// Why it is not whole.
    pub fault: Option<Fault>,
    /// The session of a subagent, if the message is one of its, and not of the conversation itself. It stands below the call with that
    /// [session](super::Tool::session).
    pub session: Option<String>,
}

/// Why an answer is not whole.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// Somebody stopped it. The words say who or what, such as `the user interrupted it`.
    Interrupted(String),
    /// It failed, with these words.
    Failed(String),
}

impl Turn {
    /// A message of a person.
    #[must_use]
    pub fn user(id: &str) -> Self {
        Self { id: id.to_owned(), ..Self::default() }
    }

    /// A message of a model.
    #[must_use]
    pub fn assistant(id: &str) -> Self {
        Self { id: id.to_owned(), role: Role::Assistant, ..Self::default() }
    }

    /// Sets when it was begun and when it was whole: for a message that came at once.
    #[must_use]
    pub fn at(mut self, ms: Option<i64>) -> Self {
        (self.at, self.ended) = (ms, ms);
        self
    }

    /// The message's item. `is_child`: the whole conversation is a subagent's.
    pub(super) fn item(&self, session: &str, is_child: bool) -> Value {
        let agent = (is_child || self.session.is_some()).then_some("subagent");
        let session = self.session.as_deref().unwrap_or(session);
        let is_answer = self.role == Role::Assistant;
        let filled = |text: &str| if is_answer && !text.is_empty() { json!(text) } else { Value::Null };
        let ended = self.ended.filter(|_| is_answer);
        object([
            ("id", json!(self.id)),
            ("sessionID", json!(session)),
            ("role", json!(if is_answer { "assistant" } else { "user" })),
            ("parentID", json!(self.asked.as_ref().filter(|_| is_answer))),
            ("modelID", filled(&self.model)),
            ("providerID", filled(&self.provider)),
            ("agent", json!(agent)),
            ("cost", json!(self.cost)),
            ("tokens", json!(self.tokens.as_ref().map(Tokens::item))),
            ("error", json!(self.fault.as_ref().map(Fault::item))),
            ("time", object([("created", json!(self.at)), ("completed", json!(ended))])),
        ])
    }
}

impl Fault {
    fn item(&self) -> Value {
        let (name, message) = match self {
            Self::Interrupted(message) => ("MessageAbortedError", message),
            Self::Failed(message) => ("UnknownError", message),
        };
        json!({ "name": name, "data": { "message": message } })
    }
}

/// Tokens, each counted once: what came from a cache is not in `input`, what was thought not in `output`.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Tokens {
    /// What the model read anew.
    pub input: u64,
    /// What it wrote.
    pub output: u64,
    /// What it thought.
    pub reasoning: u64,
    /// What it read from a cache.
    pub read: u64,
    /// What it wrote into a cache.
    pub write: u64,
}

impl Tokens {
    pub(super) fn item(&self) -> Value {
        json!({
            "input": self.input, "output": self.output, "reasoning": self.reasoning,
            "cache": { "read": self.read, "write": self.write },
        })
    }

    /// Adds the difference of two counts of one message.
    pub(super) fn grow(&mut self, now: &Self, before: &Self) {
        let grow = |count: &mut u64, now: u64, before: u64| *count = count.saturating_add(now).saturating_sub(before);
        grow(&mut self.input, now.input, before.input);
        grow(&mut self.output, now.output, before.output);
        grow(&mut self.reasoning, now.reasoning, before.reasoning);
        grow(&mut self.read, now.read, before.read);
        grow(&mut self.write, now.write, before.write);
    }
}
