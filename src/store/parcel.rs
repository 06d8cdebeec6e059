//! Entries on their way from one host to another, which is to append them to a log.

use bytes::Bytes;

use super::codec::{self, Identity};
use super::error::StoreError;
use super::{Store, key};
use crate::share::entry::Entry;
use crate::share::id::ShareId;

/// The number in the header of a parcel: no segment of a log has it.
const NUMBER: key::Number = 0;

impl Store {
    /// Packs entries of a share's log, as a segment is packed.
    #[must_use]
    pub fn pack(&self, share: &ShareId, entries: &[Entry]) -> Bytes {
        codec::encode_segment(share, NUMBER, None, Identity { writer: self.writer, batch: 0 }, entries)
    }

    /// Reads what another host packed.
    ///
    /// # Errors
    /// It is no parcel of this share, or this version cannot read it.
    pub fn unpack(share: &ShareId, parcel: &[u8]) -> Result<Vec<Entry>, StoreError> {
        // The name is for the error.
        let key = key::segment(share, NUMBER);
        codec::decode_segment(&key, share, NUMBER, parcel).map(|parcel| parcel.entries)
    }
}
