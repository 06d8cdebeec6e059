//! Pages of a share's items in the order in which they came, for viewers that replay a share from its beginning.

use std::ops::RangeInclusive;

use super::State;
use super::items::Item;
use crate::share::revision::Revision;
use crate::share::view::Changed;

impl State {
    /// The items whose present value came at a revision `within`, in the order in which they first came: at most `count_max`
    /// items and about `bytes_max` bytes, but at least one item. The page begins at `cursor`, which is 0 for the first page,
    /// and comes with the cursor of the next page, 0 after the last. Removals at these revisions, as far as they are
    /// remembered, stand before the first item. No history is kept: earlier values of an item are not known.
    #[must_use]
    pub fn history(
        &self,
        within: &RangeInclusive<Revision>,
        cursor: u64,
        count_max: usize,
        bytes_max: usize,
    ) -> (Vec<Changed>, u64) {
        let begins = cursor == 0;
        let removed = self.removed_since(within.start().before());
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
