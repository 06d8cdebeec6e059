//! Chance, from a seed.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// `splitmix64`, shared by all who throw: in one thread the order of the throws is that of the history.
#[derive(Debug)]
pub(super) struct Dice(Mutex<u64>);

impl Dice {
    /// Other throws for each pair.
    pub(super) fn new(seed: u64, purpose: u64) -> Self {
        let dice = Self(Mutex::new(seed.wrapping_mul(0xd6e8_feb8_6659_fd93) ^ purpose));
        dice.throw();
        dice
    }

    fn throw(&self) -> u64 {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = *state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// One of 0, 1, ... `bound` - 1.
    pub(super) fn below(&self, bound: u64) -> u64 {
        self.throw() % bound
    }

    /// True so often in a thousand.
    pub(super) fn chance(&self, per_mille: u64) -> bool {
        self.below(1_000) < per_mille
    }

    /// A time from `least` to `most`, in milliseconds.
    pub(super) fn millis(&self, least: u64, most: u64) -> Duration {
        Duration::from_millis(least + self.below(most - least + 1))
    }

    pub(super) fn pick<'a, T>(&self, of: &'a [T]) -> &'a T {
        &of[self.below(of.len() as u64) as usize]
    }
}
