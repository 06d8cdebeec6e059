//! The client's calls that write, and those that are not about shares: each verb, with the policy for a connection that is lost
//! while it is on its way. What reads is [beside](crate::client::verbs::reads).

use std::cell::Cell;
use std::fmt;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use crate::client::access::{Owner, ReadAccess, WriteAccess};
use crate::client::calls::{self, CallError, Measured, ProbeValue};
use crate::client::driver::link::{Link, Policy};
use crate::client::driver::upload::{Progress, Shared, Upload, left_open, note_if_open};
use crate::client::error::ClientError;
use crate::client::handles::share::{Facts, Share};
use crate::client::handles::writer::Writer;
use crate::client::items::Items;
use crate::client::queue::{BatchLimits, Queue};
use crate::client::state::Hello;
use crate::client::{Client, QueueSettings};
use crate::contract::sync_data::check_json;
use crate::share::change::{Batch, Change, Stamp};
use crate::share::error::Refusal;
use crate::share::id::{ProducerId, SessionId, ShareId};
use crate::share::limits::{ID_BYTES_MAX, Limits};
use crate::share::secret::Secret;
use crate::share::time::Timestamp;
use crate::share::visibility::Visibility;

/// How a share is created.
#[derive(Debug, Clone, Copy, Default)]
#[non_exhaustive]
pub struct CreateOptions {
    /// How long it is to live. Default `None`: as the host has it for a new share, and no change for one that was shared
    /// before.
    pub ttl: Option<Duration>,
    /// Who may see it. Default `None`: likewise.
    pub visibility: Option<Visibility>,
}

impl CreateOptions {
    /// For a share that is to live so long.
    #[must_use]
    pub fn ttl(ttl: Duration) -> Self {
        Self { ttl: Some(ttl), visibility: None }
    }

    /// For a share that these may see.
    #[must_use]
    pub fn visible_to(visibility: Visibility) -> Self {
        Self { ttl: None, visibility: Some(visibility) }
    }
}

impl Client {
    /// Waits for a connection, dialling if there was none, and gives what the host said of itself.
    ///
    /// # Errors
    /// [`ClientError::Unreachable`] after the call timeout, or [`ClientError::Closed`].
    pub async fn hello(&self) -> Result<Arc<Hello>, ClientError> {
        self.run(|link| {
            Box::pin(async move { link.call(Policy::Again, |session| async move { Ok(session.hello.clone()) }).await })
        })
        .await
    }

    /// Publishes a session. With items (also none of them, as opposed to `None`) they are in the bucket when this returns;
    /// what does not fit into one message follows in further syncs. An account that shares a session again gets the same
    /// share, with a further secret. Without a credential, on a host that lets everybody in, each call makes a new share: go on
    /// with one by its secret and [`open`](Self::open).
    ///
    /// # Errors
    /// As every call. If one of the further syncs fails, the share exists, with the items before it.
    pub async fn create(&self, of: &SessionId, items: Option<Items>) -> Result<Share, ClientError> {
        self.create_with(of, items, CreateOptions::default()).await
    }

    /// The same with options.
    ///
    /// # Errors
    /// As [`create`](Self::create), and [`Refusal::LimitExceeded`] (`shareTtlMsMax`) for a time that the host does not
    /// grant.
    pub async fn create_with(
        &self,
        of: &SessionId,
        items: Option<Items>,
        options: CreateOptions,
    ) -> Result<Share, ClientError> {
        let (of, queue) = (of.clone(), self.limits);
        let mut limits = BatchLimits::default();
        let mut rest = items.map(|items| self.redacted(items)).transpose()?;
        loop {
            let first = rest.as_ref().map(|changes| changes[..limits.prefix(changes).min(changes.len())].to_vec());
            let first_len = first.as_ref().map_or(0, Vec::len);
            let (of, tried) = (of.clone(), first.clone());
            let created = self.run(move |link| Box::pin(create(link, of, first, options, limits, queue))).await;
            let (facts, (shared, progress)) = match created {
                // Nothing was applied, so that the parts may go under stamps of their own.
                Err(ClientError::Refused(refusal)) if limits.learn(&refusal, tried.as_deref().unwrap_or_default()) => {
                    continue;
                }
                settled => settled?,
            };
            let access = WriteAccess::Full(facts.owner.clone());
            let share = Share::new(facts, Writer::new(self.clone(), access, shared, progress));
            let later = rest.take().map(|mut changes| changes.split_off(first_len)).unwrap_or_default();
            if !later.is_empty() {
                share.queue(later.into()).await?;
                share.flush().await?;
            }
            return Ok(share);
        }
    }

    /// A share that exists, to be written, by its id and secret; the token of a full capability is as good as a secret.
    ///
    /// # Errors
    /// As every call; [`Refusal::NotFound`] and [`Refusal::InvalidSecret`] among them.
    pub async fn open(&self, id: &ShareId, secret: &Secret) -> Result<Share, ClientError> {
        self.open_by(Owner::of(id, secret)).await
    }

