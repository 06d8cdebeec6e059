//! The files of the web page over HTTP: `/assets/{name}`, `/client.js` with `/client.d.ts`, and `/favicon.svg`.
//!
//! Everybody may have them, from any origin: they are the same for every share and hold nothing of one. What has its hash
//! in its name is fresh for a year; the others must be asked for again each time, and are mostly answered 304.
//! A name that is not there is refused as any other route is.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use serde_json::json;

use crate::http::bound::Holder;
use crate::http::cors;
use crate::http::doors::Doors;
use crate::http::forwarded::address;
use crate::share::error::Refusal;
use crate::viewer::page::{self, Asset};

/// The name of this door in logs.
const DOOR: &str = "assets";

/// Answers GET and HEAD with the file of the web page that the path names.
pub async fn serve(State(doors): State<Arc<Doors>>, request: Request) -> Response {
    let (request, _) = request.into_parts();
    let response = answer(&doors, &request).await;
    response.unwrap_or_else(|refusal| doors.refuse_with(DOOR, &request, &refusal, json!({})))
}

async fn answer(doors: &Doors, request: &Parts) -> Result<Response, Refusal> {
    let path = request.uri.path();
    let asset = page::asset(path.trim_start_matches('/'));
    let asset =
        asset.ok_or_else(|| Refusal::RouteMismatch { route: path.chars().take(128).collect::<String>().into() })?;
    let mut response = if says(&request.headers, header::IF_NONE_MATCH, |tag| tag == asset.etag) {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        content(doors, request, asset).await?
    };
    let headers = response.headers_mut();
    let caching = if asset.is_immutable() { "public, max-age=31536000, immutable" } else { "public, no-cache" };
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(caching));
    if let Ok(etag) = HeaderValue::from_str(&asset.etag) {
        headers.insert(header::ETAG, etag);
    }
    headers.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    Ok(cors::public(response))
}

async fn content(doors: &Doors, request: &Parts, asset: &'static Asset) -> Result<Response, Refusal> {
    let packed = takes_gzip(&request.headers);
    let bytes = Bytes::from_static(if packed { asset.gzip() } else { asset.bytes });
    let body = doors.answers.copy(Holder::of(None, address(request)), bytes, None).await?;
    let mut response = ([(header::CONTENT_TYPE, asset.content_type)], body).into_response();
    if packed {
        response.headers_mut().insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    Ok(response)
}

/// Whether a request with these headers accepts an answer packed with gzip.
pub(super) fn takes_gzip(headers: &HeaderMap) -> bool {
    // A quality of zero is the one way to say no that is in use.
    says(headers, header::ACCEPT_ENCODING, |coding| {
        let (name, quality) = coding.split_once(';').unwrap_or((coding, ""));
        name.trim() == "gzip" && !matches!(quality.trim(), "q=0" | "q=0.0")
    })
}

/// Whether `fits` holds for one of the comma-separated values of a header.
fn says(headers: &HeaderMap, name: header::HeaderName, fits: impl Fn(&str) -> bool) -> bool {
    let values = headers.get_all(name).into_iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).any(|value| fits(value.trim()))
}
