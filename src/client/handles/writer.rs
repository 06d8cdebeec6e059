//! A share as somebody holds it who may write to it and nothing else: a queue that needs no care, and calls for those who
//! want an answer.
//!
//! [`Share`](crate::client::Share) has one inside; [`Share::narrow_to_write`](crate::client::Share::narrow_to_write) and
//! [`Client::restore`] give one by itself, which can be handed to code that is to do no more.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{oneshot, watch};
use tokio::time::Instant;

use crate::client::access::WriteAccess;
use crate::client::driver::upload::{Progress, Shared, begin, new_producer};
use crate::client::error::{ClientError, Closed};
use crate::client::handles::client::Client;
use crate::client::items::Items;
use crate::client::queue::{BatchLimits, SyncJob};
use crate::share::grant::{GrantToken, Label};
use crate::share::id::ShareId;
use crate::share::time::Timestamp;
use crate::share::view::Synced;

/// A share that may be written to. Clones are handles on the same queue.
///
/// What is [queued](Self::queue) is sent within the sync window, newest value per key, and sent again with the same stamp
/// when an answer was lost: the host applies it once. Lost connections lose nothing. A final refusal (the share was
/// deleted, the token revoked) fails the queue; [`flush`](Self::flush), [`close`](Self::close) and later calls say so.
///
/// Dropping the last handle sends what is still queued if that is possible at once, and tells nobody whether it was;
/// [`close`](Self::close) tells.
#[derive(Debug, Clone)]
pub struct Writer {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    client: Client,
    access: WriteAccess,
    shared: Arc<Shared>,
    progress: watch::Receiver<Progress>,
}

impl Client {
    /// A handle to write by, with a queue and a producer of its own. It asks nothing of the host.
    pub(crate) async fn writer(&self, access: WriteAccess, progress: Progress) -> Result<Writer, ClientError> {
        let (by, queue) = (access.clone(), self.queue_bounds);
        let begun = self.run(move |link| {
            Box::pin(async move {
                let producer = new_producer(&link)?;
                Ok(begin(&link, by, producer, 0, BatchLimits::default(), progress, queue))
            })
        });
        let (shared, progress) = begun.await?;
        Ok(Writer::new(self.clone(), access, shared, progress))
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.shared.queue().abandon();
        self.shared.work.notify_one();
    }
}

impl Writer {
    pub(crate) fn new(
        client: Client,
        access: WriteAccess,
        shared: Arc<Shared>,
        progress: watch::Receiver<Progress>,
    ) -> Self {
        Self { inner: Arc::new(Inner { client, access, shared, progress }) }
    }

    pub(crate) fn client(&self) -> &Client {
        &self.inner.client
    }

    /// Nothing more is taken, for this reason.
    pub(crate) fn fail(&self, error: ClientError) {
        self.inner.shared.fail(error);
    }

    /// The share's id: the link.
    #[must_use]
    pub fn id(&self) -> &ShareId {
        self.inner.access.id()
    }

    /// The newest acknowledged counts, to be watched; zeros before the first sync of a handle that was narrowed or restored,
    /// which may not ask.
    #[must_use]
    pub fn progress(&self) -> watch::Receiver<Progress> {
        self.inner.progress.clone()
    }

    /// Queues items. Waits while the queue is full; dropping the future leaves those queued that had room.
    ///
    /// # Errors
    /// The queue has failed, for the reason given.
    pub async fn queue(&self, items: Items) -> Result<(), ClientError> {
        let shared = &self.inner.shared;
        for change in self.inner.client.redacted(items)? {
            loop {
                let mut room = std::pin::pin!(shared.room.notified());
                // From here on no notice is missed.
                room.as_mut().enable();
                let pushed = shared.queue().push(&change, Instant::now());
                match pushed {
                    Err(ClientError::QueueFull { .. }) => room.await,
                    settled => {
                        settled?;
                        break;
                    }
                }
            }
            shared.work.notify_one();
        }
        Ok(())
    }

    /// Queues items if there is room for all of them, and never waits.
    ///
    /// # Errors
    /// [`ClientError::QueueFull`], with nothing queued; or the queue has failed, for the reason given.
    pub fn try_queue(&self, items: Items) -> Result<(), ClientError> {
        let changes = self.inner.client.redacted(items)?;
        let mut queue = self.inner.shared.queue();
        queue.has_room_for(&changes)?;
        let now = Instant::now();
        for change in &changes {
            queue.push(change, now)?;
        }
        drop(queue);
        self.inner.shared.work.notify_one();
        Ok(())
    }

    /// Sends items as one batch, applied whole or not at all, after everything queued before it. It is sent again with
    /// its stamp when an answer was lost, until the call timeout. Dropping the future withdraws it if it is not yet on
    /// its way, and else cancels the call; what the host has already handed to the log is committed all the same.
    ///
    /// # Errors
    /// Too many items or bytes for one batch: queue them instead. A refusal. A timeout: it may have been applied.
    pub async fn sync(&self, items: Items) -> Result<Synced, ClientError> {
        let changes = self.inner.client.redacted(items)?;
        BatchLimits::default().check(&changes)?;
        let (reply, answer) = oneshot::channel();
        let deadline = Instant::now() + self.inner.client.call_timeout();
        self.inner.shared.queue().push_sync(SyncJob { changes, deadline, reply })?;
        self.inner.shared.work.notify_one();
        answer.await.unwrap_or(Err(ClientError::Closed(Closed::Here)))
    }

    /// Sends what is queued without waiting for the window, and waits until all of it is acknowledged, however long that
    /// takes. Dropping the future ends the waiting only.
    ///
    /// # Errors
    /// The queue has failed, for the reason given: what was queued is not all on the host.
    pub async fn flush(&self) -> Result<(), ClientError> {
        let (reply, answer) = oneshot::channel();
        self.inner.shared.queue().push_flush(reply)?;
        self.inner.shared.work.notify_one();
        answer.await.unwrap_or(Err(ClientError::Closed(Closed::Here)))
    }

    /// [Flushes](Self::flush) and drops this handle.
    ///
    /// # Errors
    /// As [`flush`](Self::flush).
    pub async fn close(self) -> Result<(), ClientError> {
        self.flush().await
    }

    /// Gives the share so long to live from now on; see [`Client::set_expiry`].
    ///
    /// # Errors
    /// As [`Client::set_expiry`].
    pub async fn set_expiry(&self, ttl: Option<Duration>) -> Result<Option<Timestamp>, ClientError> {
        self.inner.client.set_expiry_by(self.inner.access.clone(), ttl).await
    }

    /// Saves this as a token; see [`Share::save`](crate::client::Share::save).
    ///
    /// # Errors
    /// As [`Share::save`](crate::client::Share::save).
    pub async fn save(&self, label: &Label, expires_at: Option<Timestamp>) -> Result<GrantToken, ClientError> {
        self.inner.client.save(self.inner.access.clone().into(), label, expires_at).await
    }
}
