//! `capshare link`, `links` and `unlink`: tokens that hand on a share, or less of it, one by one.

use capshare::share::error::Refusal;
use capshare::share::grant::Right;
use serde_json::json;

use crate::cli::args::{self, LinkRight};
use crate::cli::environment::Environment;
use crate::cli::exit::{Exit, Failure};
use crate::cli::output::{Output, clean};
use crate::cli::reach::Owned;
use crate::cli::time::{from_now, time};

/// Makes a token and prints it; one to read also as a link.
pub(crate) async fn make(args: args::Link, environment: &Environment, output: &mut Output) -> Result<(), Failure> {
    let Owned { target, id, share } = Owned::of(&args.own, environment).await?;
    let (label, expires_at) = (&args.label, args.expires.map(from_now));
    let saved = match right(args.right) {
        Right::Read => share.narrow_to_read(None).save(label, expires_at).await,
        Right::Write => match share.narrow_to_write().await {
            Ok(writer) => writer.save(label, expires_at).await,
            Err(error) => Err(error),
        },
        Right::Full => share.save(label, expires_at).await,
    };
    let token = saved.map_err(|error| target.failure(&error))?;
    let reads = right(args.right) == Right::Read;
    let url = reads.then(|| format!("{}#grant={}", share.url(), token.reveal()));
    output.note("the token is printed this once and not kept; everybody who has it has its rights");
    let people = url.as_ref().map_or_else(String::new, |url| format!("\n{}", clean::word(url)));
    output.result(
        format_args!("{}{people}", token.reveal()),
        &json!({
            "event": "linked",
            "id": id.as_str(),
            "grant": token.grant().as_str(),
            "right": right(args.right).as_str(),
            "label": args.label.as_str(),
            "expires_at": expires_at.map(time),
            "token": token.reveal(),
            "url": url,
        }),
    )?;
    drop(share);
    target.client.close().await;
    Ok(())
}

/// Lists the tokens that are good, the oldest first.
pub(crate) async fn list(args: args::Own, environment: &Environment, output: &mut Output) -> Result<(), Failure> {
    let Owned { target, share, .. } = Owned::of(&args, environment).await?;
    let grants = share.grants().await.map_err(|error| target.failure(&error))?;
    if !output.is_json() && !grants.is_empty() {
        output.text(&format!("{:16}  {:5}  {:24}  {:24}  LABEL\n", "GRANT", "RIGHT", "CREATED", "EXPIRES"))?;
    }
    for grant in grants {
        let (right, created, expires) = (grant.right, time(grant.created_at), grant.expires_at.map(time));
        output.result(
            format_args!(
                "{}  {:5}  {created}  {:24}  {}",
                grant.id,
                right.as_str(),
                expires.as_deref().unwrap_or("never"),
                clean::word(grant.label.as_str())
            ),
            &json!({
                "grant": grant.id.as_str(),
                "right": right.as_str(),
                "label": grant.label.as_str(),
                "created_at": created,
                "expires_at": expires,
            }),
        )?;
    }
    drop(share);
    target.client.close().await;
    Ok(())
}

/// Revokes a token.
pub(crate) async fn revoke(args: args::Unlink, environment: &Environment, output: &mut Output) -> Result<(), Failure> {
    let Owned { target, id, share } = Owned::of(&args.own, environment).await?;
    let grant = &args.grant;
    share.revoke_grant(grant).await.map_err(|error| match error.refusal() {
        Some(Refusal::InvalidInput { .. }) => {
            let message = format!("share {id} has no valid token {grant}: `capshare links {id}` lists them");
            Failure::new(Exit::NotFound, message)
        }
        _ => target.failure(&error),
    })?;
    let object = json!({ "event": "unlinked", "id": id.as_str(), "grant": grant.as_str() });
    output.result(format_args!("token {grant} of {id} is revoked"), &object)?;
    drop(share);
    target.client.close().await;
    Ok(())
}

fn right(LinkRight { write, full, read: _ }: LinkRight) -> Right {
    match (write, full) {
        (_, true) => Right::Full,
        (true, false) => Right::Write,
        (false, false) => Right::Read,
    }
}
