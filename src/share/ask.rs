//! A question that a share's owner puts to those who watch the share, and how it ended.

use std::collections::BTreeMap;
use std::time::Duration;

/// A question to those who watch a share on one host. It is settled as soon as one choice has as many answers as are needed.
///
/// ```
/// use std::time::Duration;
///
/// use capshare::share::ask::Question;
///
/// let question = Question::new("Deploy?", ["yes", "no"]).needed(2).within(Duration::from_secs(30));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub struct Question {
    pub(crate) text: String,
    pub(crate) choices: Vec<String>,
    pub(crate) needed: u32,
    pub(crate) within: Duration,
}

impl Question {
    /// A question with the choices that may be answered. One answer settles it, and it has a minute, unless it is told otherwise. The
    /// host refuses what is past its limits: see the constants of [`limits`](crate::share::limits) that begin with `ASK`.
    pub fn new<T: Into<String>>(text: impl Into<String>, choices: impl IntoIterator<Item = T>) -> Self {
        let choices = choices.into_iter().map(Into::into).collect();
        Self { text: text.into(), choices, needed: 1, within: Duration::from_secs(60) }
    }

    /// Sets the number of answers of one choice that settle the question. Default 1.
    pub fn needed(mut self, answers: u32) -> Self {
        self.needed = answers;
        self
    }

    /// Sets how long the question is open, in whole milliseconds. Default one minute.
    pub fn within(mut self, within: Duration) -> Self {
        self.within = within;
        self
    }
}

/// How a question ended.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Settled {
    /// What the question came to.
    pub outcome: Outcome,
    /// The number of answers of every choice at the end.
    pub counts: BTreeMap<String, u64>,
}

impl Settled {
    pub(crate) fn new(outcome: Outcome, counts: BTreeMap<String, u64>) -> Self {
        Self { outcome, counts }
    }
}

/// What a question came to.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Outcome {
    /// This choice had as many answers as were needed.
    Agreed(String),
    /// No choice had enough answers in time.
    Expired,
    /// The host took the question back. It drains or is shutting down: ask again when the client has come to another host, where the
    /// viewers go too. Or the right by which it was asked has ended.
    Withdrawn,
}
