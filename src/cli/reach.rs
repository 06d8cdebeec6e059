//! How a command reaches a share: to read it, or as its owner.

use capshare::client::{ClientError, Restored, Share, View};
use capshare::share::error::Refusal;
use capshare::share::grant::GrantToken;
use capshare::share::id::ShareId;

use crate::cli::args;
use crate::cli::connect::Target;
use crate::cli::environment::Environment;
use crate::cli::exit::{Exit, Failure};
use crate::cli::secrets::Secrets;

/// A share for reading: by its token if there is one, else by its id.
pub(crate) async fn view(target: &Target, id: &ShareId, token: Option<GrantToken>) -> Result<View, Failure> {
    let Some(token) = token else { return Ok(target.client.view(id)) };
    match target.client.restore(&token).await.map_err(|error| target.failure(&error))? {
        Restored::Share(share) => Ok(share.narrow_to_read(None)),
        Restored::View(view) => Ok(view),
        Restored::Writer(_) | _ => Err(Failure::new(
            Exit::Unauthorized,
            format!("the token allows writing to share {id}, but not reading it: ask its owner for another"),
        )),
    }
}

/// A share of one's own. It is opened by the secret that is given, or the token that came with the share; else by the secret that
/// was kept here; else, and where the kept one is no longer valid, by the credential alone, which must be of the share's account.
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
        let (_, place) = target.place().await?;
        // Without a kept secret, or a folder for them, the credential may do.
        let kept = Secrets::of(environment).and_then(|secrets| secrets.find(&place, &id)).unwrap_or_default();
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

/// The failure when the credential alone does not open the share.
async fn not_owned(target: &Target, id: &ShareId, error: &ClientError) -> Failure {
    let advice = "no valid secret of the share is kept on this machine: give its secret, or a token from `capshare link --full`, by CAPSHARE_SECRET or --secret";
    let (failure, host) = (target.failure(error), target.host());
    if is_not_found(error) {
        // The host does not say whether a share of another account is there; a look does, for who may have one.
        if target.client.info(id).await.is_err_and(|error| is_not_found(&error)) {
            return failure;
        }
        let message = format!("share {id} at {host} does not belong to the account of this credential, and {advice}");
        Failure::new(Exit::Unauthorized, message)
    } else if matches!(error.refusal(), Some(Refusal::Unauthorized { .. })) {
        let message = format!("{}; or {advice}", failure.message());
        failure.saying(message)
    } else if matches!(error.refusal(), Some(Refusal::NotYet { .. })) {
        let message = format!("the host {host} is older than this program and needs the share's secret, but {advice}");
        Failure::new(Exit::Unauthorized, message)
    } else {
        failure
    }
}

fn is_not_found(error: &ClientError) -> bool {
    matches!(error.refusal(), Some(Refusal::NotFound { .. }))
}