    /// A share of this client's own account, by its credential alone: what [`open`](Self::open) gives, without a secret.
    ///
    /// # Errors
    /// As every call; [`Refusal::Unauthorized`] without a credential or without the scope `share:write`, [`Refusal::NotFound`]
    /// for a share of another account too, and [`Refusal::NotYet`] from a host older than this call.
    pub async fn own_share(&self, id: &ShareId) -> Result<Share, ClientError> {
        self.open_by(Owner::Account(id.clone())).await
    }

    async fn open_by(&self, owner: Owner) -> Result<Share, ClientError> {
        let info = self.info_by(ReadAccess::Full(owner.clone())).await?;
        let facts = Facts { owner: owner.clone(), url: info.url, existed: true };
        let progress = Progress { sync_count: info.sync_count, revision: info.revision };
        Ok(Share::new(facts, self.writer(WriteAccess::Full(owner), progress).await?))
    }

    /// A handle to write by, with a queue and a producer of its own. It asks nothing of the host.
    pub(crate) async fn writer(&self, access: WriteAccess, progress: Progress) -> Result<Writer, ClientError> {
        let (by, queue) = (access.clone(), self.limits);
        let begun = self.run(move |link| {
            Box::pin(async move {
                let producer = new_producer(&link)?;
                Ok(begin_upload(&link, by, producer, 0, BatchLimits::default(), progress, queue))
            })
        });
        let (shared, progress) = begun.await?;
        Ok(Writer::new(self.clone(), access, shared, progress))
    }

    /// Deletes a share for good.
    ///
    /// # Errors
    /// As every call. After a lost answer the call is made again, and "not found" then counts as success.
    pub async fn delete(&self, id: &ShareId, secret: &Secret) -> Result<(), ClientError> {
        self.delete_by(Owner::of(id, secret)).await
    }

    pub(crate) async fn delete_by(&self, owner: Owner) -> Result<(), ClientError> {
        self.run(move |link| {
            Box::pin(async move {
                let tries = Cell::new(0);
                let delete = |session| {
                    tries.set(tries.get() + 1);
                    calls::delete(session, owner.clone())
                };
                match link.call(Policy::Again, delete).await {
                    Err(ClientError::Refused(Refusal::NotFound { .. })) if tries.get() > 1 => Ok(()),
                    settled => settled,
                }
            })
        })
        .await
    }

    /// Gives a share so long to live from now on, shorter or longer than before; `None`: no end or, on a host that grants
    /// none, the longest that it grants. Gives when it will be gone, by the host's clock; `None`: never.
    ///
    /// # Errors
    /// As every call; [`Refusal::LimitExceeded`] (`shareTtlMsMax`) for a time that the host does not grant.
    pub async fn set_expiry(
        &self,
        id: &ShareId,
        secret: &Secret,
        ttl: Option<Duration>,
    ) -> Result<Option<Timestamp>, ClientError> {
        self.set_expiry_by(WriteAccess::Full(Owner::of(id, secret)), ttl).await
    }

    pub(crate) async fn set_expiry_by(
        &self,
        access: WriteAccess,
        ttl: Option<Duration>,
    ) -> Result<Option<Timestamp>, ClientError> {
        self.run(move |link| {
            Box::pin(async move {
                let set = |session| calls::set_expiry(session, access.clone(), ttl);
                link.call(Policy::Again, set).await
            })
        })
        .await
    }

    /// Says who may see a share, from now on. Those who may not any more are told nothing after this returns, at this host;
    /// at others within a second.
    ///
    /// # Errors
    /// As every call.
    pub async fn set_visibility(
        &self,
        id: &ShareId,
        secret: &Secret,
        visibility: Visibility,
    ) -> Result<(), ClientError> {
        self.set_visibility_by(Owner::of(id, secret), visibility).await
    }

    pub(crate) async fn set_visibility_by(&self, owner: Owner, visibility: Visibility) -> Result<(), ClientError> {
        self.run(move |link| {
            Box::pin(async move {
                let set = |session| calls::set_visibility(session, owner.clone(), visibility);
                link.call(Policy::Again, set).await
            })
        })
        .await
    }

    /// Calls what the service around the host serves under this name of at most 256 bytes. `data` is anything whose `Display` is JSON, such as a
    /// `serde_json::Value`, or JSON text; so is what comes back.
    ///
    /// It is made once: where its connection is lost, it may or may not have been carried out.
    ///
    /// # Errors
    /// As every call; that there is nothing of this name; or what the service itself fails with.
    pub async fn call(&self, name: &str, data: impl fmt::Display) -> Result<String, CallError> {
        self.call_within(name, data, self.call_timeout()).await
    }

