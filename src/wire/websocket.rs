//! A WebSocket as the byte stream that capnp-rpc reads and writes.
//!
//! A door or a client finishes the WebSocket handshake (with [`socket_config`]) and calls [`pipe`]. The reader and the
//! writer go to [`vat`](super::vat); the control stays with the connection's task, to ping and to close.
//!
//! Out, exactly one binary message carries one Cap'n Proto message: the writer collects bytes and makes a message of them
//! when it is flushed, which capnp-rpc does after every message. Messages that are made at once leave at once: a flush gives
//! the message to the socket, and the socket is told to send when the reader finds nothing more to read, or when a batch
//! is full. Telling it for each message costs a system call and a wake-up of the peer for each, which is most of what a
//! call costs. In, the reader hands out the payloads of binary messages one after
//! the other, so a peer (or a bridge) may cut them anywhere. Pings are answered, pongs and empty messages pass.
//!
//! It refuses text frames (closed with 1003) and messages past the limit (1009), whole or in pieces. Reader, writer and
//! control share one state, and the first [`PipeEnd`] that any of them meets ends all three. The socket is dropped with
//! the last of them; dropping it before [`PipeControl::close`] cuts the connection without a word.
//!
//! At rest a pipe holds no buffer of its own. It keeps at most one received message until that has been read, and below the
//! socket a [`ReadAhead`] what of one read is left. The socket's two buffers do not shrink: each stays as large as the largest message that it has carried, so send large
//! states in chunks.

mod control;
mod end;
mod framing;
mod read_ahead;
mod shared;

use std::cell::RefCell;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use async_tungstenite::WebSocketStream;
use async_tungstenite::tungstenite::protocol::WebSocketConfig;
use futures::{AsyncRead, AsyncWrite};

pub use self::control::{KeepAlive, PipeControl};
pub use self::end::PipeEnd;
#[cfg(fuzzing)]
pub(super) use self::framing::lets_through;
pub use self::read_ahead::ReadAhead;
use self::shared::Shared;
pub use self::shared::{BATCH_BYTES_MAX, close_reason};

/// The limits of one pipe.
#[derive(Clone, Copy, Debug)]
pub struct PipeOptions {
    /// Bytes of one Cap'n Proto message, in either direction. [`socket_config`] bounds a WebSocket message.
    pub message_bytes_max: usize,
    /// How long [`PipeControl::close`] waits for the peer to close as well.
    pub close_within: Duration,
}

/// The configuration of a socket for [`pipe`]: one message, and so one frame, of at most `message_bytes_max` bytes, and
/// a buffer of 1 KiB to read into, which keeps an idle connection at some 13 KiB in all. Put the stream below the socket into a
/// [`ReadAhead`], or each message costs a read or two.
pub fn socket_config(message_bytes_max: usize) -> WebSocketConfig {
    const BUFFER_BYTES: usize = 1 << 10;
    // A pipe buffers a batch of small messages, or one message after those before it were sent; the rest is for frame
    // headers and control frames.
    let write_bytes_max = message_bytes_max.saturating_add(2 * BATCH_BYTES_MAX);
    WebSocketConfig::default()
        .read_buffer_size(BUFFER_BYTES)
        .write_buffer_size(BATCH_BYTES_MAX)
        .max_write_buffer_size(write_bytes_max)
        .max_message_size(Some(message_bytes_max))
        .max_frame_size(Some(message_bytes_max))
}

/// Splits an open WebSocket into a byte stream's two halves and their control.
pub fn pipe<S>(socket: WebSocketStream<S>, options: PipeOptions) -> (PipeReader<S>, PipeWriter<S>, PipeControl<S>)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let shared = Rc::new(RefCell::new(Shared::new(socket, options)));
    (PipeReader(shared.clone()), PipeWriter(shared.clone()), PipeControl::new(shared))
}

/// Reads the bytes of the peer's binary messages, in order. It ends always with an error, whose text is the [`PipeEnd`]'s.
pub struct PipeReader<S>(Rc<RefCell<Shared<S>>>);

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for PipeReader<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        self.0.borrow_mut().poll_read(cx, buffer)
    }
}

/// Collects the bytes that are written, and sends them as one binary message when it is flushed.
pub struct PipeWriter<S>(Rc<RefCell<Shared<S>>>);

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for PipeWriter<S> {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Poll::Ready(self.0.borrow_mut().write(&[IoSlice::new(bytes)]))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Poll::Ready(self.0.borrow_mut().write(pieces))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.borrow_mut().poll_flush(cx)
    }

    /// Sends what was written, and no Close frame, which the control sends.
    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_flush(cx)
    }
}

impl<S> std::fmt::Debug for PipeReader<S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PipeReader").finish_non_exhaustive()
    }
}

impl<S> std::fmt::Debug for PipeWriter<S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PipeWriter").finish_non_exhaustive()
    }
}
