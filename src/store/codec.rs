//! The contents of stored objects: segments, runs, claims, their companions, tombstones, records of tokens, and of hosts.
//!
//! `schema/storage.md` is the table of it, and `tests/data/store/` pins it. Texts of items go in and come out as they are:
//! they are JSON on one line already ([`Payload`](crate::share::item::Payload)), so a segment is written into one buffer and read
//! without a tree being built. A reader passes over a field that it does not know, and refuses a line type or a format that it does not know.

use std::borrow::Cow;

use bytes::Bytes;
use object_store::path::Path;
use serde::{Deserialize, Deserializer, Serialize};

use super::error::StoreError;
use super::key::Number;
use crate::share::entry::Entry;
use crate::share::id::ShareId;

mod entry;
mod host;
mod record;
mod run;

use entry::{Line, put_entry, read_entry, size_hint};

pub(super) use host::{decode_host, encode_host};
pub(super) use record::{
    ClaimRecord, decode_claim, decode_companion, decode_store_id, decode_token, decode_tombstone, encode_claim,
    encode_companion, encode_store_id, encode_token, encode_tombstone,
};
pub(super) use run::{RunHeader, decode_run, encode_run};

/// The format that this version writes, and the newest that it reads.
const FORMAT: u32 = 1;

/// The writer of a segment: 128 random bits, which each start of a host makes anew.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct WriterId(pub u128);

impl std::fmt::Display for WriterId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl std::fmt::Debug for WriterId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "WriterId({self})")
    }
}

/// The identity of a segment, which no two segments share: a writer recognises its own segments by it, and a reader the one
/// before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Identity {
    #[serde(serialize_with = "hex_of", deserialize_with = "from_hex")]
    pub(super) writer: WriterId,
    /// Number of the writer's batch, counted over all its logs.
    pub(super) batch: u64,
}

/// A segment that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Segment {
    pub(super) prev: Option<Identity>,
    pub(super) this: Identity,
    pub(super) entries: Vec<Entry>,
}

#[derive(Serialize, Deserialize)]
struct Header<'a> {
    capshare: u32,
    #[serde(borrow)]
    log: Cow<'a, str>,
    seq: Number,
    prev: Option<PrevLine>,
    #[serde(flatten)]
    this: Identity,
    entries: usize,
}

/// The identity of the segment before. Most logs have one writer, which is then not named twice.
#[derive(Serialize, Deserialize)]
struct PrevLine {
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        serialize_with = "hex_of_other",
        deserialize_with = "some_from_hex"
    )]
    writer: Option<WriterId>,
    batch: u64,
}

/// The format of an object, which is read first because it tells how to read the rest.
#[derive(Deserialize)]
struct Format {
    capshare: u32,
}

/// Encodes a segment.
pub(super) fn encode_segment(
    log: &ShareId,
    seq: Number,
    prev: Option<Identity>,
    this: Identity,
    entries: &[Entry],
) -> Bytes {
    let mut out = Vec::with_capacity(256 + entries.iter().map(size_hint).sum::<usize>());
    let prev =
        prev.map(|Identity { writer, batch }| PrevLine { writer: (writer != this.writer).then_some(writer), batch });
    let header = Header { capshare: FORMAT, log: log.as_str().into(), seq, prev, this, entries: entries.len() };
    put_json(&mut out, &header);
    out.push(b'\n');
    for entry in entries {
        put_entry(&mut out, entry);
        out.push(b'\n');
    }
    out.into()
}

/// Reads a segment, which must be number `seq` of `log`. `key` names the object in errors.
pub(super) fn decode_segment(key: &Path, log: &ShareId, seq: Number, bytes: &[u8]) -> Result<Segment, StoreError> {
    let corrupt = |reason: String| StoreError::corrupt(key, reason);
    let text = text_of(key, bytes)?;
    let mut lines = text.lines();
    let header_line = lines.next().unwrap_or_default();
    check_format(key, header_line)?;
    let header: Header<'_> = parse(key, "its header", header_line)?;
    if header.log != log.as_str() || header.seq != seq {
        return Err(corrupt(format!("its header says segment {} of log {}", header.seq, header.log)));
    }
    if !text.ends_with('\n') {
        return Err(corrupt("its last line is cut off".to_owned()));
    }
    let entries = lines
        .enumerate()
        .map(|(n, line)| {
            let what = format!("line {}", n + 2);
            let line: Line<'_> = parse(key, &what, line)?;
            read_entry(log, &line).map_err(|reason| corrupt(format!("{what} of format {}: {reason}", header.capshare)))
        })
        .collect::<Result<Vec<_>, _>>()?;
    if entries.len() != header.entries {
        return Err(corrupt(format!("it has {} entries and its header says {}", entries.len(), header.entries)));
    }
    let this = header.this;
    let prev = header.prev.map(|PrevLine { writer, batch }| Identity { writer: writer.unwrap_or(this.writer), batch });
    Ok(Segment { prev, this, entries })
}

fn text_of<'a>(key: &Path, bytes: &'a [u8]) -> Result<&'a str, StoreError> {
    std::str::from_utf8(bytes).map_err(|_| StoreError::corrupt(key, "it is not UTF-8"))
}

fn check_format(key: &Path, line: &str) -> Result<(), StoreError> {
    let Format { capshare } = parse(key, "its format", line)?;
    if (1..=FORMAT).contains(&capshare) {
        Ok(())
    } else {
        Err(StoreError::corrupt(
            key,
            format!("it has format {capshare}, and this version reads formats up to {FORMAT}: upgrade"),
        ))
    }
}

/// Parses a line. The error tells where the line is wrong, and nothing of what stands there.
fn parse<'a, T: Deserialize<'a>>(key: &Path, what: &str, line: &'a str) -> Result<T, StoreError> {
    serde_json::from_str(line).map_err(|error| {
        let why = match error.classify() {
            serde_json::error::Category::Syntax => "not JSON",
            serde_json::error::Category::Eof => "cut off",
            serde_json::error::Category::Io | serde_json::error::Category::Data => {
                "without the fields that it should have"
            }
        };
        StoreError::corrupt(key, format!("{what} is {why}, at column {}", error.column()))
    })
}

/// A word of an object for an error message: at most 32 characters, with control characters escaped.
fn quoted(text: &str) -> String {
    text.escape_debug().take(32).collect()
}

fn put_field(out: &mut Vec<u8>, field: &str, value: &(impl Serialize + ?Sized)) {
    out.push(b',');
    put_json(out, field);
    out.push(b':');
    put_json(out, value);
}

fn put_json(out: &mut Vec<u8>, value: &(impl Serialize + ?Sized)) {
    let written = serde_json::to_writer(out, value);
    debug_assert!(written.is_ok(), "names, numbers and flat records always have a JSON form");
}

fn hex_of<S: serde::Serializer>(writer: &WriterId, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(writer)
}

fn hex_of_other<S: serde::Serializer>(writer: &Option<WriterId>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&writer.unwrap_or(WriterId(0)))
}

fn some_from_hex<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<WriterId>, D::Error> {
    from_hex(deserializer).map(Some)
}

fn from_hex<'de, D: Deserializer<'de>>(deserializer: D) -> Result<WriterId, D::Error> {
    let text = Cow::<'de, str>::deserialize(deserializer)?;
    u128::from_str_radix(&text, 16).map(WriterId).map_err(|_| serde::de::Error::custom("the writer is not hexadecimal"))
}
