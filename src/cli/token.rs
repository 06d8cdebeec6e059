//! `capshare token create`, `ls` and `revoke`: the tokens of a store, directly, beside the hosts that run on it.
//!
//! A user who can write to the store can make an administrator's token. That is how the first administrator comes about.

use std::fmt::Write as _;

use capshare::__internal::access::mint;
use capshare::__internal::nats::tell_of_revocation;
use capshare::__internal::store::{Store, StoreError, TokenListing, TokenRecord, WriterId};
use capshare::host::ambient::{Ambient, NoEntropy};
use capshare::share::id::{HostId, TokenId};
use capshare::share::time::Timestamp;
use serde_json::{Value, json};

use crate::cli::args::{self, TokenCommand};
use crate::cli::exit::{Exit, Failure};
use crate::cli::output::{Output, clean};
use crate::cli::settings::serve::ServeSettings;
use crate::cli::store;
use crate::cli::time::time;

/// Runs one of the `token` commands on the bucket that the settings name.
pub(crate) async fn run(command: TokenCommand, settings: ServeSettings, output: &mut Output) -> Result<(), Failure> {
    let ambient = Ambient::system();
    let no_entropy = |error: NoEntropy| Failure::of(Exit::Failed, &error);
    let failed = |error: StoreError| Failure::of(Exit::Store, &error);
    let store = store::open(&settings, WriterId(ambient.bits().map_err(no_entropy)?), &ambient).await?;
    let now = ambient.clock.now();
    match command {
        TokenCommand::Create(args::TokenCreate { account, scope, expires, label, .. }) => {
            let (record, token) = mint(&ambient, &account, scope, &label, expires).map_err(no_entropy)?;
            store.create_token(&record).await.map_err(failed)?;
            output.note("the token is printed this once and not kept; everybody who has it has its rights");
            let mut object = shown(&record, now);
            object["token"] = token.reveal().into();
            output.result(token.reveal(), &object)
        }
        TokenCommand::Ls(args::TokenList { account, .. }) => {
            let TokenListing { mut tokens, unreadable } = store.tokens(account.as_ref()).await.map_err(failed)?;
            for error in &unreadable {
                let why = Failure::of(Exit::Store, error);
                output
                    .note(&format!("{}; the list goes on without it: `capshare store check` says more", why.message()));
            }
            tokens.sort_by(|a, b| (a.created_at, &a.id).cmp(&(b.created_at, &b.id)));
            if output.is_json() {
                return tokens.iter().try_for_each(|token| output.object(&shown(token, now)));
            }
            output.text(&tokens.iter().fold(String::new(), |mut text, token| {
                line(&mut text, token, now);
                text
            }))
        }
        TokenCommand::Revoke(args::TokenRevoke { id, .. }) => {
            let revoked = store.revoke_token(&id, now).await.map_err(failed)?;
            let record = revoked.ok_or_else(|| {
                Failure::new(
                    Exit::NotFound,
                    format!("there is no token {id} in this store: `capshare token ls` lists them"),
                )
            })?;
            tell(&store, &settings, &ambient, &id, output).await;
            output.result(format_args!("token {id} of {} is revoked", record.account), &shown(&record, now))
        }
    }
}

/// Tells the hosts over the store that a token was revoked, where the settings name what carries that. Says so if it failed: then they find
/// it by themselves.
async fn tell(store: &Store, settings: &ServeSettings, ambient: &Ambient, id: &TokenId, output: &mut Output) {
    let Some(nats) = &settings.nats.settings else { return };
    let told = async {
        let store = store.read_id().await.map_err(|error| error.to_string())?;
        let sender = HostId::from_bits(ambient.bits().map_err(|error| error.to_string())?);
        tell_of_revocation(nats, &store, &sender, id).await.map_err(|error| error.to_string())
    };
    if let Err(why) = told.await {
        output.note(&format!("the hosts were not told, and close the token's connections within 10 s: {why}"));
    }
}

/// Whether a token is valid now.
fn state(token: &TokenRecord, now: Timestamp) -> &'static str {
    match (token.revoked_at, token.expires_at) {
        (Some(_), _) => "revoked",
        (None, Some(at)) if at <= now => "expired",
        (None, _) => "valid",
    }
}

fn line(text: &mut String, token: &TokenRecord, now: Timestamp) {
    let expires = token.expires_at.map_or_else(|| "never".to_owned(), time);
    let label = clean::word(&token.label);
    let (id, account, scopes) = (&token.id, &token.account, token.scopes.join(","));
    let (state, created) = (state(token, now), time(token.created_at));
    let _never =
        writeln!(text, "{id}  {account:<16} {state:<7} {scopes:<28} created {created}  expires {expires}  {label}");
}

fn shown(token: &TokenRecord, now: Timestamp) -> Value {
    json!({
        "id": token.id.as_str(),
        "account": token.account.as_str(),
        "state": state(token, now),
        "scopes": token.scopes,
        "label": token.label,
        "created_at": time(token.created_at),
        "expires_at": token.expires_at.map(time),
        "revoked_at": token.revoked_at.map(time),
    })
}
