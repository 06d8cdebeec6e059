//! What goes over a connection, counted by its door and read by administrators. Each figure is exact by itself; read
//! together they are of about the same moment.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

/// The figures of one connection.
#[derive(Debug, Default)]
pub struct Traffic {
    bytes_in: AtomicU64,
    bytes_out: AtomicU64,
    calls_in_flight: AtomicU32,
    /// What its door still has to write, if it says.
    queued_bytes: OnceLock<Arc<AtomicU64>>,
}

impl Traffic {
    /// Notes bytes that were received.
    pub fn received(&self, bytes: usize) {
        self.bytes_in.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    /// Notes bytes that were given to the transport.
    pub fn sent(&self, bytes: usize) {
        self.bytes_out.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    /// Notes a call that began.
    pub fn call_began(&self) {
        self.calls_in_flight.fetch_add(1, Ordering::Relaxed);
    }

    /// Notes that a call ended.
    pub fn call_ended(&self) {
        self.calls_in_flight.fetch_sub(1, Ordering::Relaxed);
    }

    /// Says where the figure of bytes to be written is kept. Only the first call counts.
    pub fn set_queue(&self, queued_bytes: Arc<AtomicU64>) {
        let _first = self.queued_bytes.set(queued_bytes);
    }

    /// Bytes received, without the frames of the transport.
    #[must_use]
    pub fn bytes_in(&self) -> u64 {
        self.bytes_in.load(Ordering::Relaxed)
    }

    /// Bytes given to the transport, without the frames of the transport.
    #[must_use]
    pub fn bytes_out(&self) -> u64 {
        self.bytes_out.load(Ordering::Relaxed)
    }

    /// Calls that are not answered yet.
    #[must_use]
    pub fn calls_in_flight(&self) -> u32 {
        self.calls_in_flight.load(Ordering::Relaxed)
    }

    /// Bytes that wait for the peer to read.
    #[must_use]
    pub fn queued_bytes(&self) -> u64 {
        self.queued_bytes.get().map_or(0, |queued| queued.load(Ordering::Relaxed))
    }
}
