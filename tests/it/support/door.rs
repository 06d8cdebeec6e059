//! A host behind a real port, and plain HTTP and WebSockets to knock with.

use std::net::SocketAddr;
use std::sync::Arc;

use async_tungstenite::WebSocketStream;
use async_tungstenite::tokio::{ConnectStream, connect_async};
use async_tungstenite::tungstenite::handshake::client::generate_key;
use async_tungstenite::tungstenite::http::{Request, Response};
use async_tungstenite::tungstenite::{Error as WsError, Message};
use capshare::__internal::access::{Access, Scopes, SharedKeys, SingleAccount};
use capshare::__internal::ambient::Ambient;
use capshare::Client;
use capshare::host::{Host, HostSettings};
use capshare::share::secret::Secret;
use futures::StreamExt as _;
use object_store::ObjectStore;
use object_store::memory::InMemory;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::support::patience::within;

/// A host on a free loopback port.
pub(crate) struct Served {
    pub(crate) host: Host,
    pub(crate) address: SocketAddr,
}

/// The key of account `ann` at [`Served::with_keys`].
pub(crate) const ANNS_KEY: &str = "anns-key-0123456789";
/// The key of account `bob` at [`Served::with_keys`].
pub(crate) const BOBS_KEY: &str = "bobs-key-0123456789";

impl Served {
    /// A host over memory that needs no credential.
    pub(crate) async fn open() -> Self {
        let access = SingleAccount::new("local".parse().unwrap());
        Self::over(Arc::new(InMemory::new()), Arc::new(access), |_| {}).await
    }

    /// A host over memory that knows two accounts by their keys.
    pub(crate) async fn with_keys() -> Self {
        Self::over(Arc::new(InMemory::new()), keys(), |_| {}).await
    }

    pub(crate) async fn over(
        store: Arc<dyn ObjectStore>,
        access: Arc<dyn Access>,
        change: impl FnOnce(&mut HostSettings),
    ) -> Self {
        let mut settings = HostSettings::default();
        change(&mut settings);
        let host = Host::new(store, access, Ambient::system(), settings).unwrap();
        let address = host.listen("127.0.0.1:0".parse().unwrap()).await.unwrap();
        Self { host, address }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("ws://{}{path}", self.address)
    }

    /// A client of it, with a token if there is one.
    pub(crate) fn client(&self, token: Option<&str>) -> Client {
        let mut builder = Client::builder(self.url(""));
        if let Some(token) = token {
            builder = builder.token(token);
        }
        builder.build().unwrap()
    }

    /// An upgrade request, with further headers.
    pub(crate) fn upgrade(&self, path: &str, headers: &[(&str, &str)]) -> Request<()> {
        let mut request = Request::get(self.url(path))
            .header("Host", self.address.to_string())
            .header("Connection", "Upgrade")
            .header("Upgrade", "websocket")
            .header("Sec-WebSocket-Version", "13")
            .header("Sec-WebSocket-Key", generate_key());
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(()).unwrap()
    }

    /// A WebSocket through an upgrade, or the answer that it got instead.
    pub(crate) async fn knock(
        &self,
        path: &str,
        headers: &[(&str, &str)],
    ) -> Result<WebSocketStream<ConnectStream>, Box<Response<Option<Vec<u8>>>>> {
        match connect_async(self.upgrade(path, headers)).await {
            Ok((socket, _)) => Ok(socket),
            Err(WsError::Http(response)) => Err(response),
            Err(error) => panic!("{error}"),
        }
    }

    /// The status and JSON body of the answer to an upgrade that is refused.
    pub(crate) async fn refused(&self, path: &str, headers: &[(&str, &str)]) -> (u16, serde_json::Value) {
        let response = self.knock(path, headers).await.expect_err("a refusal");
        let body = response.body().clone().unwrap_or_default();
        (response.status().as_u16(), serde_json::from_slice(&body).expect("a JSON body"))
    }

    /// The whole answer to a plain request, head and body as text.
    pub(crate) async fn request(&self, head: &str) -> String {
        let mut socket = tokio::net::TcpStream::connect(self.address).await.unwrap();
        let request = format!("{head}\r\nHost: {}\r\nConnection: close\r\n\r\n", self.address);
        socket.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        within("the end of an answer", socket.read_to_string(&mut answer)).await.unwrap();
        answer
    }
}

/// Access for `ann` and `bob` by their keys.
pub(crate) fn keys() -> Arc<SharedKeys> {
    let keys = [("ann", ANNS_KEY), ("bob", BOBS_KEY)];
    Arc::new(SharedKeys::new(keys.map(|(name, key)| (name.parse().unwrap(), Secret::from(key), Scopes::SHARE))))
}

/// The next text frame, as JSON, but for who watches.
pub(crate) async fn next_json<S>(socket: &mut WebSocketStream<S>) -> serde_json::Value
where
    S: futures::AsyncRead + futures::AsyncWrite + Unpin,
{
    loop {
        let frame = next_frame(socket).await;
        if frame["event"] != "presence" {
            return frame;
        }
    }
}

/// The next text frame, as JSON.
pub(crate) async fn next_frame<S>(socket: &mut WebSocketStream<S>) -> serde_json::Value
where
    S: futures::AsyncRead + futures::AsyncWrite + Unpin,
{
    // All of it has one bound: a host pings, whatever else it does not do.
    within("a frame", async {
        loop {
            match socket.next().await.expect("an open socket").unwrap() {
                Message::Text(text) => return serde_json::from_str(&text).unwrap(),
                Message::Ping(_) | Message::Pong(_) => {}
                other => panic!("{other:?}"),
            }
        }
    })
    .await
}

/// The code and reason of the Close frame that ends a socket.
pub(crate) async fn close_frame<S>(socket: &mut WebSocketStream<S>) -> (u16, String)
where
    S: futures::AsyncRead + futures::AsyncWrite + Unpin,
{
    within("a Close frame", async {
        loop {
            match socket.next().await.expect("a Close frame before the end").expect("a Close frame before an error") {
                Message::Close(Some(frame)) => return (frame.code.into(), frame.reason.as_str().to_owned()),
                Message::Close(None) => return (1005, String::new()),
                _ => {}
            }
        }
    })
    .await
}
