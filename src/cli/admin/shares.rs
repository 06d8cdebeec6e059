//! `capshare admin shares`, `hide` and `rm`: everybody's shares, at all hosts over one bucket.

use std::collections::BTreeSet;

use capshare::client::Admin;
use capshare::share::admin::ShareFilter;
use capshare::share::id::{AccountId, ShareId};
use serde_json::json;

use crate::cli::args::{AdminHide, AdminRemove, AdminShares, Host};
use crate::cli::connect::Target;
use crate::cli::environment::Environment;
use crate::cli::exit::{Exit, Failure};
use crate::cli::output::Output;
use crate::cli::shares::print;

/// Runs through an account's shares before the command gives up, because the account keeps creating new ones.
const RUNS_MAX: usize = 10;

/// Lists the shares that match the filter.
pub(super) async fn list(args: AdminShares, environment: &Environment, output: &mut Output) -> Result<(), Failure> {
    let AdminShares { account, older_than, larger_than, title, host } = args;
    let target = Target::of(&host.into(), environment)?;
    print(target.client.admin().shares(ShareFilter { account, older_than, larger_than, title }), true, &target, output)
        .await?;
    target.client.close().await;
    Ok(())
}

/// Hides one share.
pub(super) async fn hide(args: AdminHide, environment: &Environment, output: &mut Output) -> Result<(), Failure> {
    let (target, id) = share(&args.share, &args.host.into(), environment)?;
    target.client.admin().hide_share(&id).await.map_err(|error| target.failure(&error))?;
    output
        .result(format_args!("hid {id}: it is visible by grant"), &json!({ "event": "hidden", "id": id.as_str() }))?;
    target.client.close().await;
    Ok(())
}

/// Deletes one share, or all of an account.
pub(super) async fn remove(args: AdminRemove, environment: &Environment, output: &mut Output) -> Result<(), Failure> {
    let AdminRemove { share: one, account, yes, host } = args;
    let host = host.into();
    match (one, account) {
        (Some(one), _) => {
            let (target, id) = share(&one, &host, environment)?;
            target.client.admin().delete_share(&id).await.map_err(|error| target.failure(&error))?;
            output.result(format_args!("deleted {id}"), &json!({ "event": "deleted", "id": id.as_str() }))?;
            target.client.close().await;
            Ok(())
        }
        (None, Some(account)) => {
            let target = Target::of(&host, environment)?;
            erase(&target, &account, yes, output).await?;
            target.client.close().await;
            Ok(())
        }
        (None, None) => Err(Failure::new(Exit::Usage, "say what to delete: a share, or --account NAME")),
    }
}

/// Deletes all shares of an account, after printing how many there are.
async fn erase(target: &Target, account: &AccountId, yes: bool, output: &mut Output) -> Result<(), Failure> {
    let admin = target.client.admin();
    let mut listing = admin.shares(ShareFilter { account: Some(account.clone()), ..ShareFilter::default() });
    let mut count = 0_u64;
    while listing.try_next().await.map_err(|error| target.failure(&error))?.is_some() {
        count += 1;
    }
    for damaged in listing.take_damaged() {
        let session = damaged.session;
        output.note(&format!(
            "the store's record of session {session} of account {account} is damaged and stays: `capshare store check --repair` repairs it"
        ));
    }
    output.result(
        format_args!("account {account} has {}", shares(count)),
        &json!({ "event": "counted", "account": account.as_str(), "count": count }),
    )?;
    if !yes {
        let message =
            format!("nothing was deleted: add --yes to delete {} of account {account} for good", shares(count));
        return Err(Failure::new(Exit::Usage, message));
    }
    let mut deleted = 0;
    for _ in 0..RUNS_MAX {
        let (deleted_now, failed) = erase_once(&admin, target, account).await?;
        deleted += deleted_now;
        // A run that deleted something may have passed what was created behind it.
        if deleted_now == 0 || !failed.is_empty() {
            let event = json!({
                "event": "erased",
                "account": account.as_str(),
                "deleted": deleted,
                "failed": failed.iter().map(ShareId::as_str).collect::<Vec<_>>(),
            });
            output.result(format_args!("deleted {} of account {account}", shares(deleted)), &event)?;
            if failed.is_empty() {
                return Ok(());
            }
            let failed: Vec<_> = failed.iter().map(ShareId::as_str).collect();
            let message = format!(
                "{} could not be deleted ({}): run this again later; `capshare store check` shows which are damaged",
                shares(failed.len() as u64),
                failed.join(", ")
            );
            return Err(Failure::new(Exit::Store, message));
        }
    }
    let message = format!(
        "{} of account {account} were deleted, but the account keeps creating more: revoke its credentials first \
         (`capshare token revoke`, `capshare admin close`), then run this again",
        shares(deleted)
    );
    Err(Failure::new(Exit::Failed, message))
}

/// One run through an account's shares: how many it deleted, and which it could not.
async fn erase_once(admin: &Admin, target: &Target, account: &AccountId) -> Result<(u64, BTreeSet<ShareId>), Failure> {
    let (mut deleted, mut failed, mut cursor) = (0, BTreeSet::new(), None);
    loop {
        let page = admin.erase_account(account, cursor.as_deref()).await.map_err(|error| target.failure(&error))?;
        deleted += page.deleted;
        failed.extend(page.failed);
        match page.next_cursor {
            Some(next) => cursor = Some(next),
            None => return Ok((deleted, failed)),
        }
    }
}

/// The host and the id of a share. A token that came with it is not needed.
fn share(share: &str, host: &Host, environment: &Environment) -> Result<(Target, ShareId), Failure> {
    let (target, id, _token) = Target::of_share(share, host, environment)?;
    Ok((target, id))
}

fn shares(count: u64) -> String {
    format!("{count} share{}", if count == 1 { "" } else { "s" })
}
