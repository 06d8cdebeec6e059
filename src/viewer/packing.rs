//! Packing with gzip in stretches, each of which is packed once for all who are sent it: the newest of a share, the rest of it, one event.
//!
//! A [`Packed`] stretch ends at a byte and looks back at nothing before it, so that any stretches that follow one another are one stream:
//! [`BEGIN`], the stretches, and the [end](Joined::end), for which a [`Joined`] adds up their checksums (RFC 1951, RFC 1952).

use std::collections::VecDeque;
use std::io::{self, Read};
use std::sync::Arc;

use bytes::{Buf as _, Bytes};
use flate2::read::DeflateDecoder;
use flate2::{Compress, Compression, Crc, FlushCompress};

use crate::share::limits::loading::EVENT_PACKED_BYTES_MAX;

/// What a stream begins with: gzip, without a name or a time.
pub const BEGIN: &[u8] = &[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff];

/// The last block of a stream, which holds nothing.
const LAST_BLOCK: [u8; 2] = [3, 0];

/// Bytes that were packed. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Packed {
    /// The packed bytes: blocks that end at a byte.
    pub bytes: Bytes,
    /// The checksum of what was packed.
    pub crc: Arc<Crc>,
}

impl Packed {
    /// Packs an event at once.
    #[must_use]
    pub fn event(bytes: &[u8]) -> Self {
        Self::of(bytes, if bytes.len() > EVENT_PACKED_BYTES_MAX { Compression::none() } else { Compression::fast() })
    }

    /// Packs bytes.
    #[must_use]
    pub fn of(bytes: &[u8], level: Compression) -> Self {
        let mut crc = Crc::new();
        crc.update(bytes);
        let mut packer = Compress::new(level, false);
        let mut out = Vec::with_capacity(bytes.len() / 4 + 64);
        let mut left = bytes;
        loop {
            let before = packer.total_in();
            // It fails on a wrong state alone, and this one is new.
            let _ = packer.compress_vec(left, &mut out, FlushCompress::Full);
            left = &left[usize::try_from(packer.total_in() - before).unwrap_or(left.len())..];
            if left.is_empty() && out.len() < out.capacity() {
                break;
            }
            out.reserve(out.capacity().max(64));
        }
        out.shrink_to_fit();
        Self { bytes: out.into(), crc: Arc::new(crc) }
    }
}

/// Stretches that were sent in one stream.
#[derive(Debug, Default)]
pub struct Joined(Crc);

impl Joined {
    /// Notes that a stretch with this checksum was sent.
    pub fn add(&mut self, crc: &Crc) {
        self.0.combine(crc);
    }

    /// A stretch that is sent in this stream alone, and not by any other.
    pub fn own(&mut self, bytes: &[u8]) -> Bytes {
        let Packed { bytes, crc } = Packed::event(bytes);
        self.add(&crc);
        bytes
    }

    /// What ends the stream.
    #[must_use]
    pub fn end(&self) -> Bytes {
        let [crc, count] = [self.0.sum(), self.0.amount()].map(u32::to_le_bytes);
        [&LAST_BLOCK[..], &crc, &count].concat().into()
    }
}

/// The stream that stretches are, for who takes gzip.
pub fn joined(stretches: &[Packed]) -> VecDeque<Bytes> {
    let mut sum = Joined::default();
    stretches.iter().for_each(|packed| sum.add(&packed.crc));
    let packed = stretches.iter().map(|packed| packed.bytes.clone());
    [Bytes::from_static(BEGIN)].into_iter().chain(packed).chain([sum.end()]).collect()
}

/// What stretches hold, piece by piece, for who does not take gzip.
#[derive(Debug)]
pub struct Unpacked {
    from: DeflateDecoder<Pieces>,
    piece_bytes: usize,
}

impl Unpacked {
    /// The content of these stretches, in pieces of so many bytes.
    #[must_use]
    pub fn of(stretches: &[Packed], piece_bytes: usize) -> Self {
        let mut pieces: VecDeque<_> = stretches.iter().map(|packed| packed.bytes.clone()).collect();
        pieces.push_back(Bytes::from_static(&LAST_BLOCK));
        Self { from: DeflateDecoder::new(Pieces(pieces)), piece_bytes }
    }
}

impl Iterator for Unpacked {
    type Item = Bytes;

    fn next(&mut self) -> Option<Bytes> {
        let mut piece = Vec::with_capacity(self.piece_bytes);
        // It was packed here, and reading memory does not fail.
        let _ = self.from.by_ref().take(self.piece_bytes as u64).read_to_end(&mut piece);
        (!piece.is_empty()).then(|| piece.into())
    }
}

#[derive(Debug)]
struct Pieces(VecDeque<Bytes>);

impl Read for Pieces {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        while let Some(piece) = self.0.front_mut() {
            let count = piece.len().min(into.len());
            if count > 0 {
                piece.copy_to_slice(&mut into[..count]);
                return Ok(count);
            }
            self.0.pop_front();
        }
        Ok(0)
    }
}

#[cfg(test)]
mod tests {
    use flate2::read::GzDecoder;

    use super::*;

    #[test]
    fn stretches_in_any_order_are_one_stream_with_a_right_checksum() {
        let texts = ["a\n".repeat(40_000), String::new(), "the newest".into(), "b, ".repeat(99)];
        let packed = texts.each_ref().map(|text| Packed::of(text.as_bytes(), Compression::fast()));
        for order in [[0, 1, 2, 3], [2, 3, 0, 1], [3, 3, 2, 2]] {
            let stretches = order.map(|at: usize| packed[at].clone());
            let expected = order.map(|at| texts[at].as_str()).concat();
            let stream: Vec<u8> = joined(&stretches).into_iter().flatten().collect();
            assert!(stream.len() < 1_000);
            let mut unpacked = String::new();
            GzDecoder::new(&stream[..]).read_to_string(&mut unpacked).expect("its checksum is right");
            assert_eq!(unpacked, expected);
            let pieces: Vec<_> = Unpacked::of(&stretches, 1_000).collect();
            assert!(pieces.iter().all(|piece| piece.len() <= 1_000));
            assert_eq!(pieces.concat(), expected.as_bytes());
        }
    }

    #[test]
    fn what_was_packed_is_there_to_its_last_byte_before_anything_follows() {
        let mut read =
            DeflateDecoder::new(Pieces(VecDeque::from([Packed::of(b"data: 1\n\n", Compression::fast()).bytes])));
        let mut content = [0; 9];
        read.read_exact(&mut content).expect("a stream of events goes on");
        assert_eq!(&content, b"data: 1\n\n");
    }
}
