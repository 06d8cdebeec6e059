//! Stored tokens: what each token is, under `token/<id>`, so that every host of a bucket knows it.
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
use super::records::TokenRecord;
use crate::share::id::{AccountId, TokenId};
use crate::share::time::Timestamp;

/// Characters of a token's label that are kept; a longer label is cut.
pub const TOKEN_LABEL_CHARS_MAX: usize = 128;

/// Tokens that a listing reads at most: at about 400 bytes each, 4 MB. Each takes a read, 16 at a time.
pub const TOKENS_LISTED_MAX: usize = 10_000;

/// The tokens that a listing found.
#[derive(Debug, Default)]
pub struct TokenListing {
    /// The records that could be read, in no particular order.
    pub tokens: Vec<TokenRecord>,
    /// Why other records could not be read, with their keys; whose they are is not known.
    pub unreadable: Vec<StoreError>,
}

impl Store {
    /// Stores a token's record, so that every host of the bucket knows the token.
    ///
    /// # Errors
    /// The bucket failed, and the record may be stored all the same; or another token has this id.
    pub async fn create_token(&self, record: &TokenRecord) -> Result<(), StoreError> {
        let key = key::token(&record.id);
        if self.bucket.create(&key, codec::encode_token(record)).await? == Created::Yes {
            return Ok(());
        }
        match self.token(&record.id).await? {
            Some(found) if found == *record => Ok(()),
            _ => Err(StoreError::unavailable(BucketRequest::Create, &key, "there is another token with this id")),
        }
    }

    /// The record of a token; `None` if there is none.
    ///
    /// # Errors
    /// The bucket failed, or the record cannot be read.
    pub async fn token(&self, id: &TokenId) -> Result<Option<TokenRecord>, StoreError> {
        let key = key::token(id);
        let Some((bytes, _)) = self.bucket.read(&key).await? else { return Ok(None) };
        codec::decode_token(&key, id, &bytes).map(Some)
    }

    /// Revokes a token for ever: when this returns, the revocation is in the bucket. Returns the record as it is now, or `None` if
    /// there is no such token. A token that was revoked before keeps the time of that.
    ///
    /// # Errors
    /// The bucket failed, so that it is not known whether the token is revoked.
    pub async fn revoke_token(&self, id: &TokenId, at: Timestamp) -> Result<Option<TokenRecord>, StoreError> {
        let Some(mut record) = self.token(id).await? else { return Ok(None) };
        if record.revoked_at.is_none() {
            record.revoked_at = Some(at);
            self.bucket.overwrite(&key::token(id), codec::encode_token(&record)).await?;
        }
        Ok(Some(record))
    }

    /// The tokens of an account, or of all accounts, including those that were revoked or have expired. At most
    /// [`TOKENS_LISTED_MAX`] are read. A record that cannot be read does not keep the others from being listed.
    ///
    /// # Errors
    /// The bucket failed.
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
