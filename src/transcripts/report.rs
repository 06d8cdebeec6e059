//! What of a transcript is not shown in the conversation: counted while it is read, told at the end.

use std::collections::BTreeMap;
use std::fmt;

/// Types that are counted by name; further ones are counted together as `more`. Agents write a dozen or two.
const KINDS_MAX: usize = 64;

/// How many records of a transcript are not shown in the conversation, and why.
///
/// Its `Display` is a sentence or some for people, empty if everything is shown.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Report {
    /// Number of records that the program wrote for its model or for itself, by the agent's own name of their type: instructions,
    /// reminders, tools, snapshots. They are not in the share, unless [`Reader::with_context`](super::Reader::with_context) is set.
    pub context: BTreeMap<String, u64>,
    /// Number of records whose type the reader does not know, by the agent's own name of it. They are not in the share, unless
    /// [`Reader::with_context`](super::Reader::with_context) is set.
    pub unknown: BTreeMap<String, u64>,
    /// Number of records in the `other` lane, by the type that they have in the share, such as `claude.system`.
    pub other: BTreeMap<String, u64>,
    /// Number of records that are not in the share for another reason.
    pub left_out: BTreeMap<LeftOut, u64>,
    /// Number of items that were larger than a share takes. Each of them is in the share, and says what of it is missing.
    pub made_smaller: u64,
    /// The version of the agent that wrote the transcript, if it is newer than those that the reader was tried with and wrote
    /// records that the reader does not know.
    pub newer: Option<Newer>,
}

/// A version of an agent that the reader was not tried with.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Newer {
    /// The version that wrote the transcript.
    pub version: String,
    /// The newest version that the reader was tried with.
    pub known: &'static str,
}

/// Why a record of a transcript is not in the share.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum LeftOut {
    /// The line is not JSON.
    NotJson,
    /// No item can be made of the record: an id is missing, for example.
    NotAnItem,
    /// The record, or the item made of it, is larger than a limit of the contract or of this module allows.
    TooLarge,
    /// The `other` lane has as many records of this transcript as it may have.
    OtherLaneFull,
    /// What was typed into a terminal, which may hold passwords.
    TypedInput,
    /// A message in the tables of OpenCode's version 2, which are not read.
    OpenCode2,
    /// A subagent's transcript, after as many as are read of one session.
    Subagents,
}

impl LeftOut {
    /// The reason in words that follow a number, such as `not JSON`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NotJson => "not JSON",
            Self::NotAnItem => "not an item",
            Self::TooLarge => "larger than a limit",
            Self::OtherLaneFull => "more than the other lane may have",
            Self::TypedInput => "typed input",
            Self::OpenCode2 => "of OpenCode's version 2",
            Self::Subagents => "of more subagents than are read",
        }
    }
}

impl fmt::Display for LeftOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Report {
    pub(super) fn other(&mut self, kind: String) {
        count(&mut self.other, kind);
    }

    pub(super) fn context(&mut self, kind: String) {
        count(&mut self.context, kind);
    }

    pub(super) fn unknown(&mut self, kind: String) {
        count(&mut self.unknown, kind);
    }

    pub(super) fn leave_out(&mut self, why: LeftOut) {
        *self.left_out.entry(why).or_default() += 1;
    }

    pub(super) fn made_smaller(&mut self) {
        self.made_smaller += 1;
    }

    pub(super) fn newer(&mut self, version: &str, known: &'static str) {
        self.newer = Some(Newer { version: version.to_owned(), known });
    }

    /// Number of records in the `other` lane.
    pub(super) fn others(&self) -> u64 {
        self.other.values().sum()
    }

    /// Whether every record is shown in the conversation.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

fn count(counts: &mut BTreeMap<String, u64>, kind: String) {
    let is_known = counts.contains_key(&kind) || counts.len() < KINDS_MAX;
    *counts.entry(if is_known { kind } else { "more".to_owned() }).or_default() += 1;
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kinds = |counts: &BTreeMap<String, u64>| -> Vec<(String, u64)> {
            counts.iter().map(|(kind, count)| (kind.clone(), *count)).collect()
        };
        let whys: Vec<_> = self.left_out.iter().map(|(why, count)| (why.to_string(), *count)).collect();
        let said = [
            sentence(&kinds(&self.context), "of the program's own, for its model or for itself, {is} not in the share"),
            sentence(&kinds(&self.unknown), "{is} of a type that is not known here, and {is} not shown"),
            sentence(&kinds(&self.other), "without a place in the conversation {is} in the share's other lane"),
            sentence(&whys, "{is} not in the share"),
            (self.made_smaller > 0).then(|| {
                let (items, say) = if self.made_smaller == 1 { ("item was", "says") } else { ("items were", "say") };
                format!("{} {items} larger than a share takes, and {say} what is missing", self.made_smaller)
            }),
            self.newer.as_ref().map(|Newer { version, known }| {
                format!(
                    "the transcript is of version {version}, and this program was tried with versions up to {known}"
                )
            }),
        ];
        f.write_str(&said.into_iter().flatten().collect::<Vec<_>>().join("; "))
    }
}

/// A sentence about so many records, with their kinds; `None` if there are none. `{is}` stands for the verb.
fn sentence(counts: &[(String, u64)], words: &str) -> Option<String> {
    let number: u64 = counts.iter().map(|(_, count)| count).sum();
    let (records, is) = if number == 1 { ("record", "is") } else { ("records", "are") };
    let list: Vec<_> = counts.iter().map(|(kind, count)| format!("{count} {kind}")).collect();
    (number > 0).then(|| format!("{number} {records} {} ({})", words.replace("{is}", is), list.join(", ")))
}
