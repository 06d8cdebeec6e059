//! Who asks: what is asked of a request before its body is looked at.

use axum::http::request::Parts;

use crate::access::{Credential, Principal, Scopes};
use crate::http::doors::{Doors, address, check_query, token, way};
use crate::http::opencode::RATE_LIMIT;
use crate::share::error::Refusal;
use crate::share::limits::Limit;

/// What `/api/share` answers on a host that needs a credential: OpenCode sends none there.
const NO_CREDENTIAL: &str = "this host needs a credential, and OpenCode sends none to enterprise.url: start the host with \
    --opencode-account ACCOUNT to take such shares as that account's, or send Authorization: Bearer TOKEN";

/// The principal of whoever is going to write.
///
/// # Errors
/// In this order: the origin may not, the address asks too often, the credential is wrong or missing, the account asks too
/// often.
pub(super) async fn writer(doors: &Doors, request: &Parts) -> Result<Principal, Refusal> {
    doors.check_origin(&request.headers)?;
    not_too_often(doors, request)?;
    let shown = token(&request.headers);
    let asking = doors.hub.authenticate_from(way(request), shown.as_ref());
    let who = match doors.hub.failures().guard(address(request), shown.is_some(), asking).await {
        Err(Refusal::Unauthorized { .. }) if shown.is_none() => guest(doors, request)?,
        who => who?,
    };
    doors.check_account(request, &who)?;
    who.may_write()?;
    Ok(who)
}

/// The same for whoever comes to look.
///
/// # Errors
/// The address asks too often, or there is a credential in the URL.
pub(super) fn not_too_often(doors: &Doors, request: &Parts) -> Result<(), Refusal> {
    if let Some(address) = address(request)
        && doors.opencode.requests.check_key(&address.into()).is_err()
    {
        let max = doors.opencode_settings().requests_per_minute.get() as usize;
        return Err(Refusal::limit(Limit::ApiRequestsPerMinute, max, max + 1));
    }
    check_query(request.uri.query().unwrap_or_default())
}

/// Whoever shows nothing where something is needed: the account that is set for that, or nobody. Under `/api/shares` a client
/// has a token, so there it is nobody.
fn guest(doors: &Doors, request: &Parts) -> Result<Principal, Refusal> {
    let is_for_accounts = request.uri.path().split('/').nth(2) == Some("shares");
    match doors.opencode_settings().account.clone().filter(|_| !is_for_accounts) {
        Some(account) => {
            let scopes = Scopes { write: true, ..Scopes::NONE };
            Ok(Principal { account, credential: Credential::None, scopes, expires_at: None })
        }
        None => Err(Refusal::Unauthorized { reason: NO_CREDENTIAL.into() }),
    }
}
