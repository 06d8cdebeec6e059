//! Stored tokens in use: connections that live by them are closed when one is revoked, here or by another host.
//!
//! A revocation is in the bucket first; then the connections that came by the token are closed here, and other hosts over the
//! bucket are told, or else find it when they next look, every 5 s.

use std::collections::HashSet;
use std::time::Duration;

use futures::stream::{self, StreamExt as _};

use crate::access::{Credential, Principal};
use crate::audit::{self, By};
use crate::connections::Connections;
use crate::connections::close::CloseReason;
use crate::share::error::{Refusal, chain};
use crate::share::id::TokenId;

/// How long after one look at the tokens in use the next begins. One look costs a GET for each token that connections
/// came by: with 1,000 of them, at $0.40 for a million, $7 a day.
const TOKENS_LOOKED_AT_EVERY: Duration = Duration::from_secs(5);

/// Tokens that are looked at at once. At 20 ms each, 10,000 take 13 s.
const LOOKS_AT_ONCE: usize = 16;

impl Connections {
    /// Revokes a token for good, closes the connections of this host that came by it, and says how many these were. For
    /// administrators, and for each account its own. When this returns the revocation is in the bucket; one that fails
    /// closes nothing.
    ///
    /// # Errors
    /// The principal may not, [`Refusal::NotFound`], or the bucket failed.
    pub async fn revoke_token(&self, who: &Principal, id: &str) -> Result<usize, Refusal> {
        let id: TokenId = id.parse().map_err(|_| Refusal::not_found(id))?;
        self.access.revoke_token(who, &id).await?;
        self.tell_of_revocation(&id);
        let closed = self.close_tokens(&HashSet::from([id.clone()]));
        audit::revoked(By::Request(None, Some(who)), "token", id.as_str(), closed);
        Ok(closed)
    }

    /// Looks in the bucket for every token that a connection of this host came by, closes the connections of those that
    /// are not valid any more, and says how many these were. What cannot be read is left for the next time.
    pub async fn look_at_tokens(&self) -> usize {
        let connections = self.registry.connections();
        let principals = connections.iter().flat_map(|entry| entry.principals());
        let used: HashSet<TokenId> = principals.filter_map(|who| token_of(&who)).collect();
        let looks = used.into_iter().map(|id| async move { (self.access.is_valid(&id).await, id) });
        let looks = stream::iter(looks).buffer_unordered(LOOKS_AT_ONCE);
        let gone = looks.filter_map(|(valid, id)| async move {
            match valid {
                Ok(valid) => (!valid).then_some(id),
                Err(error) => {
                    tracing::warn!(token = %id, error = %chain(&error), "a token in use could not be looked at");
                    None
                }
            }
        });
        let gone: HashSet<TokenId> = gone.collect().await;
        if gone.is_empty() { 0 } else { self.close_tokens(&gone) }
    }

    /// Looks at the tokens in use every so often, for as long as the host runs.
    pub async fn tend_tokens(&self) {
        loop {
            tokio::time::sleep(TOKENS_LOOKED_AT_EVERY).await;
            self.look_at_tokens().await;
        }
    }

    pub(super) fn close_tokens(&self, ids: &HashSet<TokenId>) -> usize {
        let is_theirs = |who: &Principal| token_of(who).is_some_and(|id| ids.contains(&id));
        let closed = self.registry.close_matching(CloseReason::REVOKED, |entry| entry.any_principal(is_theirs));
        if closed > 0 {
            tracing::info!(closed, "connections were closed: their token is not valid any more");
        }
        closed
    }
}

/// The stored token that a principal came by.
fn token_of(who: &Principal) -> Option<TokenId> {
    match &who.credential {
        Credential::Token(id) => id.parse().ok(),
        Credential::Session(_) | Credential::Key | Credential::Machine | Credential::None => None,
    }
}
