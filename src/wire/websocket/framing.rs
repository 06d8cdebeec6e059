//! Bounds the Cap'n Proto messages that come in: their sizes are read from their segment tables as they pass.
//!
//! The socket bounds one WebSocket message; but a peer may cut a Cap'n Proto message into many, and capnp-rpc's own bound
//! is its traversal limit, which has to be several times larger. So the bound on a message is kept here, before a byte
//! of it is buffered. Segment tables that capnp itself refuses are passed on for it to refuse.

/// Segments of one message that capnp accepts.
const SEGMENTS_MAX: u64 = 512;

pub(super) struct Framing {
    bytes_max: u64,
    /// Bytes still to come of the message that is being read.
    body_left: u64,
    /// The 32-bit word of the segment table that is being read, and how many of its bytes came.
    word: [u8; 4],
    filled: usize,
    /// Number of words of the segment table that came.
    words: u64,
    segments: u64,
    segment_bytes: u64,
    lost: bool,
}

impl Framing {
    pub(super) fn new(bytes_max: usize) -> Self {
        Self {
            bytes_max: bytes_max as u64,
            body_left: 0,
            word: [0; 4],
            filled: 0,
            words: 0,
            segments: 0,
            segment_bytes: 0,
            lost: false,
        }
    }

    /// Follows further bytes of the stream.
    ///
    /// # Errors
    /// A message is past the limit; the error is its size in bytes.
    pub(super) fn follow(&mut self, mut bytes: &[u8]) -> Result<(), u64> {
        while !self.lost && !bytes.is_empty() {
            let step = match usize::try_from(self.body_left) {
                Ok(0) => self.table_byte(bytes[0])?,
                Ok(left) => self.body(left.min(bytes.len())),
                Err(_) => self.body(bytes.len()),
            };
            bytes = &bytes[step..];
        }
        Ok(())
    }

    fn body(&mut self, count: usize) -> usize {
        self.body_left -= count as u64;
        count
    }

    fn table_byte(&mut self, byte: u8) -> Result<usize, u64> {
        self.word[self.filled] = byte;
        self.filled = (self.filled + 1) % size_of::<u32>();
        if self.filled == 0 {
            self.table_word(u32::from_le_bytes(self.word).into())?;
        }
        Ok(1)
    }

    fn table_word(&mut self, word: u64) -> Result<(), u64> {
        if self.words == 0 {
            self.segments = word + 1;
            self.segment_bytes = 0;
            self.lost = self.segments > SEGMENTS_MAX;
        } else if self.words <= self.segments {
            self.segment_bytes += 8 * word;
        }
        self.words += 1;
        // The number of segments and the size of each, padded to whole words of 64 bits.
        if self.words == (1 + self.segments).next_multiple_of(2) {
            let message = 4 * self.words + self.segment_bytes;
            if message > self.bytes_max {
                return Err(message);
            }
            self.body_left = self.segment_bytes;
            self.words = 0;
        }
        Ok(())
    }
}

/// Whether all of these bytes pass, followed in pieces of `piece` bytes.
#[cfg(fuzzing)]
pub(in crate::wire) fn lets_through(bytes: &[u8], piece: usize, message_bytes_max: usize) -> bool {
    let mut framing = Framing::new(message_bytes_max);
    bytes.chunks(piece.max(1)).all(|piece| framing.follow(piece).is_ok())
}

#[cfg(test)]
mod tests {
    use super::Framing;

    /// A message of these segments, in 64-bit words.
    fn message(segments: &[u32]) -> Vec<u8> {
        let mut table = vec![u32::try_from(segments.len()).unwrap() - 1];
        table.extend(segments);
        table.resize(table.len().next_multiple_of(2), 0);
        let mut bytes: Vec<u8> = table.into_iter().flat_map(u32::to_le_bytes).collect();
        bytes.resize(bytes.len() + segments.iter().sum::<u32>() as usize * 8, 0xff);
        bytes
    }

    #[test]
    fn messages_are_followed_wherever_they_are_cut() {
        let stream = [message(&[1]), message(&[2, 0, 3]), message(&[0]), message(&[1; 12])].concat();
        for cut_at in 1..=stream.len() {
            let mut framing = Framing::new(176);
            for piece in stream.chunks(cut_at) {
                framing.follow(piece).unwrap();
            }
            framing.follow(&message(&[20])).unwrap();
            assert_eq!(framing.follow(&message(&[10, 11])), Err(184), "cut at {cut_at}");
        }
    }

    #[test]
    fn a_table_that_capnp_refuses_is_left_to_capnp() {
        let mut framing = Framing::new(64);
        framing.follow(&[0xff; 1_000]).unwrap();
    }
}
