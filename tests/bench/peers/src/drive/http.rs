//! A connection of HTTP/1.1 that is kept: requests one after the other, with bodies whose length is said.
//!
//! Our own, because what it costs is in each figure, and because it needs so little.

use std::net::SocketAddr;

use anyhow::{Context as _, bail};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// An answer is no longer than this.
const ANSWER_BYTES_MAX: usize = 1 << 20;

/// A connection.
#[derive(Debug)]
pub(crate) struct Http {
    stream: TcpStream,
    host: SocketAddr,
    received: Vec<u8>,
}

impl Http {
    /// # Errors
    ///
    /// Nobody listens.
    pub(crate) async fn connect(host: SocketAddr) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(host).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, host, received: Vec::new() })
    }

    /// Sends a request, with header lines that each end with `\r\n`, and reads the answer: its status and its body.
    ///
    /// # Errors
    ///
    /// The connection ended, or the answer is none that this knows.
    pub(crate) async fn request(
        &mut self,
        method: &str,
        path: &str,
        headers: &str,
        body: &str,
    ) -> anyhow::Result<(u16, String)> {
        let (host, length) = (self.host, body.len());
        let request =
            format!("{method} {path} HTTP/1.1\r\nhost: {host}\r\n{headers}content-length: {length}\r\n\r\n{body}");
        self.stream.write_all(request.as_bytes()).await?;
        let end = loop {
            if let Some(end) = self.received.windows(4).position(|four| four == b"\r\n\r\n") {
                break end + 4;
            }
            self.read().await?;
        };
        let (status, length) = head(std::str::from_utf8(&self.received[..end])?)?;
        while self.received.len() < end + length {
            self.read().await?;
        }
        let body = String::from_utf8_lossy(&self.received[end..end + length]).into_owned();
        self.received.drain(..end + length);
        Ok((status, body))
    }

    async fn read(&mut self) -> anyhow::Result<()> {
        if self.stream.read_buf(&mut self.received).await? == 0 {
            bail!("{} ended the connection", self.host);
        }
        anyhow::ensure!(self.received.len() <= ANSWER_BYTES_MAX, "an answer of more than {ANSWER_BYTES_MAX} bytes");
        Ok(())
    }
}

/// The status of an answer, and the length of its body.
fn head(text: &str) -> anyhow::Result<(u16, usize)> {
    let status = text.split(' ').nth(1).and_then(|status| status.parse().ok()).context("an answer without a status")?;
    let length = text
        .lines()
        .filter_map(|line| line.split_once(':'))
        .find(|(name, _)| name.eq_ignore_ascii_case("content-length"));
    match length {
        Some((_, length)) => Ok((status, length.trim().parse()?)),
        None if status == 204 => Ok((status, 0)),
        None => bail!("an answer whose length is not said: {text}"),
    }
}

#[cfg(test)]
mod tests {
    use super::head;

    #[test]
    fn a_head_says_status_and_length() {
        assert_eq!(head("HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\n").ok(), Some((200, 12)));
        assert_eq!(head("HTTP/1.1 204 No Content\r\n\r\n").ok(), Some((204, 0)));
        assert!(head("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n").is_err());
    }
}
