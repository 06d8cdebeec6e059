//! A client of which nobody knows yet who it is, on a host that needs to know: until then the host takes little of it.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context, Poll};

use futures::{AsyncRead, AsyncWrite};

use crate::share::limits::web::{WEB_STRANGER_BYTES_MAX, WEB_STRANGER_QUEUED_BYTES_MAX};

/// What is known of whether a connection's client is a stranger.
#[derive(Debug, Default)]
pub(super) struct Stranger {
    is_known: AtomicBool,
    /// Calls that are finding out who the client is.
    deciding: AtomicUsize,
}

/// Somebody finds out who the client is, until this is dropped.
pub(super) struct Deciding<'a>(&'a Stranger);

impl Stranger {
    /// Whether nobody knows yet who the client is.
    pub(super) fn is_stranger(&self) -> bool {
        !self.is_known.load(Ordering::Relaxed)
    }

    /// The client is known from now on.
    pub(super) fn is_known_now(&self) {
        self.is_known.store(true, Ordering::Relaxed);
    }

    /// Has what follows be left unread until it is decided who the client is.
    pub(super) fn decide(&self) -> Deciding<'_> {
        self.deciding.fetch_add(1, Ordering::Relaxed);
        Deciding(self)
    }

    /// Whether frames are read while so many bytes wait to be sent. What lies behind a call of `authenticate` may be as large as
    /// any call, so it is read when that is answered.
    pub(super) fn listens(&self, queued: usize, queued_bytes_max: usize) -> bool {
        if self.is_stranger() {
            self.deciding.load(Ordering::Relaxed) == 0 && queued <= queued_bytes_max.min(WEB_STRANGER_QUEUED_BYTES_MAX)
        } else {
            queued <= queued_bytes_max
        }
    }
}

impl Drop for Deciding<'_> {
    fn drop(&mut self) {
        self.0.deciding.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The stream of a connection, of which only the first bytes are read while its client is a stranger.
#[derive(Debug)]
pub(super) struct Gated<S> {
    stream: S,
    stranger: Arc<Stranger>,
    left: usize,
}

impl<S> Gated<S> {
    pub(super) const fn new(stream: S, stranger: Arc<Stranger>) -> Self {
        Self { stream, stranger, left: WEB_STRANGER_BYTES_MAX }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Gated<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if !this.stranger.is_stranger() {
            return Pin::new(&mut this.stream).poll_read(cx, buffer);
        }
        if this.left == 0 {
            // The task that reads this is the one that learns who the client is, and reads again then.
            return Poll::Pending;
        }
        let most = buffer.len().min(this.left);
        let read = Pin::new(&mut this.stream).poll_read(cx, &mut buffer[..most]);
        if let Poll::Ready(Ok(read)) = &read {
            this.left -= *read;
        }
        read
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Gated<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write(cx, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(cx)
    }

    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_close(cx)
    }
}
