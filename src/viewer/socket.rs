//! What a viewer's frames travel on: a WebSocket, or the body of an HTTP/1 answer whose socket is ours from its first event on.
//!
//! What goes down is put into its transport's own form (`viewer/form.rs`) once, for all viewers of that kind, and written to the socket as it is:
//! no transport has a buffer in which it would lie a second time. What a viewer sends up is read by the WebSocket library,
//! which also answers pings and Close frames; its own output is flushed before ours begins, so that no frame gets into another.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use async_tungstenite::WebSocketStream;
use async_tungstenite::tungstenite::protocol::{CloseFrame, Role, WebSocketConfig};
use async_tungstenite::tungstenite::{Error as WsError, Message, Utf8Bytes};
use bytes::{Buf as _, Bytes};
use futures::{AsyncRead, AsyncWrite, SinkExt as _, StreamExt as _};
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;
use tokio_util::compat::{Compat, TokioAsyncReadCompatExt as _};

use crate::connections::close::CloseReason;
use crate::viewer::form::{Form, chunk};
use crate::viewer::packing::Joined;
use crate::viewer::uplink::UPLINK_BYTES_MAX;

/// Bytes that are read at once from a viewer that is served: 1 KiB. A pong takes 6 bytes of it and a command some 200; the
/// longest command, of 64 KiB, takes 64 reads.
const READ_BYTES: usize = 1 << 10;

/// The configuration of a viewer's WebSocket: small frames come in, and what goes out has no buffer there.
#[must_use]
pub fn socket_config() -> WebSocketConfig {
    WebSocketConfig::default()
        .read_buffer_size(READ_BYTES)
        // Only answers to pings and Close frames go through it.
        .write_buffer_size(0)
        .max_message_size(Some(UPLINK_BYTES_MAX))
        .max_frame_size(Some(UPLINK_BYTES_MAX))
}

/// A viewer's WebSocket.
pub type Socket = WebSocketStream<Counted>;

/// The chunk that ends a body of HTTP/1.1.
const LAST_CHUNK: &[u8] = b"0\r\n\r\n";

/// A socket that counts what was read from it, so that it is known when there is nothing of it in the library.
#[derive(Debug)]
pub struct Counted {
    socket: Compat<TcpStream>,
    read: u64,
    /// The bytes of what was heard, each frame in its shortest form.
    heard: u64,
}

/// What a viewer is reached by: its socket, and the state of what is spoken on it.
#[derive(Debug)]
pub(super) enum Transport {
    /// A WebSocket, with the library's state. Boxed: it takes ten times the bytes of the others.
    Socket(Box<Socket>),
    /// A WebSocket between two frames of the viewer, when the library has no state to keep.
    Quiet(TcpStream),
    /// A stream of events as the body of an HTTP/1 answer whose head has been sent.
    Events {
        /// The socket.
        tcp: TcpStream,
        /// Whether the body comes in chunks; to HTTP/1.0 it comes as it is.
        in_chunks: bool,
        /// What was sent, if it goes out packed.
        packed: Option<Box<Joined>>,
    },
}

/// What was heard from a viewer.
#[derive(Debug)]
pub(super) enum Heard {
    /// A text frame.
    Text(Utf8Bytes),
    /// A ping, a pong or a Close, of this many bytes.
    Life(usize),
    /// A binary frame, of this many bytes.
    Binary(usize),
    /// A frame of more than [`UPLINK_BYTES_MAX`].
    TooLong,
    /// Bytes that are not the WebSocket protocol.
    Garbage,
    /// A text that is not UTF-8.
    NotUtf8,
    /// Nobody is there any more.
    Gone,
}

impl Transport {
    pub(super) fn form(&self) -> Form {
        match self {
            Self::Socket(_) | Self::Quiet(_) => Form::Message,
            Self::Events { in_chunks: true, .. } => Form::Chunk,
            Self::Events { in_chunks: false, .. } => Form::Event,
        }
    }

    /// If events go out packed: what was sent, and whether it goes in chunks.
    pub(super) fn packed(&mut self) -> Option<(&mut Joined, bool)> {
        match self {
            Self::Events { packed: Some(packed), in_chunks, .. } => Some((packed, *in_chunks)),
            Self::Socket(_) | Self::Quiet(_) | Self::Events { packed: None, .. } => None,
        }
    }

    /// The TCP socket, without any state.
    pub(super) fn into_tcp(self) -> TcpStream {
        match self {
            Self::Socket(socket) => socket.into_inner().socket.into_inner(),
            Self::Quiet(tcp) | Self::Events { tcp, .. } => tcp,
        }
    }

    fn tcp(&self) -> &TcpStream {
        match self {
            Self::Socket(socket) => socket.get_ref().socket.get_ref(),
            Self::Quiet(tcp) | Self::Events { tcp, .. } => tcp,
        }
    }

