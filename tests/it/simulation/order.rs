//! The order of the syncs, put together from every state that anybody saw.
//!
//! Each batch puts an item of its own that nobody removes, so a state shows which syncs it holds, and the revisions of those
//! items show in which order. Each batch changes something, so that in these histories the revision is the sync count. The first
//! to see a state at a revision proves it against the fold of its batches by a model that is as simple as can be; all
//! others must see the same.

use std::cell::RefCell;
use std::collections::BTreeMap;

use capshare::share::view::Changed;

use super::history::{History, Label};

/// A state as seen from outside: keys with their revisions and texts.
pub(super) type Seen = BTreeMap<String, (u64, String)>;

/// What the keys of the batches' own items begin with; the label follows.
pub(super) const OWN: &str = "message/own-";

/// Which sync has which number, and the states between them.
#[derive(Debug, Default)]
pub(super) struct Order {
    inner: RefCell<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    label_at: BTreeMap<u64, Label>,
    count_of: BTreeMap<Label, u64>,
    states: BTreeMap<u64, Seen>,
}

impl Order {
    /// A sync was answered with this number.
    pub(super) fn numbered(&self, label: Label, count: u64) -> Result<(), String> {
        let mut inner = self.inner.borrow_mut();
        let other = *inner.label_at.entry(count).or_insert(label);
        if other != label {
            return Err(format!("syncs {other} and {label} both have number {count}"));
        }
        let before = *inner.count_of.entry(label).or_insert(count);
        if before != count {
            return Err(format!("sync {label} has number {count}, and {before} too"));
        }
        Ok(())
    }

    /// Somebody saw this state.
    pub(super) fn seen(&self, history: &History, revision: u64, state: &Seen) -> Result<(), String> {
        if let Some(known) = self.inner.borrow().states.get(&revision) {
            return if known == state {
                Ok(())
            } else {
                Err(format!("two different states at revision {revision}: {known:?} and {state:?}"))
            };
        }
        let mut labels = BTreeMap::new();
        for (key, (at, _)) in state {
            if let Some(label) = key.strip_prefix(OWN) {
                let label = label.parse::<Label>().map_err(|_| format!("nobody sent {key}"))?;
                labels.insert(*at, label);
                self.numbered(label, *at)?;
            }
        }
        let expected: Vec<_> = (1..=revision).collect();
        if !labels.keys().eq(&expected) {
            return Err(format!(
                "the state at revision {revision} shows the syncs {labels:?}: some are missing or twice"
            ));
        }
        let mut folded = Seen::new();
        for (at, label) in &labels {
            for change in &history.batch(*label).changes {
                match &change.value {
                    Some(value) if folded.get(change.key.as_str()).is_some_and(|(_, held)| held == value.as_str()) => {}
                    Some(value) => {
                        folded.insert(change.key.to_string(), (*at, value.as_str().to_owned()));
                    }
                    None => drop(folded.remove(change.key.as_str())),
                }
            }
        }
        if folded != *state {
            return Err(format!(
                "the state at revision {revision} is not the fold of {labels:?}: {state:?}, {folded:?}"
            ));
        }
        self.inner.borrow_mut().states.insert(revision, folded);
        Ok(())
    }

    pub(super) fn count_of(&self, label: Label) -> Option<u64> {
        self.inner.borrow().count_of.get(&label).copied()
    }

    /// The syncs by number, as far as they are known.
    pub(super) fn labels(&self) -> BTreeMap<u64, Label> {
        self.inner.borrow().label_at.clone()
    }
}

/// A whole state's items.
pub(super) fn seen(items: &[Changed]) -> Seen {
    let mut seen = Seen::new();
    fold(&mut seen, items);
    seen
}

/// Takes a follower on.
pub(super) fn fold(seen: &mut Seen, changes: &[Changed]) {
    for changed in changes {
        match &changed.value {
            Some(value) => drop(seen.insert(changed.key.to_string(), (changed.revision.0, value.as_str().to_owned()))),
            None => drop(seen.remove(changed.key.as_str())),
        }
    }
}
