//! What records of the bucket say: a token's, a host's, and a share's summary. How they are written is in `codec/record.rs` and
//! `codec/host.rs`.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::share::host::{HostInfo, HostUrl};
use crate::share::id::{AccountId, HostId, SessionId, TokenId};
use crate::share::item::ItemKey;
use crate::share::secret::SecretHash;
use crate::share::state::State;
use crate::share::time::Timestamp;

/// The stored record of a token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenRecord {
    /// The token's public name.
    pub id: TokenId,
    /// The account whose rights the token gives.
    pub account: AccountId,
    /// SHA-256 of the token's whole text.
    pub hash: SecretHash,
    /// The names of the rights that the token gives. A name that a reader does not know gives no right.
    pub scopes: Vec<String>,
    /// What the token is for, in the words of the person who made it; may be empty.
    pub label: String,
    /// When the token was made.
    pub created_at: Timestamp,
    /// When the token expires; `None` if it is valid until it is revoked.
    pub expires_at: Option<Timestamp>,
    /// When the token was revoked; `None` if it was not.
    pub revoked_at: Option<Timestamp>,
}

/// The stored record in which a host says that it is there. A reader keeps at most the bounds of
/// [`limits::hosts`](crate::share::limits::hosts) of each field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostRecord {
    /// What the host says of itself to everybody.
    pub info: HostInfo,
    /// Where other hosts reach it, and clients do not; may be empty.
    pub inside_urls: Vec<HostUrl>,
    /// Number of the write of this record, counted from 1 by its host.
    pub beat: u64,
    /// For each host that this host is going to call: the hash of what it will show there.
    pub tickets: BTreeMap<HostId, SecretHash>,
}

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
