//! Stored tokens: `captok_<id>_<secret>`, known to every host over one bucket.
//!
//! The id is public and says which record to read; the secret is 43 characters of base64url from 256 random bits, and only
//! the hash of the whole text is stored. What was read of a token is remembered for [`REMEMBERED_FOR`], so that a
//! client that comes again costs no request. That an id has no record is remembered as well, so that a guesser who tries one id
//! again and again costs no request either. A token that is made elsewhere is known here at once, because nothing is remembered of it. One that is
//! revoked elsewhere may be shown for as long as it is remembered here, but comes in no more: [`Access::recheck`] always
//! asks the bucket.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::future::BoxFuture;

use super::{Access, Credential, Principal, Scopes, hash, same, unknown};
use crate::ambient::{Ambient, Clock, Moment, NoEntropy};
use crate::share::error::{Refusal, StoreOperation, chain};
use crate::share::id::{AccountId, TokenId};
use crate::share::secret::Secret;
use crate::share::time::Timestamp;
use crate::store::{Store, StoreError, TOKEN_LABEL_CHARS_MAX, TokenRecord};

/// What tokens begin with.
const PREFIX: &str = "captok_";

/// For how long what was read of a token is believed without reading again.
const REMEMBERED_FOR: Duration = Duration::from_secs(5);

/// Tokens that are remembered: at about 500 bytes each, 5 MB. Past it those remembered for too long are forgotten, and if
/// there are none, what is read is not remembered.
const TOKEN_CACHE: usize = 10_000;

/// The tokens of one bucket, as credentials. Clones share what they remember.
#[derive(Clone)]
pub struct StoredTokens {
    store: Store,
    clock: Arc<dyn Clock>,
    remembered: Arc<Mutex<HashMap<TokenId, Remembered>>>,
}

#[derive(Clone)]
struct Remembered {
    /// When it was asked for: from then on it may have changed.
    asked: Moment,
    /// `None`: there is no such token.
    record: Option<Arc<TokenRecord>>,
}

/// A new token and its record, which is not stored yet. The scopes' names and the account go into it as they are; a label
/// is cut to its first [`TOKEN_LABEL_CHARS_MAX`] characters.
///
/// # Errors
/// The machine has no randomness to give.
pub fn mint(
    ambient: &Ambient,
    account: &AccountId,
    scopes: Scopes,
    label: &str,
    ttl: Option<Duration>,
) -> Result<(TokenRecord, Secret), NoEntropy> {
    let id = TokenId::from_bits(ambient.bits()?);
    let mut bytes = [0; 32];
    ambient.entropy.fill(&mut bytes)?;
    let token = Secret::with_prefix(&format!("{PREFIX}{id}_"), bytes);
    let created_at = ambient.clock.now();
    let after = |ttl: Duration| created_at.0.saturating_add(i64::try_from(ttl.as_millis()).unwrap_or(i64::MAX));
    let record = TokenRecord {
        id,
        account: account.clone(),
        hash: hash(&token),
        scopes: scopes.names().into_iter().map(str::to_owned).collect(),
        label: label.chars().take(TOKEN_LABEL_CHARS_MAX).collect(),
        created_at,
        expires_at: ttl.map(|ttl| Timestamp(after(ttl))),
        revoked_at: None,
    };
    Ok((record, token))
}

impl StoredTokens {
    /// The tokens of this store; `clock` says which have expired.
    #[must_use]
    pub fn new(store: Store, clock: Arc<dyn Clock>) -> Self {
        Self { store, clock, remembered: Arc::default() }
    }

    /// Revokes a token for good; when this returns, that is in the bucket, and known here. Gives its record; `None` if
    /// there is no such token.
    ///
    /// # Errors
    /// The bucket failed; the token may be revoked or not.
    pub async fn revoke(&self, id: &TokenId) -> Result<Option<Arc<TokenRecord>>, StoreError> {
        let asked = Moment::now(self.clock.as_ref());
        let record = self.store.revoke_token(id, self.clock.now()).await?.map(Arc::new);
        self.remember(id, Remembered { asked, record: record.clone() });
        Ok(record)
    }

