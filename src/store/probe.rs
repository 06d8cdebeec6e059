//! Questions to the bucket itself: does it honour conditional writes, and is it there.

use bytes::Bytes;
use futures::StreamExt as _;
use futures::future::join_all;

use super::Store;
use super::bucket::Created;
use super::error::StoreError;
use super::key;

/// How many writers race for one key.
const WRITERS: usize = 8;

impl Store {
    /// Asks the bucket to create an object twice, and another eight times at once; each may be created once. Several
    /// servers answer yes and write over it: two hosts on such a bucket would lose acknowledged data without a word.
    /// Deletes what it wrote, and so finds out whether it may. `nonce` is random, so that hosts do not meet.
    ///
    /// # Errors
    /// [`StoreError::Unconditional`] if the bucket ignores the condition; otherwise what the bucket said.
    pub async fn probe_conditional_writes(&self, nonce: u128) -> Result<(), StoreError> {
        let (twice, race) = (key::probe(nonce, "twice"), key::probe(nonce, "race"));
        let honest = async {
            let first = self.bucket.create_if_absent(&twice, Bytes::from_static(b"first")).await?;
            let second = self.bucket.create_if_absent(&twice, Bytes::from_static(b"second")).await?;
            let kept = self.bucket.read(&twice).await?;
            if second == Created::Yes || kept.is_none_or(|(bytes, _)| first == Created::Yes && bytes != "first") {
                return Ok(false);
            }
            let racing =
                (0..WRITERS).map(|writer| self.bucket.create_if_absent(&race, vec![b'0' + writer as u8].into()));
            let answers = join_all(racing).await.into_iter().collect::<Result<Vec<_>, _>>()?;
            let winners: Vec<_> = (0..WRITERS).filter(|writer| answers[*writer] == Created::Yes).collect();
            let kept = self.bucket.read(&race).await?.map(|(bytes, _)| bytes);
            // An answer may be lost, so there may be no winner that knows; two, or one that was overwritten, there may not.
            Ok(match winners[..] {
                [] => kept.is_some(),
                [winner] => kept.is_some_and(|kept| kept[..] == [b'0' + winner as u8]),
                [..] => false,
            })
        }
        .await;
        let cleaned = self.bucket.delete(vec![twice, race]).await;
        match honest? {
            true => cleaned,
            false => Err(StoreError::Unconditional),
        }
    }

    /// Whether the bucket answers: one listing of a prefix that is empty, for a readiness check.
    ///
    /// # Errors
    /// What the bucket said.
    pub async fn ready(&self) -> Result<(), StoreError> {
        self.bucket.list(&key::probes(), None).next().await.transpose().map(drop)
    }
}
