//! Questions to the bucket: whether it honours conditional writes, whether it answers, and whether it takes a write.

use bytes::Bytes;
use futures::StreamExt as _;
use futures::future::join_all;

use super::Store;
use super::bucket::{Bucket, Created};
use super::error::StoreError;
use super::key;

/// Number of writers that race for one key in the probe.
const WRITERS: usize = 8;

/// Bytes that are written to see whether there is space: more than a file system keeps outside its blocks.
const SPACE_BYTES: usize = 64 << 10;

impl Bucket {
    /// Asks the bucket whether it honours conditions, and notes the answer. One caller asks at a time, and the others wait. With
    /// `in_doubt` it asks only if there is still a doubt once the others have asked.
    pub(super) async fn ask_about_conditions(&self, in_doubt: bool) -> Result<(), StoreError> {
        let _asking = self.conditions.asking.lock().await;
        if in_doubt && !self.conditions.are_doubted() {
            return Ok(());
        }
        let nonce = self.probes.nonce();
        let (twice, race) = (key::probe(nonce, "twice"), key::probe(nonce, "race"));
        let honest = async {
            let first = self.create_if_absent(&twice, Bytes::from_static(b"first")).await?;
            let second = self.create_if_absent(&twice, Bytes::from_static(b"second")).await?;
            let kept = self.read(&twice).await?;
            if second == Created::Yes || kept.is_none_or(|(bytes, _)| first == Created::Yes && bytes != "first") {
                return Ok(false);
            }
            let racing = (0..WRITERS).map(|writer| self.create_if_absent(&race, vec![b'0' + writer as u8].into()));
            let answers = join_all(racing).await.into_iter().collect::<Result<Vec<_>, _>>()?;
            let winners: Vec<_> = (0..WRITERS).filter(|writer| answers[*writer] == Created::Yes).collect();
            let kept = self.read(&race).await?.map(|(bytes, _)| bytes);
            // An answer may be lost, so perhaps no winner knows that it won; but there must not be two, nor one that was overwritten.
            Ok(match winners[..] {
                [] => kept.is_some(),
                [winner] => kept.is_some_and(|kept| kept[..] == [b'0' + winner as u8]),
                [..] => false,
            })
        }
        .await;
        let cleaned = self.delete(vec![twice, race]).await;
        let honest = honest?;
        self.conditions.settle(honest);
        if honest { cleaned } else { Err(StoreError::Unconditional) }
    }
}

impl Store {
    /// Asks the bucket to create an object twice, and another one eight times at once; each must be created once. Some
    /// servers say yes each time and write over the object: two hosts on such a bucket would silently lose acknowledged data.
    /// Deletes the objects afterwards, and so finds out whether this host may delete.
    ///
    /// From then on this store creates nothing, unless it is the [single writer](super::StoreSettings::single_writer), until
    /// a later call finds that the bucket honours the condition. A host calls this at its start and every few minutes; what
    /// contradicts the last answer makes the store ask by itself.
    ///
    /// # Errors
    /// [`StoreError::Unconditional`] if the bucket ignores the condition; any other error if the bucket failed, and then what was
    /// known before still counts.
    pub async fn probe_conditional_writes(&self) -> Result<(), StoreError> {
        self.bucket.ask_about_conditions(false).await
    }

    /// Whether the store refuses to write, because the bucket ignores conditional writes.
    #[must_use]
    pub fn is_refusing_writes(&self) -> bool {
        self.bucket.single_writer.is_none() && self.bucket.conditions.are_ignored()
    }

    /// Checks that the bucket answers, by listing a prefix that is empty. For a readiness check.
    ///
    /// # Errors
    /// The bucket failed.
    pub async fn ready(&self) -> Result<(), StoreError> {
        self.bucket.list(&key::probes(), None).next().await.transpose().map(drop)
    }

    /// Checks that the bucket takes a write of 64 KiB, and deletes that object. For a readiness check after a write that failed.
    ///
    /// # Errors
    /// The bucket failed.
    pub async fn takes_writes(&self) -> Result<(), StoreError> {
        let key = key::probe(self.bucket.probes.nonce(), "room");
        self.bucket.overwrite(&key, Bytes::from_static(&[b'.'; SPACE_BYTES])).await?;
        self.bucket.delete(vec![key]).await
    }
}
