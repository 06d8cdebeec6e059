//! The HTTP side of the one port: which path is which door, and the small pages beside them.
//!
//! | path | what |
//! |---|---|
//! | `/rpc/share` | upgrade to Cap'n Proto RPC |
//! | `/ws/{id}` | upgrade to the viewer channel |
//! | `/healthz` | 200 while the process serves |
//! | `/readyz` | 200 while the bucket answers and the host takes connections, else 503 |
//! | `/metrics` | OpenMetrics text |
//!
//! Anything else is 404 with a JSON body. The doors' order of questions is in [`upgrade`]; every refusal's status and body
//! in [`reply`].

use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{any, get};

use crate::http::upgrade::Doors;
use crate::share::error::Refusal;

pub mod reply;
pub mod upgrade;

/// The routes of a host.
pub fn routes(doors: Arc<Doors>) -> Router {
    Router::new()
        .route(crate::contract::RPC_PATH, any(upgrade::rpc))
        .route("/ws/{id}", any(upgrade::viewer))
        .route("/healthz", get(|| async { axum::Json(serde_json::json!({ "ok": true })) }))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics))
        .fallback(wrong_route)
        .method_not_allowed_fallback(wrong_route)
        .with_state(doors)
}

async fn ready(State(doors): State<Arc<Doors>>) -> Response {
    match doors.hub.ready().await {
        Ok(()) => axum::Json(serde_json::json!({ "ok": true })).into_response(),
        Err(Refusal::Unavailable { .. }) => {
            let message = "the host takes no more connections: it is draining";
            let body = serde_json::json!({ "ok": false, "error": { "code": "Unavailable", "message": message } });
            (StatusCode::SERVICE_UNAVAILABLE, axum::Json(body)).into_response()
        }
        Err(_) => {
            let body = serde_json::json!({ "ok": false, "error": { "code": "StorageFailure", "message": "the store does not answer: see the host's log" } });
            (StatusCode::SERVICE_UNAVAILABLE, axum::Json(body)).into_response()
        }
    }
}

async fn metrics(State(doors): State<Arc<Doors>>) -> Response {
    doors.hub.measure();
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    ([(header::CONTENT_TYPE, kind)], doors.hub.metrics().render()).into_response()
}

async fn wrong_route(request: Request) -> Response {
    let route: String = request.uri().path().chars().take(128).collect();
    reply::refused(&Refusal::RouteMismatch { route: route.into() })
}