    /// Whether a token may be used, as the bucket says now: it is there, was not revoked and has not expired.
    ///
    /// # Errors
    /// The bucket failed.
    pub async fn is_valid(&self, id: &TokenId) -> Result<bool, StoreError> {
        let record = self.read(id).await?;
        Ok(record.is_some_and(|record| self.valid(&record).is_ok()))
    }

    async fn read(&self, id: &TokenId) -> Result<Option<Arc<TokenRecord>>, StoreError> {
        let asked = Moment::now(self.clock.as_ref());
        let record = self.store.token(id).await?.map(Arc::new);
        self.remember(id, Remembered { asked, record: record.clone() });
        Ok(record)
    }

    fn remember(&self, id: &TokenId, read: Remembered) {
        let mut remembered = self.lock();
        if let Some(known) = remembered.get(id) {
            let revoked = known.record.as_ref().is_some_and(|record| record.revoked_at.is_some());
            // What was asked for earlier and came later tells nothing new.
            if known.asked.is_after(&read.asked)
                || (revoked && read.record.as_ref().is_some_and(|r| r.revoked_at.is_none()))
            {
                return;
            }
        } else if remembered.len() >= TOKEN_CACHE {
            remembered.retain(|_, known| known.asked.age(self.clock.as_ref()) < REMEMBERED_FOR);
            if remembered.len() >= TOKEN_CACHE {
                return;
            }
        }
        remembered.insert(id.clone(), read);
    }

    fn recall(&self, id: &TokenId) -> Option<Remembered> {
        self.lock().get(id).filter(|known| known.asked.age(self.clock.as_ref()) < REMEMBERED_FOR).cloned()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<TokenId, Remembered>> {
        self.remembered.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn valid(&self, record: &TokenRecord) -> Result<(), Refusal> {
        if record.revoked_at.is_some() {
            return Err(Refusal::Unauthorized { reason: "this token was revoked: ask for another".into() });
        }
        if record.expires_at.is_some_and(|at| at <= self.clock.now()) {
            return Err(Refusal::Unauthorized { reason: "this token has expired: ask for another".into() });
        }
        Ok(())
    }
}

/// Which token a text is, if it has the form of one.
fn id_of(token: &Secret) -> Option<TokenId> {
    let (id, secret) = token.reveal().strip_prefix(PREFIX)?.split_once('_')?;
    id.parse().ok().filter(|_| secret.len() == 43)
}

/// The bucket's errors become the refusal here, and are logged.
fn refused(error: &StoreError) -> Refusal {
    tracing::error!(error = %chain(error), "the record of a token could not be read");
    Refusal::StorageFailure { operation: StoreOperation::Read, trouble: error.trouble() }
}

impl fmt::Debug for StoredTokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "StoredTokens({} remembered)", self.lock().len())
    }
}

impl Access for StoredTokens {
    fn anonymous(&self) -> Option<Principal> {
        None
    }

    fn authenticate<'a>(&'a self, token: &'a Secret) -> BoxFuture<'a, Result<Principal, Refusal>> {
        Box::pin(async move {
            let id = id_of(token).ok_or_else(unknown)?;
            let record = match self.recall(&id) {
                Some(known) => known.record,
                None => self.read(&id).await.map_err(|error| refused(&error))?,
            };
            // Whether there is a token of this id is no secret.
            let record = record.filter(|record| same(&record.hash, &hash(token))).ok_or_else(unknown)?;
            self.valid(&record)?;
            Ok(Principal {
                account: record.account.clone(),
                credential: Credential::Token(id.to_string()),
                scopes: Scopes::of_names(record.scopes.iter().map(String::as_str)),
                expires_at: record.expires_at,
            })
        })
    }

    fn recognises(&self, token: &Secret) -> bool {
        token.reveal().starts_with(PREFIX)
    }

    fn recheck<'a>(&'a self, who: &'a Principal) -> BoxFuture<'a, Result<(), Refusal>> {
        Box::pin(async move {
            let Credential::Token(id) = &who.credential else { return Ok(()) };
            let Ok(id) = id.parse() else { return Ok(()) };
            let record = self.read(&id).await.map_err(|error| refused(&error))?;
            self.valid(&*record.ok_or_else(unknown)?)
        })
    }

    fn describe(&self) -> String {
        "stored tokens".to_owned()
    }
}
