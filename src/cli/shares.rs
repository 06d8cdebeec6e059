//! `capshare ls`, `info`, `rm`, `expire` and `visibility`: one question each.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use capshare::client::{ClientError, ListScope, Listing, Share};
use capshare::share::error::Refusal;
use capshare::share::id::ShareId;
use capshare::share::time::Timestamp;
use capshare::share::view::DamagedListing;
use serde_json::json;

use crate::cli::args;
use crate::cli::connect::Target;
use crate::cli::environment::Environment;
use crate::cli::exit::{Exit, Failure};
use crate::cli::link;
use crate::cli::output::{Output, clean};
use crate::cli::secrets::Secrets;

/// Lists the account's shares, or everybody's.
pub(crate) async fn list(args: args::List, environment: &Environment, output: &mut Output) -> Result<(), Failure> {
    let target = Target::of(&args.host, environment)?;
    let scope = if args.every_account { ListScope::EveryAccount } else { ListScope::OwnAccount };
    print(target.client.list(scope), args.every_account, &target, output).await?;
    target.client.close().await;
    Ok(())
}

/// Prints shares, a line each as they come, with whose they are if they are not all of one account; and after them what is
/// damaged.
pub(crate) async fn print(
    mut listing: Listing,
    of_many: bool,
    target: &Target,
    output: &mut Output,
) -> Result<(), Failure> {
    let mut begun = output.is_json();
    while let Some(share) = listing.try_next().await.map_err(|error| target.failure(&error))? {
        let account = |text: &str| if of_many { format!("{text:20}  ") } else { String::new() };
        if !std::mem::replace(&mut begun, true) {
            output.text(&format!(
                "{:26}  {}{:24}  {:24}  {:>7}  {:>7}  {:>10}  SESSION  URL  TITLE\n",
                "ID",
                account("ACCOUNT"),
                "CREATED",
                "UPDATED",
                "SYNCS",
                "ITEMS",
                "BYTES"
            ))?;
        }
        let (created, updated, expires) =
            (time(share.created_at), share.updated_at.map(time), share.expires_at.map(time));
        let count = |count: u64| if updated.is_some() { count.to_string() } else { "-".to_owned() };
        let (title, url) = (clean::word(share.title.as_deref().unwrap_or("-")), clean::word(&share.url));
        output.result(
            format_args!(
                "{}  {}{created}  {:24}  {:>7}  {:>7}  {:>10}  {}  {url}  {title}",
                share.id,
                account(&clean::word(share.account.as_str())),
                updated.as_deref().unwrap_or("-"),
                count(share.sync_count),
                count(share.item_count),
                count(share.byte_count),
                clean::word(share.session.as_str())
            ),
            &json!({
                "id": share.id.as_str(),
                "session": share.session.as_str(),
                "account": share.account.as_str(),
                "url": share.url,
                "created_at": created,
                "title": share.title,
                "updated_at": updated,
                "expires_at": expires,
                "sync_count": share.sync_count,
                "item_count": share.item_count,
                "byte_count": share.byte_count,
            }),
        )?;
    }
    for DamagedListing { account, session } in listing.take_damaged() {
        output.result(
            format_args!(
                "damaged: session {session} of account {account}: what the store holds of it cannot be read; the host's operator \
                 mends it by capshare store check --repair"
            ),
            &json!({ "damaged": true, "session": session.as_str(), "account": account.as_str() }),
        )?;
    }
    Ok(())
}

/// Shows a share's facts.
pub(crate) async fn info(args: args::Info, environment: &Environment, output: &mut Output) -> Result<(), Failure> {
    let (target, id, token) = Target::of_share(&args.share, &args.host, environment)?;
    let info = link::view(&target, &id, token).await?.info().await.map_err(|error| target.failure(&error))?;
    let (created, updated) = (time(info.created_at), time(info.updated_at));
    let expires = info.expires_at.map(time);
    output.result(
        format_args!(
            "id        {}\nsession   {}\nurl       {}\ncreated   {created}\nupdated   {updated}\nexpires   {}\nvisible   {}\nsyncs     {}\n\
             revision  {}\nitems     {}\nbytes     {}",
            info.id, clean::word(info.session.as_str()), clean::word(&info.url), expires.as_deref().unwrap_or("never"), info.visibility, info.sync_count, info.revision, info.item_count, info.byte_count
        ),
        &json!({
            "id": info.id.as_str(),
            "session": info.session.as_str(),
            "url": info.url,
            "created_at": created,
            "updated_at": updated,
            "expires_at": expires,
            "visibility": info.visibility.as_str(),
            "sync_count": info.sync_count,
            "revision": info.revision,
            "item_count": info.item_count,
            "byte_count": info.byte_count,
        }),
    )?;
    target.client.close().await;
    Ok(())
}

