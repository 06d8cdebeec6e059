//! What each agent's reader is: the one trait that [`Reader`](super::Reader) feeds.

use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::transcripts::talk::Talk;

/// A record of a transcript.
pub(super) struct Record<'a> {
    /// Its JSON text, made readable.
    pub(super) raw: &'a str,
    pub(super) value: Value,
}

impl Record<'_> {
    /// A name for a record that has no id of its own: two records of one text have one name, wherever they stand.
    pub(super) fn name(&self) -> String {
        digest(self.raw)
    }
}

/// Sixteen hexadecimal digits that stand for a text.
pub(super) fn digest(text: &str) -> String {
    Sha256::digest(text).iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}

/// The reader of one agent's records. It holds what the next record needs, and says what each means as a conversation.
pub(super) trait Dialect: Send {
    /// Takes a record.
    fn record(&mut self, record: &Record<'_>, talk: &mut Talk);

    /// Takes what a file beside the transcript says of the session: a title, for example. It may come again, changed.
    fn beside(&mut self, _about: &Value, _talk: &mut Talk) {}

    /// Whether a line is a comment, which holds no record.
    fn is_comment(&self, _line: &str) -> bool {
        false
    }

    /// All that is at hand was taken: tells what waited for more. `is_over`: nothing more comes.
    fn settle(&mut self, _is_over: bool, _talk: &mut Talk) {}
}

/// How a reader of one agent is begun.
pub(super) struct Origin<'a> {
    /// Tells the transcript from others where nothing in it does.
    pub(super) name: &'a str,
    /// Whether the transcript is a subagent's, and stands below a call in the share of its caller.
    pub(super) is_child: bool,
}
