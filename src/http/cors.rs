//! Web pages: which may call the API, and how they are told.
//!
//! Reading a share needs no more than its id, and shows a page nothing that its user's cookies give, for there are none: any
//! page may. Whatever writes asks for the origin as the other doors do, also when no preflight was sent.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};

use crate::http::doors::Doors;
use crate::http::opencode::DOOR;

const METHODS: HeaderValue = HeaderValue::from_static("GET, POST, DELETE");
const HEADERS: HeaderValue = HeaderValue::from_static("authorization, content-type, content-encoding, x-org-id");

/// Seconds for which a browser may remember the answer.
const AGE: HeaderValue = HeaderValue::from_static("600");

/// What a browser asks before it lets a page write.
pub(super) async fn preflight(State(doors): State<Arc<Doors>>, request: Request) -> Response {
    let (request, _) = request.into_parts();
    match doors.check_origin(&request.headers) {
        Ok(()) => allowed(&doors, &request.headers, granted()),
        Err(refusal) => doors.refuse_with(DOOR, &request, &refusal, serde_json::json!({})),
    }
}

/// What a browser asks before it lets a page read with a credential.
pub(super) async fn public_preflight() -> Response {
    public(granted())
}

/// An answer that any page may read.
pub(super) fn public(mut response: Response) -> Response {
    response.headers_mut().insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    response
}

/// An answer that a page may read if its origin may write.
pub(super) fn allowed(doors: &Doors, request: &HeaderMap, mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers.append(header::VARY, HeaderValue::from_name(header::ORIGIN));
    if let Some(origin) = request.get(header::ORIGIN)
        && doors.check_origin(request).is_ok()
    {
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
    }
    response
}

fn granted() -> Response {
    let headers: [(HeaderName, HeaderValue); 3] = [
        (header::ACCESS_CONTROL_ALLOW_METHODS, METHODS),
        (header::ACCESS_CONTROL_ALLOW_HEADERS, HEADERS),
        (header::ACCESS_CONTROL_MAX_AGE, AGE),
    ];
    (StatusCode::NO_CONTENT, headers).into_response()
}
