//! The requests of the store to its bucket, each bounded in time and with its answers sorted.
//!
//! The outcome of a request that is dropped is not known, like that of a request whose answer was lost.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::stream::{self, BoxStream, StreamExt as _, TryStreamExt as _};
use object_store::path::Path;
use object_store::{Error, ObjectMeta, ObjectStore, ObjectStoreExt as _, PutMode, PutPayload};

use super::agreement::Agreement;
use super::clock::Clock;
use super::conditions::{Conditions, Doubt, Written};
use super::dates;
use super::error::{BucketRequest, StoreError};
use super::probe_names::ProbeNames;
use super::single_writer::SingleWriter;
use crate::share::time::Timestamp;

/// Number of small requests of one call that are under way at once.
pub(super) const REQUESTS_AT_ONCE: usize = 16;

/// A bucket, and what is known about it.
#[derive(Debug, Clone)]
pub(super) struct Bucket {
    pub(super) objects: Arc<dyn ObjectStore>,
    pub(super) request_time: Duration,
    /// [`Mutation::SkipConditional`](super::mutation::Mutation::SkipConditional).
    pub(super) overwrites: bool,
    /// Whether the bucket honours the condition of a create.
    pub(super) conditions: Arc<Conditions>,
    /// Names the objects of probes.
    pub(super) probes: Arc<ProbeNames>,
    /// Set for a bucket that need not honour conditions, because only this host writes to it.
    pub(super) single_writer: Option<Arc<SingleWriter>>,
    /// This machine's clock; below, whether the bucket's agrees with it.
    pub(super) clock: Arc<dyn Clock>,
    pub(super) agreement: Arc<Agreement>,
}

/// What a listing or a read tells of an object.
#[derive(Debug, Clone)]
pub(super) struct Listed {
    pub(super) key: Path,
    pub(super) size: u64,
    /// When the object was written, by the bucket's clock; compare it only with times of the same bucket.
    pub(super) modified: Timestamp,
}

/// The answer to a create.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Created {
    /// This host has created the object.
    Yes,
    /// There may be such an object already, which is no proof: a server that wants the request to be repeated answers so too, and
    /// so does one that already has this host's object. Read the key to find out.
    Hint,
}

impl Bucket {
    pub(super) async fn create(&self, key: &Path, body: Bytes) -> Result<Created, StoreError> {
        let Some(single_writer) = &self.single_writer else { return self.create_on_condition(key, body).await };
        single_writer.begin(key, &body, self.request_time).await;
        match self.written_at(key).await {
            Ok(None) => single_writer.goes_out(key, self.request_time),
            found => {
                single_writer.answered(key);
                return found.map(|_| Created::Hint);
            }
        }
        let created = self.create_if_absent(key, body).await?;
        single_writer.answered(key);
        Ok(created)
    }

    /// Creates an object in a bucket that honours the condition. If that is in doubt, the bucket is asked before the request, or
    /// before its answer is returned.
    async fn create_on_condition(&self, key: &Path, body: Bytes) -> Result<Created, StoreError> {
        self.be_sure().await?;
        let created = match self.conditions.to_look_at() {
            None => self.create_if_absent(key, body).await,
            Some(written) => {
                let (created, ()) = tokio::join!(self.create_if_absent(key, body), self.look_again(&written));
                created
            }
        };
        self.be_sure().await?;
        created
    }

    /// Makes sure that conditions are honoured, if there is any doubt.
    async fn be_sure(&self) -> Result<(), StoreError> {
        if self.conditions.are_doubted() {
            // Boxed, because this hardly ever runs.
            Box::pin(self.ask_about_conditions(true)).await?;
        }
        if self.conditions.are_ignored() { Err(StoreError::Unconditional) } else { Ok(()) }
    }

    /// Looks again at an object that this host created, and doubts the conditions if it was overwritten. It may be gone or empty,
    /// because its share was folded or deleted.
    async fn look_again(&self, Written { key, e_tag }: &Written) {
        let looked = self.bounded(BucketRequest::Read, key, self.objects.head(key)).await;
        if let Ok(Ok(meta)) = looked
            && meta.size > 0
            && meta.e_tag.is_some_and(|now| now != *e_tag)
        {
            self.conditions.doubt(Doubt::Overwritten);
        }
    }

    /// Asks the bucket to create an object. A bucket that ignores conditions overwrites.
    pub(super) async fn create_if_absent(&self, key: &Path, body: Bytes) -> Result<Created, StoreError> {
        let mode = if self.overwrites { PutMode::Overwrite } else { PutMode::Create };
        let put = self.objects.put_opts(key, PutPayload::from(body), mode.into());
        match self.bounded(BucketRequest::Create, key, put).await? {
            Ok(answer) => {
                self.conditions.created(key, &answer);
                Ok(Created::Yes)
            }
            Err(Error::AlreadyExists { .. } | Error::Precondition { .. }) => Ok(Created::Hint),
            Err(error) => Err(StoreError::from_bucket(BucketRequest::Create, key, error)),
        }
    }

    /// Writes an empty object, whether or not there is one.
    pub(super) async fn make_empty(&self, key: &Path) -> Result<(), StoreError> {
        self.overwrite(key, Bytes::new()).await
    }

