//! A stream of bytes read to its end, for [`crate::wire::fuzzing`].

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use capnp::message::{Reader, ReaderOptions};
use capnp::serialize::OwnedSegments;
use futures::AsyncRead;

use super::Incoming;
use crate::wire::vat::VatLimits;

/// Gives at most so many bytes at once.
struct Pieces<'a> {
    rest: &'a [u8],
    piece: usize,
}

impl AsyncRead for Pieces<'_> {
    fn poll_read(mut self: Pin<&mut Self>, _: &mut Context<'_>, into: &mut [u8]) -> Poll<io::Result<usize>> {
        let count = self.rest.len().min(self.piece.max(1)).min(into.len());
        let (now, rest) = self.rest.split_at(count);
        into[..count].copy_from_slice(now);
        self.rest = rest;
        Poll::Ready(Ok(count))
    }
}

/// How a vat reads messages of at most so many bytes.
pub(in crate::wire) fn reader_options_for(message_bytes_max: usize) -> ReaderOptions {
    let limits = VatLimits { message_bytes_max, nesting_max: 32, queued_bytes_max: None, calls_kept_max: 1 };
    limits.reader_options()
}

/// The messages before the end, or before the first error.
pub(in crate::wire) fn messages_in(bytes: &[u8], piece: usize, message_bytes_max: usize) -> Vec<Reader<OwnedSegments>> {
    let mut incoming = Incoming::new(Pieces { rest: bytes, piece }, reader_options_for(message_bytes_max));
    let mut cx = Context::from_waker(Waker::noop());
    let mut messages = Vec::new();
    while let Poll::Ready(Ok(Some(message))) = incoming.poll_message(&mut cx) {
        messages.push(message);
    }
    messages
}
