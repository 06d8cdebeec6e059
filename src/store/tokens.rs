//! Stored tokens: who a credential is, under `token/<id>`, so that every host over one bucket knows it.
//!
//! A record is created once, on the condition that there is none, and after that only ever overwritten by its own
//! revocation. So of any number of requests that are late or repeated none brings a revoked token back: a create meets the
//! record, and every overwrite says `revoked`. For that reason a record is never deleted. The token itself is not stored,
//! but its SHA-256: it has 256 random bits, so that needs neither salt nor stretching.

use futures::stream::{self, StreamExt as _, TryStreamExt as _};

use super::Store;
use super::bucket::{Created, REQUESTS_AT_ONCE};
use super::codec;
use super::error::{BucketRequest, StoreError};
use super::key;
use crate::share::id::{AccountId, TokenId};
use crate::share::secret::SecretHash;
use crate::share::time::Timestamp;

/// Characters of a label that are kept; what is longer is cut.
pub const TOKEN_LABEL_CHARS_MAX: usize = 128;

/// Tokens that a listing gives: at about 400 bytes each, 4 MB, and a GET for each, 16 at a time.
pub const TOKENS_LISTED_MAX: usize = 10_000;

/// The tokens that a listing found.
#[derive(Debug, Default)]
pub struct TokenListing {
    /// Those that could be read, in no promised order.
    pub tokens: Vec<TokenRecord>,
    /// Why others could not, with their keys; whose they are is not known.
    pub unreadable: Vec<StoreError>,
}

/// What is known of a token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenRecord {
    /// Its public name.
    pub id: TokenId,
    /// Whose rights it has.
    pub account: AccountId,
    /// SHA-256 of its whole text.
    pub hash: SecretHash,
    /// The names of what it may do. A name that a reader does not know gives nothing.
    pub scopes: Vec<String>,
    /// What it is for, in the words of whoever made it; may be empty.
    pub label: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// From when on it is nothing worth; `None`: it stays until it is revoked.
    pub expires_at: Option<Timestamp>,
    /// When it was revoked, if it was.
    pub revoked_at: Option<Timestamp>,
}

impl Store {
    /// Makes a token known to every host over this bucket.
    ///
    /// # Errors
    /// What the bucket said, also if another token has this id; the token may be known all the same.
    pub async fn create_token(&self, record: &TokenRecord) -> Result<(), StoreError> {
        let key = key::token(&record.id);
        if self.bucket.create(&key, codec::encode_token(record)).await? == Created::Yes {
            return Ok(());
        }
        match self.token(&record.id).await? {
            Some(found) if found == *record => Ok(()),
            _ => Err(StoreError::unavailable(BucketRequest::Create, &key, "there is another by this id")),
        }
    }

    /// What is known of a token.
    ///
    /// # Errors
    /// What the bucket said, or the record cannot be read.
    pub async fn token(&self, id: &TokenId) -> Result<Option<TokenRecord>, StoreError> {
        let key = key::token(id);
        let Some((bytes, _)) = self.bucket.read(&key).await? else { return Ok(None) };
        codec::decode_token(&key, id, &bytes).map(Some)
    }

    /// Revokes a token for good: when this returns, that is in the bucket. Gives the record, as it is now; `None` if there
    /// is no such token. One that was revoked before keeps its time.
    ///
    /// # Errors
    /// What the bucket said; the token may be revoked or not.
    pub async fn revoke_token(&self, id: &TokenId, at: Timestamp) -> Result<Option<TokenRecord>, StoreError> {
        let Some(mut record) = self.token(id).await? else { return Ok(None) };
        if record.revoked_at.is_none() {
            record.revoked_at = Some(at);
            self.bucket.overwrite(&key::token(id), codec::encode_token(&record)).await?;
        }
        Ok(Some(record))
    }

    /// The tokens of an account, or of everybody; revoked and expired ones too. At most [`TOKENS_LISTED_MAX`] are read. A
    /// record that holds something else hides none of the others.
    ///
    /// # Errors
    /// What the bucket said.
    pub async fn tokens(&self, account: Option<&AccountId>) -> Result<TokenListing, StoreError> {
        let listed = self.bucket.list(&key::tokens(), None).take(TOKENS_LISTED_MAX);
        let ids = listed.try_filter_map(|listed| std::future::ready(Ok(key::token_of(&listed.key))));
        let ids: Vec<TokenId> = ids.try_collect().await?;
        let mut records = stream::iter(ids.iter().map(|id| self.token(id))).buffer_unordered(REQUESTS_AT_ONCE);
        let of_account = |record: &TokenRecord| account.is_none_or(|account| record.account == *account);
        let mut listing = TokenListing::default();
        while let Some(record) = records.next().await {
            match record {
                Ok(record) => listing.tokens.extend(record.filter(of_account)),
                Err(error @ StoreError::Corrupt { .. }) => listing.unreadable.push(error),
                Err(error) => return Err(error),
            }
        }
        Ok(listing)
    }
}
