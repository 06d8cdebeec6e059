//! The entrance for the fuzz target `incoming` of `tests/fuzz`. Only with `--cfg fuzzing`, which it is built with.

use capnp::message::{Reader, ReaderSegments as _};
use capnp::serialize::{OwnedSegments, read_message};

use super::{vat, websocket};

/// Bytes of a message that the fuzzer may send: small, so that it meets the bound.
const MESSAGE_BYTES_MAX: usize = 4 << 10;

/// The messages in what a peer sent, as a vat reads them of a stream that gives at most `piece` bytes at once.
///
/// # Panics
/// The vat finds other messages than capnp's own reader, or a larger one than the socket lets through.
#[must_use]
pub fn incoming(bytes: &[u8], piece: usize) -> Vec<Reader<OwnedSegments>> {
    let messages = vat::messages_in(bytes, piece, MESSAGE_BYTES_MAX);
    let (mut rest, options) = (bytes, vat::reader_options_for(MESSAGE_BYTES_MAX));
    for message in &messages {
        let message = message.get_segments();
        let read = read_message(&mut rest, options).expect("the vat read it").into_segments();
        assert_eq!(read.len(), message.len());
        for at in 0..u32::try_from(read.len()).expect("a few") {
            assert_eq!(read.get_segment(at), message.get_segment(at));
        }
    }
    if websocket::lets_through(bytes, piece, MESSAGE_BYTES_MAX) {
        assert!(messages.iter().all(|message| message.size_in_words() * size_of::<u64>() <= MESSAGE_BYTES_MAX));
    }
    messages
}
