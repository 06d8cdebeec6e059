//! Entries that hosts hand to each other where two of them write one share.

use bytes::Bytes;
use futures::future::BoxFuture;

use super::Rooms;
use crate::share::id::{HostId, ShareId};
use crate::store::Store;

/// What brings a room's entries to another host, for that to append them.
pub trait HandOver: Send + Sync + std::fmt::Debug {
    /// Asks a host to append entries to a share's log. Resolves to the number of a segment up to which all of them are in the log;
    /// `None`: they may be, or not. Dropping the future changes nothing for the other host.
    fn hand_over(&self, host: &HostId, share: &ShareId, parcel: Bytes) -> BoxFuture<'static, Option<u64>>;
}

impl Rooms {
    /// Lets rooms hand entries to other hosts by this. Only the first one counts.
    pub fn hand_over_by(&self, by: Box<dyn HandOver>) {
        let _ = self.context.hands_over.set(by);
    }

    /// Appends entries that another host has handed to this one, which is somebody who may write to the bucket: stamped batches of a
    /// share whose room is in memory. They are queued when this returns. Resolves to the number of a segment up to which all of them
    /// are in the log; `None`: some may not be, and the other host is to append them.
    pub fn append_handed(&self, share: &ShareId, parcel: &[u8]) -> impl Future<Output = Option<u64>> + Send + use<> {
        let appending = self.cache.here(share).and_then(|room| {
            let entries = Store::unpack(share, parcel)
                .inspect_err(|error| tracing::debug!(%share, %error, "another host handed over what cannot be read"))
                .ok()?;
            entries.iter().all(|entry| entry.stamp().is_some()).then(|| room.append_handed(entries))
        });
        async move { appending?.await }
    }
}
