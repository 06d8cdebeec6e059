//! Who calls OpenCode's API to write.

use axum::http::request::Parts;

use crate::access::{Credential, Principal, Scopes};
use crate::http::doors::Doors;
use crate::http::knock::{Asks, Knock, knock};
use crate::share::error::Refusal;

/// What `/api/share` answers on a host that needs a credential: OpenCode sends none there.
const NO_CREDENTIAL: &str = "this host needs a credential, and OpenCode sends none to enterprise.url: start the host with \
    --opencode-account ACCOUNT, so that such shares belong to that account, or send Authorization: Bearer TOKEN";

/// Asks a request that is going to write all that is asked before its body is looked at, and gives its principal.
///
/// # Errors
/// In this order: pages of its origin may not, its address comes too often, its credential is wrong or missing, its account
/// comes too often, it may not write, or the host is about to end.
pub(super) async fn writer<'a>(doors: &'a Doors, request: &'a Parts) -> Result<(Knock<'a>, Principal), Refusal> {
    let knock = knock(doors, request, Asks::API_WRITE)?;
    let who = match knock.authenticate().await {
        Err(Refusal::Unauthorized { .. }) if !knock.shows_credential() => guest(doors, request)?,
        who => who?,
    };
    who.may_write()?;
    doors.hub.connections().note_write()?;
    Ok((knock, who))
}

/// The principal of a request that shows nothing where something is needed: the account that is set for that. Under `/api/shares` a
/// client has a token, so there nobody is a guest.
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
