//! Deletion: what happens once a share's last entry is in its log.
//!
//! In this order, so that a host that stops anywhere leaves what the next caller mends:
//! 1. the tombstone, which holds nothing of the share but its id: from here on the share is deleted whatever its log says;
//! 2. the claim is released, so that the session may be shared anew;
//! 3. the content goes. A segment so old that no tail before it can still be written to is deleted. A younger one is made
//!    empty and keeps its place, so that a writer that has not heard of the deletion cannot put its batch there;
//! 4. when no such writer is left ([`StoreSettings::free_after`](super::StoreSettings::free_after)), the empty ones are
//!    deleted too ([`Freeing`]).

use futures::stream::{self, StreamExt as _, TryStreamExt as _};
use tokio::time::Instant;

use super::Store;
use super::bucket::{Created, Listed, REQUESTS_AT_ONCE};
use super::codec;
use super::error::{BucketRequest, StoreError};
use super::key;
use super::log::{Ended, Log};
use crate::share::entry::Entry;
use crate::share::id::{AccountId, SessionId, ShareId};
use crate::share::time::Timestamp;

/// The end of a deletion: keys without content, to be freed when no writer can be misled by their absence.
#[derive(Debug)]
#[must_use = "run it in the background; dropped, it leaves empty objects behind"]
pub struct Freeing {
    store: Store,
    share: ShareId,
    not_before: Instant,
}

impl Freeing {
    /// Waits until it may, then frees the keys. Dropping it, before or half way, leaves objects without content, which is
    /// harmless.
    ///
    /// # Errors
    /// What the bucket said; some of the empty objects are left.
    pub async fn run(self) -> Result<(), StoreError> {
        tokio::time::sleep_until(self.not_before).await;
        let left = self.store.bucket.list_all(&key::share(&self.share), None).await?;
        self.store.bucket.delete(left.into_iter().map(|listed| listed.key).collect()).await
    }
}

impl Log {
    /// Erases the share, after its deletion was appended or met: when this returns, no object holds anything of its
    /// content, and its session may be claimed anew. `account` and `session` are those that opened it. `None` if this
    /// log has met no deletion, and then nothing was done.
    ///
    /// # Errors
    /// What the bucket said. The share is deleted all the same; call again, or leave it to whoever next opens the share.
    pub async fn erase(&self, account: &AccountId, session: &SessionId) -> Result<Option<Freeing>, StoreError> {
        let Some(Ended { at, .. }) = self.ended else { return Ok(None) };
        let Self { store, id, .. } = self;
        store.bury(id, at).await?;
        store.release(account, session, id).await?;
        store.erase_content(id).await?;
        Ok(Some(Freeing {
            store: store.clone(),
            share: id.clone(),
            not_before: Instant::now() + store.settings.free_after(),
        }))
    }
}

impl Store {
    /// Does what is left of a deletion that `log` has met. Without the entry that opened the share the claim is unknown;
    /// whoever claims the session next finds the tombstone, and releases it.
    pub(super) async fn finish_deletion(&self, log: &Log, entries: &[Entry]) -> Result<(), StoreError> {
        let Some(Ended { at, clean: false }) = log.ended else { return Ok(()) };
        let opened = entries.iter().find_map(|entry| match entry {
            Entry::Open { account, session, .. } => Some((account, session)),
            Entry::Secret { .. } | Entry::Expiry { .. } | Entry::Sync { .. } | Entry::Delete { .. } => None,
        });
        self.bury(&log.id, at).await?;
        if let Some((account, session)) = opened {
            self.release(account, session, &log.id).await?;
        }
        self.erase_content(&log.id).await
    }

    /// Makes sure that there is a tombstone.
    async fn bury(&self, id: &ShareId, at: Timestamp) -> Result<(), StoreError> {
        let key = key::tombstone(id);
        let created = self.bucket.create(&key, codec::encode_tombstone(id, at)).await?;
        if created == Created::Yes || self.bucket.written_at(&key).await?.is_some() {
            Ok(())
        } else {
            Err(StoreError::unavailable(BucketRequest::Create, &key, "it says that there is one, and there is not"))
        }
    }

    /// Deletes or empties all objects of a share that has its tombstone.
    async fn erase_content(&self, id: &ShareId) -> Result<(), StoreError> {
        let listed = self.bucket.list_all(&key::share(id), None).await?;
        let newest = listed.iter().map(|listed| listed.modified.0).max().unwrap_or_default();
        let settled = newest - self.settings.settled_after().as_millis() as i64;
        let full = listed.into_iter().filter(|listed| listed.size > 0);
        let keeps_its_place = |l: &Listed| key::segment_number(id, &l.key).is_some() && l.modified.0 >= settled;
        let (young, old): (Vec<_>, Vec<_>) = full.map(|l| (keeps_its_place(&l), l.key)).partition(|(young, _)| *young);
        let emptying = young.into_iter().map(|(_, key)| async move { self.bucket.make_empty(&key).await });
        stream::iter(emptying).buffer_unordered(REQUESTS_AT_ONCE).try_collect::<()>().await?;
        self.bucket.delete(old.into_iter().map(|(_, key)| key).collect()).await
    }
}
