//! What a share holds, page by page, in the order in which it came: for whoever replays it from the beginning.

use std::ops::RangeInclusive;

use super::State;
use super::items::Item;
use crate::share::view::{Changed, Revision};

impl State {
    /// The items that got the value that they have at a revision within these, in the order in which they first came: at
    /// most `count_max` of them and about `bytes_max` bytes, but at least one. Begins at `cursor`, 0 at first, and gives
    /// where to go on; 0: these were the last. What was removed within these revisions, as far as it is remembered, comes
    /// before the first item. No history is kept: what an item was before its value is not known.
    #[must_use]
    pub fn history(
        &self,
        within: &RangeInclusive<Revision>,
        cursor: u64,
        count_max: usize,
        bytes_max: usize,
    ) -> (Vec<Changed>, u64) {
        let begins = cursor == 0;
        let removed = self.removed_since(within.start().saturating_sub(1));
        let mut changes: Vec<_> = removed.filter(|changed| begins && within.contains(&changed.revision)).collect();
        let (mut count, mut byte_count) = (0, 0);
        let items = self.items.by_order.range(cursor..).filter(|(_, item)| within.contains(&item.revision));
        for (order, changed) in items.map(|(order, item)| (*order, Item::to_changed(item))) {
            byte_count += changed.byte_count();
            if count > 0 && (count == count_max || byte_count > bytes_max) {
                return (changes, order);
            }
            count += 1;
            changes.push(changed);
        }
        (changes, 0)
    }
}
