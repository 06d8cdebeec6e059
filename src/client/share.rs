//! A share as its producer holds it: a queue that needs no care, and calls for those who want an answer.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{oneshot, watch};
use tokio::time::Instant;

use crate::client::Client;
use crate::client::error::{ClientError, Closed};
use crate::client::items::Items;
use crate::client::queue::SyncJob;
use crate::client::upload::{Progress, Shared};
use crate::share::error::Refusal;
use crate::share::id::ShareId;
use crate::share::secret::Secret;
use crate::share::time::Timestamp;
use crate::share::view::ShareInfo;
use crate::share::view::Synced;
use crate::share::visibility::Visibility;

/// A share that may be written. Clones are handles on the same queue.
///
/// What is [queued](Self::queue) is sent within the sync window, newest value per key, and sent again with the same stamp
/// when an answer was lost: the host applies it once. Lost connections lose nothing. A final refusal (the share was
/// deleted, the secret is another) fails the queue; [`flush`](Self::flush), [`close`](Self::close) and later calls say so.
///
/// Dropping the last handle sends what is still queued if that is possible at once, and tells nobody whether it was;
/// [`close`](Self::close) tells. The share itself lives on.
#[derive(Debug, Clone)]
pub struct Share {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    client: Client,
    facts: Facts,
    shared: Arc<Shared>,
    progress: watch::Receiver<Progress>,
}

/// What a handle knows of its share.
#[derive(Debug, Clone)]
pub(crate) struct Facts {
    pub(crate) id: ShareId,
    pub(crate) url: String,
    pub(crate) secret: Secret,
    pub(crate) existed: bool,
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.shared.queue().abandon();
        self.shared.work.notify_one();
    }
}

impl Share {
    pub(crate) fn new(client: Client, facts: Facts, shared: Arc<Shared>, progress: watch::Receiver<Progress>) -> Self {
        Self { inner: Arc::new(Inner { client, facts, shared, progress }) }
    }

    /// Its id: the link.
    #[must_use]
    pub fn id(&self) -> &ShareId {
        &self.inner.facts.id
    }

    /// Where people look at it.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.inner.facts.url
    }

    /// What [`Client::open`] asks for. Keep it where only its owner reads.
    #[must_use]
    pub fn secret(&self) -> &Secret {
        &self.inner.facts.secret
    }

    /// Whether the account had shared this session before; this is that share then.
    #[must_use]
    pub fn existed(&self) -> bool {
        self.inner.facts.existed
    }

    /// The newest acknowledged counts, to be watched.
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
        for change in items.into_changes() {
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
        let changes = items.into_changes();
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
        let changes = items.into_changes();
        crate::client::queue::BatchLimits::default().check(&changes)?;
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

    /// The share's facts, as the host has them now.
    ///
    /// # Errors
    /// As every call; a deleted share is [`Refusal::NotFound`].
    pub async fn info(&self) -> Result<ShareInfo, ClientError> {
        self.inner.client.info(self.id()).await
    }

    /// Gives the share so long to live from now on; see [`Client::set_expiry`].
    ///
    /// # Errors
    /// As [`Client::set_expiry`].
    pub async fn set_expiry(&self, ttl: Option<Duration>) -> Result<Option<Timestamp>, ClientError> {
        self.inner.client.set_expiry(self.id(), self.secret(), ttl).await
    }

    /// Says who may see the share; see [`Client::set_visibility`].
    ///
    /// # Errors
    /// As [`Client::set_visibility`].
    pub async fn set_visibility(&self, visibility: Visibility) -> Result<(), ClientError> {
        self.inner.client.set_visibility(self.id(), self.secret(), visibility).await
    }

    /// Deletes the share for good. What is queued is given up, and nothing more is taken.
    ///
    /// # Errors
    /// As every call; nothing is given up then.
    pub async fn delete(&self) -> Result<(), ClientError> {
        self.inner.client.delete(self.id(), self.secret()).await?;
        self.inner.shared.fail(ClientError::Refused(Refusal::not_found(self.id().as_str())));
        Ok(())
    }
}
