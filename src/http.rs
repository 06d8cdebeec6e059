//! The HTTP side of the one port: which path is which door, and the small pages beside them.
//!
//! | path | what |
//! |---|---|
//! | `/rpc/share` | upgrade to Cap'n Proto RPC |
//! | `/rpc/share/web` | upgrade to Cap'n Web; `/rpc/share/web.d.ts` has its types |
//! | `/rpc/host` | upgrade to the RPC of the hosts of a deployment among themselves |
//! | `/ws/{id}` | upgrade to the viewer channel |
//! | `/api/share...`, `/api/shares...`, `/api/doc` | OpenCode's own share API, by [`opencode`] |
//! | `/assets/{name}`, `/client.js`, `/client.d.ts`, `/favicon.svg` | the files of the web page, and the client module |
//! | `/share/{id}` | the web page of a share; with `.json`, `.md`, `.png` its other documents |
//! | `/events/{id}` | the viewer channel as server-sent events, and commands by POST |
//! | `/state/{id}` | what a share holds, packed, the newest first: what its page loads |
//! | `/manifest.json` | what is spoken on the viewer channel |
//! | `/healthz` | 200 while the process serves |
//! | `/readyz` | 200 while the host takes connections, the bucket answers and takes writes, and clients can be let in, else 503; with a `warning` if only by keys that are old, or if the machine's clock is wrong |
//! | `/metrics` | OpenMetrics text |
//!
//! Anything else is 404 with a JSON body. Sockets come by [`accept`]. What a door asks of a request, in which order, is in `knock`; what status and
//! body a refusal has, in [`reply`].

use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{any, get};

use serde_json::json;

use crate::access::Readiness;
use crate::http::doors::Doors;
use crate::share::error::{Refusal, StorageTrouble, StoreOperation};

pub mod accept;
mod activity;
pub mod assets;
mod body_in;
mod body_out;
mod body_packed;
mod body_pieces;
mod bound;
mod cors;
pub mod doors;
pub mod forwarded;
pub mod handover;
pub mod head;
mod host;
mod knock;
pub mod opencode;
mod opencode_state;
mod origin;
pub mod page;
mod page_cache;
mod rates;
pub mod reply;
mod rpc;
pub mod serve;
pub mod settings;
pub mod stall;
mod state;
mod state_cache;
mod upgrade;
pub mod viewer;
mod web;

/// All routes of a host's port.
pub fn routes(doors: Arc<Doors>) -> Router {
    Router::new()
        .route(crate::contract::RPC_PATH, any(rpc::serve))
        .route(crate::contract::HOST_PATH, any(host::serve))
        .route(web::PATH, any(web::serve))
        .route(web::TYPES_PATH, get(web::types))
        .merge(opencode::routes())
        .route("/assets/{name}", get(assets::serve))
        .route("/client.js", get(assets::serve))
        .route("/client.d.ts", get(assets::serve))
        .route("/favicon.svg", get(assets::serve))
        .route("/", get(page::landing))
        .route("/share/{name}", get(page::serve))
        .route("/share/{name}/", get(page::without_stroke))
        .route("/ws/{id}", any(viewer::socket))
        .route("/events/{id}", get(viewer::events).post(viewer::post).options(viewer::preflight))
        .route("/state/{id}", get(state::serve).options(viewer::preflight))
        .route("/manifest.json", any(viewer::describe))
        .route("/healthz", get(|| async { axum::Json(json!({ "ok": true })) }))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics))
        .fallback(wrong_route)
        .method_not_allowed_fallback(wrong_route)
        .with_state(doors)
}

async fn ready(State(doors): State<Arc<Doors>>, request: Request) -> Response {
    if let Err(misdirected) = doors.check_called(&request) {
        return *misdirected;
    }
    let not_ready = |code: &str, message: &str| {
        let body = json!({ "ok": false, "error": { "code": code, "message": message } });
        (StatusCode::SERVICE_UNAVAILABLE, axum::Json(body)).into_response()
    };
    match doors.hub.ready().await {
        Ok(()) => {}
        Err(Refusal::Unavailable { .. }) => {
            return not_ready(
                "Unavailable",
                "the host is shutting down and takes no new connections: connect to another host, or wait for its restart",
            );
        }
        Err(refusal @ Refusal::StorageFailure { trouble: StorageTrouble::Unconditional, .. }) => {
            return not_ready("StorageFailure", &refusal.to_string());
        }
        Err(Refusal::StorageFailure { operation: StoreOperation::Sync, .. }) => {
            return not_ready("StorageFailure", "the bucket takes no writes at the moment: the host's log says why");
        }
        Err(_) => {
            return not_ready("StorageFailure", "the bucket does not answer at the moment: the host's log says why");
        }
    }
    match doors.hub.access().readiness() {
        Readiness::Ready => match doors.hub.health().clock_warning() {
            None => axum::Json(json!({ "ok": true })).into_response(),
            Some(warning) => axum::Json(json!({ "ok": true, "warning": warning })).into_response(),
        },
        // Nobody is sent away who can be served as before.
        Readiness::Stale(warning) => axum::Json(json!({ "ok": true, "warning": warning })).into_response(),
        Readiness::Down(message) => not_ready("Unavailable", &message),
    }
}

async fn metrics(State(doors): State<Arc<Doors>>, request: Request) -> Response {
    if let Err(misdirected) = doors.check_called(&request) {
        return *misdirected;
    }
    doors.hub.measure();
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    ([(header::CONTENT_TYPE, kind)], doors.hub.metrics().render()).into_response()
}

async fn wrong_route(request: Request) -> Response {
    let route: String = request.uri().path().chars().take(128).collect();
    reply::refused(&Refusal::RouteMismatch { route: route.into() })
}
