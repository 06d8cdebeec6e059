//! The contents of stored objects: segments, runs, claims, their companions, tombstones, and records of tokens.
//!
//! `schema/storage.md` is the table of it, and `tests/data/store/` pins it. Texts of items go in and come out as they are:
//! they are JSON on one line already ([`Payload`]), so a segment is written into one buffer and read without a tree being
//! built. A reader passes over a field that it does not know, and refuses a line type or a format that it does not know.

use std::borrow::Cow;

use bytes::Bytes;
use object_store::path::Path;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::value::RawValue;

use super::error::StoreError;
use super::key::Number;
use crate::share::change::{Batch, Change, Stamp};
use crate::share::entry::Entry;
use crate::share::grant::{Grant, GrantInfo, Right};
use crate::share::id::ShareId;
use crate::share::item::Payload;
use crate::share::secret::SecretHash;
use crate::share::time::Timestamp;
use crate::share::visibility::Visibility;

mod record;
mod run;

pub(super) use record::{
    ClaimRecord, decode_claim, decode_companion, decode_token, decode_tombstone, encode_claim, encode_companion,
    encode_token, encode_tombstone,
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

#[derive(Deserialize)]
struct Line<'a> {
    /// The share that the entry is of; `None` if it is the one whose log this is.
    #[serde(borrow)]
    share: Option<Cow<'a, str>>,
    #[serde(borrow, rename = "type")]
    kind: Cow<'a, str>,
    at: i64,
    #[serde(borrow)]
    account: Option<Cow<'a, str>>,
    #[serde(borrow)]
    session: Option<Cow<'a, str>>,
    #[serde(borrow)]
    secret: Option<Cow<'a, str>>,
    expires: Option<i64>,
    #[serde(borrow)]
    visibility: Option<Cow<'a, str>>,
    #[serde(borrow)]
    grant: Option<Cow<'a, str>>,
    #[serde(borrow)]
    right: Option<Cow<'a, str>>,
    #[serde(borrow)]
    label: Option<Cow<'a, str>>,
    #[serde(borrow)]
    parent: Option<Cow<'a, str>>,
    #[serde(borrow)]
    producer: Option<Cow<'a, str>>,
    epoch: Option<u64>,
    sequence: Option<u64>,
    #[serde(borrow)]
    changes: Option<Vec<ChangeLine<'a>>>,
}

#[derive(Deserialize)]
struct ChangeLine<'a> {
    #[serde(borrow)]
    key: Cow<'a, str>,
    /// The item's value, which may be `null`; `None` if the line has no value, so that the item is removed.
    #[serde(borrow, default, deserialize_with = "present")]
    value: Option<&'a RawValue>,
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

fn put_entry(out: &mut Vec<u8>, entry: &Entry) {
    let begin = |out: &mut Vec<u8>, kind: &str, at: Timestamp| {
        out.extend_from_slice(b"{\"type\":");
        put_json(out, kind);
        put_field(out, "at", &at.0);
    };
    match entry {
        Entry::Open { at, account, session, secret, expires_at } => {
            begin(out, "open", *at);
            put_field(out, "account", account.as_str());
            put_field(out, "session", session.as_str());
            put_field(out, "secret", &secret.to_hex());
            put_expires(out, *expires_at);
        }
        Entry::Secret { at, secret } => {
            begin(out, "secret", *at);
            put_field(out, "secret", &secret.to_hex());
        }
        Entry::Expiry { at, expires_at } => {
            begin(out, "expiry", *at);
            put_expires(out, *expires_at);
        }
        Entry::Visibility { at, visibility } => {
            begin(out, "visibility", *at);
            put_field(out, "visibility", visibility.as_str());
        }
        Entry::Grant { grant } => {
            begin(out, "grant", grant.info.created_at);
            put_grant(out, grant);
        }
        Entry::Revoke { at, grant } => {
            begin(out, "revoke", *at);
            put_field(out, "grant", grant.as_str());
        }
        Entry::Sync { at, batch } => {
            begin(out, "sync", *at);
            if let Some(stamp) = &batch.stamp {
                put_field(out, "producer", stamp.producer.as_str());
                put_field(out, "epoch", &stamp.epoch);
                put_field(out, "sequence", &stamp.sequence);
            }
            out.extend_from_slice(b",\"changes\":[");
            for (n, change) in batch.changes.iter().enumerate() {
                out.extend_from_slice(if n == 0 { b"{\"key\":" } else { b",{\"key\":" });
                put_json(out, change.key.as_str());
                if let Some(value) = &change.value {
                    out.extend_from_slice(b",\"value\":");
                    out.extend_from_slice(value.as_str().as_bytes());
                }
                out.push(b'}');
            }
            out.push(b']');
        }
        Entry::Delete { at } => begin(out, "delete", *at),
    }
    out.push(b'}');
}

