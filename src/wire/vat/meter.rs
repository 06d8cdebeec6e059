//! The queue of messages that a vat has still to write, and its size.
//!
//! Every outgoing message is entered here when capnp-rpc sends it, and struck off when the stream below has flushed it,
//! in order. The queue has no bound of its own: the vat's policy is to take no further request while too much is
//! waiting. The host reads the figure for its limits and its registry.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Waker};

use capnp::Error;
use capnp::message::{Builder, HeapAllocator};
use futures::channel::oneshot;
use tokio::sync::Notify;

/// A cheap handle on one vat's outgoing queue. When the vat has ended, it keeps the last figures.
#[derive(Clone, Debug)]
pub struct VatMeter(Rc<Queue>);

/// Places that an empty queue keeps allocated: those of a short burst, 768 bytes.
const MESSAGES_KEPT: usize = 32;

/// A message on its way out.
pub(super) type Message = Rc<Builder<HeapAllocator>>;

#[derive(Default)]
struct Queue {
    /// The waiting messages and their bytes, oldest first; the first may be half written. Its bound is the vat's policy.
    messages: RefCell<VecDeque<(Message, u64)>>,
    /// Set when nothing is sent any more: the result that the writer ends with once the rest is out, and where it tells so.
    last: RefCell<Option<Last>>,
    /// The network's writing task and its reading task, while they wait.
    writer: Cell<Option<Waker>>,
    reader: Cell<Option<Waker>>,
    /// The reading task waits until no more bytes than this are queued.
    reader_wants: Cell<Option<u64>>,
    /// Bytes that are queued; shared, so that other threads can read it.
    bytes: Arc<AtomicU64>,
    peak_bytes: Cell<u64>,
    /// Bytes of the largest message that was ever entered, with its segment table; below, of the largest one since
    /// [`VatMeter::measure`] last looked.
    largest_message: Cell<u64>,
    measured: Cell<u64>,
    changed: Notify,
    /// A write has failed: nothing more goes out.
    broken: Cell<bool>,
    /// The vat has disconnected: nothing that still comes in is taken.
    closed: Cell<bool>,
    /// The RPC system has ended the connection, or a write has failed.
    over: Cell<bool>,
}

type Last = (Result<(), Error>, oneshot::Sender<()>);

impl VatMeter {
    pub(super) fn new() -> Self {
        Self(Rc::default())
    }

    /// Bytes of the messages that are queued and not yet flushed, without their segment tables.
    pub fn queued_bytes(&self) -> u64 {
        self.0.bytes.load(Ordering::Relaxed)
    }

