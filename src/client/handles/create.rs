//! Creating a share: what fits into one message goes with the call, the rest in further syncs.

use std::cell::Cell;
use std::rc::Rc;

use crate::client::access::{Owner, WriteAccess};
use crate::client::calls;
use crate::client::driver::handle::Client;
use crate::client::driver::link::{Link, Policy};
use crate::client::driver::upload::{Begun, Progress, begin, left_open, new_producer, note_if_open};
use crate::client::error::ClientError;
use crate::client::handles::share::{Facts, Share};
use crate::client::handles::writer::Writer;
use crate::client::items::Items;
use crate::client::options::CreateOptions;
use crate::client::queue::{BatchLimits, QueueBounds};
use crate::share::change::{Batch, Change, Stamp};
#[cfg(doc)]
use crate::share::error::Refusal;
use crate::share::id::SessionId;

impl Client {
    /// Shares a session. Items that are given are in the host's bucket when this returns; what does not fit into one message
    /// follows in further syncs. An account that shares a session again gets its share again, with a further secret. Without a
    /// credential, on a host that lets everybody in, each call creates a new share: to go on with one, keep its secret and
    /// [`open`](Self::open) it.
    ///
    /// # Errors
    /// [`ClientError`], as for every call. If one of the further syncs fails, the share exists, with the items before it.
    pub async fn create(&self, of: &SessionId, items: Option<Items>) -> Result<Share, ClientError> {
        self.create_with(of, items, CreateOptions::default()).await
    }

    /// Shares a session as [`create`](Self::create) does, with options for its lifetime and visibility.
    ///
    /// # Errors
    /// As [`create`](Self::create); [`Refusal::LimitExceeded`] (`shareTtlMsMax`) for a lifetime longer than the host grants.
    pub async fn create_with(
        &self,
        of: &SessionId,
        items: Option<Items>,
        options: CreateOptions,
    ) -> Result<Share, ClientError> {
        let (of, queue) = (of.clone(), self.queue_bounds);
        let mut limits = BatchLimits::default();
        let mut rest = items.map(|items| self.redacted(items)).transpose()?;
        loop {
            let first = rest.as_ref().map(|changes| changes[..limits.prefix(changes).min(changes.len())].to_vec());
            let first_len = first.as_ref().map_or(0, Vec::len);
            let (of, tried) = (of.clone(), first.clone());
            let created = self.run(move |link| Box::pin(create(link, of, first, options, limits, queue))).await;
            let (facts, (shared, progress)) = match created {
                // Nothing was applied, so the parts may go under stamps of their own.
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
}

async fn create(
    link: Rc<Link>,
    of: SessionId,
    first: Option<Vec<Change>>,
    options: CreateOptions,
    limits: BatchLimits,
    queue: QueueBounds,
) -> Result<(Facts, Begun), ClientError> {
    let producer = new_producer(&link)?;
    let sequence = u64::from(first.is_some());
    let initial = first.map(|changes| {
        Rc::new(Batch { stamp: Some(Stamp { producer: producer.clone(), epoch: 1, sequence }), changes })
    });
    // The call may be made twice: it then gives one share with a further secret, and the items under one stamp.
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
    Ok((facts, begin(&link, access, producer, sequence, limits, progress, queue)))
}
