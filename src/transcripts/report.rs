//! What of a transcript is not shown in the conversation: counted while it is read, told at the end.

use std::collections::BTreeMap;
use std::fmt;

/// Types that are counted by name; further ones are counted together as `more`. Agents write a dozen or two.
const KINDS_MAX: usize = 64;

/// How many records of a transcript went to the `other` lane, by type, and how many went nowhere, by reason.
///
/// Its `Display` is a sentence for people, empty if everything is shown.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Report {
    /// Number of records in the `other` lane, by the type that they have in the share, such as `claude.system`.
    pub other: BTreeMap<String, u64>,
    /// Number of records that are not in the share, by reason.
    pub left_out: BTreeMap<LeftOut, u64>,
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
        let is_known = self.other.contains_key(&kind) || self.other.len() < KINDS_MAX;
        *self.other.entry(if is_known { kind } else { "more".to_owned() }).or_default() += 1;
    }

    pub(super) fn leave_out(&mut self, why: LeftOut) {
        *self.left_out.entry(why).or_default() += 1;
    }

    /// Number of records in the `other` lane.
    pub(super) fn others(&self) -> u64 {
        self.other.values().sum()
    }

    /// Whether every record is shown in the conversation.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.other.is_empty() && self.left_out.is_empty()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |counts: Vec<(&str, u64)>| {
            counts.iter().map(|(what, count)| format!("{count} {what}")).collect::<Vec<_>>().join(", ")
        };
        let mut said = Vec::new();
        if !self.other.is_empty() {
            let kinds = self.other.iter().map(|(kind, count)| (kind.as_str(), *count)).collect();
            said.push(format!(
                "{} records have no place in a conversation; they are in the share's other lane ({})",
                self.others(),
                list(kinds)
            ));
        }
        if !self.left_out.is_empty() {
            let whys = self.left_out.iter().map(|(why, count)| (why.as_str(), *count)).collect();
            let count: u64 = self.left_out.values().sum();
            said.push(format!("{count} records are not in the share ({})", list(whys)));
        }
        f.write_str(&said.join("; "))
    }
}
