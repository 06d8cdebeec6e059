//! The Cap'n Web door: `/rpc/share/web`, for TypeScript in Node, Bun, Deno, Workers and pages, by the npm package `capnweb`.
//!
//! It serves what the RPC door serves, in the shapes of JavaScript: values as they are, shares as objects whose methods are called, and
//! refusals as errors with a `code`. A connection comes here admitted to be; the future that serves it ends when the peer leaves, breaks
//! the protocol or is closed by the host, and by then every call of it is cancelled, every function of the client released, and it is
//! out of the registry. It is `Send`, and one task: nothing of a connection runs anywhere else.
//!
//! The protocol itself is [`capnweb`](crate::capnweb)'s; what is served stands in one table (`web/interface.rs`), from which the
//! [declarations](typescript) for TypeScript are made as well.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_tungstenite::WebSocketStream;
use async_tungstenite::tungstenite::protocol::Role;
use futures::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_util::compat::TokioAsyncReadCompatExt as _;

use crate::connections::registry::Pending;
use crate::hub::Hub;
use crate::wire::websocket::{ReadAhead, socket_config};

mod caller;
mod functions;
mod give;
mod interface;
mod items;
mod json;
mod life;
mod limits;
mod link;
mod names;
mod probe;
mod refused;
mod root;
mod shape;
mod shapes;
mod share;
mod sink;
mod socket;
mod stranger;
mod take;
mod typed;
pub mod typescript;
mod watch;

use self::life::{Ended, Life};
use self::socket::Socket;
use self::stranger::{Gated, Stranger};

/// How Cap'n Web connections are kept.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct WebSettings {
    /// Time between two pings. A peer that is silent for two of them is taken for dead. Default 30 s.
    pub ping_interval: Duration,
    /// How long a peer may take no bytes before it is cut off. Default 30 s.
    pub write_stall: Duration,
    /// How long a client that came without a credential may take to authenticate, where one is needed; then it is closed with 1008.
    /// Default 10 s.
    pub authenticate_within: Duration,
    /// How long the end of a connection may take, from the host's last words until the peer has closed. Default 2 s.
    pub close_within: Duration,
    /// Bytes that may wait for a peer to read before its further requests are left unread. Default 8 MiB, two messages.
    pub queued_bytes_max: usize,
}

impl Default for WebSettings {
    fn default() -> Self {
        Self {
            ping_interval: Duration::from_secs(30),
            write_stall: Duration::from_secs(30),
            authenticate_within: Duration::from_secs(10),
            close_within: Duration::from_secs(2),
            queued_bytes_max: 8 << 20,
        }
    }
}

/// Admits and serves a connection on a socket whose upgrade was answered. `received` is what the peer sent after it and was read
/// already.
pub async fn serve(hub: Arc<Hub>, pending: Pending, socket: TcpStream, received: Vec<u8>, settings: WebSettings) {
    let config = Some(socket_config(hub.settings().limits.message_bytes_max));
    let stranger = Arc::<Stranger>::default();
    let socket = Gated::new(ReadAhead::new(socket.compat()), Arc::clone(&stranger));
    let socket = WebSocketStream::from_partially_read(socket, received, Role::Server, config).await;
    serve_until_it_ends(hub, pending, socket, stranger, settings).await;
}

/// Admits a connection and serves it over a WebSocket, of which messages are bounded as
/// [`socket_config`] bounds them, until it ends; then closes that with the code that says why.
pub async fn serve_websocket<S>(hub: Arc<Hub>, pending: Pending, socket: WebSocketStream<S>, settings: WebSettings)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    serve_until_it_ends(hub, pending, socket, Arc::default(), settings).await;
}

async fn serve_until_it_ends<S>(
    hub: Arc<Hub>,
    pending: Pending,
    socket: WebSocketStream<S>,
    stranger: Arc<Stranger>,
    settings: WebSettings,
) where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut socket = Socket::new(socket);
    let id = pending.id.clone();
    let admitted = hub.connections().admit(pending).await;
    let (ended, (frames, code, reason)) = match &admitted {
        Ok(connection) => {
            let mut life = Life::new(hub, connection, stranger, settings);
            let ended = life.run(&mut socket).await;
            let farewell = life.end(&ended);
            (ended, farewell)
        }
        Err(turned_away) => {
            let reason = turned_away.reason.clone();
            let farewell = (vec![refused::abort(refused::closed(&reason))], reason.code, reason.reason.to_owned());
            (Ended::Closed(reason), farewell)
        }
    };
    // By now nothing of the connection runs any more; it keeps its place until it has said goodbye.
    let goodbye = async {
        match &ended {
            Ended::Left => socket.leave().await,
            Ended::Closed(_) | Ended::Broken(_) | Ended::Foreign(..) => socket.close(frames, code, &reason).await,
        }
    };
    let _slow = timeout(settings.close_within, goodbye).await;
    tracing::debug!(connection = %id, ?ended, "connection ended");
}

impl fmt::Debug for Life<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Life").finish_non_exhaustive()
    }
}
