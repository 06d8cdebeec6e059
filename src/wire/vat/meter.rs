//! How much a vat has still to write.
//!
//! Every outgoing message is entered here when capnp-rpc queues it, and struck off when the stream below has flushed it;
//! capnp-rpc flushes after every message, in order. The host reads the figure for its limits and its registry.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};

use futures::AsyncWrite;
use tokio::sync::Notify;

/// A cheap handle on one vat's outgoing queue. After the vat's end it keeps the last figures.
#[derive(Clone, Debug)]
pub struct VatMeter(Rc<Queue>);

#[derive(Debug, Default)]
struct Queue {
    /// The sizes of the waiting messages, oldest first. As long as capnp-rpc's own queue, whose bound is its doing.
    sizes: RefCell<VecDeque<u64>>,
    /// Shared with whoever reads it from another thread.
    bytes: Arc<AtomicU64>,
    peak_bytes: Cell<u64>,
    changed: Notify,
    /// A write has failed: nothing more goes out.
    broken: Cell<bool>,
    /// The vat has disconnected: nothing that still comes in is taken.
    closed: Cell<bool>,
}

impl VatMeter {
    pub(super) fn new() -> Self {
        Self(Rc::default())
    }

    /// Bytes of messages that are queued and not yet flushed, segment tables not counted.
    pub fn queued_bytes(&self) -> u64 {
        self.0.bytes.load(Ordering::Relaxed)
    }

    /// The same figure, for other threads.
    pub fn shared_queued_bytes(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.0.bytes)
    }

    /// The most that [`queued_bytes`](Self::queued_bytes) ever was.
    pub fn peak_bytes(&self) -> u64 {
        self.0.peak_bytes.get()
    }

    /// Messages that are queued and not yet flushed.
    pub fn queued_messages(&self) -> usize {
        self.0.sizes.borrow().len()
    }

    /// Waits until at most `bytes` are queued, or nothing more will be written. With 0 it waits until everything said so
    /// far is out, such as before a close.
    pub async fn room(&self, bytes: u64) {
        self.until(|queue| queue.bytes.load(Ordering::Relaxed) <= bytes || queue.broken.get() || queue.closed.get())
            .await;
    }

    /// Waits until a write has failed.
    pub(super) async fn broken(&self) {
        self.until(|queue| queue.broken.get()).await;
    }

    async fn until(&self, fact: impl Fn(&Queue) -> bool) {
        loop {
            let changed = self.0.changed.notified();
            if fact(&self.0) {
                return;
            }
            changed.await;
        }
    }

    pub(super) fn enter(&self, bytes: u64) {
        self.0.sizes.borrow_mut().push_back(bytes);
        let queued = self.queued_bytes() + bytes;
        self.0.bytes.store(queued, Ordering::Relaxed);
        self.0.peak_bytes.set(self.peak_bytes().max(queued));
    }

    pub(super) fn close(&self) {
        self.0.closed.set(true);
        self.0.changed.notify_waiters();
    }

    pub(super) fn is_closed(&self) -> bool {
        self.0.closed.get()
    }

    fn strike_off(&self) {
        let Some(bytes) = self.0.sizes.borrow_mut().pop_front() else { return };
        self.0.bytes.store(self.queued_bytes() - bytes, Ordering::Relaxed);
        self.0.changed.notify_waiters();
    }
}

/// The stream below a vat, telling the meter of each flushed message.
pub(super) struct MeteredWriter<W> {
    inner: W,
    meter: VatMeter,
    /// Something was written since the last flush.
    dirty: bool,
}

impl<W> MeteredWriter<W> {
    pub(super) fn new(inner: W, meter: VatMeter) -> Self {
        Self { inner, meter, dirty: false }
    }

    fn noting_failure<T>(&self, result: io::Result<T>) -> io::Result<T> {
        if result.is_err() {
            self.meter.0.broken.set(true);
            self.meter.0.changed.notify_waiters();
        }
        result
    }
}

impl<W: AsyncWrite + Unpin> AsyncWrite for MeteredWriter<W> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.dirty = true;
        let written = ready!(Pin::new(&mut self.inner).poll_write(cx, bytes));
        Poll::Ready(self.noting_failure(written))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = ready!(Pin::new(&mut self.inner).poll_flush(cx));
        self.noting_failure(flushed)?;
        if std::mem::take(&mut self.dirty) {
            self.meter.strike_off();
        }
        Poll::Ready(Ok(()))
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_close(cx)
    }
}
