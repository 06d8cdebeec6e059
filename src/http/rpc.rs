//! The RPC door: `/rpc/share`, an upgrade to a WebSocket on which Cap'n Proto RPC is spoken.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::request::Parts;
use axum::response::Response;
use hyper::upgrade::OnUpgrade;

use crate::connections::comer::Door;
use crate::connections::registry::Pending;
use crate::contract::{SUBPROTOCOL, SUBPROTOCOL_PREFIX};
use crate::http::doors::Doors;
use crate::http::knock::{Asks, knock};
use crate::http::upgrade::{UpgradeKey, offered, upgraded};
use crate::share::error::Refusal;

/// Answers for `/rpc/share`.
pub(super) async fn serve(State(doors): State<Arc<Doors>>, request: Request) -> Response {
    let (mut request, _) = request.into_parts();
    match ask(&doors, &request).await {
        Ok((key, pending)) => {
            let answer = key.answer(offered(&request.headers).contains(&SUBPROTOCOL).then_some(SUBPROTOCOL));
            let upgrade = request.extensions.remove::<OnUpgrade>();
            tokio::spawn(async move {
                if let Some((socket, received)) = upgraded(upgrade).await {
                    match socket.into_std() {
                        Ok(socket) => doors.workers.serve(Arc::clone(&doors.hub), pending, socket, received),
                        Err(error) => {
                            tracing::error!(%error, "the socket of an upgrade could not be given to a worker thread")
                        }
                    }
                }
            });
            answer
        }
        Err(refusal) => doors.refuse(Door::Rpc, &request, &refusal),
    }
}

/// All that is asked before the answer to an upgrade.
async fn ask(doors: &Doors, request: &Parts) -> Result<(UpgradeKey, Pending), Refusal> {
    let key = UpgradeKey::of(request)?;
    let knock = knock(doors, request, Asks::CONNECTION)?;
    let offered = offered(&request.headers);
    let versions: Vec<_> = offered.iter().filter(|name| name.starts_with(SUBPROTOCOL_PREFIX)).copied().collect();
    if !versions.is_empty() && !versions.contains(&SUBPROTOCOL) {
        let got: String = versions.join(", ").chars().take(64).collect();
        return Err(Refusal::ProtocolMismatch { expected: SUBPROTOCOL.into(), got: got.into() });
    }
    // Clients that cannot set headers ask to come in without a credential, and call `authenticate` inside.
    let may_show_later = request.uri.query().unwrap_or_default().split('&').any(|pair| pair == "auth=inband");
    let principal = knock.introduce(may_show_later).await?;
    let is_unknown = principal.is_none();
    Ok((key, knock.register(Door::Rpc, principal, is_unknown)?))
}
