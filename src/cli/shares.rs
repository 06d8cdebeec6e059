//! `capshare ls`, `info`, `rm`, `expire` and `visibility`: one question each.

use capshare::client::{ListScope, Listing};
use capshare::share::view::DamagedListing;
use serde_json::json;

use crate::cli::args;
use crate::cli::connect::Target;
use crate::cli::environment::Environment;
use crate::cli::exit::Failure;
use crate::cli::output::{Output, clean};
use crate::cli::reach::{Owned, view};
use crate::cli::secrets::Secrets;
use crate::cli::time::time;

/// `capshare ls`: lists the shares of the account, or of all accounts.
pub(crate) async fn list(args: args::List, environment: &Environment, output: &mut Output) -> Result<(), Failure> {
    let target = Target::of(&args.host, environment)?;
    let scope = if args.every_account { ListScope::EveryAccount } else { ListScope::OwnAccount };
    print(target.client.list(scope), args.every_account, &target, output).await?;
    target.client.close().await;
    Ok(())
}

/// Prints shares as they come, one a line, then the damaged ones. `of_many`: they are of several accounts, so that each line
/// names the account.
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
                "damaged: the store's record of session {session} of account {account} cannot be read; the host's operator repairs \
                 it by `capshare store check --repair`"
            ),
            &json!({ "damaged": true, "session": session.as_str(), "account": account.as_str() }),
        )?;
    }
    Ok(())
}

/// `capshare info`: prints a share's size, revision, expiry and visibility.
pub(crate) async fn info(args: args::Info, environment: &Environment, output: &mut Output) -> Result<(), Failure> {
    let (target, id, token) = Target::of_share(&args.share, &args.host, environment)?;
    let info = view(&target, &id, token).await?.info().await.map_err(|error| target.failure(&error))?;
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
            "revision": info.revision.0,
            "item_count": info.item_count,
            "byte_count": info.byte_count,
        }),
    )?;
    target.client.close().await;
    Ok(())
}

/// `capshare rm`: deletes a share.
pub(crate) async fn remove(args: args::Own, environment: &Environment, output: &mut Output) -> Result<(), Failure> {
    let Owned { target, id, share } = Owned::of(&args, environment).await?;
    share.delete().await.map_err(|error| target.failure(&error))?;
    if let (Ok(secrets), Ok((_, place))) = (Secrets::of(environment), target.place().await) {
        secrets.forget(&place, &id);
    }
    output.result(format_args!("deleted {id}"), &json!({ "event": "deleted", "id": id.as_str() }))?;
    drop(share);
    target.client.close().await;
    Ok(())
}

/// `capshare expire`: changes when a share expires.
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

/// `capshare visibility`: changes who may see a share.
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