/// Deletes a share of one's own.
pub(crate) async fn remove(args: args::Own, environment: &Environment, output: &mut Output) -> Result<(), Failure> {
    let Owned { target, id, share } = Owned::of(&args, environment).await?;
    share.delete().await.map_err(|error| target.failure(&error))?;
    if let Ok(secrets) = Secrets::of(environment) {
        secrets.forget(&target.host, &id);
    }
    output.result(format_args!("deleted {id}"), &json!({ "event": "deleted", "id": id.as_str() }))?;
    drop(share);
    target.client.close().await;
    Ok(())
}

/// Gives a share of one's own another time to live.
pub(crate) async fn expire(args: args::Expire, environment: &Environment, output: &mut Output) -> Result<(), Failure> {
    let Owned { target, id, share } = Owned::of(&args.own, environment).await?;
    let set = share.set_expiry(args.ttl.0).await;
    let expires_at = set.map_err(|error| target.failure(&error))?.map(time);
    output.result(
        format_args!("{id} expires {}", expires_at.as_deref().unwrap_or("never")),
        &json!({ "event": "expiry", "id": id.as_str(), "expires_at": expires_at }),
    )?;
    drop(share);
    target.client.close().await;
    Ok(())
}

/// Says who may see a share of one's own.
pub(crate) async fn show_to(
    args: args::SetVisibility,
    environment: &Environment,
    output: &mut Output,
) -> Result<(), Failure> {
    let Owned { target, id, share } = Owned::of(&args.own, environment).await?;
    share.set_visibility(args.visibility).await.map_err(|error| target.failure(&error))?;
    let visibility = args.visibility.as_str();
    output.result(
        format_args!("{id} is visible by {visibility}"),
        &json!({ "event": "visibility", "id": id.as_str(), "visibility": visibility }),
    )?;
    drop(share);
    target.client.close().await;
    Ok(())
}

/// A share of one's own, however that is shown: by the secret that is given, or the token that came with the share; else by the
/// secret that was kept here; else, and where the kept one is no good any more, by the credential alone, which must be of the
/// share's account.
pub(crate) struct Owned {
    pub(crate) target: Target,
    pub(crate) id: ShareId,
    pub(crate) share: Share,
}

impl Owned {
    pub(crate) async fn of(args: &args::Own, environment: &Environment) -> Result<Self, Failure> {
        let (target, id, token) = Target::of_share(&args.share, &args.host, environment)?;
        let with_it = token.as_ref().map(|token| token.reveal());
        let given = args.secret.as_deref().or(with_it).or_else(|| environment.get("CAPSHARE_SECRET"));
        if let Some(secret) = given {
            let share = target.client.open(&id, &secret.into()).await.map_err(|error| target.failure(&error))?;
            return Ok(Self { target, id, share });
        }
        // Whoever keeps none, or nowhere, may have a credential all the same.
        let kept = Secrets::of(environment).and_then(|secrets| secrets.find(&target.host, &id)).unwrap_or_default();
        if let Some(secret) = kept {
            match target.client.open(&id, &secret).await {
                Err(error) if matches!(error.refusal(), Some(Refusal::InvalidSecret { .. })) => {}
                opened => {
                    let share = opened.map_err(|error| target.failure(&error))?;
                    return Ok(Self { target, id, share });
                }
            }
        }
        match target.client.own_share(&id).await {
            Ok(share) => Ok(Self { target, id, share }),
            Err(error) => Err(not_owned(&target, &id, &error).await),
        }
    }
}

/// What it means that the credential alone did not do.
async fn not_owned(target: &Target, id: &ShareId, error: &ClientError) -> Failure {
    let advice = "no secret of it that is good is kept here: give its secret, or a token of link --full, by CAPSHARE_SECRET or --secret";
    let (failure, host) = (target.failure(error), &target.host);
    if is_not_found(error) {
        // The host does not say whether a share of another account is there; a look does, for who may have one.
        if target.client.info(id).await.is_err_and(|error| is_not_found(&error)) {
            return failure;
        }
        let message = format!("share {id} at {host} is not of the account of this credential, and {advice}");
        Failure::new(Exit::Unauthorized, message)
    } else if matches!(error.refusal(), Some(Refusal::Unauthorized { .. })) {
        let message = format!("{}; or {advice}", failure.message());
        failure.saying(message)
    } else if matches!(error.refusal(), Some(Refusal::NotYet { .. })) {
        let message = format!("the host {host} is older than this program and asks for a share's secret, and {advice}");
        Failure::new(Exit::Unauthorized, message)
    } else {
        failure
    }
}

fn is_not_found(error: &ClientError) -> bool {
    matches!(error.refusal(), Some(Refusal::NotFound { .. }))
}

/// RFC 3339, in UTC.
pub(crate) fn time(at: Timestamp) -> String {
    let since = std::time::Duration::from_millis(u64::try_from(at.0).unwrap_or_default());
    humantime::format_rfc3339_millis(std::time::UNIX_EPOCH + since).to_string()
}

/// The moment that is so far off, for the host's clock to reach.
#[expect(clippy::disallowed_methods, reason = "the command line is where the time of day comes in")]
pub(crate) fn from_now(within: Duration) -> Timestamp {
    let until = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default() + within;
    Timestamp(i64::try_from(until.as_millis()).unwrap_or(i64::MAX))
}