/// Writes the fields of a grant but for the time at which it was made.
fn put_grant(out: &mut Vec<u8>, grant: &Grant) {
    let Grant { info: GrantInfo { id, label, right, expires_at, .. }, parent, token } = grant;
    put_field(out, "grant", id.as_str());
    put_field(out, "right", right.as_str());
    if !label.as_str().is_empty() {
        put_field(out, "label", label.as_str());
    }
    put_field(out, "secret", &token.to_hex());
    put_expires(out, *expires_at);
    if let Some(parent) = parent {
        put_field(out, "parent", parent.as_str());
    }
}

fn put_expires(out: &mut Vec<u8>, expires_at: Option<Timestamp>) {
    if let Some(at) = expires_at {
        put_field(out, "expires", &at.0);
    }
}

fn read_entry(log: &ShareId, line: &Line<'_>) -> Result<Entry, String> {
    if let Some(share) = line.share.as_ref().filter(|share| *share != log.as_str()) {
        return Err(format!("it is an entry of share {share} in the log of {log}"));
    }
    let at = Timestamp(line.at);
    let expires_at = line.expires.map(Timestamp);
    match line.kind.as_ref() {
        "open" => Ok(Entry::Open {
            at,
            account: name(line.account.as_deref(), "account")?,
            session: name(line.session.as_deref(), "session")?,
            secret: secret(line)?,
            expires_at,
        }),
        "secret" => Ok(Entry::Secret { at, secret: secret(line)? }),
        "expiry" => Ok(Entry::Expiry { at, expires_at }),
        "visibility" => {
            let text = line.visibility.as_deref().ok_or("it has no visibility")?;
            Ok(Entry::Visibility { at, visibility: read_visibility(text)? })
        }
        "grant" => Ok(Entry::Grant { grant: read_grant(line)? }),
        "revoke" => Ok(Entry::Revoke { at, grant: name(line.grant.as_deref(), "grant")? }),
        "sync" => {
            let stamp = match &line.producer {
                None => None,
                Some(producer) => Some(Stamp {
                    producer: name(Some(producer), "producer")?,
                    epoch: line.epoch.ok_or("it has no epoch")?,
                    sequence: line.sequence.ok_or("it has no sequence")?,
                }),
            };
            let changes = line.changes.as_ref().ok_or("it has no changes")?;
            let changes = changes.iter().map(read_change).collect::<Result<Vec<_>, _>>()?;
            Ok(Entry::Sync { at, batch: Batch { stamp, changes } })
        }
        "delete" => Ok(Entry::Delete { at }),
        other => {
            let known = "open, secret, expiry, visibility, grant, revoke, sync, delete";
            Err(format!("it has the unknown type {}: this version knows {known}", quoted(other)))
        }
    }
}

/// Reads a visibility. One that is not known is an error, because nobody can tell who could see the share.
fn read_visibility(text: &str) -> Result<Visibility, String> {
    text.parse().map_err(|_| format!("it has the unknown visibility {}", quoted(text)))
}

fn read_grant(line: &Line<'_>) -> Result<Grant, String> {
    let right = line.right.as_deref().ok_or("it has no right")?;
    Ok(Grant {
        info: GrantInfo {
            id: name(line.grant.as_deref(), "grant")?,
            label: line.label.as_deref().unwrap_or_default().parse().map_err(|_| "it has an invalid label")?,
            right: Right::from_name(right).ok_or_else(|| format!("it has the unknown right {}", quoted(right)))?,
            created_at: Timestamp(line.at),
            expires_at: line.expires.map(Timestamp),
        },
        parent: match &line.parent {
            None => None,
            Some(parent) => Some(name(Some(parent), "parent")?),
        },
        token: secret(line)?,
    })
}

fn read_change(line: &ChangeLine<'_>) -> Result<Change, String> {
    Ok(Change {
        key: line.key.parse().map_err(|refusal: crate::share::error::Refusal| refusal.to_string())?,
        value: line.value.map(|value| Payload::from_checked_json(value.get())),
    })
}

fn name<T: std::str::FromStr<Err = crate::share::id::BadName>>(text: Option<&str>, what: &str) -> Result<T, String> {
    text.ok_or_else(|| format!("it has no {what}"))?.parse().map_err(|bad: crate::share::id::BadName| bad.to_string())
}

fn secret(line: &Line<'_>) -> Result<SecretHash, String> {
    let text = line.secret.as_deref().ok_or("it has no secret")?;
    Ok(SecretHash::from_hex(text).ok_or("its secret is not 64 hexadecimal digits")?)
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

fn size_hint(entry: &Entry) -> usize {
    match entry {
        Entry::Open { .. }
        | Entry::Secret { .. }
        | Entry::Expiry { .. }
        | Entry::Visibility { .. }
        | Entry::Grant { .. }
        | Entry::Revoke { .. }
        | Entry::Delete { .. } => 512,
        Entry::Sync { batch, .. } => {
            let size = |change: &Change| {
                32 + change.key.as_str().len() + change.value.as_ref().map_or(0, |v| v.as_str().len())
            };
            256 + batch.changes.iter().map(size).sum::<usize>()
        }
    }
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

fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<&'de RawValue>, D::Error> {
    <&RawValue>::deserialize(deserializer).map(Some)
}
