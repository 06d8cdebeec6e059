//! The upload of a share: the one task that sends what the share's handles queued, one batch at a time, exactly once.
//!
//! It runs on the driver's thread for as long as the share has handles, and after them until the queue is empty. Each
//! batch has a stamp (producer, epoch 1, sequence); a batch whose answer was lost is sent again with the same stamp and
//! content, before anything newer, so the host applies it once. A batch from the queue is sent again without end, until it is
//! acknowledged or the answer is final; a `sync` only as long as its caller waits. A final answer to a queued batch fails
//! the queue: what is in it is given up, and every caller gets the reason.
//!
//! A host may take less in one batch than the contract allows. A batch that it refuses for that goes again in parts, under
//! new stamps, but only if none of its attempts can have been applied: what another host applied before its answer was lost
//! must not be applied a second time. Such a batch fails the queue, as [`ClientError::Disconnected`].

use std::cell::Cell;
use std::rc::Rc;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{Notify, watch};
use tokio::time::{Instant, sleep_until, timeout_at};

use crate::client::access::WriteAccess;
use crate::client::calls::sync;
use crate::client::driver::link::{Link, Policy};
use crate::client::error::{ClientError, Lost};
use crate::client::hosts::HostNumber;
use crate::client::mutation::Mutation;
use crate::client::queue::{BatchLimits, Next, Queue, QueueBounds, SyncJob};
use crate::client::session::Session;
use crate::share::change::{Batch, Change, Stamp};
use crate::share::id::ProducerId;
use crate::share::revision::Revision;
use crate::share::view::Synced;

/// State that the handles of a share and its upload share.
#[derive(Debug)]
pub(crate) struct Shared {
    /// Never held across an await.
    queue: Mutex<Queue>,
    /// Notifies the upload that something was queued.
    pub(crate) work: Notify,
    /// Notifies callers that wait to queue an item that the queue may have capacity again.
    pub(crate) capacity: Notify,
}

/// Progress of an upload.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Progress {
    /// The share's sync count after the newest batch that was acknowledged.
    pub sync_count: u64,
    /// The share's revision after that batch.
    pub revision: Revision,
}

impl Shared {
    pub(crate) fn new(queue: Queue) -> Arc<Self> {
        Arc::new(Self { queue: Mutex::new(queue), work: Notify::new(), capacity: Notify::new() })
    }

    pub(crate) fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Fails the queue: nothing more is taken, and every caller gets this error.
    pub(crate) fn fail(&self, error: ClientError) {
        self.queue().fail(error);
        self.capacity.notify_waiters();
        self.work.notify_one();
    }
}

/// The upload of one share, to be [run](Self::run).
pub(crate) struct Upload {
    pub(crate) link: Rc<Link>,
    pub(crate) access: WriteAccess,
    pub(crate) shared: Arc<Shared>,
    pub(crate) producer: ProducerId,
    /// Sequence number of the batch that was sent last; 0 before the first.
    pub(crate) sequence: u64,
    pub(crate) limits: BatchLimits,
    pub(crate) progress: watch::Sender<Progress>,
}

impl Upload {
    pub(crate) async fn run(mut self) {
        let (link, shared) = (self.link.clone(), self.shared.clone());
        tokio::select! {
            biased;
            () = self.send_all() => {}
            closed = link.closed() => shared.fail(ClientError::Closed(closed)),
        }
    }

    async fn send_all(&mut self) {
        let shared = self.shared.clone();
        let window = self.link.settings.sync_window;
        loop {
            let next = shared.queue().next(Instant::now(), window, &self.limits);
            match next {
                Next::Idle => shared.work.notified().await,
                Next::WaitUntil(due) => tokio::select! {
                    biased;
                    () = sleep_until(due) => {}
                    () = shared.work.notified() => {}
                },
                Next::Batch(changes) => {
                    let result = self.deliver(&changes).await;
                    shared.queue().settle(&changes);
                    match result {
                        Ok(()) => shared.capacity.notify_waiters(),
                        Err(error) => {
                            tracing::warn!(share = %self.access.id(), %error, "the share takes no more; its queue is given up");
                            shared.fail(error);
                        }
                    }
                }
                Next::Sync(job) => self.sync(job).await,
                // The caller may have gone.
                Next::Flush(reply) => drop(reply.send(Ok(()))),
                Next::Done => return,
            }
        }
    }

