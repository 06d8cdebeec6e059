//! A share's items with their places, for viewers that are told them in another order than that in which they came.

use super::State;
use super::items::Item;
use crate::share::item::ItemKey;
use crate::share::view::Changed;

impl State {
    /// All items, each with its place: a number that rises in the order in which items first came, and that an item keeps for as long as
    /// it is there.
    pub fn placed(&self) -> impl Iterator<Item = (u64, Changed)> {
        self.items.by_order.iter().map(|(place, item)| (*place, item.to_changed()))
    }

    /// The item with this key and its place; `None`: the share has no such item.
    #[must_use]
    pub fn find(&self, key: &ItemKey) -> Option<(u64, Changed)> {
        let place = self.items.order_of.get(key)?;
        self.items.by_order.get(place).map(Item::to_changed).map(|changed| (*place, changed))
    }
}
