//! The queue of a share: items that are not acknowledged yet, where a newer value of a key takes the place of an older one.
//!
//! Pure: no clock, no task. The handles of a share push, its [upload](crate::client::driver::upload) takes. The queue is a row of
//! segments. A *window* collects queued items; a *sync* and a *flush* are barriers: what was queued before them is sent
//! before them, and no item moves across. Within a window the newest value of a key takes the place of the older one,
//! and a removal takes away the values that it removes and stays: so every value stands behind the removals that it
//! outlived, and sending the window in order does what sending everything in order would have done.
//!
//! Bound: items and bytes of all windows, and of the batch on its way. Policy: past it [`Queue::push`] does not take the item;
//! callers that can wait do so, and the window is sent at once; others get [`ClientError::QueueFull`]. A sync and a flush are held by
//! callers that wait for them, so the number of callers bounds theirs.

use std::collections::{BTreeMap, HashMap, VecDeque};

use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::client::defaults::{BATCH_BYTES_MAX, BATCH_RESERVE_BYTES, ITEM_OVERHEAD_BYTES};
use crate::client::error::ClientError;
use crate::share::change::Change;
use crate::share::error::Refusal;
use crate::share::item::ItemKey;
use crate::share::limits::{Limit, MESSAGE_BYTES_MAX, SYNC_ITEMS_MAX};
use crate::share::view::Synced;

/// Items and bytes that the queue of one share may hold, with the batch that is on its way.
#[derive(Debug, Clone, Copy)]
pub(crate) struct QueueBounds {
    pub(crate) items: usize,
    pub(crate) bytes: usize,
}

/// The queue of one share.
#[derive(Debug)]
pub(crate) struct Queue {
    segments: VecDeque<Segment>,
    /// Number of items in windows, and in the batch that is on its way.
    items: usize,
    bytes: usize,
    bounds: QueueBounds,
    /// The limits of a batch that the upload told last.
    limits: BatchLimits,
    /// The error that the queue failed with; it takes nothing more then.
    failed: Option<ClientError>,
    /// Every handle was dropped: the queue does not wait for the end of a window any more.
    abandoned: bool,
    /// There was no room for a change: what is queued is sent before its window is over.
    is_pressed: bool,
}

#[derive(Debug)]
enum Segment {
    Window(Window),
    Sync(SyncJob),
    Flush(oneshot::Sender<Result<(), ClientError>>),
}

/// A batch that its caller waits for.
#[derive(Debug)]
pub(crate) struct SyncJob {
    pub(crate) changes: Vec<Change>,
    /// When the caller gives up.
    pub(crate) deadline: Instant,
    pub(crate) reply: oneshot::Sender<Result<Synced, ClientError>>,
}

/// The next step of an upload.
#[derive(Debug)]
pub(crate) enum Next {
    /// Wait until something is queued.
    Idle,
    /// Wait until this time, or until something is queued.
    WaitUntil(Instant),
    /// Send these changes, then call [`Queue::settle`].
    Batch(Vec<Change>),
    Sync(SyncJob),
    /// Tell the caller of a flush that everything before it was acknowledged.
    Flush(oneshot::Sender<Result<(), ClientError>>),
    /// End: the queue is empty, and nobody can queue any more.
    Done,
}

impl Queue {
    pub(crate) fn new(bounds: QueueBounds) -> Self {
        let (segments, limits) = (VecDeque::new(), BatchLimits::default());
        Self { segments, items: 0, bytes: 0, bounds, limits, failed: None, abandoned: false, is_pressed: false }
    }

    /// Fails if these changes would not all be taken now, in the worst case that none of them replaces another.
    pub(crate) fn has_room_for(&self, changes: &[Change]) -> Result<(), ClientError> {
        self.check()?;
        let bytes: usize = changes.iter().map(size).sum();
        if self.items + changes.len() > self.bounds.items || self.bytes + bytes > self.bounds.bytes {
            return Err(self.full());
        }
        Ok(())
    }

    /// Takes a change, or gives the error that says why not. An empty queue takes one change of any size.
    pub(crate) fn push(&mut self, change: &Change, now: Instant) -> Result<(), ClientError> {
        self.check()?;
        if !matches!(self.segments.back(), Some(Segment::Window(window)) if !window.closed) {
            self.segments.push_back(Segment::Window(Window::new(now)));
        }
        let Some(Segment::Window(window)) = self.segments.back_mut() else { return Ok(()) };
        let (frees_items, frees_bytes) = window.frees(change);
        let items = self.items - frees_items + 1;
        let bytes = self.bytes - frees_bytes + size(change);
        if self.items > 0 && (items > self.bounds.items || bytes > self.bounds.bytes) {
            // A window that was opened for nothing would begin its time too early.
            if window.order.is_empty() {
                self.segments.pop_back();
            }
            self.is_pressed = true;
            return Err(self.full());
        }
        window.push(change);
        (self.items, self.bytes) = (items, bytes);
        Ok(())
    }