    /// The counter behind [`queued_bytes`](Self::queued_bytes), for other threads.
    pub fn shared_queued_bytes(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.0.bytes)
    }

    /// The most that [`queued_bytes`](Self::queued_bytes) ever was.
    pub fn peak_bytes(&self) -> u64 {
        self.0.peak_bytes.get()
    }

    /// Bytes of the largest message that was ever queued, with its segment table.
    pub fn largest_message(&self) -> u64 {
        self.0.largest_message.get()
    }

    /// Runs `send`, and tells the bytes of the largest message that it queued, with its segment table; 0 if it queued none.
    pub fn measure<T>(&self, send: impl FnOnce() -> T) -> (T, u64) {
        self.0.measured.set(0);
        let sent = send();
        (sent, self.0.measured.get())
    }

    /// Whether the connection has ended for any reason, so that calls that were on their way have failed.
    pub fn is_over(&self) -> bool {
        self.0.over.get()
    }

    /// Waits until at most `bytes` are queued, or until nothing more will be written. With 0 it waits until everything that was
    /// queued is written, as before a close.
    pub async fn until_at_most(&self, bytes: u64) {
        loop {
            let changed = self.0.changed.notified();
            if self.is_at_most(bytes) {
                return;
            }
            changed.await;
        }
    }

    /// Whether at most `bytes` are queued, or nothing more will be written.
    pub(super) fn is_at_most(&self, bytes: u64) -> bool {
        self.queued_bytes() <= bytes || self.is_broken() || self.is_closed()
    }

    /// Queues a message. After a failed write, or after the last message, it is dropped.
    pub(super) fn enter(&self, message: Message) {
        if self.is_broken() || self.0.last.borrow().is_some() {
            return;
        }
        let bytes = (message.size_in_words() as u64).saturating_mul(8);
        let framed = bytes + table_bytes(message.get_segments_for_output().len());
        self.0.largest_message.set(self.largest_message().max(framed));
        self.0.measured.set(self.0.measured.get().max(framed));
        self.0.messages.borrow_mut().push_back((message, bytes));
        let queued = self.queued_bytes() + bytes;
        self.0.bytes.store(queued, Ordering::Relaxed);
        self.0.peak_bytes.set(self.peak_bytes().max(queued));
        wake(&self.0.writer);
    }

    /// Ends the queue: no message comes after those that are queued. The receiver resolves when they are written.
    pub(super) fn end(&self, result: Result<(), Error>) -> oneshot::Receiver<()> {
        let (done, when_done) = oneshot::channel();
        self.0.over.set(true);
        if !self.is_broken() {
            *self.0.last.borrow_mut() = Some((result, done));
            wake(&self.0.writer);
        }
        when_done
    }

    /// The message to write next, which stays queued until it is [struck off](Self::strike_off).
    pub(super) fn next(&self) -> Option<Message> {
        self.0.messages.borrow().front().map(|(message, _)| message.clone())
    }

    /// The result that the writer ends with, once it has written everything.
    pub(super) fn ended(&self) -> Option<Result<(), Error>> {
        let (result, done) = self.0.last.borrow_mut().take()?;
        // The receiver may be gone.
        let _ = done.send(());
        Some(result)
    }

    /// Takes the first message off the queue, because it was flushed.
    pub(super) fn strike_off(&self) {
        let mut messages = self.0.messages.borrow_mut();
        let Some((_, bytes)) = messages.pop_front() else { return };
        if messages.is_empty() && messages.capacity() > MESSAGES_KEPT {
            *messages = VecDeque::new();
        }
        drop(messages);
        self.0.bytes.store(self.queued_bytes() - bytes, Ordering::Relaxed);
        if self.0.reader_wants.get().is_some_and(|bytes| self.is_at_most(bytes)) {
            wake(&self.0.reader);
        }
        self.0.changed.notify_waiters();
    }

    /// Notes that a write has failed, so that what is queued will never go out. The figures stay.
    pub(super) fn fail(&self) {
        self.0.broken.set(true);
        self.0.over.set(true);
        drop(self.0.messages.take());
        drop(self.0.last.take());
        self.changed();
    }

    pub(super) fn is_broken(&self) -> bool {
        self.0.broken.get()
    }

    pub(super) fn close(&self) {
        self.0.closed.set(true);
        self.changed();
    }

    pub(super) fn is_closed(&self) -> bool {
        self.0.closed.get()
    }

    /// Registers the writing task, to be woken when there is something to write.
    pub(super) fn register_writer(&self, cx: &Context<'_>) {
        self.0.writer.set(Some(cx.waker().clone()));
    }

    /// Registers the reading task, to be woken at the end, and once at most `wants` bytes are queued if it waits for that.
    pub(super) fn register_reader(&self, cx: &Context<'_>, wants: Option<u64>) {
        self.0.reader_wants.set(wants);
        self.0.reader.set(Some(cx.waker().clone()));
    }

    /// Wakes the reading task, because it has something to hand on that did not come from the peer, or is to end.
    pub(super) fn wake_reader(&self) {
        wake(&self.0.reader);
    }

    /// Wakes all who wait for the queue to change.
    fn changed(&self) {
        wake(&self.0.reader);
        self.0.changed.notify_waiters();
    }
}

/// Bytes of a segment table: the number of segments and the length of each, in words of 32 bits padded to 64.
fn table_bytes(segments: usize) -> u64 {
    4 * (1 + segments as u64).next_multiple_of(2)
}

fn wake(waker: &Cell<Option<Waker>>) {
    if let Some(waker) = waker.take() {
        waker.wake();
    }
}

impl std::fmt::Debug for Queue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Queue")
            .field("bytes", &self.bytes)
            .field("peak_bytes", &self.peak_bytes)
            .field("broken", &self.broken)
            .field("closed", &self.closed)
            .finish_non_exhaustive()
    }
}
