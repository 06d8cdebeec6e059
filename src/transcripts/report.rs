//! What of a transcript is not shown: counted while it is read, said at the end.

use std::collections::BTreeMap;
use std::fmt;

/// Types that are counted by name; those after are counted together. Agents write a dozen or two.
const KINDS_MAX: usize = 64;

/// How many records went to the `other` lane, by type, and how many went nowhere, by reason.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(in crate::cli::push) struct Report {
    /// By the type that they have in the share.
    pub(in crate::cli::push) other: BTreeMap<String, u64>,
    /// By why they are in no share.
    pub(in crate::cli::push) left_out: BTreeMap<&'static str, u64>,
}

impl Report {
    pub(super) fn other(&mut self, kind: String) {
        let is_known = self.other.contains_key(&kind) || self.other.len() < KINDS_MAX;
        *self.other.entry(if is_known { kind } else { "more".to_owned() }).or_default() += 1;
    }

    pub(super) fn leave_out(&mut self, why: &'static str) {
        *self.left_out.entry(why).or_default() += 1;
    }

    /// Records in the `other` lane.
    pub(super) fn others(&self) -> u64 {
        self.other.values().sum()
    }

    /// Whether everything is shown.
    pub(in crate::cli::push) fn is_empty(&self) -> bool {
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
                "{} records have no place in a conversation and are in the other lane ({})",
                self.others(),
                list(kinds)
            ));
        }
        if !self.left_out.is_empty() {
            let whys = self.left_out.iter().map(|(why, count)| (*why, *count)).collect();
            let count: u64 = self.left_out.values().sum();
            said.push(format!("{count} records were left out ({})", list(whys)));
        }
        f.write_str(&said.join("; "))
    }
}
