//! Which web pages may read an answer, as browsers ask for it (CORS), and how they are told.
//!
//! What everybody may have, pages of any origin may read: a document of a share needs no more than its id, and shows a page
//! nothing that its user's cookies give, for there are none. Whatever belongs to a connection or writes is for pages of the
//! [origins](super::origin) that may connect; their requests are asked for the origin in any case, also when no preflight was sent.

use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};

use crate::http::doors::Doors;

/// Seconds for which a browser may remember the answer to a preflight.
const REMEMBER_SECONDS: HeaderValue = HeaderValue::from_static("600");

/// What a page may do at a door, and with which headers.
#[derive(Debug, Clone, Copy)]
pub(super) struct Grant {
    methods: &'static str,
    headers: &'static str,
}

/// What a page may do with a stream of events.
pub(super) const EVENTS: Grant = Grant { methods: "GET, POST", headers: "authorization, content-type, last-event-id" };

/// What a page may do with OpenCode's API.
pub(super) const API: Grant =
    Grant { methods: "GET, POST, DELETE", headers: "authorization, content-type, content-encoding, x-org-id" };

/// The answer to a preflight: what may be done, for pages that [`allowed`] or [`public`] lets read it.
pub(super) fn preflight(grant: Grant) -> Response {
    let headers: [(HeaderName, HeaderValue); 3] = [
        (header::ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static(grant.methods)),
        (header::ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static(grant.headers)),
        (header::ACCESS_CONTROL_MAX_AGE, REMEMBER_SECONDS),
    ];
    (StatusCode::NO_CONTENT, headers).into_response()
}

/// An answer that pages of any origin may read.
pub(super) fn public(mut response: Response) -> Response {
    response.headers_mut().insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    response
}

/// An answer that a page may read if its origin may connect. `request`: the headers of what is answered.
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
