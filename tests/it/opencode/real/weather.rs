//! A proxy before a host that answers 503, cuts or holds up what comes, as the scene says.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// What happens to connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Weather {
    /// They get through.
    Fine,
    /// Each is answered 503.
    Busy,
    /// Each is cut when the first bytes of a request are there.
    Cut,
    /// They get through, each after this long.
    Slow(Duration),
}

/// The proxy; ends with the scene's runtime.
pub(crate) struct Proxy {
    pub(crate) address: SocketAddr,
    weather: Arc<watch::Sender<Weather>>,
    /// Connections that came since the weather changed.
    met: Arc<watch::Sender<usize>>,
}

impl Proxy {
    pub(crate) async fn to(host: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let weather = Arc::new(watch::Sender::new(Weather::Fine));
        let met = Arc::new(watch::Sender::new(0));
        let (changes, meets) = (Arc::clone(&weather), Arc::clone(&met));
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let mut changes = changes.subscribe();
                let weather = *changes.borrow_and_update();
                meets.send_modify(|met| *met += 1);
                tokio::spawn(async move {
                    // What is open when the weather changes is cut, so that everything meets the new one.
                    tokio::select! {
                        () = pass(client, host, weather) => {}
                        _ = changes.changed() => {}
                    }
                });
            }
        });
        Self { address, weather, met }
    }

    pub(crate) fn becomes(&self, weather: Weather) {
        self.weather.send_replace(weather);
        self.met.send_replace(0);
    }

    /// Waits until somebody came who met this weather.
    pub(crate) async fn has_met_somebody(&self) {
        self.met.subscribe().wait_for(|met| *met > 0).await.unwrap();
    }
}

async fn pass(mut client: TcpStream, host: SocketAddr, weather: Weather) {
    match weather {
        Weather::Fine => through(client, host).await,
        Weather::Slow(pause) => {
            tokio::time::sleep(pause).await;
            through(client, host).await;
        }
        Weather::Cut => {
            let _ = client.read(&mut [0; 64]).await;
        }
        Weather::Busy => {
            let answer = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
            let _ = client.read(&mut [0; 64 << 10]).await;
            let _ = client.write_all(answer).await;
        }
    }
}

async fn through(mut client: TcpStream, host: SocketAddr) {
    if let Ok(mut host) = TcpStream::connect(host).await {
        let _ = copy_bidirectional(&mut client, &mut host).await;
    }
}
