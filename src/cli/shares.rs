//! `capshare ls`, `info`, `rm`, `expire` and `visibility`: one question each.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use capshare::client::ClientError;
use capshare::share::error::Refusal;
use capshare::share::id::ShareId;
use capshare::share::secret::Secret;
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

/// Lists the account's shares, a line each as they come, and after them what is damaged.
pub(crate) async fn list(args: args::List, environment: &Environment, output: &mut Output) -> Result<(), Failure> {
    let target = Target::of(&args.host, environment)?;
    let mut listing = target.client.list(args.every_account);
    let mut begun = output.is_json();
    while let Some(share) = listing.next().await.map_err(|error| target.failure(&error))? {
        if !std::mem::replace(&mut begun, true) {
            output.text(&format!(
                "{:26}  {:24}  {:24}  {:>7}  {:>7}  {:>10}  SESSION  URL  TITLE\n",
                "ID", "CREATED", "UPDATED", "SYNCS", "ITEMS", "BYTES"
            ))?;
        }
        let (created, updated, expires) =
            (time(share.created_at), share.updated_at.map(time), share.expires_at.map(time));
        let count = |count: u64| if updated.is_some() { count.to_string() } else { "-".to_owned() };
        let (title, url) = (clean::word(share.title.as_deref().unwrap_or("-")), clean::word(&share.url));
        output.result(
            format_args!(
                "{}  {created}  {:24}  {:>7}  {:>7}  {:>10}  {}  {url}  {title}",
                share.id,
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
    target.client.close().await;
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

/// Deletes a share, by the secret that is given or that was kept.
pub(crate) async fn remove(args: args::Own, environment: &Environment, output: &mut Output) -> Result<(), Failure> {
    let owned = Owned::of(&args, environment).await?;
    let deleted = owned.target.client.delete(&owned.id, &owned.secret).await;
    deleted.map_err(|error| owned.failure(&error))?;
    let Owned { target, id, .. } = owned;
    Secrets::of(environment)?.forget(&target.host, &id);
    output.result(format_args!("deleted {id}"), &json!({ "event": "deleted", "id": id.as_str() }))?;
    target.client.close().await;
    Ok(())
}

/// Gives a share another time to live, by the secret that is given or that was kept.
pub(crate) async fn expire(args: args::Expire, environment: &Environment, output: &mut Output) -> Result<(), Failure> {
    let owned = Owned::of(&args.own, environment).await?;
    let set = owned.target.client.set_expiry(&owned.id, &owned.secret, args.ttl.0).await;
    let expires_at = set.map_err(|error| owned.failure(&error))?.map(time);
    let Owned { target, id, .. } = owned;
    output.result(
        format_args!("{id} expires {}", expires_at.as_deref().unwrap_or("never")),
        &json!({ "event": "expiry", "id": id.as_str(), "expires_at": expires_at }),
    )?;
    target.client.close().await;
    Ok(())
}

/// Says who may see a share, by the secret that is given or that was kept.
pub(crate) async fn show_to(
    args: args::SetVisibility,
    environment: &Environment,
    output: &mut Output,
) -> Result<(), Failure> {
    let owned = Owned::of(&args.own, environment).await?;
    let set = owned.target.client.set_visibility(&owned.id, &owned.secret, args.visibility).await;
    set.map_err(|error| owned.failure(&error))?;
    let Owned { target, id, .. } = owned;
    let visibility = args.visibility.as_str();
    output.result(
        format_args!("{id} is visible by {visibility}"),
        &json!({ "event": "visibility", "id": id.as_str(), "visibility": visibility }),
    )?;
    target.client.close().await;
    Ok(())
}

/// A share of one's own: the secret is the one that is given, or the token that came with the share, else the one that was
/// kept.
pub(crate) struct Owned {
    pub(crate) target: Target,
    pub(crate) id: ShareId,
    pub(crate) secret: Secret,
    /// Nobody gave it.
    pub(crate) is_kept: bool,
}

impl Owned {
    pub(crate) async fn of(args: &args::Own, environment: &Environment) -> Result<Self, Failure> {
        let (target, id, token) = Target::of_share(&args.share, &args.host, environment)?;
        let with_it = token.as_ref().map(|token| token.reveal());
        let given = args.secret.as_deref().or(with_it).or_else(|| environment.get("CAPSHARE_SECRET"));
        let secret = match given {
            Some(secret) => Some(secret.into()),
            None => Secrets::of(environment)?.find(&target.host, &id)?,
        };
        let is_kept = given.is_none();
        match secret {
            Some(secret) => Ok(Self { target, id, secret, is_kept }),
            None => {
                // A share that is not there needs no secret to be found missing.
                target.client.info(&id).await.map_err(|error| target.failure(&error))?;
                let message = format!(
                    "no secret of share {id} at {} is kept here: give it by CAPSHARE_SECRET or --secret",
                    target.host
                );
                Err(Failure::new(Exit::Unauthorized, message))
            }
        }
    }

    /// What an error of a call made with the secret means.
    pub(crate) fn failure(&self, error: &ClientError) -> Failure {
        match error.refusal() {
            Some(Refusal::InvalidSecret { .. }) if self.is_kept => {
                let message = format!(
                    "the kept secret of share {} is not its secret any more: give it by CAPSHARE_SECRET or --secret",
                    self.id
                );
                Failure::new(Exit::Unauthorized, message)
            }
            _ => self.target.failure(error),
        }
    }
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
