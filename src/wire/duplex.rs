//! An in-process connection: two ends of a pipe, with no port and no socket.
//!
//! The test harness joins a host and a client with it. The ends are [`Send`], so host and client may sit on one thread or
//! on two, and it has no clock of its own, so it works while tokio's clock is paused. When either end (both halves of it)
//! is dropped, the other reads the end of the stream and its writes fail as a broken pipe.

use futures::io::{AsyncReadExt as _, ReadHalf, WriteHalf};
use tokio::io::DuplexStream;
use tokio_util::compat::{Compat, TokioAsyncReadCompatExt as _};

/// The half of an [`End`] that is read from.
pub type Reader = ReadHalf<Compat<DuplexStream>>;
/// The half of an [`End`] that is written to.
pub type Writer = WriteHalf<Compat<DuplexStream>>;

/// Makes two connected ends. Each direction holds up to `buffer_bytes`; past that, a writer waits for the other end to read.
///
/// # Panics
/// `buffer_bytes` is 0, so that no byte could ever pass.
pub fn pair(buffer_bytes: usize) -> (End, End) {
    assert!(buffer_bytes > 0, "a pipe needs a buffer of at least one byte");
    let (one, other) = tokio::io::duplex(buffer_bytes);
    (End(one), End(other))
}

/// One end of [`pair`]. Move it to the thread that uses it, and [`split`](Self::split) it there.
#[derive(Debug)]
pub struct End(DuplexStream);

impl End {
    /// Splits the end into its two directions, for [`vat::serve`](super::vat::serve) or [`vat::connect`](super::vat::connect).
    pub fn split(self) -> (Reader, Writer) {
        self.0.compat().split()
    }

    /// The end as one tokio stream, to speak another protocol over it.
    pub fn into_inner(self) -> DuplexStream {
        self.0
    }
}
