//! Workers: the threads that RPC connections live on.
//!
//! Cap'n Proto RPC in Rust stays on one thread. So each worker is a thread with a runtime of its own; an accepted socket
//! is handed to the worker that has the fewest connections, registered there anew, and served there to its end. Dropping
//! the workers lets those threads end once their connections have.

use std::fmt;

use std::sync::Arc;

use async_tungstenite::WebSocketStream;
use async_tungstenite::tungstenite::protocol::Role;
use tokio_util::compat::TokioAsyncReadCompatExt as _;
use tokio_util::task::LocalPoolHandle;

use crate::connections::registry::Pending;
use crate::connections::sockets::SocketHold;
use crate::hub::Hub;
use crate::peers::Link;
use crate::rpc::{RpcSettings, peer, serve_websocket};
use crate::share::limits::MESSAGE_BYTES_MAX;
use crate::wire::websocket::{ReadAhead, socket_config};

/// The worker threads of one host.
#[derive(Clone)]
pub struct Workers {
    pool: LocalPoolHandle,
    settings: RpcSettings,
}

impl Workers {
    /// Starts `count` workers, at least one.
    #[must_use]
    pub fn new(count: usize, settings: RpcSettings) -> Self {
        Self { pool: LocalPoolHandle::new(count.max(1)), settings }
    }

    /// Admits and serves a connection on a socket whose upgrade was answered. `received` is what the peer sent after it
    /// and was read already.
    pub fn serve(&self, hub: Arc<Hub>, pending: Pending, socket: std::net::TcpStream, received: Vec<u8>) {
        let settings = self.settings;
        self.pool.spawn_pinned(move || async move {
            let config = Some(socket_config(hub.settings().limits.message_bytes_max));
            match tokio::net::TcpStream::from_std(socket) {
                Ok(socket) => {
                    let socket = ReadAhead::new(socket.compat());
                    let socket = WebSocketStream::from_partially_read(socket, received, Role::Server, config).await;
                    serve_websocket(hub, pending, socket, settings).await;
                }
                Err(error) => {
                    tracing::error!(connection = %pending.id, %error, "a worker thread could not take over a socket")
                }
            }
        });
    }
}

impl Workers {
    /// Serves a connection of another host of the deployment, as [`Workers::serve`]. `hold` is let go of at its end.
    pub fn serve_host(
        &self,
        hub: Arc<Hub>,
        link: Link,
        hold: Option<SocketHold>,
        socket: std::net::TcpStream,
        received: Vec<u8>,
    ) {
        self.pool.spawn_pinned(move || async move {
            let _hold = hold;
            let config = Some(socket_config(MESSAGE_BYTES_MAX));
            match tokio::net::TcpStream::from_std(socket) {
                Ok(socket) => {
                    let socket = ReadAhead::new(socket.compat());
                    let socket = WebSocketStream::from_partially_read(socket, received, Role::Server, config).await;
                    peer::serve_websocket(hub, link, socket).await;
                }
                Err(error) => tracing::error!(%error, "a worker thread could not take over the socket of another host"),
            }
        });
    }
}

impl fmt::Debug for Workers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Workers").field("count", &self.pool.num_threads()).finish_non_exhaustive()
    }
}
