//! Summaries: what a listing tells of a share, kept next to the share's claim so that no share is read for a listing.
//!
//! A summary is stored in the companion of the share's claim: that of `index/<account>/<session>/<number>` is `<number>-about`.
//! It is derived from the log and may be missing or late: the host that folds a share writes it anew ([`Store::describe`]), by
//! plain overwrite and never between a sync and its answer. It holds a title, which is content, so it is deleted with its claim.
//! A host that has not heard of the deletion may write it again: it looks for the tombstone before and after, and the end of the
//! deletion removes what still slips through, such as a write that lands after its host is gone
//! ([`Freeing`](super::Freeing)).

use serde::Deserialize;
use serde_json::value::RawValue;

use super::Store;
use super::codec;
use super::error::StoreError;
use super::key;
use crate::share::id::{AccountId, SessionId, ShareId};
use crate::share::item::ItemKey;
use crate::share::state::State;
use crate::share::time::Timestamp;

/// Characters of a title that are kept; a longer title is cut. At 4 bytes each, and with names and URL, a page of
/// [`LIST_PAGE_MAX`](crate::share::limits::LIST_PAGE_MAX) lines stays below 2 MB, half a message.
const TITLE_CHARS_MAX: usize = 256;

/// What a listing tells of a share, as of the share's last fold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Summary {
    /// The account that owns the share.
    pub account: AccountId,
    /// The session that is shared.
    pub session: SessionId,
    /// When the share was created.
    pub created_at: Timestamp,
    /// When the newest sync was accepted; before the first sync, when the share was created.
    pub updated_at: Timestamp,
    /// The session's title, cut at 256 characters; `None` if it has none.
    pub title: Option<String>,
    /// Number of syncs that were accepted.
    pub sync_count: u64,
    /// Number of items that the share holds.
    pub item_count: u64,
    /// Bytes of the items' keys and JSON texts.
    pub byte_count: u64,
    /// Bytes of all segments that the share's log has had.
    pub log_bytes: u64,
    /// Number of the segment up to which the summary is right; 0 if an early host wrote it, which did not tell.
    pub segments: u64,
    /// When the share expires; `None` if it stays until it is deleted.
    pub expires_at: Option<Timestamp>,
}

/// The member of a session's record that is read here.
#[derive(Deserialize)]
struct Titled<'a> {
    #[serde(borrow, default)]
    title: Option<&'a RawValue>,
}

impl Summary {
    /// The summary of a share in this state, whose log has `log_bytes` bytes in `segments` segments; `None` if the share is not
    /// open.
    #[must_use]
    pub fn of(state: &State, log_bytes: u64, segments: u64) -> Option<Self> {
        let opened = state.opened().filter(|_| state.is_live())?;
        Some(Self {
            account: opened.account.clone(),
            session: opened.session.clone(),
            created_at: opened.at,
            updated_at: state.updated_at(),
            title: title(state),
            sync_count: state.sync_count(),
            item_count: state.item_count() as u64,
            byte_count: state.byte_count() as u64,
            log_bytes,
            segments,
            expires_at: opened.expires_at,
        })
    }
}

/// The title in the session's own record; `None` if the record, which is what its producer sent, has no title that is a string.
fn title(state: &State) -> Option<String> {
    let record: Titled<'_> = serde_json::from_str(state.get(&ItemKey::session())?.as_str()).ok()?;
    let title: String = serde_json::from_str(record.title?.get()).ok()?;
    let title: String = title.trim().chars().take(TITLE_CHARS_MAX).collect();
    Some(title).filter(|title| !title.is_empty())
}

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
