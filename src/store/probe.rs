//! Questions to the bucket itself: does it honour conditional writes, is it there, and does it take a write.

use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use futures::StreamExt as _;
use futures::future::join_all;

use super::Store;
use super::bucket::{Bucket, Created};
use super::codec::WriterId;
use super::error::StoreError;
use super::key;

/// How many writers race for one key.
const WRITERS: usize = 8;

/// Bytes of what is written to see whether there is room: more than a file system keeps beside its blocks.
const ROOM_BYTES: usize = 64 << 10;

/// Names for the objects of probes that no other host gives, because no other has this writer's 128 random bits.
#[derive(Debug)]
pub(super) struct Probes {
    writer: WriterId,
    count: AtomicU64,
}

impl Probes {
    pub(super) fn of(writer: WriterId) -> Self {
        Self { writer, count: AtomicU64::new(0) }
    }

    pub(super) fn nonce(&self) -> u128 {
        self.writer.0 ^ (u128::from(self.count.fetch_add(1, Ordering::Relaxed)) << 64)
    }
}

impl Bucket {
    /// Asks the bucket whether it honours conditions, and notes what it does. One asks, whoever comes meanwhile waits for that.
    /// `in_doubt`: only if there still is a doubt when it is this one's turn.
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
            // An answer may be lost, so there may be no winner that knows; two, or one that was overwritten, there may not.
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
    /// Asks the bucket to create an object twice, and another eight times at once; each may be created once. Several
    /// servers answer yes and write over it: two hosts on such a bucket would lose acknowledged data without a word.
    /// Deletes what it wrote, and so finds out whether it may.
    ///
    /// From then on this store creates nothing, unless it is the [single writer](super::StoreSettings::single_writer), until
    /// a later call finds that the bucket honours the condition. A host calls this at its start and every few minutes; what
    /// contradicts the last answer makes the store ask by itself.
    ///
    /// # Errors
    /// [`StoreError::Unconditional`] if the bucket ignores the condition; otherwise what the bucket said, and what was known
    /// before stands.
    pub async fn probe_conditional_writes(&self) -> Result<(), StoreError> {
        self.bucket.ask_about_conditions(false).await
    }

    /// Whether it writes nothing, because the bucket ignores conditional writes.
    #[must_use]
    pub fn is_refusing_writes(&self) -> bool {
        self.bucket.lone.is_none() && self.bucket.conditions.are_ignored()
    }

    /// Whether the bucket answers: one listing of a prefix that is empty, for a readiness check.
    ///
    /// # Errors
    /// What the bucket said.
    pub async fn ready(&self) -> Result<(), StoreError> {
        self.bucket.list(&key::probes(), None).next().await.transpose().map(drop)
    }

    /// Whether the bucket takes a write of 64 KiB, for a readiness check after one that failed. Deletes what it wrote.
    ///
    /// # Errors
    /// What the bucket said.
    pub async fn takes_writes(&self) -> Result<(), StoreError> {
        let key = key::probe(self.bucket.probes.nonce(), "room");
        self.bucket.overwrite(&key, Bytes::from_static(&[b'.'; ROOM_BYTES])).await?;
        self.bucket.delete(vec![key]).await
    }
}
