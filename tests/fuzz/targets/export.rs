//! An OpenCode export that comes in pieces, whose size is the first byte. It is read as one that is there at once, and, if it is whole, as who
//! reads it only whole reads it.
#![no_main]

use capshare::transcripts::{ExportError, ExportReader, Piece, Report, read_export};

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    let Some((step, text)) = input.split_first() else { return };
    let read = read(text, text.len().max(1));
    assert_eq!(read, self::read(text, usize::from(*step).max(1)));
    let (pieces, ended, _) = read;
    // Of what is no export nothing is given out, and of an export at least one piece.
    assert_eq!(ended.is_err(), pieces.is_empty());
    if let Ok(text) = std::str::from_utf8(text)
        && let Ok(whole) = read_export(text)
    {
        assert_eq!(ended, Ok(true));
        assert_eq!(items(&pieces), items(&whole.into_iter().map(|(piece, _)| piece).collect::<Vec<_>>()));
    }
});

/// What is read of a text in pieces of so many bytes.
fn read(text: &[u8], step: usize) -> (Vec<Piece>, Result<bool, ExportError>, Report) {
    let mut reader = ExportReader::default();
    let mut pieces = Vec::new();
    for bytes in text.chunks(step) {
        reader.feed(bytes);
        pieces.extend(std::iter::from_fn(|| reader.take()).map(|(piece, _)| piece));
    }
    let ended = reader.end();
    pieces.extend(std::iter::from_fn(|| reader.take()).map(|(piece, _)| piece));
    (pieces, ended, reader.report().clone())
}

/// The items of these pieces. What stands beside the messages comes in the order of the text, or in one of its own.
fn items(pieces: &[Piece]) -> Vec<(&str, Option<&str>)> {
    let changes = pieces.iter().flat_map(|piece| &piece.changes);
    let mut items: Vec<_> =
        changes.map(|change| (change.key.as_str(), change.value.as_ref().map(|value| value.as_str()))).collect();
    items.sort_unstable();
    items
}
