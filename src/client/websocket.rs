//! The WebSocket dialer: TCP, TLS for `wss`, the upgrade with subprotocol and credential, and the pipe over it.

mod answer;
mod body;
mod tls;

use std::cell::RefCell;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::{fmt, io};

use async_tungstenite::tungstenite::client::IntoClientRequest as _;
use async_tungstenite::tungstenite::error::ProtocolError;
use async_tungstenite::tungstenite::handshake::client::Request;
use async_tungstenite::tungstenite::{Error as WsError, http as ws_http};
use futures::future::LocalBoxFuture;
use futures::{AsyncRead, AsyncWrite};
use http::{HeaderMap, HeaderValue, Uri};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::ClientConfig;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_util::compat::TokioAsyncReadCompatExt as _;

use self::answer::read_answer;
use self::body::read_rest;
pub(crate) use self::tls::platform_config;
use crate::client::defaults::{CLOSE_WITHIN, PING_INTERVAL, SILENCE_CODE, WRITE_STALL};
use crate::client::dial::{Connection, Control, Dial, DialError, DialRequest};
use crate::client::ended::Ended;
use crate::client::error::Lost;
use crate::contract::{RPC_PATH, SUBPROTOCOL};
use crate::share::error::Refusal;
use crate::wire::websocket::{KeepAlive, PipeControl, PipeOptions, ReadAhead, pipe, socket_config};

/// The reason of a refusal before the token was sent.
const INVALID_TOKEN: &str =
    "the token holds characters that no HTTP header may hold: check that it was copied whole, without line breaks";

/// The parts of a host's URL. The schemes `http` and `https` are read as `ws` and `wss`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Url {
    pub(crate) secure: bool,
    host: String,
    port: u16,
    /// With the brackets of an IPv6 address, and the port if it is not the scheme's own.
    authority: String,
    path: String,
    query: Option<String>,
}

impl Url {
    /// Reads a URL, or says what is wrong with it. Without a path the URL gets [`RPC_PATH`].
    pub(crate) fn parse(text: &str) -> Result<Self, &'static str> {
        let uri: Uri = text.parse().map_err(|_| "write it as wss://HOST or ws://HOST:PORT")?;
        let secure = match uri.scheme_str() {
            Some("ws" | "http") => false,
            Some("wss" | "https") => true,
            Some(_) | None => return Err("its scheme must be wss, ws, https or http"),
        };
        let authority = uri.authority().ok_or("it names no host: write it as wss://HOST or ws://HOST:PORT")?;
        if authority.as_str().contains('@') {
            return Err("it must not hold a credential: give that as the token");
        }
        let host = authority.host().trim_start_matches('[').trim_end_matches(']').to_owned();
        if host.is_empty() {
            return Err("it names no host: write it as wss://HOST or ws://HOST:PORT");
        }
        let path = if uri.path().trim_matches('/').is_empty() { RPC_PATH } else { uri.path() };
        Ok(Self {
            secure,
            host,
            port: authority.port_u16().unwrap_or(if secure { 443 } else { 80 }),
            authority: authority.as_str().to_owned(),
            path: path.to_owned(),
            query: uri.query().map(str::to_owned),
        })
    }

    /// The scheme, name and port, without anything that may hold a credential.
    pub(crate) fn origin(&self) -> String {
        format!("{}://{}", if self.secure { "wss" } else { "ws" }, self.authority)
    }

    pub(crate) fn to_uri(&self, in_band: bool) -> String {
        let scheme = if self.secure { "wss" } else { "ws" };
        let query = match (&self.query, in_band) {
            (None, false) => String::new(),
            (None, true) => "?auth=inband".to_owned(),
            (Some(query), false) => format!("?{query}"),
            (Some(query), true) => format!("?{query}&auth=inband"),
        };
        format!("{scheme}://{}{}{query}", self.authority, self.path)
    }
}

/// How hosts are dialled by their URLs.
pub(crate) struct WebSocketWay {
    pub(crate) headers: HeaderMap,
    /// TLS settings; a `wss` URL needs them.
    pub(crate) tls: Option<Arc<ClientConfig>>,
}

impl WebSocketWay {
    /// The dialer of the host at this URL.
    pub(crate) fn to(self: &Arc<Self>, url: Url) -> WebSocketDialer {
        WebSocketDialer { url, way: Arc::clone(self) }
    }
}

impl fmt::Debug for WebSocketWay {
    /// Leaves the headers out, which may be credentials.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebSocketWay").field("has_tls", &self.tls.is_some()).finish_non_exhaustive()
    }
}

/// Dials a host by its URL.
pub(crate) struct WebSocketDialer {
    url: Url,
    way: Arc<WebSocketWay>,
}

impl fmt::Debug for WebSocketDialer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebSocketDialer").field("url", &self.url).finish_non_exhaustive()
    }
}

impl Dial for WebSocketDialer {
    fn dial<'a>(&'a self, request: &'a DialRequest) -> LocalBoxFuture<'a, Result<Connection, DialError>> {
        Box::pin(self.connect(request))
    }
}