    /// Writes an object, whether or not there is one. Of several such writes at once any may be the last.
    pub(super) async fn overwrite(&self, key: &Path, body: Bytes) -> Result<(), StoreError> {
        if let Some(single_writer) = &self.single_writer {
            single_writer.wait(key, None).await;
        }
        let put = self.objects.put(key, PutPayload::from(body));
        match self.bounded(BucketRequest::Overwrite, key, put).await? {
            Ok(_) => Ok(()),
            Err(error) => Err(StoreError::from_bucket(BucketRequest::Overwrite, key, error)),
        }
    }

    pub(super) async fn read(&self, key: &Path) -> Result<Option<(Bytes, Timestamp)>, StoreError> {
        self.read_up_to(key, u64::MAX).await
    }

    /// As [`Bucket::read`], for an object that has at most so many bytes: a larger one is corrupt, and is not read.
    pub(super) async fn read_up_to(
        &self,
        key: &Path,
        bytes_max: u64,
    ) -> Result<Option<(Bytes, Timestamp)>, StoreError> {
        let get = async {
            let got = self.objects.get(key).await?;
            let (size, modified) = (got.meta.size, modified(&got.meta));
            let bytes = if size > bytes_max { None } else { Some(got.bytes().await?) };
            Ok(bytes.ok_or(size).map(|bytes| (bytes, modified)))
        };
        match self.bounded(BucketRequest::Read, key, get).await? {
            Ok(Ok(object)) => Ok(Some(object)),
            Ok(Err(size)) => {
                let reason = format!("it has {size} bytes, and such an object has at most {bytes_max}");
                Err(StoreError::corrupt(key, reason))
            }
            Err(Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(StoreError::from_bucket(BucketRequest::Read, key, error)),
        }
    }

    /// When the object was written; `None` if there is no such object.
    pub(super) async fn written_at(&self, key: &Path) -> Result<Option<Timestamp>, StoreError> {
        match self.bounded(BucketRequest::Read, key, self.objects.head(key)).await? {
            Ok(meta) => Ok(Some(modified(&meta))),
            Err(Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(StoreError::from_bucket(BucketRequest::Read, key, error)),
        }
    }

    /// The objects under a prefix, page after page, in the bucket's order, without those up to the key `after`.
    pub(super) fn list(&self, prefix: &Path, after: Option<&Path>) -> BoxStream<'_, Result<Listed, StoreError>> {
        self.list_whole(prefix, after).map_ok(Listed::from).boxed()
    }

    /// As [`Bucket::list`], with all that the bucket tells.
    pub(super) fn list_whole(
        &self,
        prefix: &Path,
        after: Option<&Path>,
    ) -> BoxStream<'_, Result<ObjectMeta, StoreError>> {
        let listing = match after {
            Some(after) => self.objects.list_with_offset(Some(prefix), after),
            None => self.objects.list(Some(prefix)),
        };
        stream::try_unfold((listing, prefix.clone()), move |(mut listing, prefix)| async move {
            match self.bounded(BucketRequest::List, &prefix, listing.next()).await? {
                None => Ok(None),
                Some(Ok(meta)) => Ok(Some((meta, (listing, prefix)))),
                Some(Err(error)) => Err(StoreError::from_bucket(BucketRequest::List, &prefix, error)),
            }
        })
        .boxed()
    }

    pub(super) async fn list_all(&self, prefix: &Path, after: Option<&Path>) -> Result<Vec<Listed>, StoreError> {
        self.list(prefix, after).try_collect().await
    }

    /// The folders and the objects directly below a prefix.
    pub(super) async fn folders(&self, prefix: &Path) -> Result<(Vec<Path>, Vec<Listed>), StoreError> {
        let listing = self.objects.list_with_delimiter(Some(prefix).filter(|prefix| !prefix.is_root()));
        match self.bounded(BucketRequest::List, prefix, listing).await? {
            Ok(found) => Ok((found.common_prefixes, found.objects.into_iter().map(Listed::from).collect())),
            Err(error) => Err(StoreError::from_bucket(BucketRequest::List, prefix, error)),
        }
    }

    /// Deletes objects; those that are not there count as deleted. All are tried, and the first error is returned.
    pub(super) async fn delete(&self, keys: Vec<Path>) -> Result<(), StoreError> {
        let Some(first) = keys.first().cloned() else { return Ok(()) };
        if let Some(single_writer) = &self.single_writer {
            for key in &keys {
                single_writer.wait(key, None).await;
            }
        }
        let mut deletions = self.objects.delete_stream(stream::iter(keys.into_iter().map(Ok)).boxed());
        let mut failure = None;
        while let Some(deleted) = self.bounded(BucketRequest::Delete, &first, deletions.next()).await? {
            match deleted {
                Ok(_) | Err(Error::NotFound { .. }) => {}
                Err(error) => {
                    failure.get_or_insert_with(|| StoreError::from_bucket(BucketRequest::Delete, &first, error));
                }
            }
        }
        failure.map_or(Ok(()), Err)
    }

    async fn bounded<T>(
        &self,
        request: BucketRequest,
        key: &Path,
        asking: impl Future<Output = T>,
    ) -> Result<T, StoreError> {
        let asked = self.clock.now();
        let (answer, heard) = dates::listen(tokio::time::timeout(self.request_time, asking)).await;
        self.agreement.note(asked, heard, self.clock.as_ref());
        answer.map_err(|late| StoreError::unavailable(request, key, late.to_string()))
    }
}

impl From<ObjectMeta> for Listed {
    fn from(meta: ObjectMeta) -> Self {
        Self { size: meta.size, modified: modified(&meta), key: meta.location }
    }
}

fn modified(meta: &ObjectMeta) -> Timestamp {
    Timestamp(meta.last_modified.timestamp_millis())
}
