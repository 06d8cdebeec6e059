//! Small texts, gathered into pieces that are worth sending.

use crate::share::item::Payload;

/// Bytes of a piece of a document, unless a single item is larger: 64 KiB, as many as a socket takes at once.
pub const PIECE_BYTES: usize = 64 << 10;

/// A part of a document that has not been copied into a piece yet.
#[derive(Debug)]
pub(super) enum Bit {
    Fixed(&'static str),
    Item(Payload),
    Made(String),
}

impl Bit {
    fn as_str(&self) -> &str {
        match self {
            Self::Fixed(text) => text,
            Self::Item(payload) => payload.as_str(),
            Self::Made(text) => text,
        }
    }
}

/// Joins parts into pieces of at least [`PIECE_BYTES`], but for the last.
#[derive(Debug)]
pub(super) struct Pieces<B>(pub(super) B);

impl<B: Iterator<Item = Bit>> Iterator for Pieces<B> {
    type Item = String;

    fn next(&mut self) -> Option<String> {
        let mut piece = String::new();
        for bit in self.0.by_ref() {
            piece.push_str(bit.as_str());
            if piece.len() >= PIECE_BYTES {
                break;
            }
        }
        (!piece.is_empty()).then_some(piece)
    }
}