impl WebSocketDialer {
    async fn connect(&self, request: &DialRequest) -> Result<Connection, DialError> {
        let upgrade = self.upgrade_request(request)?;
        let tcp = TcpStream::connect((self.url.host.as_str(), self.url.port)).await.map_err(DialError::unreachable)?;
        tcp.set_nodelay(true).map_err(DialError::unreachable)?;
        if !self.url.secure {
            return upgrade_over(ReadAhead::new(tcp.compat()), upgrade, request).await;
        }
        let tls = self.way.tls.clone().ok_or_else(|| DialError::unreachable("a wss URL needs TLS settings"))?;
        let name = ServerName::try_from(self.url.host.clone()).map_err(DialError::unreachable)?;
        let stream = TlsConnector::from(tls).connect(name, tcp).await.map_err(DialError::unreachable)?;
        upgrade_over(ReadAhead::new(stream.compat()), upgrade, request).await
    }

    fn upgrade_request(&self, request: &DialRequest) -> Result<Request, DialError> {
        let mut upgrade = self.url.to_uri(request.in_band).into_client_request().map_err(DialError::unreachable)?;
        let headers = upgrade.headers_mut();
        headers.extend(self.way.headers.clone());
        headers.insert(ws_http::header::SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(SUBPROTOCOL));
        if let Some(token) = &request.token {
            let mut value = HeaderValue::try_from(format!("Bearer {}", token.reveal()))
                .map_err(|_| Refusal::Unauthorized { reason: INVALID_TOKEN.into() })?;
            value.set_sensitive(true);
            headers.insert(ws_http::header::AUTHORIZATION, value);
        }
        Ok(upgrade)
    }
}

async fn upgrade_over<S>(stream: S, upgrade: Request, request: &DialRequest) -> Result<Connection, DialError>
where
    S: AsyncRead + AsyncWrite + Unpin + 'static,
{
    let lent = Rc::new(RefCell::new(None));
    let stream = Lent { stream: Some(stream), back: lent.clone() };
    let config = socket_config(request.message_bytes_max);
    match async_tungstenite::client_async_with_config(upgrade, stream, Some(config)).await {
        Ok((socket, _answer)) => {
            let options = PipeOptions { message_bytes_max: request.message_bytes_max, close_within: CLOSE_WITHIN };
            let (reader, writer, control) = pipe(socket, options);
            Ok(Connection::of_stream(reader, writer).controlled_by(WebSocketControl(control)))
        }
        Err(WsError::Http(answer)) => {
            let mut answer = *answer;
            let rest = lent.borrow_mut().take();
            if let Some(rest) = rest {
                read_rest(&mut answer, rest).await;
            }
            Err(read_answer(&answer))
        }
        Err(WsError::Protocol(ProtocolError::SecWebSocketSubProtocolError(error))) => {
            // A host takes the protocol that it is offered, or says in its own words that it speaks another.
            tracing::debug!(%error, "this is no host");
            let answer = format!("with a WebSocket that does not speak {SUBPROTOCOL}");
            Err(DialError::Later { cause: Lost::Proxy { status: 101, answer }, after: None })
        }
        Err(error) => Err(DialError::unreachable(error)),
    }
}

/// A stream that goes back to its lender when it is dropped. The WebSocket handshake drops its stream when it is refused, before
/// the body of the refusal is read.
struct Lent<S> {
    stream: Option<S>,
    back: Rc<RefCell<Option<S>>>,
}

impl<S> Lent<S> {
    fn stream(&mut self) -> io::Result<&mut S> {
        self.stream.as_mut().ok_or_else(|| io::ErrorKind::NotConnected.into())
    }
}

impl<S> Drop for Lent<S> {
    fn drop(&mut self) {
        // Without a lender that waits for it, it goes with the cell.
        if Rc::strong_count(&self.back) > 1 {
            *self.back.borrow_mut() = self.stream.take();
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Lent<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        Pin::new(self.stream()?).poll_read(cx, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Lent<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(self.stream()?).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(self.stream()?).poll_flush(cx)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(self.stream()?).poll_close(cx)
    }
}

struct WebSocketControl<S>(PipeControl<S>);

impl<S: AsyncRead + AsyncWrite + Unpin> Control for WebSocketControl<S> {
    fn keepalive(&self) -> LocalBoxFuture<'_, Ended> {
        let settings = KeepAlive { interval: PING_INTERVAL, write_stall: WRITE_STALL, silence_code: SILENCE_CODE };
        Box::pin(async move { self.0.keepalive(settings).await.into() })
    }

    fn close<'a>(&'a self, code: u16, reason: &'a str) -> LocalBoxFuture<'a, ()> {
        Box::pin(self.0.close(code, reason))
    }

    fn end_reason(&self) -> Option<Ended> {
        self.0.end_reason().map(Ended::from)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_names_the_rpc_door_unless_it_has_a_path() {
        let uri = |text| Url::parse(text).map(|url| url.to_uri(false));
        assert_eq!(uri("ws://h:1").as_deref(), Ok("ws://h:1/rpc/share"));
        assert_eq!(uri("https://h/").as_deref(), Ok("wss://h/rpc/share"));
        assert_eq!(uri("http://[::1]:80/x?y=1").as_deref(), Ok("ws://[::1]:80/x?y=1"));
        assert_eq!(Url::parse("wss://h?a=b").unwrap().to_uri(true), "wss://h/rpc/share?a=b&auth=inband");
        for bad in ["", "h", "ftp://h", "ws://", "ws://user:pass@h", "ws:///x"] {
            assert!(Url::parse(bad).is_err(), "{bad}");
        }
    }
}
