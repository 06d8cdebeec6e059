//! A TCP relay before a host: its connections can be cut, and the host's answers counted and lost.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// A relay; ends with the scene's runtime.
pub(crate) struct Relay {
    pub(crate) address: SocketAddr,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    connections: AtomicUsize,
    answered: AtomicUsize,
    loses_answers: AtomicBool,
    cuts: watch::Sender<usize>,
}

impl Relay {
    pub(crate) async fn to(host: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::<Shared>::default();
        let of = Arc::clone(&shared);
        tokio::spawn(async move {
            while let Ok((from, _)) = listener.accept().await {
                of.connections.fetch_add(1, Ordering::Relaxed);
                tokio::spawn(relay(from, host, Arc::clone(&of)));
            }
        });
        Self { address, shared }
    }

    /// How many have come so far.
    pub(crate) fn connections(&self) -> usize {
        self.shared.connections.load(Ordering::Relaxed)
    }

    /// Bytes that the host has said so far.
    pub(crate) fn answered(&self) -> usize {
        self.shared.answered.load(Ordering::Relaxed)
    }

    /// Whether what the host says from now on gets lost.
    pub(crate) fn lose_answers(&self, lose: bool) {
        self.shared.loses_answers.store(lose, Ordering::Relaxed);
    }

    /// Cuts every connection; new ones are relayed.
    pub(crate) fn cut(&self) {
        self.shared.cuts.send_modify(|cuts| *cuts += 1);
    }
}

async fn relay(from: TcpStream, host: SocketAddr, shared: Arc<Shared>) {
    let mut cuts = shared.cuts.subscribe();
    let Ok(to) = TcpStream::connect(host).await else { return };
    let ((down_read, down_write), (up_read, up_write)) = (from.into_split(), to.into_split());
    tokio::select! {
        () = pump(down_read, up_write, |_| false) => {}
        () = pump(up_read, down_write, |bytes| {
            shared.answered.fetch_add(bytes, Ordering::Relaxed);
            shared.loses_answers.load(Ordering::Relaxed)
        }) => {}
        _ = cuts.changed() => {}
    }
}

async fn pump(mut from: impl AsyncRead + Unpin, mut to: impl AsyncWrite + Unpin, is_lost: impl Fn(usize) -> bool) {
    let mut buffer = vec![0; 16 << 10];
    while let Ok(read @ 1..) = from.read(&mut buffer).await {
        if !is_lost(read) && to.write_all(&buffer[..read]).await.is_err() {
            return;
        }
    }
}
