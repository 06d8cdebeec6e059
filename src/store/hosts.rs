//! The hosts of a deployment: each says under `host/<id>` that it is there, and where, as long as it lives.
//!
//! Such an object decides nothing: what it says wrongly, or says no more, costs other hosts and their clients a little time. So it is
//! overwritten without a condition, and a late write may bring it back after it was deleted; it then stays until it is cleared away.

use std::time::Duration;

use futures::{StreamExt as _, TryStreamExt as _};

use super::Store;
use super::codec;
use super::error::StoreError;
use super::key;
use super::records::HostRecord;
use crate::share::id::HostId;
use crate::share::limits::hosts::{HOST_RECORD_BYTES_MAX, HOSTS_LISTED_MAX};
use crate::share::time::Timestamp;

/// Age from which on the object of a host is left over: a day. A host writes its own every few seconds.
pub(super) const HOSTS_AFTER: Duration = Duration::from_secs(24 * 3_600);

/// What a listing tells of a host's object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedHost {
    /// The host.
    pub id: HostId,
    /// When its object was written, by the bucket's clock; compare it only with times of the same bucket.
    pub written_at: Timestamp,
    /// The bucket's name for what the object holds, if it has one. Two writes may have one time, where times are whole seconds.
    pub content: Option<String>,
}

impl Store {
    /// Writes the record of a host over the one before.
    ///
    /// # Errors
    /// The bucket failed, and the record may be written all the same.
    pub async fn write_host(&self, record: &HostRecord) -> Result<(), StoreError> {
        self.bucket.overwrite(&key::host(&record.info.id), codec::encode_host(record)).await
    }

    /// Deletes the record of a host, or does nothing if the host has no record.
    ///
    /// # Errors
    /// The bucket failed.
    pub async fn remove_host(&self, id: &HostId) -> Result<(), StoreError> {
        self.bucket.delete(vec![key::host(id)]).await
    }

    /// The hosts that have a record, in no particular order: at most [`HOSTS_LISTED_MAX`]. It reads no record.
    ///
    /// # Errors
    /// The bucket failed.
    pub async fn hosts(&self) -> Result<Vec<ListedHost>, StoreError> {
        let listed = self.bucket.list_whole(&key::hosts(), None).take(HOSTS_LISTED_MAX);
        let hosts = listed.try_filter_map(|meta| {
            let (id, written_at) = (key::host_of(&meta.location), Timestamp(meta.last_modified.timestamp_millis()));
            std::future::ready(Ok(id.map(|id| ListedHost { id, written_at, content: meta.e_tag })))
        });
        hosts.try_collect().await
    }

    /// The record of a host; `None` if the host has no record.
    ///
    /// # Errors
    /// The bucket failed, or the record cannot be read or has more than [`HOST_RECORD_BYTES_MAX`] bytes.
    pub async fn host(&self, id: &HostId) -> Result<Option<HostRecord>, StoreError> {
        let key = key::host(id);
        let Some((bytes, _)) = self.bucket.read_up_to(&key, HOST_RECORD_BYTES_MAX).await? else { return Ok(None) };
        codec::decode_host(&key, id, &bytes).map(Some)
    }
}
