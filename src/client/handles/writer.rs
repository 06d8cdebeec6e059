//! A handle that may write to a share and do nothing else: a queue that needs no attention, and calls that wait for an answer.
//!
//! Every [`Share`](crate::client::Share) has a [`Writer`] inside. [`Share::narrow_to_write`](crate::client::Share::narrow_to_write)
//! and [`Client::restore`] give one by itself, for code that is to do no more than write.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{oneshot, watch};
use tokio::time::Instant;

use crate::client::access::WriteAccess;
use crate::client::driver::handle::Client;
use crate::client::driver::upload::{Progress, Shared, begin, new_producer};
use crate::client::error::{ClientError, Closed};
use crate::client::items::Items;
use crate::client::queue::{BatchLimits, SyncJob};
#[cfg(doc)]
use crate::share::error::Refusal;
use crate::share::grant::{GrantToken, Label};
use crate::share::id::ShareId;
use crate::share::time::Timestamp;
use crate::share::view::Synced;

/// A share that this client may write to, and do nothing else with. Clones share one queue.
///
/// [Queued](Self::queue) items are sent within the sync window, the newest value of each key. A batch whose answer was lost is sent
/// again with its stamp, so the host applies it once, and no lost connection loses an item. A final refusal (the
/// share was deleted, the token revoked) fails the queue: [`flush`](Self::flush), [`close`](Self::close) and later calls return it.
///
/// When the last handle is dropped, items that are still queued are sent if possible, and nobody learns whether they arrived;
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
    /// A writer with a queue and a producer id of its own. The host is not asked.
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

    /// Fails the queue with this error: it takes nothing more.
    pub(crate) fn fail(&self, error: ClientError) {
        self.inner.shared.fail(error);
    }

    /// The share's id, which its link is made of.
    #[must_use]
    pub fn id(&self) -> &ShareId {
        self.inner.access.id()
    }

    /// The sync count and revision of the newest acknowledged batch, in a channel to be read and watched. A writer may not read the
    /// share: one that was restored has zeros before its first sync.
    #[must_use]
    pub fn progress(&self) -> watch::Receiver<Progress> {
        self.inner.progress.clone()
    }

    /// Queues items to be sent within the sync window. Where the queue has no room, it is sent at once, and this waits until there is room.
    /// If the future is dropped, the items that were queued by then are sent.
    ///
    /// # Errors
    /// The error that the queue failed with, such as a final refusal of what was queued before.
    pub async fn queue(&self, items: Items) -> Result<(), ClientError> {
        let shared = &self.inner.shared;
        for change in self.inner.client.redacted(items)? {
            loop {
                let mut capacity = std::pin::pin!(shared.capacity.notified());
                // From here on no notification is missed.
                capacity.as_mut().enable();
                let (pushed, is_to_be_looked_at) = {
                    let mut queue = shared.queue();
                    (queue.push(&change, Instant::now()), queue.is_to_be_looked_at())
                };
                if is_to_be_looked_at {
                    shared.work.notify_one();
                }
                match pushed {
                    Err(ClientError::QueueFull { .. }) => capacity.await,
                    settled => break settled?,
                }
            }
        }
        Ok(())
    }

    /// Queues items if the queue can take all of them, and never waits.
    ///
    /// # Errors
    /// [`ClientError::QueueFull`], and none of the items is queued; or the error that the queue failed with.
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

    /// Sends items as one batch, which the host applies whole or not at all, after everything that was queued before. A batch
    /// whose answer was lost is sent again with its stamp, until the call timeout is over. If the future is dropped, a batch that
    /// is not yet on its way is withdrawn, and the call of one that is on its way is cancelled; the host may have committed it by
    /// then.
    ///
    /// # Errors
    /// [`ClientError`], as for every call; [`Refusal::LimitExceeded`] for too many items or bytes in one batch, which
    /// [`queue`](Self::queue) would send in parts. After [`ClientError::Timeout`] the batch may have been applied.
    pub async fn sync(&self, items: Items) -> Result<Synced, ClientError> {
        let changes = self.inner.client.redacted(items)?;
        BatchLimits::default().check(&changes)?;
        let (reply, answer) = oneshot::channel();
        let deadline = Instant::now() + self.inner.client.call_timeout();
        self.inner.shared.queue().push_sync(SyncJob { changes, deadline, reply })?;
        self.inner.shared.work.notify_one();
        answer.await.unwrap_or(Err(ClientError::Closed(Closed::Here)))
    }

    /// Sends queued items at once, without waiting for the end of the sync window, and waits until the host has acknowledged all of
    /// them, however long that takes. If the future is dropped, the items are still sent.
    ///
    /// # Errors
    /// The error that the queue failed with: the host has not taken all that was queued.
    pub async fn flush(&self) -> Result<(), ClientError> {
        let (reply, answer) = oneshot::channel();
        self.inner.shared.queue().push_flush(reply)?;
        self.inner.shared.work.notify_one();
        answer.await.unwrap_or(Err(ClientError::Closed(Closed::Here)))
    }

    /// Sends queued items at once, waits until the host has acknowledged all of them, as [`flush`](Self::flush) does, and drops
    /// this handle.
    ///
    /// # Errors
    /// As [`flush`](Self::flush).
    pub async fn close(self) -> Result<(), ClientError> {
        self.flush().await
    }

    /// Sets the time that the share has left to live, and gives when it will be gone; see [`Client::set_expiry`].
    ///
    /// # Errors
    /// As [`Client::set_expiry`].
    pub async fn set_expiry(&self, ttl: Option<Duration>) -> Result<Option<Timestamp>, ClientError> {
        self.inner.client.set_expiry_by(self.inner.access.clone(), ttl).await
    }

    /// Saves this writer as a token, from which [`Client::restore`] gives a writer again; see
    /// [`Share::save`](crate::client::Share::save).
    ///
    /// # Errors
    /// As [`Share::save`](crate::client::Share::save).
    pub async fn save(&self, label: &Label, expires_at: Option<Timestamp>) -> Result<GrantToken, ClientError> {
        self.inner.client.save(self.inner.access.clone().into(), label, expires_at).await
    }
}
