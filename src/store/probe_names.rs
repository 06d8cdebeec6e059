//! The names of probes' objects.

use std::sync::atomic::{AtomicU64, Ordering};

use super::codec::WriterId;

/// Names the objects of probes; no other host makes the same names, because no other has this writer's 128 random bits.
#[derive(Debug)]
pub(super) struct ProbeNames {
    writer: WriterId,
    count: AtomicU64,
}

impl ProbeNames {
    pub(super) fn of(writer: WriterId) -> Self {
        Self { writer, count: AtomicU64::new(0) }
    }

    pub(super) fn nonce(&self) -> u128 {
        self.writer.0 ^ (u128::from(self.count.fetch_add(1, Ordering::Relaxed)) << 64)
    }
}
