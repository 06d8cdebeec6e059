//! Entrances for the fuzz targets of `tests/fuzz`: stored bytes that anybody may have written, read and written again.
//!
//! Only with `--cfg fuzzing`, which the fuzz targets are built with.

use std::io::Write as _;

use flate2::Compression;
use flate2::write::GzEncoder;
use object_store::path::Path;

use super::codec::{
    decode_claim, decode_companion, decode_run, decode_segment, decode_token, decode_tombstone, encode_claim,
    encode_companion, encode_run, encode_segment, encode_token, encode_tombstone,
};
use super::key::Stretch;
use crate::share::change::{Batch, Change};
use crate::share::entry::Entry;
use crate::share::id::{ShareId, TokenId};
use crate::share::item::ItemKey;
use crate::share::revision::Revision;
use crate::share::state::{Outcome, State};
use crate::share::time::Timestamp;

/// The share of the golden objects in `tests/data/store`, which the fuzzer begins with.
const SHARE: &str = "aaaaaaaaaaaaaaaaaaaaaaaaab";

/// The token of the golden record.
const TOKEN: &str = "aaaaaaaaaaaaaaab";

/// A segment: what is read is written and read again, and folds into a state that can be saved.
///
/// # Panics
/// That is not so.
pub fn segment(bytes: &[u8]) {
    let (key, log) = (Path::from("segment"), share());
    let mut state = State::default();
    for number in [1, 2] {
        let Ok(read) = decode_segment(&key, &log, number, bytes) else { continue };
        let written = encode_segment(&log, number, read.prev, read.this, &read.entries);
        assert_eq!(decode_segment(&key, &log, number, &written).expect("it was written here"), read);
        for entry in &read.entries {
            state.apply(entry);
        }
        check(&state);
    }
}

/// A run, given as the lines that it packs: what is read is written and read again, and gives a state that goes on.
///
/// # Panics
/// That is not so.
pub fn run(lines: &[u8]) {
    let (key, log, stretch) = (Path::from("run"), share(), Stretch { from: 0, to: 2 });
    // What is no gzip is refused by another library's code, which is fuzzed there.
    let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
    packed.write_all(lines).expect("memory takes everything");
    let packed = packed.finish().expect("memory takes everything");
    let Ok((header, saved)) = decode_run(&key, &log, stretch, &packed) else { return };
    let written = encode_run(&log, &header, &saved, true);
    assert_eq!(decode_run(&key, &log, stretch, &written).expect("it was written here"), (header, saved.clone()));
    let mut state = State::default();
    state.restore(saved);
    check(&state);
}

/// A claim, its companion, a tombstone or a token's record: what is read is written and read again.
///
/// # Panics
/// That is not so.
pub fn record(bytes: &[u8]) {
    let key = Path::from("record");
    if let Ok(claim) = decode_claim(&key, bytes) {
        assert_eq!(decode_claim(&key, &encode_claim(&claim)).expect("it was written here"), claim);
    }
    if let Ok((share, about)) = decode_companion(&key, bytes) {
        assert_eq!(
            decode_companion(&key, &encode_companion(&share, &about)).expect("it was written here"),
            (share, about)
        );
    }
    if decode_tombstone(&key, &share(), bytes).is_ok() {
        let written = encode_tombstone(&share(), Timestamp(0));
        decode_tombstone(&key, &share(), &written).expect("it was written here");
    }
    let id: TokenId = TOKEN.parse().expect("an id");
    if let Ok(token) = decode_token(&key, &id, bytes) {
        assert_eq!(decode_token(&key, &id, &encode_token(&token)).expect("it was written here"), token);
    }
}

/// A state of stored bytes can be saved and put together again, and takes a further sync and a removal of all that it holds.
fn check(state: &State) {
    if let Some(saved) = state.save(Revision::EMPTY) {
        let mut again = State::default();
        again.restore(saved.clone());
        assert_eq!(again.save(Revision::EMPTY).as_ref(), Some(&saved));
        assert_eq!((again.item_count(), again.byte_count()), (state.item_count(), state.byte_count()));
    }
    let mut state = state.clone();
    let revision = state.revision();
    let keys: Vec<ItemKey> = state.items().map(|(key, _)| key.clone()).collect();
    let bytes: usize = state.items().map(|(key, value)| key.as_str().len() + value.as_str().len()).sum();
    assert_eq!(bytes, state.byte_count());
    let changes = keys.into_iter().map(|key| Change { key, value: None }).collect();
    let entry = Entry::Sync { at: Timestamp(0), batch: Batch { stamp: None, changes } };
    if let Outcome::Synced { revision: now, .. } = state.apply(&entry) {
        assert_eq!((state.item_count(), state.byte_count()), (0, 0));
        assert!(now >= revision);
    }
}

fn share() -> ShareId {
    SHARE.parse().expect("an id")
}
