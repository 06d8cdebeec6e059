//! The first calls on a connection: `hello`, and `authenticate` for clients that show their credential in-band.

use crate::client::error::ClientError;
use crate::client::send::send;
use crate::client::settings::Settings;
use crate::client::state::Hello;
use crate::contract::CONTRACT_VERSION;
use crate::contract::error::read_refusal;
use crate::contract::moving::read_urls;
use crate::share::error::Refusal;
use crate::share_capnp::{authenticate_result, hello_result, mover, share_rpc};

/// Calls `hello`, and `authenticate` if the credential is shown in-band; both go out together, in one round trip. Gives the root
/// object with this client's rights, and the facts of the host.
/// `mover` is what the host asks to go to another host, and `reached_at` the origin of the host's URL.
pub(crate) async fn greet(
    root: share_rpc::Client,
    settings: &Settings,
    mover: mover::Client,
    reached_at: String,
) -> Result<(share_rpc::Client, Hello), ClientError> {
    let mut request = root.hello_request();
    request.get().set_contract_version(CONTRACT_VERSION);
    request.get().set_agent(settings.agent.as_str());
    request.get().set_mover(mover);
    let hello = send(request)?.promise;
    let authentication = match settings.token.as_ref().filter(|_| settings.in_band) {
        Some(token) => {
            let mut request = root.authenticate_request();
            request.get().set_token(token.reveal());
            Some(send(request)?.promise)
        }
        None => None,
    };

    let response = hello.await?;
    let mut hello = match response.get()?.get_result()?.which()? {
        hello_result::Which::Welcome(welcome) => Hello {
            contract_version: welcome.get_contract_version(),
            agent: welcome.get_agent()?.to_string().map_err(capnp::Error::from)?,
            connection_id: welcome.get_connection_id()?.to_string().map_err(capnp::Error::from)?,
            account: welcome.get_account()?.to_string().map_err(capnp::Error::from)?,
            host: reached_at,
            others: read_urls(welcome.get_hosts()?)?,
            store: welcome.get_store()?.to_str().map_err(capnp::Error::from)?.parse().ok(),
        },
        hello_result::Which::Refused(refusal) => return Err(read_refusal(refusal?)?.into()),
    };
    if hello.contract_version != CONTRACT_VERSION {
        return Err(Refusal::ProtocolMismatch {
            expected: format!("capshare.{}", hello.contract_version).into(),
            got: crate::contract::SUBPROTOCOL.into(),
        }
        .into());
    }
    let Some(authentication) = authentication else { return Ok((root, hello)) };

    let response = authentication.await?;
    let answer = response.get()?;
    match answer.get_result()?.which()? {
        authenticate_result::Which::Account(account) => {
            hello.account = account?.to_string().map_err(capnp::Error::from)?;
            Ok((answer.get_rpc()?, hello))
        }
        authenticate_result::Which::Refused(refusal) => Err(read_refusal(refusal?)?.into()),
    }
}
