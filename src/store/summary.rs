//! Summaries: what a listing tells of a share, kept next to the share's claim so that no share is read for a listing.
//!
//! A summary is stored in the companion of the share's claim: that of `index/<account>/<session>/<number>` is `<number>-about`.
//! It is derived from the log and may be missing or late: the host that folds a share writes it anew ([`Store::describe`]), by
//! plain overwrite and never between a sync and its answer. It holds a title, which is content, so it is deleted with its claim.
//! A host that has not heard of the deletion may write it again: it looks for the tombstone before and after, and the end of the
//! deletion removes what still slips through, such as a write that lands after its host is gone
//! ([`Freeing`](super::Freeing)).

use super::Store;
use super::codec;
use super::error::StoreError;
use super::key;
use super::records::Summary;
use crate::share::id::{AccountId, SessionId, ShareId};

impl Store {
    /// Writes the summary of a share, if the share holds its session's claim and is not deleted. A summary that is stored already
    /// is not written again. Costs a listing of the session's claims, a look for the tombstone and a read; if the summary is
    /// written, also a write and a second look for the tombstone.
    ///
    /// # Errors
    /// The bucket failed. An older summary may still be there; nothing else is lost.
    pub async fn describe(&self, share: &ShareId, summary: &Summary) -> Result<(), StoreError> {
        let (account, session) = (&summary.account, &summary.session);
        let (tombstone, prefix) = (key::tombstone(share), key::session(account, session));
        let (deleted, claims) = tokio::try_join!(self.bucket.written_at(&tombstone), self.claims_on(&prefix))?;
        let Some(number) = claims.held().filter(|_| deleted.is_none()) else { return Ok(()) };
        let known =
            if claims.has_companion(number) { self.read_companion(account, session, number).await? } else { None };
        let holder = match &known {
            Some((holder, _)) => Some(holder.clone()),
            None => self.read_claim(account, session, number).await?.map(|claim| claim.share),
        };
        let news = known.is_none_or(|(_, known)| known != *summary && known.segments <= summary.segments);
        if !news || holder.as_ref() != Some(share) {
            return Ok(());
        }
        let key = key::companion(account, session, number);
        self.bucket.overwrite(&key, codec::encode_companion(share, summary)).await?;
        // A deletion that was under way may have looked for the companion before it was there.
        if self.bucket.written_at(&tombstone).await?.is_some() {
            self.bucket.delete(vec![key]).await?;
        }
        Ok(())
    }

    /// Reads a companion; `None` if it is not there or cannot be read. The next fold writes it anew.
    pub(super) async fn read_companion(
        &self,
        account: &AccountId,
        session: &SessionId,
        number: key::Number,
    ) -> Result<Option<(ShareId, Summary)>, StoreError> {
        let key = key::companion(account, session, number);
        let Some((bytes, _)) = self.bucket.read(&key).await? else { return Ok(None) };
        match codec::decode_companion(&key, &bytes) {
            Ok((share, summary)) if summary.account == *account && summary.session == *session => {
                Ok(Some((share, summary)))
            }
            Ok(_) => Ok(None),
            Err(error) => {
                tracing::warn!(%key, error = &error as &dyn std::error::Error, "a companion of a claim cannot be read, and is passed over");
                Ok(None)
            }
        }
    }
}
