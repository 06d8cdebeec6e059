//! Drops from a batch the values that the state already has.

use std::borrow::Cow;
use std::collections::HashSet;

use super::State;
use crate::share::change::{Batch, Change};
use crate::share::entry::Entry;
use crate::share::item::ItemKey;

impl State {
    /// The entries without the values that the items already have: producers send a growing message again and again, with
    /// everything around it. Right only for the entries that come next in the log. Batches stay even when nothing is left of
    /// them, because they count as syncs.
    #[must_use]
    pub fn without_known<'a>(&self, entries: &'a [Entry]) -> Cow<'a, [Entry]> {
        // Whether an earlier one of these entries changes an item is not known: it may yet be refused.
        let mut touched = Touched::default();
        let known: Vec<Vec<bool>> = entries.iter().map(|entry| self.known_in(entry, &mut touched)).collect();
        if !known.iter().flatten().any(|known| *known) {
            return Cow::Borrowed(entries);
        }
        let slim = entries.iter().zip(known).map(|(entry, known)| match entry {
            Entry::Sync { at, batch } => {
                let changes = batch.changes.iter().zip(known).filter(|(_, known)| !known);
                let changes = changes.map(|(change, _)| change.clone()).collect();
                Entry::Sync { at: *at, batch: Batch { stamp: batch.stamp.clone(), changes } }
            }
            Entry::Open { .. }
            | Entry::Secret { .. }
            | Entry::Expiry { .. }
            | Entry::Visibility { .. }
            | Entry::Grant { .. }
            | Entry::Revoke { .. }
            | Entry::Delete { .. } => entry.clone(),
        });
        Cow::Owned(slim.collect())
    }

    fn known_in<'a>(&self, entry: &'a Entry, touched: &mut Touched<'a>) -> Vec<bool> {
        let Entry::Sync { batch, .. } = entry else { return Vec::new() };
        batch
            .changes
            .iter()
            .map(|change| {
                let known = change.value.is_some() && self.get(&change.key) == change.value.as_ref();
                let known = known && !touched.has(&change.key);
                if !known {
                    touched.add(change);
                }
                known
            })
            .collect()
    }
}

/// Number of removed messages that are remembered; with more, every item counts as touched.
const PARTS_MAX: usize = 64;

/// The items that earlier entries may have changed.
#[derive(Default)]
struct Touched<'a> {
    keys: HashSet<&'a ItemKey>,
    /// What the keys of removed messages' parts begin with.
    parts: Vec<String>,
}

impl<'a> Touched<'a> {
    fn add(&mut self, change: &'a Change) {
        self.keys.insert(&change.key);
        if change.value.is_none() {
            self.parts.extend(change.key.parts_prefix());
        }
    }

    fn has(&self, key: &ItemKey) -> bool {
        self.keys.contains(key)
            || self.parts.len() > PARTS_MAX
            || self.parts.iter().any(|prefix| key.as_str().starts_with(prefix))
    }
}