    /// Sends queued changes, in as many batches as it takes, until all are acknowledged or an answer is final.
    async fn deliver(&mut self, changes: &[Change]) -> Result<(), ClientError> {
        let mut rest = changes;
        while !rest.is_empty() {
            let (now, later) = rest.split_at(self.limits.prefix(rest));
            match self.send(now, None).await {
                Ok(_) => rest = later,
                // The host has lower limits than the contract: smaller batches, with new stamps, as none was applied.
                Err(ClientError::Refused(refusal)) if self.limits.learn(&refusal, now) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    async fn sync(&mut self, mut job: SyncJob) {
        let link = self.link.clone();
        let result = tokio::select! {
            biased;
            // The caller gave up: so does the call, on the host as well.
            () = job.reply.closed() => return,
            // The client has ended: the caller is told why.
            closed = link.closed() => Err(ClientError::Closed(closed)),
            result = self.send(&job.changes, Some(job.deadline)) => result,
        };
        if let Err(ClientError::Refused(refusal)) = &result {
            self.limits.learn(refusal, &job.changes);
        }
        drop(job.reply.send(result));
    }

    /// Sends one batch, under one stamp, until an answer is final.
    async fn send(&mut self, changes: &[Change], deadline: Option<Instant>) -> Result<Synced, ClientError> {
        self.limits.check(changes)?;
        self.sequence += 1;
        let stamp = Stamp { producer: self.producer.clone(), epoch: 1, sequence: self.sequence };
        let batch = Rc::new(Batch { stamp: Some(stamp), changes: changes.to_vec() });
        let first_host = Cell::new(None);
        let may_be_applied = Cell::new(false);
        let mut delays = self.link.settings.backoff.delays(&mut self.link.random.borrow_mut());
        loop {
            let call = self.link.call(Policy::Again, async |session| {
                let batch = self.batch_for(&session, &batch, &first_host);
                let synced = sync(session, self.access.clone(), batch).await;
                note_if_open(&may_be_applied, &synced);
                synced
            });
            let result = match deadline {
                None => call.await,
                Some(deadline) => timeout_at(deadline, call)
                    .await
                    .unwrap_or(Err(ClientError::Timeout { after: self.link.settings.call_timeout })),
            };
            match result {
                Ok(synced) => {
                    self.progress.send_replace(Progress { sync_count: synced.sync_count, revision: synced.revision });
                    return Ok(synced);
                }
                Err(error) if !error.is_transient() => {
                    let planted = self.link.settings.planted.is(Mutation::SendAgainInParts);
                    return Err(if may_be_applied.get() && !planted { left_open(error) } else { error });
                }
                Err(error) => {
                    // The call itself may have timed out, and noted nothing.
                    may_be_applied.set(may_be_applied.get() || error.leaves_open());
                    let delay = delays.next();
                    if deadline.is_some_and(|deadline| Instant::now() + delay >= deadline) {
                        return Err(error);
                    }
                    tracing::debug!(share = %self.access.id(), %error, "the batch is sent again");
                    self.link.pause(delay).await;
                }
            }
        }
    }
}

impl Upload {
    /// The batch as it goes to the host of this session: as it went to the host before, so that it counts once whoever applies it.
    fn batch_for(&self, session: &Session, batch: &Rc<Batch>, first_host: &Cell<Option<HostNumber>>) -> Rc<Batch> {
        let first = first_host.get().unwrap_or(session.host);
        first_host.set(Some(first));
        if self.link.settings.planted.is(Mutation::NewStampElsewhere)
            && first != session.host
            && let Ok(producer) = new_producer(&self.link)
        {
            let stamp = Some(Stamp { producer, epoch: 1, sequence: 1 });
            return Rc::new(Batch { stamp, changes: batch.changes.clone() });
        }
        Rc::clone(batch)
    }
}

/// Notes whether the batch of a failed attempt may have been applied.
pub(crate) fn note_if_open<T>(may_be_applied: &Cell<bool>, attempt: &Result<T, ClientError>) {
    if let Err(error) = attempt {
        may_be_applied.set(may_be_applied.get() || error.leaves_open());
    }
}

/// The error of a batch that may have been applied: if it is refused for its size now, a host that takes more may have applied it
/// before, so the refusal becomes [`ClientError::Disconnected`].
pub(crate) fn left_open(error: ClientError) -> ClientError {
    if let ClientError::Refused(refusal) = &error
        && BatchLimits::is_of_batch(refusal)
    {
        return ClientError::Disconnected { cause: Lost::Refused(refusal.clone()) };
    }
    error
}

/// The parts of a new upload that its handles keep.
pub(crate) type Begun = (Arc<Shared>, watch::Receiver<Progress>);

/// A producer id for a new upload, under which the host counts its batches.
pub(crate) fn new_producer(link: &Link) -> Result<ProducerId, ClientError> {
    link.random
        .borrow_mut()
        .producer_id()
        .map_err(|error| ClientError::Failed(format!("the system gives no random numbers: {error}")))
}

/// Begins an upload: the first batch that it sends gets the number after `sequence`.
pub(crate) fn begin(
    link: &Rc<Link>,
    access: WriteAccess,
    producer: ProducerId,
    sequence: u64,
    limits: BatchLimits,
    progress: Progress,
    queue: QueueBounds,
) -> Begun {
    let shared = Shared::new(Queue::new(queue));
    let (progress, watched) = watch::channel(progress);
    let upload = Upload { link: link.clone(), access, shared: shared.clone(), producer, sequence, limits, progress };
    link.tasks.spawn_local(upload.run());
    (shared, watched)
}
