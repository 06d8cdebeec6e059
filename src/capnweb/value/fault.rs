//! Errors as values: those that travel, and those that a session makes itself.

use super::super::text::Text;
use super::Value;

/// An error that travels: what JavaScript calls an `Error`.
///
/// The official client makes only JavaScript's own classes by name, and any other name arrives as "Error"; so a kind that a
/// program tells apart belongs into a member, such as `code`, and clients before 0.8 see only the message.
#[derive(Debug, Clone, PartialEq)]
pub struct Fault {
    /// The class, such as `TypeError`; `Error` if in doubt.
    pub name: Text,
    /// The sentence for people.
    pub message: Text,
    /// Where it happened, if the sender wants to tell.
    pub stack: Option<Text>,
    /// Further members, in their order. Stubs and promises in them are sent as undefined.
    pub members: Vec<(Text, Value)>,
}

impl Fault {
    /// An `Error` with a message and no members.
    #[must_use]
    pub fn new(message: impl Into<Text>) -> Self {
        Self { name: Text::from_static("Error"), message: message.into(), stack: None, members: Vec::new() }
    }

    /// A `TypeError` with a message and no members.
    #[must_use]
    pub fn type_error(message: impl Into<Text>) -> Self {
        Self { name: Text::from_static("TypeError"), ..Self::new(message) }
    }

    /// Adds a member.
    #[must_use]
    pub fn with(mut self, key: &'static str, value: impl Into<Value>) -> Self {
        self.members.push((Text::from_static(key), value.into()));
        self
    }

    /// A call that would pass a bound of [`Limits`](super::super::Limits).
    pub(in super::super) fn limit(limit: &'static str, max: usize, advice: &str) -> Self {
        Self::new(format!("LimitExceeded: {limit} of this session is at most {max}: {advice}"))
            .with("code", Text::from_static("LimitExceeded"))
            .with("limit", Text::from_static(limit))
            .with("max", i64::try_from(max).unwrap_or(i64::MAX))
    }

    /// As [`Fault::limit`], where the call may be made again later as it is.
    pub(in super::super) fn passing(limit: &'static str, max: usize, advice: &str) -> Self {
        Self::limit(limit, max, advice).with("transient", true)
    }

    /// The result of a call that was dropped before the peer asked for it.
    pub(in super::super) fn dropped(id: i64) -> Self {
        Self::new(format!(
            "ResultDropped: call {id} was carried out, and its result was not kept: await a call when it is made. The result of a call \
             that is not awaited gives its place to others after some seconds, and earlier if results hold too much memory"
        ))
        .with("code", Text::from_static("ResultDropped"))
        .with("transient", false)
    }

    /// A reference to a result or an object that the peer has released, or that was dropped.
    pub(in super::super) fn released(id: i64) -> Self {
        Self::new(format!(
            "Released: there is no result or object {id} any more. A promise that was awaited or disposed cannot be used as an \
             argument: pass the awaited value, or pass the promise before you await it"
        ))
        .with("code", Text::from_static("Released"))
    }

    /// A value of a kind that is not read here.
    pub(in super::super) fn unsupported(what: &str, advice: &str) -> Self {
        Self::type_error(format!("Unsupported: {what} cannot be sent to this peer: {advice}"))
            .with("code", Text::from_static("Unsupported"))
    }
}

impl From<Fault> for Value {
    fn from(fault: Fault) -> Self {
        Self::Error(Box::new(fault))
    }
}
