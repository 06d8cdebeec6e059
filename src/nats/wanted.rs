//! What is to change in what is subscribed to: shares come and go also while no server is reached, and leave nothing behind then.

use std::collections::{BTreeMap, HashSet};
use std::mem;

use crate::share::id::ShareId;

/// Which shares are followed, as changes of what was followed when this was last asked.
///
/// Bound: one entry for each share that is followed, or was when this was last asked.
#[derive(Debug, Default)]
pub(super) struct Wanted {
    /// What was followed when this was last asked.
    taken: HashSet<ShareId>,
    /// What has changed since: whether each of these shares is followed.
    changes: BTreeMap<ShareId, bool>,
}

impl Wanted {
    /// A share is followed from now on, or is not followed any more.
    pub(super) fn change(&mut self, share: &ShareId, followed: bool) {
        if self.taken.contains(share) == followed {
            self.changes.remove(share);
        } else {
            self.changes.insert(share.clone(), followed);
        }
    }

    /// What has changed since this was last asked.
    pub(super) fn take(&mut self) -> BTreeMap<ShareId, bool> {
        for (share, followed) in &self.changes {
            if *followed {
                self.taken.insert(share.clone());
            } else {
                self.taken.remove(share);
            }
        }
        mem::take(&mut self.changes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_that_come_and_go_while_nobody_asks_leave_nothing_behind() {
        let mut wanted = Wanted::default();
        let share = ShareId::from_bits;
        (0..1_000).for_each(|n| wanted.change(&share(n), true));
        (1..1_000).for_each(|n| wanted.change(&share(n), false));
        assert_eq!(wanted.changes.len(), 1);
        assert_eq!(wanted.take(), BTreeMap::from([(share(0), true)]));
        for n in 0..1_000 {
            wanted.change(&share(n), false);
            wanted.change(&share(n), true);
            wanted.change(&share(n), n == 0);
        }
        assert_eq!(wanted.take(), BTreeMap::new());
        wanted.change(&share(0), false);
        assert_eq!(wanted.take(), BTreeMap::from([(share(0), false)]));
        assert!(wanted.taken.is_empty() && wanted.changes.is_empty());
    }
}
