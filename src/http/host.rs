//! The door of other hosts: `/rpc/host`, an upgrade to a WebSocket on which the hosts of a deployment speak Cap'n Proto RPC.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::request::Parts;
use axum::response::Response;
use hyper::upgrade::OnUpgrade;

use crate::connections::sockets::SocketHold;
use crate::contract::SUBPROTOCOL;
use crate::http::doors::Doors;
use crate::http::knock::{Asks, knock};
use crate::http::upgrade::{UpgradeKey, offered, upgraded};
use crate::peers::Link;
use crate::share::error::Refusal;

/// The door's name in logs.
const DOOR: &str = "host";

/// Answers for `/rpc/host`.
pub(super) async fn serve(State(doors): State<Arc<Doors>>, request: Request) -> Response {
    let (mut request, _) = request.into_parts();
    match ask(&doors, &request).await {
        Ok((key, link, hold)) => {
            let answer = key.answer(offered(&request.headers).contains(&SUBPROTOCOL).then_some(SUBPROTOCOL));
            let upgrade = request.extensions.remove::<OnUpgrade>();
            tokio::spawn(async move {
                if let Some((socket, received)) = upgraded(upgrade).await {
                    match socket.into_std() {
                        Ok(socket) => doors.workers.serve_host(Arc::clone(&doors.hub), link, hold, socket, received),
                        Err(error) => {
                            tracing::error!(%error, "the socket of an upgrade could not be given to a worker thread")
                        }
                    }
                }
            });
            answer
        }
        Err(refusal) => doors.refuse_with(DOOR, &request, &refusal, serde_json::json!({})),
    }
}

/// All that is asked before the answer to an upgrade.
async fn ask(doors: &Doors, request: &Parts) -> Result<(UpgradeKey, Link, Option<SocketHold>), Refusal> {
    let key = UpgradeKey::of(request)?;
    let knock = knock(doors, request, Asks::CONNECTION)?;
    let host = knock.admit_host().await?;
    Ok((key, doors.hub.peers().link(host)?, knock.hold_socket()))
}
