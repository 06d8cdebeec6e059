//! Accepting: from a listening address to sockets that each have a place and a task.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio_util::sync::CancellationToken;

use crate::connections::sockets::Sockets;
use crate::http::forwarded;
use crate::http::serve::{Serving, serve};
use crate::http::settings::SocketSettings;

/// Pause after a failed accept: without free descriptors the next one would fail at once as well.
const FAILED_PAUSE: Duration = Duration::from_millis(100);

/// Listens on an address.
///
/// # Errors
/// The address cannot be listened on: it is in use, or not one of this machine's.
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

/// Accepts sockets, and logs a failure once until it works again.
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
