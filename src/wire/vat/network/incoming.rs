//! Reads Cap'n Proto messages from a byte stream.
//!
//! A message is its segment table and its segments. Nothing is kept between two messages; a message's segments are allocated
//! once, when its table says how large they are and that is within the traversal limit.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use capnp::message::{Reader, ReaderOptions};
use capnp::serialize::{OwnedSegments, SegmentLengthsBuilder};
use capnp::{Error, ErrorKind};
use futures::AsyncRead;

/// Segments that a message may have; capnp's own bound.
const SEGMENTS_MAX: usize = 511;

pub(super) struct Incoming<R> {
    reader: R,
    options: ReaderOptions,
    part: Part,
    /// Bytes of the part that were read so far.
    filled: usize,
}

/// The part of a message that is being read.
enum Part {
    /// The number of segments, and the length of the first.
    Head([u8; 8]),
    /// The lengths of the other segments.
    Table {
        first: usize,
        rest: Vec<u8>,
        others: usize,
    },
    Body(OwnedSegments),
}

impl<R: AsyncRead + Unpin> Incoming<R> {
    pub(super) fn new(reader: R, options: ReaderOptions) -> Self {
        Self { reader, options, part: Part::Head([0; 8]), filled: 0 }
    }

    /// The next message; `None` at the end of the stream. It must not be polled again after an error.
    pub(super) fn poll_message(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Reader<OwnedSegments>>, Error>> {
        loop {
            let (bytes, is_first): (&mut [u8], bool) = match &mut self.part {
                Part::Head(bytes) => (bytes, true),
                Part::Table { rest, .. } => (rest, false),
                Part::Body(segments) => (segments, false),
            };
            while self.filled < bytes.len() {
                match ready!(Pin::new(&mut self.reader).poll_read(cx, &mut bytes[self.filled..]))? {
                    0 if is_first && self.filled == 0 => return Poll::Ready(Ok(None)),
                    0 => return Poll::Ready(Err(Error::from_kind(ErrorKind::PrematureEndOfFile))),
                    count => self.filled += count,
                }
            }
            self.filled = 0;
            self.part = match std::mem::replace(&mut self.part, Part::Head([0; 8])) {
                Part::Head(bytes) => {
                    let (segments, first) = (word(&bytes[..4]).saturating_add(1), word(&bytes[4..]));
                    if segments > SEGMENTS_MAX {
                        return Poll::Ready(Err(Error::failed(format!(
                            "the message has too many segments: {segments}"
                        ))));
                    }
                    if segments == 1 {
                        Part::Body(self.body([first].into_iter())?)
                    } else {
                        // Two words are read; in all they are padded to whole words of 64 bits.
                        Part::Table { first, rest: vec![0; 4 * (segments & !1)], others: segments - 1 }
                    }
                }
                Part::Table { first, rest, others } => {
                    let rest = rest.chunks_exact(4).map(word).take(others);
                    Part::Body(self.body(std::iter::once(first).chain(rest))?)
                }
                Part::Body(segments) => {
                    return Poll::Ready(Ok(Some(Reader::new(segments, self.options))));
                }
            };
        }
    }

    fn body(&self, lengths: impl Iterator<Item = usize>) -> Result<OwnedSegments, Error> {
        let mut builder = SegmentLengthsBuilder::with_capacity(lengths.size_hint().0);
        for length in lengths {
            builder.try_push_segment(length)?;
        }
        // A message that is too large to be read to its end is not read at all.
        let words = builder.total_words();
        match self.options.traversal_limit_in_words {
            Some(max) if words > max => Err(Error::failed(format!("the message is too large: it has {words} words"))),
            _ => Ok(builder.into_owned_segments()),
        }
    }
}

#[cfg(fuzzing)]
pub(super) mod fuzzing;

/// A word of the segment table.
fn word(bytes: &[u8]) -> usize {
    bytes.iter().rev().fold(0, |word, byte| word << 8 | usize::from(*byte))
}
