//! The files of the web page over HTTP: `/assets/{name}`, `/client.js` with `/client.d.ts`, and `/favicon.svg`.
//!
//! Everybody may have them, from any origin: they are the same for every share and hold nothing of one. What has its hash
//! in its name is fresh for a year; the others must be asked for again each time, and are mostly answered 304.
//! A name that is not there is refused as any other route is.

use axum::extract::Request;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};

use crate::http::reply;
use crate::share::error::Refusal;
use crate::viewer::page::{self, Asset};

/// Answers with the file that the path names; GET and HEAD only, as the routes say.
pub async fn serve(request: Request) -> Response {
    let path = request.uri().path();
    let Some(asset) = page::asset(path.trim_start_matches('/')) else {
        return reply::refused(&Refusal::RouteMismatch { route: path.chars().take(128).collect::<String>().into() });
    };
    let mut response = if says(request.headers(), header::IF_NONE_MATCH, |tag| tag == asset.etag) {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        content(asset, request.headers())
    };
    let headers = response.headers_mut();
    let caching = if asset.is_immutable() { "public, max-age=31536000, immutable" } else { "public, no-cache" };
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(caching));
    if let Ok(etag) = HeaderValue::from_str(&asset.etag) {
        headers.insert(header::ETAG, etag);
    }
    headers.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

fn content(asset: &'static Asset, headers: &HeaderMap) -> Response {
    let packed = takes_gzip(headers);
    let bytes = if packed { asset.gzip() } else { asset.bytes };
    let mut response = ([(header::CONTENT_TYPE, asset.content_type)], bytes).into_response();
    if packed {
        response.headers_mut().insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    response
}

/// Whether the asker takes what is packed with gzip.
pub(super) fn takes_gzip(headers: &HeaderMap) -> bool {
    // A quality of zero is the one way to say no that is in use.
    says(headers, header::ACCEPT_ENCODING, |coding| {
        let (name, quality) = coding.split_once(';').unwrap_or((coding, ""));
        name.trim() == "gzip" && !matches!(quality.trim(), "q=0" | "q=0.0")
    })
}

/// Whether one of the header's comma-separated values fits.
fn says(headers: &HeaderMap, name: header::HeaderName, fits: impl Fn(&str) -> bool) -> bool {
    let values = headers.get_all(name).into_iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).any(|value| fits(value.trim()))
}
