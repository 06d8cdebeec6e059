//! A share as its owner holds it: everything that can be done with a share, and handing on the right to a part of that.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use crate::client::access::{Owner, ReadAccess, WriteAccess};
use crate::client::driver::upload::Progress;
use crate::client::error::ClientError;
use crate::client::handles::view::View;
use crate::client::handles::writer::Writer;
use crate::client::items::Items;
use crate::share::ask::{Question, Settled};
use crate::share::error::Refusal;
use crate::share::grant::{GrantInfo, GrantToken, Label};
use crate::share::id::{GrantId, ShareId};
use crate::share::secret::Secret;
use crate::share::time::Timestamp;
use crate::share::view::{ShareInfo, Synced};
use crate::share::visibility::Visibility;

/// A share that this client may write, narrow and delete. Clones share one queue.
///
/// [Queued](Self::queue) items are sent within the sync window, the newest value of each key. A batch whose answer was lost is
/// sent again with its stamp, so the host applies it once, and no lost connection loses an item. A final refusal (the share was
/// deleted, the secret is wrong) fails the queue: [`flush`](Self::flush), [`close`](Self::close) and later calls return it.
///
/// When the last handle is dropped, items that are still queued are sent if possible, and nobody learns whether they arrived;
/// [`close`](Self::close) tells. The share itself stays on the host.
#[derive(Debug, Clone)]
pub struct Share {
    facts: Arc<Facts>,
    writer: Writer,
}

