//! The credentials of one host: who somebody is, who failed to show a right credential lately, and the tokens of the store.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use crate::access::failures::Failures;
use crate::access::{Access, AnyOf, Principal, Readiness, Scopes, StoredTokens, Way, mint};
use crate::ambient::Ambient;
use crate::health::Health;
use crate::share::error::{Refusal, StoreOperation, chain};
use crate::share::id::{AccountId, TokenId};
use crate::share::secret::Secret;
use crate::store::{Store, StoreError, TokenRecord};

/// What one host lets in: its own [`Access`], and the tokens of its store if they count.
#[derive(Debug)]
pub struct Credentials {
    access: Arc<dyn Access>,
    tokens: Arc<StoredTokens>,
    failures: Failures,
    store: Store,
    ambient: Ambient,
    health: Arc<Health>,
}

impl Credentials {
    /// The credentials that `access` knows and, with `stored_tokens`, the tokens of the store. An address may show
    /// `failed_per_minute` wrong ones in a minute.
    pub(crate) fn new(
        access: Arc<dyn Access>,
        stored_tokens: bool,
        failed_per_minute: NonZeroU32,
        store: Store,
        ambient: Ambient,
        health: Arc<Health>,
    ) -> Arc<Self> {
        let tokens = Arc::new(StoredTokens::new(store.clone(), Arc::clone(&ambient.clock)));
        let access =
            if stored_tokens { Arc::new(AnyOf::new([Arc::clone(&tokens) as Arc<dyn Access>, access])) } else { access };
        Arc::new(Self { access, tokens, failures: Failures::new(failed_per_minute), store, ambient, health })
    }

    /// The principal of somebody within this process: of the token that it shows, or of those that show none.
    ///
    /// # Errors
    /// A wrong token, or none where one is needed.
    pub async fn authenticate(&self, token: Option<&Secret>) -> Result<Principal, Refusal> {
        self.authenticate_from(Way::Direct, token).await
    }

    /// The principal of somebody who came this way, as [`Credentials::authenticate`].
    ///
    /// # Errors
    /// As [`Credentials::authenticate`], and that it would be let in for being of this machine, and did not come straight from it.
    pub async fn authenticate_from(&self, way: Way, token: Option<&Secret>) -> Result<Principal, Refusal> {
        let who = match token {
            Some(token) => self.access.authenticate(token).await?,
            None => self.access.anonymous().ok_or_else(|| Refusal::Unauthorized {
                reason: "this host needs a token: send it as Authorization: Bearer TOKEN, or call authenticate".into(),
            })?,
        };
        way.admit(who)
    }

    /// The principal of a connection that comes in: of its token or, without one, of those that need none. `in_band`
    /// lets it in as nobody where a token is needed, because it is going to call `authenticate`.
    ///
    /// # Errors
    /// As [`Credentials::authenticate_from`].
    pub async fn introduce(
        &self,
        token: Option<&Secret>,
        in_band: bool,
        way: Way,
    ) -> Result<Option<Principal>, Refusal> {
        match self.authenticate_from(way, token).await {
            Ok(principal) => Ok(Some(principal)),
            Err(Refusal::Unauthorized { .. }) if token.is_none() && in_band => Ok(None),
            Err(refusal) => Err(refusal),
        }
    }

    /// Whether a principal's credential is still valid, past whatever is remembered of it: see [`Access::recheck`].
    ///
    /// # Errors
    /// It was revoked or has expired, or that cannot be told now.
    pub async fn recheck(&self, who: &Principal) -> Result<(), Refusal> {
        self.access.recheck(who).await
    }

    /// Whether somebody without a credential has rights of an account.
    #[must_use]
    pub fn lets_anybody_in(&self) -> bool {
        self.access.anonymous().is_some()
    }

    /// Who failed to show a right credential lately: for the doors, which know addresses.
    #[must_use]
    pub fn failures(&self) -> &Failures {
        &self.failures
    }

    /// Whether the host can tell who comes in.
    #[must_use]
    pub fn readiness(&self) -> Readiness {
        self.access.readiness()
    }

    /// How start-up lines name who may come in.
    #[must_use]
    pub fn describe(&self) -> String {
        self.access.describe()
    }

    /// Makes a token. Its text is in the answer and nowhere else. For administrators; `ttl` of `None`: it stays until it
    /// is revoked.
    ///
    /// # Errors
    /// The principal may not, or the bucket failed.
    pub async fn create_token(
        &self,
        who: &Principal,
        account: &AccountId,
        scopes: Scopes,
        label: &str,
        ttl: Option<Duration>,
    ) -> Result<(TokenRecord, Secret), Refusal> {
        who.may_administer()?;
        let (record, token) = mint(&self.ambient, account, scopes, label, ttl).map_err(|error| {
            tracing::error!(%error, "a token could not be made");
            Refusal::Unavailable { retry_after_ms: 1_000 }
        })?;
        let created = self.store.create_token(&record).await;
        created.map_err(|error| self.health.refused(StoreOperation::Create, &error))?;
        Ok((record, token))
    }

    /// The tokens of an account, or with `None` of everybody; revoked and expired ones too, the oldest first. For
    /// administrators, and for each account its own.
    ///
    /// # Errors
    /// The principal may not, or the bucket failed.
    pub async fn list_tokens(&self, who: &Principal, account: Option<&AccountId>) -> Result<Vec<TokenRecord>, Refusal> {
        if account != Some(&who.account) {
            who.may_administer()?;
        }
        let listing = self.store.tokens(account).await;
        let listing = listing.map_err(|error| self.health.refused(StoreOperation::List, &error))?;
        for error in &listing.unreadable {
            tracing::error!(error = %chain(error), "a token's record cannot be read; the listing goes on without it");
        }
        let mut tokens = listing.tokens;
        tokens.sort_by(|a, b| (a.created_at, &a.id).cmp(&(b.created_at, &b.id)));
        Ok(tokens)
    }

    /// Revokes a token for good. For administrators, and for each account its own. When this returns, the revocation is in the
    /// bucket; the connections that came by the token are still there.
    ///
    /// # Errors
    /// The principal may not, [`Refusal::NotFound`], or the bucket failed.
    pub(crate) async fn revoke_token(&self, who: &Principal, id: &TokenId) -> Result<(), Refusal> {
        if who.may_administer().is_err() {
            let record = self.store.token(id).await;
            let record = record.map_err(|error| self.health.refused(StoreOperation::Read, &error))?;
            // Another's token is as good as none.
            record.filter(|record| record.account == who.account).ok_or_else(|| Refusal::not_found(id.as_str()))?;
        }
        let revoked = self.tokens.revoke(id).await;
        let revoked = revoked.map_err(|error| self.health.refused(StoreOperation::Delete, &error))?;
        revoked.map(drop).ok_or_else(|| Refusal::not_found(id.as_str()))
    }

    /// Whether a stored token may be used, as the bucket says now.
    ///
    /// # Errors
    /// The bucket failed.
    pub(crate) async fn is_valid(&self, token: &TokenId) -> Result<bool, StoreError> {
        self.tokens.is_valid(token).await
    }

    /// What goes on in the background for access, for as long as the host runs; see [`Access::tend`].
    pub(crate) async fn tend(&self) {
        self.access.tend().await;
    }
}
