//! Time of day and randomness, handed in so that a test can own them.
//!
//! Waiting is `tokio::time`, which tests pause; these two are what it does not give. The builder of a host passes them
//! in; nobody below `host` reads a clock or draws a random number by itself.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use crate::share::time::Timestamp;

pub use crate::store::{Clock, Moment};

/// The clocks of the machine.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the one place that reads the time of day")]
    fn now(&self) -> Timestamp {
        // A machine whose clock stands before 1970 is told that it is 1970.
        Timestamp::try_from(std::time::SystemTime::now()).map_or(Timestamp(i64::MAX), |now| now.max(Timestamp(0)))
    }

    #[cfg(any(target_os = "linux", target_os = "android"))]
    fn since_boot(&self) -> Option<std::time::Duration> {
        use nix::time::{ClockId, clock_gettime};
        clock_gettime(ClockId::CLOCK_BOOTTIME).ok().map(Into::into)
    }
}

/// A clock that goes with tokio's, from a given moment: it stands still while that is paused.
#[derive(Debug, Clone, Copy)]
pub struct TokioClock {
    started: tokio::time::Instant,
    at: Timestamp,
}

impl TokioClock {
    /// A clock that shows `at` now.
    #[must_use]
    pub fn from(at: Timestamp) -> Self {
        Self { started: tokio::time::Instant::now(), at }
    }
}

impl Clock for TokioClock {
    fn now(&self) -> Timestamp {
        Timestamp(self.at.0 + i64::try_from(self.started.elapsed().as_millis()).unwrap_or(i64::MAX))
    }
}

/// A source of random bits. For secrets and ids it must be one that nobody can guess.
pub trait Entropy: fmt::Debug + Send + Sync {
    /// Fills the buffer.
    ///
    /// # Errors
    /// The machine has no randomness to give; nothing that needs some may go on.
    fn fill(&self, bytes: &mut [u8]) -> Result<(), NoEntropy>;
}

/// The machine has no randomness to give.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("the machine has no randomness to give")]
pub struct NoEntropy;

/// The operating system's randomness.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemEntropy;

impl Entropy for SystemEntropy {
    fn fill(&self, bytes: &mut [u8]) -> Result<(), NoEntropy> {
        getrandom::fill(bytes).map_err(|_| NoEntropy)
    }
}

/// Bits that depend on a seed alone: for tests, and never for anything that must not be guessed.
#[derive(Debug)]
pub struct SeededEntropy(Mutex<u64>);

impl SeededEntropy {
    /// The source of this seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(Mutex::new(seed))
    }
}

impl Entropy for SeededEntropy {
    /// SplitMix64 (Steele, Lea, Flood 2014).
    fn fill(&self, bytes: &mut [u8]) -> Result<(), NoEntropy> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for chunk in bytes.chunks_mut(8) {
            *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut z = *state;
            z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            chunk.copy_from_slice(&(z ^ (z >> 31)).to_le_bytes()[..chunk.len()]);
        }
        Ok(())
    }
}

/// Both of them, as they are handed around.
#[derive(Debug, Clone)]
pub struct Ambient {
    /// The time of day, and the clocks that tell how long ago something was.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub entropy: Arc<dyn Entropy>,
}

impl Ambient {
    /// The machine's own.
    #[must_use]
    pub fn system() -> Self {
        Self { clock: Arc::new(SystemClock), entropy: Arc::new(SystemEntropy) }
    }

    /// 128 random bits.
    ///
    /// # Errors
    /// See [`Entropy::fill`].
    pub fn bits(&self) -> Result<u128, NoEntropy> {
        let mut bytes = [0; 16];
        self.entropy.fill(&mut bytes)?;
        Ok(u128::from_le_bytes(bytes))
    }
}
