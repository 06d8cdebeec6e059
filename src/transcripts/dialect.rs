//! What each agent's reader is: the one trait that [`Reader`](super::Reader) feeds.

use serde_json::Value;

use crate::transcripts::out::Out;

/// A record of a transcript.
pub(super) struct Record<'a> {
    /// Its JSON text, as it came.
    pub(super) raw: &'a str,
    pub(super) value: Value,
    /// The number of its line, counted from 1.
    pub(super) line: u64,
}

/// The reader of one agent's records. It holds what the next record needs: calls that have no result yet, the message that is
/// being written.
pub(super) trait Dialect: Send {
    /// Takes a record, and gives out the items that it makes.
    fn record(&mut self, record: &Record<'_>, out: &mut Out);

    /// All that is at hand was taken: gives out what waited for more. `is_over`: nothing more comes.
    fn settle(&mut self, is_over: bool, out: &mut Out);

    /// The session's id, once it is known.
    fn session(&self) -> Option<&str>;
}