    /// The same for a caller who waits no longer than this, which the host is told. Longer than the call timeout it is cut to
    /// that.
    ///
    /// # Errors
    /// As [`call`](Self::call).
    pub async fn call_within(
        &self,
        name: &str,
        data: impl fmt::Display,
        within: Duration,
    ) -> Result<String, CallError> {
        let (name, data) = (name.to_owned(), data.to_string());
        if name.len() > ID_BYTES_MAX {
            return Err(ClientError::from(Refusal::limit("idBytesMax", ID_BYTES_MAX, name.len())).into());
        }
        check_json("call", &data, &Limits::default()).map_err(ClientError::Refused)?;
        let within_ms = u32::try_from(within.min(self.call_timeout()).as_millis()).unwrap_or(u32::MAX).max(1);
        let called = self.run(move |link| {
            Box::pin(async move {
                let (name, data) = (Rc::<str>::from(name), Rc::<str>::from(data));
                let call = |session| calls::call(session, name.clone(), data.clone(), within_ms);
                link.call(Policy::Once, call).await
            })
        });
        called.await?
    }

    /// Sends a value and gets it back.
    ///
    /// # Errors
    /// As every call.
    pub async fn probe_value(&self, value: ProbeValue) -> Result<Measured<ProbeValue>, ClientError> {
        self.run(|link| {
            Box::pin(
                async move { link.call(Policy::Again, |session| calls::probe_value(session, value.clone())).await },
            )
        })
        .await
    }

    /// Has the host call back once; the answer of `callback` to its words comes back as the value. It runs on the
    /// driver's thread: it must not block.
    ///
    /// # Errors
    /// As every call; [`Refusal::LimitExceeded`] (`itemBytesMax`) if the callback's answer is larger than an item may be;
    /// [`ClientError::Disconnected`] when the connection was lost, as it may have been called then.
    pub async fn probe_callback(
        &self,
        callback: impl FnOnce(String) -> String + Send + 'static,
    ) -> Result<Measured<String>, ClientError> {
        self.run(|link| {
            Box::pin(async move {
                let callback = Cell::new(Some(Box::new(callback) as calls::Callback));
                link.call(Policy::Once, |session| {
                    let callback = callback.take();
                    async move {
                        let callback =
                            callback.ok_or_else(|| ClientError::Failed("the probe was made twice".into()))?;
                        calls::call_back(session, callback).await
                    }
                })
                .await
            })
        })
        .await
    }

    /// How long a round trip takes.
    ///
    /// # Errors
    /// As every call.
    pub async fn ping(&self) -> Result<Duration, ClientError> {
        Ok(self.probe_value(ProbeValue::default()).await?.round_trip)
    }
}

type Begun = (Arc<Shared>, watch::Receiver<Progress>);

async fn create(
    link: Rc<Link>,
    of: SessionId,
    first: Option<Vec<Change>>,
    options: CreateOptions,
    limits: BatchLimits,
    queue: QueueSettings,
) -> Result<(Facts, Begun), ClientError> {
    let producer = new_producer(&link)?;
    let sequence = u64::from(first.is_some());
    let initial = first.map(|changes| {
        Rc::new(Batch { stamp: Some(Stamp { producer: producer.clone(), epoch: 1, sequence }), changes })
    });
    // Twice is as good as once: the same share with a further secret, and the items under the same stamp.
    let may_be_applied = Cell::new(false);
    let create = async |session| {
        let created = calls::create_share(session, of.clone(), initial.clone(), options).await;
        note_if_open(&may_be_applied, &created);
        created
    };
    let created = link.call(Policy::Again, create).await;
    let created = created.map_err(|error| if may_be_applied.get() { left_open(error) } else { error })?;
    let owner = Owner::of(&created.id, &created.secret);
    let facts = Facts { owner: owner.clone(), url: created.url, existed: created.existed };
    let progress = Progress { sync_count: created.sync_count, revision: created.revision };
    let access = WriteAccess::Full(owner);
    Ok((facts, begin_upload(&link, access, producer, sequence, limits, progress, queue)))
}

fn new_producer(link: &Link) -> Result<ProducerId, ClientError> {
    link.random.borrow_mut().producer_id().map_err(|error| ClientError::Failed(format!("no randomness: {error}")))
}

fn begin_upload(
    link: &Rc<Link>,
    access: WriteAccess,
    producer: ProducerId,
    sequence: u64,
    limits: BatchLimits,
    progress: Progress,
    queue: QueueSettings,
) -> Begun {
    let shared = Shared::new(Queue::new(queue.items_max, queue.bytes_max));
    let (progress, watched) = watch::channel(progress);
    let upload = Upload { link: link.clone(), access, shared: shared.clone(), producer, sequence, limits, progress };
    link.tasks.spawn_local(upload.run());
    (shared, watched)
}
