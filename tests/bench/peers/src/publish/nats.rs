//! Into NATS: its own protocol over TCP, which says nothing when all is well.

use std::net::SocketAddr;

use anyhow::ensure;
use futures::future::LocalBoxFuture;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::net::tcp::OwnedWriteHalf;
use tokio::sync::Mutex;
use tokio::task::AbortHandle;

use super::Publisher;

/// Subjects of a server.
#[derive(Debug)]
pub(crate) struct Nats {
    subjects: Vec<String>,
    writer: std::rc::Rc<Mutex<OwnedWriteHalf>>,
    reader: AbortHandle,
}

impl Nats {
    /// Connects; on a `LocalSet`.
    ///
    /// # Errors
    ///
    /// The server does not let in.
    pub(crate) async fn connect(to: SocketAddr, subjects: Vec<String>) -> anyhow::Result<Self> {
        let socket = TcpStream::connect(to).await?;
        socket.set_nodelay(true)?;
        let (mut reader, mut writer) = socket.into_split();
        writer.write_all(b"CONNECT {\"verbose\":false}\r\nPING\r\n").await?;
        let mut said = Vec::new();
        while memchr::memmem::find(&said, b"PONG\r\n").is_none() {
            ensure!(reader.read_buf(&mut said).await? > 0, "the server closed the connection of the producer");
        }
        let writer = std::rc::Rc::new(Mutex::new(writer));
        let answering = std::rc::Rc::clone(&writer);
        let reader = tokio::task::spawn_local(async move {
            let mut buffer = [0; 1 << 10];
            while let Ok(count @ 1..) = reader.read(&mut buffer).await {
                if memchr::memmem::find(&buffer[..count], b"PING").is_some() {
                    let _gone = answering.lock().await.write_all(b"PONG\r\n").await;
                }
            }
        });
        Ok(Self { subjects, writer, reader: reader.abort_handle() })
    }
}

impl Publisher for Nats {
    fn topics(&self) -> &[String] {
        &self.subjects
    }

    fn publish<'a>(&'a self, topic: usize, event: String) -> LocalBoxFuture<'a, anyhow::Result<()>> {
        Box::pin(async move {
            let line = format!("PUB {} {}\r\n{event}\r\n", self.subjects[topic], event.len());
            self.writer.lock().await.write_all(line.as_bytes()).await?;
            Ok(())
        })
    }
}

impl Drop for Nats {
    fn drop(&mut self) {
        self.reader.abort();
    }
}