    /// Whether the upload has to look at the queue after the last [`push`](Self::push), because a window was opened or is full, or because
    /// there was no room. After any other push it would be woken for nothing.
    pub(crate) fn is_to_be_looked_at(&self) -> bool {
        match self.segments.back() {
            Some(Segment::Window(window)) => self.is_pressed || window.order.len() <= 1 || self.limits.is_full(window),
            Some(Segment::Sync(_) | Segment::Flush(_)) | None => true,
        }
    }

    /// Takes a batch that is sent by itself.
    pub(crate) fn push_sync(&mut self, job: SyncJob) -> Result<(), ClientError> {
        self.check()?;
        self.segments.push_back(Segment::Sync(job));
        Ok(())
    }

    /// Takes a flush: `reply` is told when everything that was queued before is acknowledged.
    pub(crate) fn push_flush(&mut self, reply: oneshot::Sender<Result<(), ClientError>>) -> Result<(), ClientError> {
        self.check()?;
        // Flushes whose callers have gone would pile up while there is no connection.
        self.segments.retain(|segment| !matches!(segment, Segment::Flush(reply) if reply.is_closed()));
        self.segments.push_back(Segment::Flush(reply));
        Ok(())
    }

    /// The next step of the upload at the time `now`, with windows that are open for the time `window`.
    pub(crate) fn next(&mut self, now: Instant, window: std::time::Duration, limits: &BatchLimits) -> Next {
        self.limits = *limits;
        let is_followed = self.segments.len() > 1;
        let Some(front) = self.segments.front_mut() else {
            return if self.abandoned { Next::Done } else { Next::Idle };
        };
        if let Segment::Window(front) = front {
            let due = front.opened + window;
            front.closed |= is_followed || self.abandoned || now >= due;
            if !front.closed && !self.is_pressed && !limits.is_full(front) {
                return Next::WaitUntil(due);
            }
            let batch = front.take(limits);
            if front.order.is_empty() {
                self.segments.pop_front();
            }
            return Next::Batch(batch);
        }
        match self.segments.pop_front() {
            Some(Segment::Sync(job)) => Next::Sync(job),
            Some(Segment::Flush(reply)) => Next::Flush(reply),
            Some(Segment::Window(_)) | None => Next::Idle,
        }
    }

    /// Counts these changes out: they were acknowledged, or given up.
    pub(crate) fn settle(&mut self, changes: &[Change]) {
        self.is_pressed = false;
        self.items = self.items.saturating_sub(changes.len());
        self.bytes = self.bytes.saturating_sub(changes.iter().map(size).sum());
    }

    /// Fails the queue: everything in it is given up, and callers get this error from now on.
    pub(crate) fn fail(&mut self, error: ClientError) {
        for segment in self.segments.drain(..) {
            // A caller who has gone need not be told.
            match segment {
                Segment::Window(_) => {}
                Segment::Sync(job) => drop(job.reply.send(Err(error.clone()))),
                Segment::Flush(reply) => drop(reply.send(Err(error.clone()))),
            }
        }
        (self.items, self.bytes) = (0, 0);
        self.failed.get_or_insert(error);
    }

    pub(crate) fn abandon(&mut self) {
        self.abandoned = true;
    }

    fn check(&self) -> Result<(), ClientError> {
        self.failed.clone().map_or(Ok(()), Err)
    }

    fn full(&self) -> ClientError {
        ClientError::QueueFull { items: self.items, bytes: self.bytes }
    }
}

/// Items that were queued within one window, in order.
#[derive(Debug)]
struct Window {
    opened: Instant,
    /// Whether the window takes no more; later items go into the next window.
    closed: bool,
    order: BTreeMap<u64, Change>,
    puts: HashMap<ItemKey, u64>,
    removals: HashMap<ItemKey, u64>,
    next: u64,
    bytes: usize,
}

impl Window {
    fn new(opened: Instant) -> Self {
        Self {
            opened,
            closed: false,
            order: BTreeMap::new(),
            puts: HashMap::new(),
            removals: HashMap::new(),
            next: 0,
            bytes: 0,
        }
    }

    /// The positions of the values that a change makes superfluous.
    fn displaced(&self, change: &Change) -> Vec<u64> {
        let own = self.puts.get(&change.key).copied();
        let parts = change.key.parts_prefix().filter(|_| change.value.is_none());
        let parts = parts.iter().flat_map(|prefix| {
            self.puts.iter().filter(move |(key, _)| key.as_str().starts_with(prefix)).map(|(_, at)| *at)
        });
        own.into_iter().chain(parts).collect()
    }

