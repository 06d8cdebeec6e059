//! Companions: what a listing says of a share besides its id, kept next to its claim so that no share is read for it.
//!
//! The companion of the claim `index/<account>/<session>/<number>` is `<number>-about`. It is derived from the log and may
//! be missing or late: whoever folds a share writes it anew ([`Store::describe`]), by plain overwrite and never between
//! a sync and its answer. It holds a title, which is content, so it ends with its claim. A host that has not heard of
//! that may yet write it again: it looks for the tombstone before and after, and what still slips through, such as a
//! write that lands after its host is gone, the end of the deletion removes ([`Freeing`](super::Freeing)).

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

/// Characters of a title that are kept; what is longer is cut. At 4 bytes each, and with names and URL, a page of
/// [`LIST_PAGE_MAX`](crate::share::limits::LIST_PAGE_MAX) lines stays below 2 MB, half a message.
const TITLE_CHARS_MAX: usize = 256;

/// What a listing says of a share, as of when it was last folded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct About {
    /// Whose it is.
    pub account: AccountId,
    /// What it shares.
    pub session: SessionId,
    /// When it was created.
    pub created_at: Timestamp,
    /// When the newest sync was accepted; at first, when it was created.
    pub updated_at: Timestamp,
    /// The session's title, at most 256 characters of it; `None` if it has none.
    pub title: Option<String>,
    /// How many syncs were accepted.
    pub sync_count: u64,
    /// How many items it holds.
    pub item_count: u64,
    /// Bytes of their keys and texts.
    pub byte_count: u64,
    /// Bytes that its log has written so far.
    pub log_bytes: u64,
    /// Up to which segment of its log all this is so; 0 if a host of long ago wrote it, which did not say.
    pub segments: u64,
    /// From when on it is gone; `None`: it stays until it is deleted.
    pub expires_at: Option<Timestamp>,
}

/// The one member of a session's record that is read.
#[derive(Deserialize)]
struct Titled<'a> {
    #[serde(borrow, default)]
    title: Option<&'a RawValue>,
}

impl About {
    /// What a listing says of a share in this state, that its log came to with so many bytes in so many segments; `None` if
    /// the share is not there.
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

/// The title in the session's own record. A record is whatever its producer sent: without a title that is a text, none.
fn title(state: &State) -> Option<String> {
    let record: Titled<'_> = serde_json::from_str(state.get(&ItemKey::session())?.as_str()).ok()?;
    let title: String = serde_json::from_str(record.title?.get()).ok()?;
    let title: String = title.trim().chars().take(TITLE_CHARS_MAX).collect();
    Some(title).filter(|title| !title.is_empty())
}

impl Store {
    /// Writes what a listing says of a share, if the share holds its session's claim and is not deleted. Says nothing new:
    /// writes nothing. Costs a listing of the session's claims, a look for the tombstone and a read; what is written costs a
    /// write and a second look.
    ///
    /// # Errors
    /// What the bucket said. What was there before may be there still, and is late; nothing else is lost.
    pub async fn describe(&self, share: &ShareId, about: &About) -> Result<(), StoreError> {
        let (account, session) = (&about.account, &about.session);
        let (tombstone, prefix) = (key::tombstone(share), key::session(account, session));
        let (deleted, claims) = tokio::try_join!(self.bucket.written_at(&tombstone), self.claims_on(&prefix))?;
        let Some(number) = claims.held().filter(|_| deleted.is_none()) else { return Ok(()) };
        let known = if claims.has_about(number) { self.read_about(account, session, number).await? } else { None };
        let holder = match &known {
            Some((holder, _)) => Some(holder.clone()),
            None => self.read_claim(account, session, number).await?.map(|claim| claim.share),
        };
        let news = known.is_none_or(|(_, known)| known != *about && known.segments <= about.segments);
        if !news || holder.as_ref() != Some(share) {
            return Ok(());
        }
        let key = key::about(account, session, number);
        self.bucket.overwrite(&key, codec::encode_about(share, about)).await?;
        // A deletion that was under way may have looked for the companion before it was there.
        if self.bucket.written_at(&tombstone).await?.is_some() {
            self.bucket.delete(vec![key]).await?;
        }
        Ok(())
    }

    /// A companion, if it is there and can be read. One that cannot says nothing, and the next fold writes it anew.
    pub(super) async fn read_about(
        &self,
        account: &AccountId,
        session: &SessionId,
        number: key::Number,
    ) -> Result<Option<(ShareId, About)>, StoreError> {
        let key = key::about(account, session, number);
        let Some((bytes, _)) = self.bucket.read(&key).await? else { return Ok(None) };
        match codec::decode_about(&key, &bytes) {
            Ok((share, about)) if about.account == *account && about.session == *session => Ok(Some((share, about))),
            Ok(_) => Ok(None),
            Err(error) => {
                tracing::warn!(%key, error = &error as &dyn std::error::Error, "a companion of a claim is passed over");
                Ok(None)
            }
        }
    }
}
