//! A share as its producer holds it: everything that can be done with it, and what of that is handed on.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use crate::client::access::{Owner, ReadAccess, WriteAccess};
use crate::client::driver::upload::Progress;
use crate::client::error::ClientError;
use crate::client::handles::view::View;
use crate::client::handles::writer::Writer;
use crate::client::items::Items;
use crate::share::error::Refusal;
use crate::share::grant::{GrantInfo, GrantToken, Label};
use crate::share::id::{GrantId, ShareId};
use crate::share::secret::Secret;
use crate::share::time::Timestamp;
use crate::share::view::{ShareInfo, Synced};
use crate::share::visibility::Visibility;

/// A share that may be written, narrowed and deleted. Clones are handles on the same queue.
///
/// What is [queued](Self::queue) is sent within the sync window, newest value per key, and sent again with the same stamp
/// when an answer was lost: the host applies it once. Lost connections lose nothing. A final refusal (the share was
/// deleted, the secret is another) fails the queue; [`flush`](Self::flush), [`close`](Self::close) and later calls say so.
///
/// Dropping the last handle sends what is still queued if that is possible at once, and tells nobody whether it was;
/// [`close`](Self::close) tells. The share itself lives on.
#[derive(Debug, Clone)]
pub struct Share {
    facts: Arc<Facts>,
    writer: Writer,
}

/// What a handle knows of its share.
#[derive(Debug)]
pub(crate) struct Facts {
    pub(crate) owner: Owner,
    pub(crate) url: String,
    pub(crate) existed: bool,
}

impl Share {
    pub(crate) fn new(facts: Facts, writer: Writer) -> Self {
        Self { facts: Arc::new(facts), writer }
    }

    fn owner(&self) -> Owner {
        self.facts.owner.clone()
    }

    /// Its id: the link.
    #[must_use]
    pub fn id(&self) -> &ShareId {
        self.facts.owner.id()
    }

    /// Where people look at it.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.facts.url
    }

    /// What [`Client::open`](crate::client::Client::open) asks for; of a share that was restored, its token; of
    /// [one's own](crate::client::Client::own_share), which needs none, `None`. Keep it where only its owner reads.
    #[must_use]
    pub fn secret(&self) -> Option<&Secret> {
        self.facts.owner.secret()
    }

    /// Whether the account had shared this session before; this is that share then.
    #[must_use]
    pub fn existed(&self) -> bool {
        self.facts.existed
    }

    /// The newest acknowledged counts, to be watched.
    #[must_use]
    pub fn progress(&self) -> watch::Receiver<Progress> {
        self.writer.progress()
    }

    /// Queues items. Waits while the queue is full; dropping the future leaves those queued that had room.
    ///
    /// # Errors
    /// The queue has failed, for the reason given.
    pub async fn queue(&self, items: Items) -> Result<(), ClientError> {
        self.writer.queue(items).await
    }

    /// Queues items if there is room for all of them, and never waits.
    ///
    /// # Errors
    /// [`ClientError::QueueFull`], with nothing queued; or the queue has failed, for the reason given.
    pub fn try_queue(&self, items: Items) -> Result<(), ClientError> {
        self.writer.try_queue(items)
    }

    /// Sends items as one batch, applied whole or not at all, after everything queued before it; see [`Writer::sync`].
    ///
    /// # Errors
    /// As [`Writer::sync`].
    pub async fn sync(&self, items: Items) -> Result<Synced, ClientError> {
        self.writer.sync(items).await
    }

    /// Sends what is queued without waiting for the window, and waits until all of it is acknowledged, however long that
    /// takes. Dropping the future ends the waiting only.
    ///
    /// # Errors
    /// The queue has failed, for the reason given: what was queued is not all on the host.
    pub async fn flush(&self) -> Result<(), ClientError> {
        self.writer.flush().await
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
        self.writer.client().info_by(ReadAccess::Full(self.owner())).await
    }

    /// Gives the share so long to live from now on; see [`Client::set_expiry`](crate::client::Client::set_expiry).
    ///
    /// # Errors
    /// As [`Client::set_expiry`](crate::client::Client::set_expiry).
    pub async fn set_expiry(&self, ttl: Option<Duration>) -> Result<Option<Timestamp>, ClientError> {
        self.writer.set_expiry(ttl).await
    }

    /// Says who may see the share; see [`Client::set_visibility`](crate::client::Client::set_visibility).
    ///
    /// # Errors
    /// As [`Client::set_visibility`](crate::client::Client::set_visibility).
    pub async fn set_visibility(&self, visibility: Visibility) -> Result<(), ClientError> {
        self.writer.client().set_visibility_by(self.owner(), visibility).await
    }

    /// Deletes the share for good. What is queued is given up, and nothing more is taken.
    ///
    /// # Errors
    /// As every call; nothing is given up then.
    pub async fn delete(&self) -> Result<(), ClientError> {
        self.writer.client().delete_by(self.owner()).await?;
        self.writer.fail(ClientError::Refused(Refusal::not_found(self.id().as_str())));
        Ok(())
    }

    /// The same with less: a handle that may add to the share and nothing else. It has a queue of its own: what is queued
    /// here and there arrives in no promised order.
    ///
    /// # Errors
    /// The client has ended. Whether the share is still there its calls tell.
    pub async fn narrow_to_write(&self) -> Result<Writer, ClientError> {
        let progress = *self.writer.progress().borrow();
        self.writer.client().writer(WriteAccess::Narrowed(self.owner()), progress).await
    }

    /// The same with less: a handle that may read the share and nothing else, until that time by the host's clock; `None`:
    /// without an end. It asks nothing of the host yet.
    #[must_use]
    pub fn narrow_to_read(&self, until: Option<Timestamp>) -> View {
        View::new(self.writer.client().clone(), ReadAccess::Narrowed(self.owner(), until))
    }

    /// Saves this as a token that gives it again, with [`Client::restore`](crate::client::Client::restore), until it expires by the
    /// host's clock (`None`: never) or is [revoked](Self::revoke_grant). To hand on less, save what this was
    /// [narrowed](Self::narrow_to_read) to. The label is for [the list](Self::grants).
    ///
    /// # Errors
    /// As every call; [`Refusal::LimitExceeded`] (`shareGrantsMax`) for one too many. After a lost answer the call is made
    /// again, and the list may then have a grant whose token nobody knows.
    pub async fn save(&self, label: &Label, expires_at: Option<Timestamp>) -> Result<GrantToken, ClientError> {
        self.writer.save(label, expires_at).await
    }

    /// The tokens of this share that are good, the oldest first.
    ///
    /// # Errors
    /// As every call.
    pub async fn grants(&self) -> Result<Vec<GrantInfo>, ClientError> {
        self.writer.client().grants(self.owner()).await
    }

    /// Revokes one token, and all that was saved by way of it. What came through it is refused from then on, and its watches
    /// end.
    ///
    /// # Errors
    /// As every call; [`Refusal::InvalidInput`] if there is no such grant. After a lost answer the call is made again, and
    /// "no such grant" then counts as success.
    pub async fn revoke_grant(&self, grant: &GrantId) -> Result<(), ClientError> {
        self.writer.client().revoke_grant(self.owner(), grant).await
    }
}