    /// Items and bytes that would be freed by pushing this change.
    fn frees(&self, change: &Change) -> (usize, usize) {
        let mut places = self.displaced(change);
        if change.value.is_none() {
            places.extend(self.removals.get(&change.key));
        }
        (places.len(), places.iter().filter_map(|at| self.order.get(at)).map(size).sum())
    }

    fn push(&mut self, change: &Change) {
        if change.value.is_some() {
            let next = self.next;
            let at = *self.puts.entry(change.key.clone()).or_insert(next);
            self.next += u64::from(at == next);
            self.insert(at, change.clone());
            return;
        }
        for at in self.displaced(change) {
            if let Some(gone) = self.order.remove(&at) {
                self.bytes -= size(&gone);
                self.puts.remove(&gone.key);
            }
        }
        // A removal that is there already is enough: whatever it would remove of what came since was displaced above.
        if !self.removals.contains_key(&change.key) {
            self.removals.insert(change.key.clone(), self.next);
            self.insert(self.next, change.clone());
            self.next += 1;
        }
    }

    fn insert(&mut self, at: u64, change: Change) {
        self.bytes += size(&change);
        if let Some(before) = self.order.insert(at, change) {
            self.bytes -= size(&before);
        }
    }

    fn take(&mut self, limits: &BatchLimits) -> Vec<Change> {
        let mut batch = Vec::new();
        let mut bytes = 0;
        while let Some(entry) = self.order.first_entry() {
            bytes += size(entry.get());
            if !batch.is_empty() && (batch.len() == limits.items || bytes > limits.bytes) {
                break;
            }
            let change = entry.remove();
            let places = if change.value.is_some() { &mut self.puts } else { &mut self.removals };
            places.remove(&change.key);
            self.bytes -= size(&change);
            batch.push(change);
        }
        batch
    }
}

/// Limits of one batch: those of the contract, or the lower ones that a host has told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct BatchLimits {
    pub(crate) items: usize,
    pub(crate) bytes: usize,
    /// Bytes that the host takes in one message.
    pub(crate) message_bytes: usize,
}

impl Default for BatchLimits {
    fn default() -> Self {
        Self { items: SYNC_ITEMS_MAX, bytes: BATCH_BYTES_MAX, message_bytes: MESSAGE_BYTES_MAX }
    }
}

impl BatchLimits {
    /// Number of changes, counted from the first, that go into one batch: at least one.
    pub(crate) fn prefix(&self, changes: &[Change]) -> usize {
        let mut bytes = 0;
        let fit = changes.iter().take(self.items).take_while(|change| {
            bytes += size(change);
            bytes <= self.bytes
        });
        fit.count().max(1).min(changes.len())
    }

    /// Fails if these changes cannot go as one batch.
    pub(crate) fn check(&self, changes: &[Change]) -> Result<(), Refusal> {
        if changes.len() > self.items {
            return Err(Refusal::limit(Limit::SyncItemsMax, self.items, changes.len()));
        }
        let bytes: usize = changes.iter().map(size).sum();
        if bytes > self.bytes && changes.len() > 1 {
            return Err(Refusal::limit(Limit::MessageBytesMax, self.message_bytes, bytes + BATCH_RESERVE_BYTES));
        }
        Ok(())
    }

    /// Whether a refusal is about the size of the batch, so that smaller parts of it might be taken.
    pub(crate) fn is_of_batch(refusal: &Refusal) -> bool {
        matches!(refusal, Refusal::LimitExceeded { limit: Limit::SyncItemsMax | Limit::MessageBytesMax, .. })
    }

    /// Learns lower limits from the refusal of a batch; `false` if smaller batches would not help.
    pub(crate) fn learn(&mut self, refusal: &Refusal, sent: &[Change]) -> bool {
        let Refusal::LimitExceeded { limit, max, .. } = refusal else { return false };
        let max = usize::try_from(*max).unwrap_or(usize::MAX);
        if sent.len() < 2 || max == 0 {
            return false;
        }
        if *limit == Limit::SyncItemsMax && max < self.items {
            self.items = max;
        } else if *limit == Limit::MessageBytesMax {
            let bytes = max.saturating_sub(BATCH_RESERVE_BYTES).max(max / 2);
            self.message_bytes = max;
            // A size that was refused is not tried again, even where the estimate says that it would fit.
            self.bytes = bytes.min(sent.iter().map(size).sum::<usize>() / 2);
        } else {
            return false;
        }
        true
    }

    fn is_full(&self, window: &Window) -> bool {
        window.order.len() >= self.items || window.bytes >= self.bytes
    }
}

/// Bytes that a change takes in a message, as an estimate from above.
pub(crate) fn size(change: &Change) -> usize {
    let text = change.value.as_ref().map_or(0, |value| value.as_str().len());
    change.key.as_str().len() + text + ITEM_OVERHEAD_BYTES
}
