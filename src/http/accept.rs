//! Accepting: from a listening address to sockets that each have a place and a task.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio_util::sync::CancellationToken;

use crate::connections::sockets::Sockets;
use crate::http::forwarded::{self, ProxyNet};
use crate::http::serve::serve;

/// How sockets are kept.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct SocketSettings {
    /// How long a socket may take from its accept until its first request's head is complete, in HTTP/1.1 and in HTTP/2. On
    /// HTTP/1.1 also how long each later head may take, with the pause before it. Default 10 s.
    pub head_within: Duration,
    /// How long a connection of HTTP/2 may be without a request under way, after its first; then it is told to go, and closed
    /// `head_within` later at the latest. Default 60 s.
    pub idle_within: Duration,
    /// Sockets beyond the admitted connections, for requests of pages and metrics and for upgrades that are under way. Default
    /// 1,024.
    pub besides_max: usize,
    /// Connections that wait in the kernel to be accepted: after a proxy's restart all viewers come at once. The system may
    /// lower it (`net.core.somaxconn`, 4,096 on Linux). Default 4,096.
    pub backlog: u32,
    /// Files and sockets that the process may have open. Fewer connections are admitted than the hub's settings say if they do
    /// not fit. Default `None`: what the system lets the process have when the host begins to listen.
    pub descriptors_max: Option<usize>,
}

impl Default for SocketSettings {
    fn default() -> Self {
        Self {
            head_within: Duration::from_secs(10),
            idle_within: Duration::from_secs(60),
            besides_max: 1_024,
            backlog: 4_096,
            descriptors_max: None,
        }
    }
}

/// What every socket is served with.
#[derive(Debug)]
pub struct Serving {
    /// What answers its requests.
    pub routes: Router,
    /// Whose `X-Forwarded-For` is believed.
    pub trusted: Arc<[ProxyNet]>,
    /// How long it may take.
    pub settings: SocketSettings,
    /// How long its peer may take nothing of an answer.
    pub write_stall: Duration,
}

/// How long a failed accept is waited for: out of descriptors, the next one would fail at once as well.
const FAILED_PAUSE: Duration = Duration::from_millis(100);

/// Listens on an address.
///
/// # Errors
/// The address cannot be had: it is in use, or not one of this machine's.
pub fn listen(address: SocketAddr, settings: &SocketSettings) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    // A host that was restarted finds its port again; on Windows this would let two have it.
    #[cfg(not(windows))]
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(settings.backlog)
}

/// Accepts sockets and serves HTTP on each, until `stopping`.
pub async fn accept(listener: TcpListener, serving: Serving, sockets: Arc<Sockets>, stopping: CancellationToken) {
    let serving = Arc::new(serving);
    let mut accepts = Accepts::default();
    loop {
        let socket = tokio::select! {
            () = stopping.cancelled() => return,
            socket = accepts.next(&listener, &sockets) => socket,
        };
        if let Some((socket, peer)) = socket {
            let place = sockets.enter(peer.ip(), forwarded::is_trusted(peer.ip(), &serving.trusted));
            drop(tokio::spawn(serve(socket, peer, place, Arc::clone(&serving))));
        }
    }
}

/// Accepts, and says once if that fails.
#[derive(Default)]
struct Accepts {
    is_failing: bool,
}

impl Accepts {
    async fn next(&mut self, listener: &TcpListener, sockets: &Sockets) -> Option<(TcpStream, SocketAddr)> {
        // With no place free nothing is accepted: what comes waits in the kernel's queue, which has its own bound.
        sockets.room().await;
        match listener.accept().await {
            Ok(accepted) => {
                if std::mem::take(&mut self.is_failing) {
                    tracing::info!("connections are accepted again");
                }
                Some(accepted)
            }
            Err(error) => {
                if !std::mem::replace(&mut self.is_failing, true) {
                    tracing::warn!(
                        %error,
                        "connections cannot be accepted; if too many files are open, raise the limit (ulimit -n, LimitNOFILE) or \
                         lower --connections-max; said once until it works again"
                    );
                }
                tokio::time::sleep(FAILED_PAUSE).await;
                None
            }
        }
    }
}
