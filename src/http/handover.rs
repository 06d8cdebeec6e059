//! Sockets that HTTP/1 gives away: an answer without end needs none of what HTTP holds for a connection (two buffers of 8 KiB
//! and a task), only its socket.
//!
//! Whoever serves a connection puts a [`Handover`] into each request's extensions. A handler that wants the socket leaves there
//! what is to become of it, and gives [`Endless`] as its body. When the head of that answer is in the kernel, the connection is
//! taken apart and the socket handed over; the body is the new owner's to write, in chunks if the head says so. A handler that finds no
//! handover, as on HTTP/2, has to answer in another way. Dropping a handover drops what was left in it.

use std::convert::Infallible;
use std::fmt;
use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Bytes, HttpBody};
use hyper::body::Frame;
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use crate::http::stall::Stall;

/// A note about what is to become of a connection's socket. Clones are of one connection.
#[derive(Clone, Default)]
pub struct Handover(Arc<Inner>);

#[derive(Default)]
struct Inner {
    /// How far the answer is; it only goes up.
    stage: AtomicU8,
    then: Mutex<Option<Then>>,
}

type Then = Box<dyn FnOnce(TcpStream) + Send>;

/// Stage: HTTP has the socket.
const KEPT: u8 = 0;
/// Stage: HTTP has asked for the body, so it has written the head into its buffer.
const ANSWERED: u8 = 1;
/// Stage: all that HTTP has written is in the kernel.
const FLUSHED: u8 = 2;

impl Handover {
    /// Leaves what is to be done with the socket, and gives the body for the answer.
    pub fn leave(&self, then: impl FnOnce(TcpStream) + Send + 'static) -> Endless {
        *self.then() = Some(Box::new(then));
        Endless(self.clone())
    }

    /// Whether the head of an [`Endless`] answer has left.
    pub fn is_due(&self) -> bool {
        self.0.stage.load(Ordering::Relaxed) == FLUSHED
    }

    /// Hands the socket over, if something was [left](Handover::leave) for it.
    pub fn complete(&self, socket: HttpSocket) {
        let then = self.then().take();
        if let Some(then) = then {
            then(socket.io.into_inner());
        }
    }

    fn then(&self) -> MutexGuard<'_, Option<Then>> {
        self.0.then.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn goes_from(&self, from: u8, to: u8) {
        let _other = self.0.stage.compare_exchange(from, to, Ordering::Relaxed, Ordering::Relaxed);
    }
}

impl fmt::Debug for Handover {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handover").field("stage", &self.0.stage).finish_non_exhaustive()
    }
}

/// A body of which HTTP never gets any bytes: the new owner of the socket writes it.
#[derive(Debug)]
pub struct Endless(Handover);

impl HttpBody for Endless {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.0.goes_from(KEPT, ANSWERED);
        Poll::Pending
    }
}

/// The first bytes of a connection, read before it was clear in which protocol they are: three at most.
#[derive(Debug, Default)]
pub struct Begun {
    bytes: [u8; 3],
    filled: usize,
    /// How many of them HTTP has read.
    given: usize,
}

impl Begun {
    /// Where further bytes are to be read into.
    pub fn room(&mut self) -> &mut [u8] {
        &mut self.bytes[self.filled..]
    }

    /// Notes that `count` bytes were read into it.
    pub fn filled(&mut self, count: usize) {
        self.filled = (self.filled + count).min(self.bytes.len());
    }

    /// Whether the bytes are `begins`.
    #[must_use]
    pub fn is(&self, begins: [u8; 3]) -> bool {
        self.bytes[..self.filled] == begins
    }

    /// Whether the bytes are the first of `begins`, and some are still to come.
    #[must_use]
    pub fn may_become(&self, begins: [u8; 3]) -> bool {
        self.filled < begins.len() && begins.starts_with(&self.bytes[..self.filled])
    }
}

/// A socket that HTTP writes to. It knows when all of it has left, and ends when its peer takes nothing for too long.
#[derive(Debug)]
pub struct HttpSocket {
    io: TokioIo<TcpStream>,
    begun: Begun,
    handover: Handover,
    stall: Stall,
}

impl HttpSocket {
    /// A socket that may be handed over, and may take no bytes for `write_stall`. HTTP reads first what was read of it already.
    #[must_use]
    pub fn new(socket: TcpStream, begun: Begun, handover: Handover, write_stall: Duration) -> Self {
        Self { io: TokioIo::new(socket), begun, handover, stall: Stall::new(write_stall) }
    }

    /// The TCP socket.
    #[must_use]
    pub fn into_inner(self) -> TcpStream {
        self.io.into_inner()
    }

    fn judge(&mut self, cx: &mut Context<'_>, written: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        let judged = self.stall.judge(cx, written);
        if let Poll::Ready(Err(error)) = &judged
            && error.kind() == io::ErrorKind::TimedOut
        {
            // What the kernel holds for the peer goes along; else it would be kept and offered for minutes.
            let _closed_already = self.io.inner().set_zero_linger();
        }
        judged
    }
}

impl Read for HttpSocket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        mut buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        let Begun { bytes, filled, given } = &mut self.begun;
        if given < filled {
            let rest = &bytes[*given..*filled];
            let rest = &rest[..rest.len().min(buffer.remaining())];
            buffer.put_slice(rest);
            *given += rest.len();
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut self.io).poll_read(cx, buffer)
    }
}

impl Write for HttpSocket {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.io).poll_write(cx, bytes);
        self.judge(cx, written)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        // HTTP flushes the socket when its own buffer is empty.
        let flushed = Pin::new(&mut self.io).poll_flush(cx);
        if matches!(flushed, Poll::Ready(Ok(()))) {
            self.handover.goes_from(ANSWERED, FLUSHED);
        }
        flushed
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.io).poll_write_vectored(cx, bytes);
        self.judge(cx, written)
    }
}
