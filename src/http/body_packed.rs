//! Documents that go out packed: made and packed piece by piece, each on a thread for blocking work, as the socket takes them.

use std::future::Future as _;
use std::io::{self, Write as _};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use axum::body::{Bytes, HttpBody};
use flate2::Compression;
use flate2::write::GzEncoder;
use hyper::body::Frame;
use tokio::task::JoinHandle;

use crate::http::body_pieces::{PIECE_BYTES, check};
use crate::http::bound::Held;
use crate::hub::Hub;
use crate::rooms::visibility::Viewing;

/// Bytes of a document that are packed before they are sent, unless fewer come to a whole piece: 1 MiB, in some 10 ms.
const TURN_BYTES: usize = 1 << 20;

/// A document that is packed as it is read.
pub(super) struct Packing<P> {
    work: Work<P>,
    pass: Option<(Arc<Hub>, Viewing)>,
    _place: Held,
}

/// What is left of the document, and what packs it.
struct Left<P> {
    pieces: P,
    packer: GzEncoder<Vec<u8>>,
}

enum Work<P> {
    Waits(Box<Left<P>>),
    Runs(JoinHandle<(Option<Box<Left<P>>>, Bytes)>),
    Done,
}

impl<P: Iterator<Item = Bytes> + Send + Unpin + 'static> Packing<P> {
    pub(super) fn new(pieces: P, pass: Option<(Arc<Hub>, Viewing)>, place: Held) -> Self {
        let packer = GzEncoder::new(Vec::new(), Compression::fast());
        Self { work: Work::Waits(Box::new(Left { pieces, packer })), pass, _place: place }
    }
}

impl<P: Iterator<Item = Bytes>> Left<P> {
    /// Packs on until there is a piece, and gives what is left after it.
    fn pack(mut self: Box<Self>) -> (Option<Box<Self>>, Bytes) {
        let mut read = 0;
        while read < TURN_BYTES && self.packer.get_ref().len() < PIECE_BYTES {
            let Some(piece) = self.pieces.next() else {
                // Writing to memory cannot fail.
                return (None, self.packer.finish().unwrap_or_default().into());
            };
            read += piece.len();
            let _ = self.packer.write_all(&piece);
        }
        let packed = std::mem::take(self.packer.get_mut());
        (Some(self), packed.into())
    }
}

impl<P: Iterator<Item = Bytes> + Send + Unpin + 'static> HttpBody for Packing<P> {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        loop {
            if let Work::Runs(running) = &mut self.work {
                let Ok((left, packed)) = ready!(Pin::new(running).poll(cx)) else {
                    self.work = Work::Done;
                    return Poll::Ready(Some(Err(io::Error::other("the document could not be made"))));
                };
                self.work = left.map_or(Work::Done, Work::Waits);
                if !packed.is_empty() {
                    return Poll::Ready(Some(Ok(Frame::data(packed))));
                }
            }
            match std::mem::replace(&mut self.work, Work::Done) {
                Work::Waits(left) => {
                    if let Err(error) = check(self.pass.as_ref()) {
                        return Poll::Ready(Some(Err(error)));
                    }
                    self.work = Work::Runs(tokio::task::spawn_blocking(move || left.pack()));
                }
                Work::Done | Work::Runs(_) => return Poll::Ready(None),
            }
        }
    }
}
