//! The few requests that the store makes of a bucket, each bounded in time and each with its answers sorted.
//!
//! Dropping a request leaves its outcome unknown, as losing its answer does.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::stream::{self, BoxStream, StreamExt as _, TryStreamExt as _};
use object_store::path::Path;
use object_store::{Error, ObjectMeta, ObjectStore, ObjectStoreExt as _, PutMode, PutPayload};

use super::error::{BucketRequest, StoreError};
use crate::share::time::Timestamp;

/// How many small requests of one call are under way at once.
pub(super) const REQUESTS_AT_ONCE: usize = 16;

/// A bucket, and how long it may take to answer.
#[derive(Debug, Clone)]
pub(super) struct Bucket {
    pub(super) objects: Arc<dyn ObjectStore>,
    pub(super) request_time: Duration,
    /// [`Mutation::SkipConditional`](super::mutation::Mutation::SkipConditional).
    pub(super) overwrites: bool,
}

/// What a listing or a read says of an object.
#[derive(Debug, Clone)]
pub(super) struct Listed {
    pub(super) key: Path,
    pub(super) size: u64,
    /// By the bucket's clock; compare it only with others of the same bucket.
    pub(super) modified: Timestamp,
}

/// The answer to a create.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Created {
    /// The object is ours.
    Yes,
    /// There may be one already: a hint, never proof. A server that wants the request again says the same, and so does
    /// one that is asked again about our own object. Read the key.
    Hint,
}

impl Bucket {
    pub(super) async fn create(&self, key: &Path, body: Bytes) -> Result<Created, StoreError> {
        let mode = if self.overwrites { PutMode::Overwrite } else { PutMode::Create };
        let put = self.objects.put_opts(key, PutPayload::from(body), mode.into());
        match self.bounded(BucketRequest::Create, key, put).await? {
            Ok(_) => Ok(Created::Yes),
            Err(Error::AlreadyExists { .. } | Error::Precondition { .. }) => Ok(Created::Hint),
            Err(error) => Err(StoreError::from_bucket(BucketRequest::Create, key, error)),
        }
    }

    /// Makes an object empty, whether or not it is there.
    pub(super) async fn make_empty(&self, key: &Path) -> Result<(), StoreError> {
        self.overwrite(key, Bytes::new()).await
    }

    /// Writes an object, whether or not it is there. Of several at once any may be the last.
    pub(super) async fn overwrite(&self, key: &Path, body: Bytes) -> Result<(), StoreError> {
        let put = self.objects.put(key, PutPayload::from(body));
        match self.bounded(BucketRequest::Overwrite, key, put).await? {
            Ok(_) => Ok(()),
            Err(error) => Err(StoreError::from_bucket(BucketRequest::Overwrite, key, error)),
        }
    }

    pub(super) async fn read(&self, key: &Path) -> Result<Option<(Bytes, Timestamp)>, StoreError> {
        let get = async {
            let got = self.objects.get(key).await?;
            let modified = modified(&got.meta);
            Ok((got.bytes().await?, modified))
        };
        match self.bounded(BucketRequest::Read, key, get).await? {
            Ok(object) => Ok(Some(object)),
            Err(Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(StoreError::from_bucket(BucketRequest::Read, key, error)),
        }
    }

    /// When the object was written, if there is one.
    pub(super) async fn written_at(&self, key: &Path) -> Result<Option<Timestamp>, StoreError> {
        match self.bounded(BucketRequest::Read, key, self.objects.head(key)).await? {
            Ok(meta) => Ok(Some(modified(&meta))),
            Err(Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(StoreError::from_bucket(BucketRequest::Read, key, error)),
        }
    }

    /// The objects under a prefix, page after page, in whatever order the bucket has; those up to `after` left out.
    pub(super) fn list(&self, prefix: &Path, after: Option<&Path>) -> BoxStream<'_, Result<Listed, StoreError>> {
        let listing = match after {
            Some(after) => self.objects.list_with_offset(Some(prefix), after),
            None => self.objects.list(Some(prefix)),
        };
        stream::try_unfold((listing, prefix.clone()), move |(mut listing, prefix)| async move {
            match self.bounded(BucketRequest::List, &prefix, listing.next()).await? {
                None => Ok(None),
                Some(Ok(meta)) => Ok(Some((meta.into(), (listing, prefix)))),
                Some(Err(error)) => Err(StoreError::from_bucket(BucketRequest::List, &prefix, error)),
            }
        })
        .boxed()
    }

    pub(super) async fn list_all(&self, prefix: &Path, after: Option<&Path>) -> Result<Vec<Listed>, StoreError> {
        self.list(prefix, after).try_collect().await
    }

    /// The folders and the objects that lie right below a prefix.
    pub(super) async fn folders(&self, prefix: &Path) -> Result<(Vec<Path>, Vec<Listed>), StoreError> {
        let listing = self.objects.list_with_delimiter(Some(prefix).filter(|prefix| !prefix.is_root()));
        match self.bounded(BucketRequest::List, prefix, listing).await? {
            Ok(found) => Ok((found.common_prefixes, found.objects.into_iter().map(Listed::from).collect())),
            Err(error) => Err(StoreError::from_bucket(BucketRequest::List, prefix, error)),
        }
    }

    /// Deletes objects; one that is not there is as good as deleted. All are tried, the first failure is told.
    pub(super) async fn delete(&self, keys: Vec<Path>) -> Result<(), StoreError> {
        let Some(first) = keys.first().cloned() else { return Ok(()) };
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
        tokio::time::timeout(self.request_time, asking)
            .await
            .map_err(|late| StoreError::unavailable(request, key, late.to_string()))
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
