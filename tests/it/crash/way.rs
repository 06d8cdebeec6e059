//! The way from clients to a host: a relay that can lose answers, and lead to another host.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// A relay; ended when dropped.
pub(super) struct Way {
    pub(super) url: String,
    to: watch::Sender<SocketAddr>,
    loses_answers: Arc<AtomicBool>,
    accepting: JoinHandle<()>,
}

impl Way {
    pub(super) async fn to(url: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let own = format!("http://{}", listener.local_addr().unwrap());
        let loses_answers = Arc::new(AtomicBool::new(false));
        let (to, target) = watch::channel(address(url));
        let lossy = loses_answers.clone();
        let accepting = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(relay(client, target.clone(), lossy.clone()));
            }
        });
        Self { url: own, to, loses_answers, accepting }
    }

    /// From now on nothing that the host says comes through.
    pub(super) fn lose_answers(&self) {
        self.loses_answers.store(true, Ordering::SeqCst);
    }

    /// Cuts all connections; the next ones lead there, and lose nothing.
    pub(super) fn lead_to(&self, url: &str) {
        self.loses_answers.store(false, Ordering::SeqCst);
        self.to.send_replace(address(url));
    }
}

impl Drop for Way {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

fn address(url: &str) -> SocketAddr {
    url.strip_prefix("http://").unwrap().parse().unwrap()
}

/// One connection, until an end closes it or the way leads elsewhere.
async fn relay(mut client: TcpStream, mut target: watch::Receiver<SocketAddr>, loses_answers: Arc<AtomicBool>) {
    let to = *target.borrow_and_update();
    let Ok(mut host) = TcpStream::connect(to).await else { return };
    let (mut from_client, mut from_host) = (vec![0; 16 << 10], vec![0; 16 << 10]);
    loop {
        let carried = tokio::select! {
            _elsewhere = target.changed() => return,
            Ok(count @ 1..) = client.read(&mut from_client) => host.write_all(&from_client[..count]).await,
            Ok(count @ 1..) = host.read(&mut from_host) => match loses_answers.load(Ordering::SeqCst) {
                true => Ok(()),
                false => client.write_all(&from_host[..count]).await,
            },
            else => return,
        };
        if carried.is_err() {
            return;
        }
    }
}