    /// Writes as much as the socket takes now, and says whether that is all; what is left stays in `bytes`.
    pub(super) fn try_write(&self, bytes: &mut Bytes) -> io::Result<bool> {
        while !bytes.is_empty() {
            match self.tcp().try_write(bytes) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(count) => bytes.advance(count),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        // Lets go of what it was a part of.
        *bytes = Bytes::new();
        Ok(true)
    }

    /// Waits until the socket takes bytes again.
    pub(super) async fn writable(&self) -> io::Result<()> {
        self.tcp().writable().await
    }

    /// Whether there is something to hear.
    pub(super) fn poll_readable(&self, cx: &mut Context<'_>) -> Poll<()> {
        self.tcp().poll_read_ready(cx).map(drop)
    }

    /// What the viewer says next. Dropping the future loses nothing.
    pub(super) async fn hear(&mut self) -> Heard {
        match self {
            Self::Socket(socket) => hear(socket).await,
            // It is woken first.
            Self::Quiet(_) => std::future::pending().await,
            // Its request was whole before the answer began; who sends more wants something else of this connection.
            Self::Events { tcp, .. } => {
                let _any = tcp.read(&mut [0; 1]).await;
                Heard::Gone
            }
        }
    }

    /// Waits until what the library answered by itself is in the socket; `false` if the socket has failed.
    pub(super) async fn flush(&mut self) -> bool {
        match self {
            Self::Socket(socket) => socket.flush().await.is_ok(),
            Self::Quiet(_) | Self::Events { .. } => true,
        }
    }

    /// Gives a resting WebSocket its state back, so that it can be heard and closed.
    pub(super) async fn wake(self) -> Self {
        match self {
            Self::Quiet(tcp) => Self::Socket(Box::new(socket(tcp, Vec::new()).await)),
            other @ (Self::Socket(_) | Self::Events { .. }) => other,
        }
    }

    /// Lets go of the library's state, if all that was read was heard, as it nearly always is. To be called when its output was
    /// [flushed](Self::flush).
    pub(super) fn rest(self) -> Self {
        match self {
            Self::Socket(socket) if socket.get_ref().read == socket.get_ref().heard => {
                Self::Quiet(Self::Socket(socket).into_tcp())
            }
            other @ (Self::Socket(_) | Self::Quiet(_) | Self::Events { .. }) => other,
        }
    }

    /// Sends the Close frame, or the end of the body, once all that was begun is written.
    pub(super) async fn close(&mut self, reason: &CloseReason) {
        match self {
            Self::Socket(socket) => {
                let reason = CloseFrame { code: reason.code.into(), reason: Utf8Bytes::from_static(reason.reason) };
                // A viewer that does not take it is gone all the same.
                let _ = (**socket).close(Some(reason)).await;
            }
            Self::Quiet(_) => {}
            // The end of the connection is the end of a body without chunks.
            Self::Events { in_chunks, packed, .. } => {
                let end = packed.take().map_or_else(Bytes::new, |packed| packed.end());
                let mut last = match (*in_chunks, end.is_empty()) {
                    (false, _) => end,
                    (true, true) => Bytes::from_static(LAST_CHUNK),
                    (true, false) => [&chunk(&end), LAST_CHUNK].concat().into(),
                };
                while matches!(self.try_write(&mut last), Ok(false)) && self.writable().await.is_ok() {}
            }
        }
    }
}

/// Makes a viewer's WebSocket of its socket after the upgrade, with which `received` came.
pub(super) async fn socket(tcp: TcpStream, received: Vec<u8>) -> Socket {
    let counted = Counted { socket: tcp.compat(), read: received.len() as u64, heard: 0 };
    Socket::from_partially_read(counted, received, Role::Server, Some(socket_config())).await
}

/// What a viewer says next on its socket. Dropping the future loses nothing.
pub(super) async fn hear(socket: &mut Socket) -> Heard {
    let heard = match socket.next().await {
        Some(Ok(Message::Text(text))) => Heard::Text(text),
        Some(Ok(Message::Binary(bytes))) => Heard::Binary(bytes.len()),
        Some(Ok(other @ (Message::Ping(_) | Message::Pong(_) | Message::Close(_) | Message::Frame(_)))) => {
            Heard::Life(other.len())
        }
        Some(Err(WsError::Capacity(_))) => Heard::TooLong,
        Some(Err(WsError::Utf8(_))) => Heard::NotUtf8,
        Some(Err(WsError::Protocol(_))) => Heard::Garbage,
        Some(Err(_)) | None => Heard::Gone,
    };
    let length = match &heard {
        Heard::Text(text) => text.len(),
        Heard::Life(length) | Heard::Binary(length) => *length,
        Heard::TooLong | Heard::Garbage | Heard::NotUtf8 | Heard::Gone => 0,
    };
    // RFC 6455 section 5.2, with a mask. A frame in parts or with a longer length has more: then never is all of it heard.
    let header = if length < 126 { 6 } else { 8 };
    socket.get_mut().heard += header + length as u64;
    heard
}

impl AsyncRead for Counted {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        let read = Pin::new(&mut self.socket).poll_read(cx, buffer);
        if let Poll::Ready(Ok(count)) = read {
            self.read += count as u64;
        }
        read
    }
}

impl AsyncWrite for Counted {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.socket).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(cx)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_close(cx)
    }
}
