//! A transcript as an agent leaves it on disk. Read again it makes the same items, and who lets the reader pause after each line
//! ends with them too.
#![no_main]

use std::collections::BTreeMap;

use capshare::share::item::{ItemKey, Payload};
use capshare::transcripts::{Agent, Piece, Reader, read_export, read_item_line, recognise};

libfuzzer_sys::fuzz_target!(|file: &[u8]| {
    let agent = match (recognise(file), file.first()) {
        (Some((agent, _)), _) => agent,
        // As a caller who names the agent wants it read.
        (None, Some(b'0')) => Agent::Claude,
        (None, Some(b'1')) => Agent::Codex,
        (None, Some(b'2')) => Agent::Gemini,
        (None, Some(b'3')) => Agent::Asciicast,
        (None, Some(b'4')) => Agent::Qwen,
        (None, Some(b'5')) => Agent::KimiCode,
        (None, Some(b'6')) => Agent::KimiCli,
        (None, Some(b'7')) => Agent::Cline,
        (None, Some(b'8')) => Agent::Continue,
        (None, _) => return other(file),
    };
    let read = items(agent, file, false);
    assert_eq!(read, items(agent, file, false));
    assert_eq!(read, items(agent, file, true));
    let mut reader = Reader::new(agent, "a document");
    let _piece = reader.document(file);
    let _piece = reader.end();
});

/// What a file comes to, line by line.
fn items(agent: Agent, file: &[u8], pauses: bool) -> BTreeMap<ItemKey, Option<Payload>> {
    let mut reader = Reader::new(agent, "a file");
    let mut items = BTreeMap::new();
    let mut take = |piece: Option<Piece>| {
        items.extend(piece.into_iter().flat_map(|piece| piece.changes).map(|change| (change.key, change.value)));
    };
    for line in file.split(|byte| *byte == b'\n') {
        take(reader.line(line));
        if pauses {
            take(reader.pause());
        }
    }
    take(reader.end());
    items
}

/// What is of no agent: an export, or lines of items.
fn other(file: &[u8]) {
    let Ok(text) = std::str::from_utf8(file) else { return };
    let _read = read_export(text);
    text.lines().for_each(|line| drop(read_item_line(line)));
}
