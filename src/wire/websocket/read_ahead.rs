//! Reads a socket in large pieces, without keeping a large buffer for each socket.
//!
//! A WebSocket reads into a buffer of its own, which it keeps for as long as it lives, so that is small: a system call for
//! each few messages. A socket for a [`pipe`](super::pipe) is put into a [`ReadAhead`] first, which reads into a
//! buffer of its thread, 32 KiB large, and keeps of a read only what the WebSocket has not taken yet. It changes
//! no byte, no order and no error, and passes writes on as they are.

use std::cell::Cell;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures::{AsyncRead, AsyncWrite};

/// Bytes that one read takes: 32 KiB, some thirty messages of an ordinary session. One such buffer is kept for each thread
/// that has read.
const SCRATCH_BYTES: usize = 32 << 10;

thread_local! {
    static SCRATCH: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// Reads the stream inside in large pieces; writes go through as they are.
#[derive(Debug)]
pub struct ReadAhead<S> {
    inner: S,
    /// Bytes that were read; those before `taken` were taken. Empty, without memory, once all were. Bound: one read, 32 KiB.
    rest: Vec<u8>,
    taken: usize,
}

impl<S> ReadAhead<S> {
    /// Puts a stream behind a buffer in which nothing was read ahead yet.
    pub fn new(inner: S) -> Self {
        Self { inner, rest: Vec::new(), taken: 0 }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for ReadAhead<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        let this = &mut *self;
        if this.rest.is_empty() {
            if buffer.len() >= SCRATCH_BYTES {
                return Pin::new(&mut this.inner).poll_read(cx, buffer);
            }
            // Taken and put back, so that a stream below may do the same.
            let mut scratch = SCRATCH.take();
            scratch.resize(SCRATCH_BYTES, 0);
            let read = Pin::new(&mut this.inner).poll_read(cx, &mut scratch);
            let taken = read.map_ok(|count| {
                let taken = count.min(buffer.len());
                buffer[..taken].copy_from_slice(&scratch[..taken]);
                if taken < count {
                    (this.rest, this.taken) = (scratch[taken..count].to_vec(), 0);
                }
                taken
            });
            SCRATCH.set(scratch);
            return taken;
        }
        let rest = &this.rest[this.taken..];
        let taken = rest.len().min(buffer.len());
        buffer[..taken].copy_from_slice(&rest[..taken]);
        this.taken += taken;
        if this.taken == this.rest.len() {
            this.rest = Vec::new();
        }
        Poll::Ready(Ok(taken))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for ReadAhead<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_close(cx)
    }
}

#[cfg(test)]
mod tests {
    use futures::AsyncReadExt as _;
    use futures::io::Cursor;

    use super::{ReadAhead, SCRATCH_BYTES};

    #[tokio::test]
    async fn every_byte_comes_once_and_in_order_however_much_is_asked_for() {
        let sent: Vec<u8> = (0..3 * SCRATCH_BYTES + 7).map(|n| (n % 251) as u8).collect();
        for asked in [1_000, 1_024, SCRATCH_BYTES - 1, SCRATCH_BYTES, sent.len()] {
            let mut reader = ReadAhead::new(Cursor::new(&sent));
            let (mut buffer, mut came) = (vec![0; asked], Vec::new());
            loop {
                match reader.read(&mut buffer).await.unwrap() {
                    0 => break,
                    count => came.extend_from_slice(&buffer[..count]),
                }
            }
            assert!(came == sent, "asked for {asked} at a time");
            assert_eq!(reader.rest.capacity(), 0, "at rest it keeps nothing");
        }
    }
}
