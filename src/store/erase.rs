//! Deletion: what a host does once a share's deletion is in its log.
//!
//! The steps are in this order so that another host can finish them wherever one stops:
//! 1. the tombstone, which holds nothing of the share but its id: from here on the share is deleted whatever its log says;
//! 2. the claim is released, so that the session may be shared anew, and its companion, which holds a title, deleted;
//! 3. the content is erased. A segment so old that no tail before it can still be written to, and no reader takes its absence for the
//!    log's end, is deleted. A younger one is made empty and keeps its place, so that a writer that has not heard of the deletion
//!    cannot put its batch there;
//! 4. when no such writer is left ([`StoreSettings::free_after`](super::StoreSettings::free_after)), the empty ones are
//!    deleted too, and the companion once more, if one of them wrote it late ([`Freeing`]).

use futures::stream::{self, StreamExt as _, TryStreamExt as _};
use tokio::time::Instant;

use super::bucket::{Created, Listed, REQUESTS_AT_ONCE};
use super::codec;
use super::error::{BucketRequest, StoreError};
use super::key;
use super::log::{Ended, Log, News};
use super::{Mutation, Store};
use crate::share::entry::Entry;
use crate::share::id::{AccountId, SessionId, ShareId};
use crate::share::state::State;
use crate::share::time::Timestamp;

/// The last step of a deletion: frees the empty objects, once no writer can be misled by their absence.
#[derive(Debug)]
#[must_use = "run it in the background; if it is dropped, empty objects stay"]
pub struct Freeing {
    store: Store,
    share: ShareId,
    account: AccountId,
    session: SessionId,
    not_before: Instant,
}

impl Freeing {
    /// Waits until the empty objects may be deleted, and deletes them. If it is dropped, some stay, which is harmless.
    ///
    /// # Errors
    /// The bucket failed; some of the empty objects are left.
    pub async fn run(self) -> Result<(), StoreError> {
        tokio::time::sleep_until(self.not_before).await;
        let left = self.store.bucket.list_all(&key::share(&self.share), None).await?;
        self.store.bucket.delete(left.into_iter().map(|listed| listed.key).collect()).await?;
        self.store.free_companions_of(&self.account, &self.session).await
    }
}

impl Log {
    /// Erases the share, after its deletion was appended or met: when this returns, no object holds anything of its
    /// content, and its session may be claimed anew. `account` and `session` are those that the share was opened with. `None` if
    /// this log has met no deletion, and then nothing was done.
    ///
    /// # Errors
    /// The bucket failed. The share is deleted all the same; call again, or leave it to the host that opens the share next.
    pub async fn erase(&self, account: &AccountId, session: &SessionId) -> Result<Option<Freeing>, StoreError> {
        let Some(Ended { at, .. }) = self.ended else { return Ok(None) };
        let Self { store, id, .. } = self;
        store.bury(id, at).await?;
        store.release(account, session, id).await?;
        store.erase_content(id).await?;
        Ok(Some(Freeing {
            store: store.clone(),
            share: id.clone(),
            account: account.clone(),
            session: session.clone(),
            not_before: Instant::now() + store.settings.free_after(),
        }))
    }
}

impl Store {
    /// Finishes a deletion that `log` has met. If nothing is left that tells the session, the host that claims the session next
    /// finds the tombstone, and releases it.
    pub(super) async fn finish_deletion(&self, log: &Log, news: &News) -> Result<(), StoreError> {
        let Some(Ended { at, clean: false }) = log.ended else { return Ok(()) };
        let folded = news.state.as_deref().and_then(State::opened);
        let folded = folded.map(|opened| (opened.account.clone(), opened.session.clone()));
        self.bury(&log.id, at).await?;
        self.clear_away(&log.id, session_in(&news.entries).or(folded)).await
    }

    /// Releases the claim and erases the content of a share that has its tombstone. `opened` is its account and session, if they
    /// are known.
    pub(super) async fn clear_away(
        &self,
        id: &ShareId,
        opened: Option<(AccountId, SessionId)>,
    ) -> Result<(), StoreError> {
        let opened = match opened {
            Some(opened) => Some(opened),
            None => self.session_of(id).await?,
        };
        if let Some((account, session)) = opened {
            self.release(&account, &session, id).await?;
        }
        self.erase_content(id).await
    }

    /// The account and session of a share, by its first segment or any of its runs; `None` if these are gone or cannot be read.
    async fn session_of(&self, id: &ShareId) -> Result<Option<(AccountId, SessionId)>, StoreError> {
        for Listed { key, .. } in self.bucket.list_all(&key::share(id), None).await? {
            let (first, run) = (key::segment_number(id, &key) == Some(1), key::run_stretch(id, &key));
            if !first && run.is_none() {
                continue;
            }
            let Some((bytes, _)) = self.bucket.read(&key).await? else { continue };
            let found = match run {
                Some(run) => codec::decode_run(&key, id, run, &bytes)
                    .ok()
                    .map(|(_, saved)| (saved.opened.account, saved.opened.session)),
                None => {
                    codec::decode_segment(&key, id, 1, &bytes).ok().and_then(|segment| session_in(&segment.entries))
                }
            };
            if found.is_some() {
                return Ok(found);
            }
        }
        Ok(None)
    }

    /// Makes sure that there is a tombstone.
    async fn bury(&self, id: &ShareId, at: Timestamp) -> Result<(), StoreError> {
        if self.settings.is_wrong(Mutation::ForgetTombstone) {
            return Ok(());
        }
        let key = key::tombstone(id);
        let created = self.bucket.create(&key, codec::encode_tombstone(id, at)).await?;
        if created == Created::Yes || self.bucket.written_at(&key).await?.is_some() {
            Ok(())
        } else {
            Err(StoreError::unavailable(
                BucketRequest::Create,
                &key,
                "it says that there is such an object, and there is none",
            ))
        }
    }

    /// Deletes or empties all objects of a share that has its tombstone.
    async fn erase_content(&self, id: &ShareId) -> Result<(), StoreError> {
        let listed = self.bucket.list_all(&key::share(id), None).await?;
        let newest = listed.iter().map(|listed| listed.modified.0).max().unwrap_or_default();
        let settled = newest - self.settings.free_after().as_millis() as i64;
        let full = listed.into_iter().filter(|listed| listed.size > 0);
        let keeps = !self.settings.is_wrong(Mutation::ForgetTombstone);
        let keeps_its_place =
            |l: &Listed| keeps && key::segment_number(id, &l.key).is_some() && l.modified.0 >= settled;
        let (young, old): (Vec<_>, Vec<_>) = full.map(|l| (keeps_its_place(&l), l.key)).partition(|(young, _)| *young);
        let emptying = young.into_iter().map(|(_, key)| async move { self.bucket.make_empty(&key).await });
        stream::iter(emptying).buffer_unordered(REQUESTS_AT_ONCE).try_collect::<()>().await?;
        self.bucket.delete(old.into_iter().map(|(_, key)| key).collect()).await
    }
}

fn session_in(entries: &[Entry]) -> Option<(AccountId, SessionId)> {
    entries.iter().find_map(|entry| match entry {
        Entry::Open { account, session, .. } => Some((account.clone(), session.clone())),
        Entry::Secret { .. }
        | Entry::Expiry { .. }
        | Entry::Visibility { .. }
        | Entry::Grant { .. }
        | Entry::Revoke { .. }
        | Entry::Sync { .. }
        | Entry::Delete { .. } => None,
    })
}