/// Facts of a share that its handle keeps.
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

    /// The share's id, which its link is made of.
    #[must_use]
    pub fn id(&self) -> &ShareId {
        self.facts.owner.id()
    }

    /// The URL of the share's web page, for people.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.facts.url
    }

    /// The secret that [`Client::open`](crate::client::Client::open) opens this share with. For a share that was restored from a
    /// token it is the token; for one that was opened by its account's credential, with
    /// [`Client::own_share`](crate::client::Client::own_share), it is `None`. Store it where only the owner can read it.
    #[must_use]
    pub fn secret(&self) -> Option<&Secret> {
        self.facts.owner.secret()
    }

    /// Whether the share existed before: `true` also for a created one, if the account had shared the session already and this is
    /// that share.
    #[must_use]
    pub fn existed(&self) -> bool {
        self.facts.existed
    }

    /// The sync count and revision of the newest acknowledged batch, in a channel to be read and watched.
    #[must_use]
    pub fn progress(&self) -> watch::Receiver<Progress> {
        self.writer.progress()
    }

    /// Queues items to be sent within the sync window. Waits while the queue is full. If the future is dropped, the items that were
    /// queued by then are sent.
    ///
    /// # Errors
    /// The error that the queue failed with, such as a final refusal of what was queued before.
    pub async fn queue(&self, items: Items) -> Result<(), ClientError> {
        self.writer.queue(items).await
    }

    /// Queues items if the queue can take all of them, and never waits.
    ///
    /// # Errors
    /// [`ClientError::QueueFull`], and none of the items is queued; or the error that the queue failed with.
    pub fn try_queue(&self, items: Items) -> Result<(), ClientError> {
        self.writer.try_queue(items)
    }

    /// Sends items as one batch, which the host applies whole or not at all, after everything that was queued before; see
    /// [`Writer::sync`].
    ///
    /// # Errors
    /// As [`Writer::sync`].
    pub async fn sync(&self, items: Items) -> Result<Synced, ClientError> {
        self.writer.sync(items).await
    }

    /// Sends queued items at once, without waiting for the end of the sync window, and waits until the host has acknowledged all of
    /// them, however long that takes. If the future is dropped, the items are still sent.
    ///
    /// # Errors
    /// The error that the queue failed with: the host has not taken all that was queued.
    pub async fn flush(&self) -> Result<(), ClientError> {
        self.writer.flush().await
    }

    /// Sends queued items at once, waits until the host has acknowledged all of them, as [`flush`](Self::flush) does, and drops
    /// this handle.
    ///
    /// # Errors
    /// As [`flush`](Self::flush).
    pub async fn close(self) -> Result<(), ClientError> {
        self.flush().await
    }

    /// Asks the host for the share's facts: its title, counts, revision and times.
    ///
    /// # Errors
    /// [`ClientError`], as for every call; [`Refusal::NotFound`] for a deleted share.
    pub async fn info(&self) -> Result<ShareInfo, ClientError> {
        self.writer.client().info_by(ReadAccess::Full(self.owner())).await
    }

    /// Sets the time that the share has left to live, and gives when it will be gone; see
    /// [`Client::set_expiry`](crate::client::Client::set_expiry).
    ///
    /// # Errors
    /// As [`Client::set_expiry`](crate::client::Client::set_expiry).
    pub async fn set_expiry(&self, ttl: Option<Duration>) -> Result<Option<Timestamp>, ClientError> {
        self.writer.set_expiry(ttl).await
    }

    /// Sets who may see the share; see [`Client::set_visibility`](crate::client::Client::set_visibility).
    ///
    /// # Errors
    /// As [`Client::set_visibility`](crate::client::Client::set_visibility).
    pub async fn set_visibility(&self, visibility: Visibility) -> Result<(), ClientError> {
        self.writer.client().set_visibility_by(self.owner(), visibility).await
    }

    /// Puts a question to those who watch the share on the host that this client is connected to, and waits until it is settled or
    /// its time is over. Dropping the future withdraws the question. At most 8 questions of a share are open at once.
    ///
    /// The question is put once: if the connection is lost, the host withdraws it.
    ///
    /// # Errors
    /// [`ClientError`], as for every call; [`Refusal::LimitExceeded`] if a text is too long, there are too many choices or open
    /// questions, or its time is too long; [`Refusal::InvalidInput`] if there is nothing to choose from.
    pub async fn ask(&self, question: Question) -> Result<Settled, ClientError> {
        self.writer.client().ask_by(self.owner(), question).await
    }

    /// Deletes the share for good. Queued items are given up, and the queue takes no more.
    ///
    /// # Errors
    /// [`ClientError`], as for every call; the queue goes on then.
    pub async fn delete(&self) -> Result<(), ClientError> {
        self.writer.client().delete_by(self.owner()).await?;
        self.writer.fail(ClientError::Refused(Refusal::not_found(self.id().as_str())));
        Ok(())
    }

    /// A handle that may write to the share and do nothing else. It has a queue of its own; the order between items of two queues
    /// is not promised. The host is not asked whether the share is still there before the handle's first call.
    ///
    /// # Errors
    /// [`ClientError::Closed`]: the client has ended.
    pub async fn narrow_to_write(&self) -> Result<Writer, ClientError> {
        let progress = *self.writer.progress().borrow();
        self.writer.client().writer(WriteAccess::Narrowed(self.owner()), progress).await
    }

    /// A handle that may read the share and do nothing else, until this time by the host's clock; `None`: without an end. The
    /// host is not asked before the handle's first call.
    #[must_use]
    pub fn narrow_to_read(&self, until: Option<Timestamp>) -> View {
        View::new(self.writer.client().clone(), ReadAccess::Narrowed(self.owner(), until))
    }

    /// Saves this share as a token, from which [`Client::restore`](crate::client::Client::restore) gives a handle with the rights
    /// of this one. The token is good until it expires by the host's clock (`None`: never) or is [revoked](Self::revoke_grant).
    /// To hand on fewer rights, save what this share was [narrowed](Self::narrow_to_read) to. The label is shown in the list of
    /// [`grants`](Self::grants).
    ///
    /// # Errors
    /// [`ClientError`], as for every call; [`Refusal::LimitExceeded`] (`shareGrantsMax`) if the share has too many tokens. After
    /// a lost answer the call is made again, and the list may then have a grant whose token nobody knows.
    pub async fn save(&self, label: &Label, expires_at: Option<Timestamp>) -> Result<GrantToken, ClientError> {
        self.writer.save(label, expires_at).await
    }

    /// The share's grants that are good now, one for each token, the oldest first. The tokens themselves are not among the facts.
    ///
    /// # Errors
    /// [`ClientError`], as for every call.
    pub async fn grants(&self) -> Result<Vec<GrantInfo>, ClientError> {
        self.writer.client().grants(self.owner()).await
    }

    /// Revokes one token, and every token that was saved by way of it. Calls by them are refused from then on, and their watches
    /// end.
    ///
    /// # Errors
    /// [`ClientError`], as for every call; [`Refusal::InvalidInput`] if there is no such grant. After a lost answer the call is
    /// made again, and "no such grant" then counts as success.
    pub async fn revoke_grant(&self, grant: &GrantId) -> Result<(), ClientError> {
        self.writer.client().revoke_grant(self.owner(), grant).await
    }
}
