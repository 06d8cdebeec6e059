//! Into systems that take events by HTTP: requests on connections that are kept, one at a time on each.

use std::cell::Cell;
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context as _, bail};
use futures::future::LocalBoxFuture;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::Mutex;
use tokio::time::timeout;

use super::Publisher;

/// Connections: so many requests are on their way at once.
const CONNECTIONS: usize = 8;
const ANSWER_WITHIN: Duration = Duration::from_secs(30);

/// Topics at paths of an HTTP server.
#[derive(Debug)]
pub(crate) struct Http {
    topics: Vec<String>,
    /// What comes before the topic's name.
    path: &'static str,
    kind: &'static str,
    sockets: Vec<Mutex<TcpStream>>,
    next: Cell<usize>,
}

impl Http {
    /// Connects. `path` is what comes before a topic's name, `kind` the content type.
    ///
    /// # Errors
    ///
    /// The server does not let in.
    pub(crate) async fn connect(
        to: SocketAddr,
        topics: Vec<String>,
        path: &'static str,
        kind: &'static str,
    ) -> anyhow::Result<Self> {
        let mut sockets = Vec::new();
        for _ in 0..CONNECTIONS {
            let socket = TcpStream::connect(to).await?;
            socket.set_nodelay(true)?;
            sockets.push(Mutex::new(socket));
        }
        Ok(Self { topics, path, kind, sockets, next: Cell::new(0) })
    }

    /// Makes every topic by a PUT, for servers that want that.
    ///
    /// # Errors
    ///
    /// One was refused.
    pub(crate) async fn put_all(&self) -> anyhow::Result<()> {
        for topic in &self.topics {
            self.request("PUT", topic, "").await?;
        }
        Ok(())
    }

    async fn request(&self, method: &str, topic: &str, body: &str) -> anyhow::Result<()> {
        let at = self.next.get();
        self.next.set((at + 1) % self.sockets.len());
        let mut socket = self.sockets[at].lock().await;
        let (path, kind, length) = (self.path, self.kind, body.len());
        let request = format!(
            "{method} {path}{topic} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\n\r\n{body}"
        );
        socket.write_all(request.as_bytes()).await?;
        let status = timeout(ANSWER_WITHIN, answer(&mut socket)).await.context("no answer to a request")??;
        if !(200..300).contains(&status) {
            bail!("{method} {path}{topic} was answered {status}");
        }
        Ok(())
    }
}

impl Publisher for Http {
    fn topics(&self) -> &[String] {
        &self.topics
    }

    fn publish<'a>(&'a self, topic: usize, event: String) -> LocalBoxFuture<'a, anyhow::Result<()>> {
        Box::pin(async move { self.request("POST", &self.topics[topic], &event).await })
    }
}

/// Reads an answer to its end; gives its status.
async fn answer(socket: &mut TcpStream) -> anyhow::Result<u16> {
    let mut bytes = Vec::with_capacity(1 << 10);
    loop {
        if socket.read_buf(&mut bytes).await? == 0 {
            bail!("the server closed the connection of a producer");
        }
        let Some(end) = memchr::memmem::find(&bytes, b"\r\n\r\n") else { continue };
        let head = String::from_utf8_lossy(&bytes[..end]).to_lowercase();
        let status = head.get(9..12).and_then(|status| status.parse().ok()).context("an answer without a status")?;
        let length = head.lines().find_map(|line| line.strip_prefix("content-length:")?.trim().parse::<usize>().ok());
        if head.contains("transfer-encoding: chunked") {
            // The last chunk is the end of all that came.
            if bytes.ends_with(b"0\r\n\r\n") {
                return Ok(status);
            }
        } else if bytes.len() >= end + 4 + length.unwrap_or(0) {
            return Ok(status);
        }
    }
}
