//! The client's random numbers: from the system, or from a seed for tests that repeat the delays of a run.

use std::time::Duration;

use backon::{BackoffBuilder as _, ExponentialBackoff, ExponentialBuilder};

use crate::share::id::ProducerId;

/// The source of producer ids and of the seeds of jitter.
#[derive(Debug)]
pub(crate) struct Random(Option<u64>);

impl Random {
    /// Random numbers from a seed; without a seed they are the system's.
    pub(crate) fn new(seed: Option<u64>) -> Self {
        Self(seed)
    }

    /// A producer id that no other producer has.
    pub(crate) fn producer_id(&mut self) -> Result<ProducerId, getrandom::Error> {
        Ok(ProducerId::from_bits(u128::from(self.next()?) << 64 | u128::from(self.next()?)))
    }

    /// A seed for one run of delays. Jitter needs no secrecy: on a system without random numbers the seed is 0.
    pub(crate) fn jitter_seed(&mut self) -> u64 {
        self.next().unwrap_or(0)
    }

    /// A number below this one, which is not 0. It needs no secrecy: on a system without random numbers it is 0.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        // A remainder of 64 bits by the few hosts of a client is as good as even.
        usize::try_from(self.next().unwrap_or(0) % end.max(1) as u64).unwrap_or(0)
    }

    /// The next number: of SplitMix64 over the seed, or the system's.
    fn next(&mut self) -> Result<u64, getrandom::Error> {
        let Some(state) = &mut self.0 else { return getrandom::u64() };
        *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (*state ^ (*state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        Ok(mixed ^ (mixed >> 31))
    }
}

/// Delays between attempts at a connection. They double from `min`; each is drawn at random between its base and twice that, and
/// none is longer than `max`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Backoff {
    /// Shortest delay. Default: 200 ms.
    pub min: Duration,
    /// Longest delay, with its jitter. Default: 10 s.
    pub max: Duration,
}

impl Default for Backoff {
    fn default() -> Self {
        Self { min: crate::client::defaults::BACKOFF_MIN, max: crate::client::defaults::BACKOFF_MAX }
    }
}

impl Backoff {
    /// Delays from `min`, doubling, of which none is longer than `max`.
    #[must_use]
    pub const fn new(min: Duration, max: Duration) -> Self {
        Self { min, max }
    }

    /// An endless run of delays.
    pub(crate) fn delays(self, random: &mut Random) -> Delays {
        // The jitter comes on top of the base and is less than it, so half the cap keeps the sum under the cap.
        let max = self.max / 2;
        let inner = ExponentialBuilder::new()
            .with_min_delay(self.min.min(max))
            .with_max_delay(max)
            .without_max_times()
            .with_jitter()
            .with_jitter_seed(random.jitter_seed())
            .build();
        Delays { inner, max: self.max }
    }
}

/// An endless run of delays, each longer than the one before, up to the longest.
#[derive(Debug)]
pub(crate) struct Delays {
    inner: ExponentialBackoff,
    max: Duration,
}

impl Delays {
    pub(crate) fn next(&mut self) -> Duration {
        self.inner.next().unwrap_or(self.max)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_grow_to_their_cap_with_jitter_and_a_seed_repeats_them() {
        let run = |seed| {
            let mut delays = Backoff::default().delays(&mut Random::new(Some(seed)));
            std::array::from_fn::<_, 12, _>(|_| delays.next().as_millis())
        };
        assert_eq!(run(7), run(7));
        assert_ne!(run(7), run(8));
        for (n, delay) in run(7).into_iter().enumerate() {
            let base = (200_u128 << n).min(5_000);
            assert!((base..=2 * base).contains(&delay), "delay {n}: {delay}");
        }
    }

    #[test]
    fn producer_ids_differ() {
        let mut random = Random::new(None);
        assert_ne!(random.producer_id(), random.producer_id());
        let mut seeded = Random::new(Some(1));
        assert_ne!(seeded.producer_id(), seeded.producer_id());
    }
}
