//! The id of the store: one object, which the first host of a bucket creates, and by which everybody knows the bucket again.
//!
//! Clients keep what belongs to the store, such as the secrets of shares, under this id and not under the URL of a host, for several
//! hosts may serve one bucket. It is made of the bits by which its creator is known as a writer, is not secret, and proves nothing.

use super::Store;
use super::codec;
use super::error::{BucketRequest, StoreError};
use super::key;
use crate::share::id::StoreId;

impl Store {
    /// The id of this store, as far as it is known without asking the bucket: [`read_id`](Store::read_id) has returned it.
    #[must_use]
    pub fn id(&self) -> Option<&StoreId> {
        self.id.get()
    }

    /// Reads the id of this store from the bucket. A store without an id is given one. Of any number of hosts that do this at once one
    /// creates it, and all return the same id. It costs one read; the first host writes besides.
    ///
    /// # Errors
    /// The bucket failed, or the object cannot be read.
    pub async fn read_id(&self) -> Result<StoreId, StoreError> {
        if let Some(id) = self.id.get() {
            return Ok(id.clone());
        }
        let found = match self.stored_id().await? {
            Some(id) => Some(id),
            None => {
                let mine = codec::encode_store_id(&StoreId::from_bits(self.writer.0));
                // Whether it was this host that created it or another one, what is there counts.
                self.bucket.create(&key::store_id(), mine).await?;
                self.stored_id().await?
            }
        };
        let gone =
            || StoreError::unavailable(BucketRequest::Read, &key::store_id(), "it was created, and is not there");
        let id = found.ok_or_else(gone)?;
        Ok(self.id.get_or_init(|| id).clone())
    }

    /// The id as it is stored now; `None` if the store has no id. Writes nothing.
    ///
    /// # Errors
    /// The bucket failed, or the object cannot be read.
    pub(super) async fn stored_id(&self) -> Result<Option<StoreId>, StoreError> {
        let key = key::store_id();
        let Some((bytes, _)) = self.bucket.read(&key).await? else { return Ok(None) };
        codec::decode_store_id(&key, &bytes).map(Some)
    }
}
