//! The handshake of a WebSocket: whether a request is one, the answer that begins it, and the socket that it leaves.

use async_tungstenite::tungstenite::handshake::derive_accept_key;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use hyper::upgrade::OnUpgrade;
use tokio::net::TcpStream;

use crate::http::handover::HttpSocket;
use crate::share::error::Refusal;

/// The key of a WebSocket upgrade, from which its answer is derived.
#[derive(Debug)]
pub(super) struct UpgradeKey(String);

impl UpgradeKey {
    /// The key of a request that is an upgrade to a WebSocket.
    ///
    /// # Errors
    /// It is not one, as RFC 6455 section 4.2.1 has it.
    pub(super) fn of(request: &Parts) -> Result<Self, Refusal> {
        let headers = &request.headers;
        let names = |header, name: &str| words(headers, header).any(|word| word.eq_ignore_ascii_case(name));
        let key = headers.get(header::SEC_WEBSOCKET_KEY).and_then(|key| key.to_str().ok()).unwrap_or_default();
        if request.method == Method::GET
            && names(header::CONNECTION, "upgrade")
            && names(header::UPGRADE, "websocket")
            && headers.get(header::SEC_WEBSOCKET_VERSION).is_some_and(|version| version == "13")
            && key.len() == 24
            && request.extensions.get::<OnUpgrade>().is_some()
        {
            return Ok(Self(key.to_owned()));
        }
        let reason = "this path is a WebSocket: send GET with Connection: Upgrade, Upgrade: websocket, Sec-WebSocket-Version: 13 \
                      and a Sec-WebSocket-Key";
        Err(Refusal::UpgradeFailed { status: 426, reason: reason.into() })
    }

    /// The answer after which the socket is a WebSocket's; `subprotocol`: the one of those on offer that is spoken there.
    pub(super) fn answer(&self, subprotocol: Option<&'static str>) -> Response {
        let mut response = StatusCode::SWITCHING_PROTOCOLS.into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
        headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
        if let Ok(accept) = HeaderValue::from_str(&derive_accept_key(self.0.as_bytes())) {
            headers.insert(header::SEC_WEBSOCKET_ACCEPT, accept);
        }
        if let Some(subprotocol) = subprotocol {
            headers.insert(header::SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(subprotocol));
        }
        response
    }
}

/// The subprotocols that a client offers.
pub(super) fn offered(headers: &HeaderMap) -> Vec<&str> {
    words(headers, header::SEC_WEBSOCKET_PROTOCOL).collect()
}

/// The socket of an upgrade whose answer has left, and the bytes that were read from it after the request; `None` if the peer left
/// meanwhile. To be called on a task of its own with what was taken from the request: HTTP gives the socket away once the answer
/// is sent.
pub(super) async fn upgraded(upgrade: Option<OnUpgrade>) -> Option<(TcpStream, Vec<u8>)> {
    let upgraded = match upgrade?.await {
        Ok(upgraded) => upgraded,
        Err(error) => {
            tracing::debug!(%error, "the peer left during its upgrade");
            return None;
        }
    };
    match upgraded.downcast::<HttpSocket>() {
        Ok(parts) => Some((parts.io.into_inner(), parts.read_buf.to_vec())),
        Err(_) => {
            tracing::error!("an upgrade was answered on something that is not a TCP socket");
            None
        }
    }
}

/// The comma-separated values of a header.
fn words(headers: &HeaderMap, name: header::HeaderName) -> impl Iterator<Item = &str> {
    headers
        .get_all(name)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(str::trim)
}
