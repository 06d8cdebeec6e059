//! The Cap'n Web door: `/rpc/share/web`, an upgrade to a WebSocket on which Cap'n Web is spoken, and the types of what is served there.
//!
//! Clients in JavaScript cannot set headers, so whoever comes without a credential where one is needed comes in to show it inside.

use std::sync::{Arc, LazyLock};

use axum::extract::{Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderName, HeaderValue, Method, header};
use axum::response::{IntoResponse as _, Response};
use hyper::upgrade::OnUpgrade;

use crate::connections::comer::Door;
use crate::connections::registry::Pending;
use crate::contract::SUBPROTOCOL_PREFIX;
use crate::http::cors;
use crate::http::doors::Doors;
use crate::http::knock::{Asks, knock};
use crate::http::upgrade::{UpgradeKey, offered, upgraded};
use crate::share::error::Refusal;
use crate::web;

/// The path of the door.
pub(super) const PATH: &str = "/rpc/share/web";

/// The path of its types.
pub(super) const TYPES_PATH: &str = "/rpc/share/web.d.ts";

/// The header that names the types of what a URL serves.
const TYPES: HeaderName = HeaderName::from_static("x-typescript-types");

/// Answers for `/rpc/share/web`.
pub(super) async fn serve(State(doors): State<Arc<Doors>>, request: Request) -> Response {
    let (mut request, _) = request.into_parts();
    let mut response = match ask(&doors, &request).await {
        Ok((key, pending)) => {
            let answer = key.answer(None);
            let upgrade = request.extensions.remove::<OnUpgrade>();
            tokio::spawn(async move {
                if let Some((socket, received)) = upgraded(upgrade).await {
                    web::serve(Arc::clone(&doors.hub), pending, socket, received, doors.web).await;
                }
            });
            answer
        }
        Err(refusal) => {
            let mut response = doors.refuse(Door::Web, &request, &refusal);
            if matches!(refusal, Refusal::UpgradeFailed { status: 405, .. }) {
                response.headers_mut().insert(header::ALLOW, HeaderValue::from_static("GET"));
            }
            response
        }
    };
    response.headers_mut().insert(TYPES, HeaderValue::from_static(TYPES_PATH));
    response
}

/// All that is asked before the answer to an upgrade.
async fn ask(doors: &Doors, request: &Parts) -> Result<(UpgradeKey, Pending), Refusal> {
    if request.method == Method::POST {
        let reason = "a batch by POST is not served here: open a WebSocket with newWebSocketRpcSession";
        return Err(Refusal::UpgradeFailed { status: 405, reason: reason.into() });
    }
    let key = UpgradeKey::of(request)?;
    let knock = knock(doors, request, Asks::CONNECTION)?;
    if let Some(got) = offered(&request.headers).iter().find(|name| name.starts_with(SUBPROTOCOL_PREFIX)) {
        let got: String = got.chars().take(64).collect();
        return Err(Refusal::ProtocolMismatch { expected: "Cap'n Web without a subprotocol".into(), got: got.into() });
    }
    let principal = knock.introduce(true).await?;
    let is_unknown = principal.is_none();
    Ok((key, knock.register(Door::Web, principal, is_unknown)?))
}

/// Answers for `GET /rpc/share/web.d.ts`.
pub(super) async fn types() -> Response {
    static TEXT: LazyLock<String> = LazyLock::new(web::typescript::declarations);
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("application/typescript; charset=utf-8")),
        (header::CACHE_CONTROL, HeaderValue::from_static("public, no-cache")),
        (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    ];
    // They have nothing of anybody, so every page may read them.
    cors::public((headers, TEXT.as_str()).into_response())
}
