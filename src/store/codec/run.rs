//! Runs: what a stretch of a log came to, as JSON lines packed with gzip (`zcat` shows them).
//!
//! A run is a header line, a line of the share's own facts, then a line for each grant, each removal and each item. It is
//! written and read line by line, so that only the packed bytes and the items are in memory.

use std::borrow::Cow;
use std::io::{BufRead as _, BufReader, Write as _};

use bytes::Bytes;
use flate2::Compression;
use flate2::bufread::GzDecoder;
use flate2::write::GzEncoder;
use object_store::path::Path;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::entry::{put_entry, read_grant, read_visibility};
use super::{FORMAT, Identity, check_format, parse, put_json};
use crate::share::entry::Entry;
use crate::share::error::Refusal;
use crate::share::id::{BadName, ShareId};
use crate::share::item::{ItemKey, Payload};
use crate::share::limits::{COUNT_MAX, SHARE_GRANTS_MAX, SHARE_ITEMS_MAX, SHARE_PRODUCERS_MAX, SHARE_SECRETS_MAX};
use crate::share::revision::Revision;
use crate::share::secret::SecretHash;
use crate::share::state::{Opened, Saved, SavedItem, SavedProducer};
use crate::share::time::Timestamp;
use crate::share::visibility::Visibility;
use crate::store::error::StoreError;
use crate::store::key::{Number, Stretch};

/// Bytes of the longest line that is read: that of the largest item, or of the facts with all their producers.
const LINE_BYTES_MAX: u64 = 8 << 20;

/// The header of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::store) struct RunHeader {
    /// Number of the last segment before the stretch; 0 if the stretch begins with the log.
    pub(in crate::store) from: Number,
    /// Number of the last segment of the stretch.
    pub(in crate::store) to: Number,
    /// Identity of the last segment of the stretch.
    pub(in crate::store) this: Identity,
    /// Bytes of all segments up to the end of the stretch.
    pub(in crate::store) log_bytes: u64,
    /// Bytes of all runs that were written before this one.
    pub(in crate::store) run_bytes: u64,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct HeaderLine<'a> {
    capshare: u32,
    #[serde(borrow)]
    log: Cow<'a, str>,
    from: Number,
    to: Number,
    #[serde(flatten)]
    this: Identity,
    log_bytes: u64,
    run_bytes: u64,
    /// Number of grants. A reader that does not know grants meets lines that it does not expect, and so does not take the share
    /// for one without grants.
    #[serde(default, skip_serializing_if = "is_0")]
    grants: usize,
    removed: usize,
    items: usize,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct FactsLine<'a> {
    #[serde(borrow)]
    share: Cow<'a, str>,
    #[serde(borrow)]
    account: Cow<'a, str>,
    #[serde(borrow)]
    session: Cow<'a, str>,
    at: i64,
    /// When the share expires; `None` if it stays until it is deleted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    expires: Option<i64>,
    /// Who may see the share; `None` for [`Visibility::Link`].
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    visibility: Option<Cow<'a, str>>,
    updated: i64,
    syncs: u64,
    revision: u64,
    order: u64,
    removed_from: u64,
    secrets: Vec<String>,
    #[serde(borrow)]
    producers: Vec<ProducerLine<'a>>,
}

#[derive(Serialize, Deserialize)]
struct ProducerLine<'a> {
    #[serde(borrow)]
    producer: Cow<'a, str>,
    epoch: u64,
    sequence: u64,
    syncs: u64,
    revision: u64,
}

#[derive(Serialize, Deserialize)]
struct RemovedLine<'a> {
    #[serde(borrow)]
    removed: Cow<'a, str>,
    revision: u64,
}

#[derive(Deserialize)]
struct ItemLine<'a> {
    #[serde(borrow)]
    key: Cow<'a, str>,
    order: u64,
    revision: u64,
    /// The revision with which the item first came; `None` if it is `revision`.
    #[serde(default)]
    first: Option<u64>,
    #[serde(borrow)]
    value: &'a RawValue,
}

/// Encodes a run. With `in_haste` it is packed in a third of the time into up to twice the bytes, for a run that a longer one
/// soon replaces.
pub(in crate::store) fn encode_run(log: &ShareId, header: &RunHeader, saved: &Saved, in_haste: bool) -> Bytes {
    let mut out = GzEncoder::new(Vec::new(), if in_haste { Compression::fast() } else { Compression::default() });
    let mut line = Vec::new();
    let mut end_line = |line: &mut Vec<u8>| {
        line.push(b'\n');
        let written = out.write_all(line);
        debug_assert!(written.is_ok(), "memory takes everything");
        line.clear();
    };
    let first = HeaderLine {
        capshare: FORMAT,
        log: log.as_str().into(),
        from: header.from,
        to: header.to,
        this: header.this,
        log_bytes: header.log_bytes,
        run_bytes: header.run_bytes,
        grants: saved.grants.len(),
        removed: saved.removed.len(),
        items: saved.items.len(),
    };
    put_json(&mut line, &first);
    end_line(&mut line);
    put_json(&mut line, &facts(log, saved));
    end_line(&mut line);
    for grant in &saved.grants {
        put_entry(&mut line, &Entry::Grant { grant: grant.clone() });
        end_line(&mut line);
    }
    for (revision, key) in &saved.removed {
        put_json(&mut line, &RemovedLine { removed: key.as_str().into(), revision: revision.0 });
        end_line(&mut line);
    }
    for SavedItem { key, order, revision, first, value } in &saved.items {
        line.extend_from_slice(b"{\"key\":");
        put_json(&mut line, key.as_str());
        super::put_field(&mut line, "order", order);
        super::put_field(&mut line, "revision", &revision.0);
        if first != revision {
            super::put_field(&mut line, "first", &first.0);
        }
        line.extend_from_slice(b",\"value\":");
        line.extend_from_slice(value.as_str().as_bytes());
        line.push(b'}');
        end_line(&mut line);
    }
    out.finish().unwrap_or_default().into()
}

/// Reads a run, which must be of this stretch of `log`. `key` names the object in errors.
pub(in crate::store) fn decode_run(
    key: &Path,
    log: &ShareId,
    Stretch { from, to, .. }: Stretch,
    bytes: &[u8],
) -> Result<(RunHeader, Saved), StoreError> {
    let corrupt = |reason: String| StoreError::corrupt(key, reason);
    let mut lines = Lines { key, from: BufReader::new(GzDecoder::new(bytes)), line: String::new() };
    let first = lines.next()?;
    check_format(key, first)?;
    let header: HeaderLine<'_> = parse(key, "its header", first)?;
    if header.log != log.as_str() || header.from != from || header.to != to {
        return Err(corrupt(format!("its header says {} to {} of log {}", header.from, header.to, header.log)));
    }
    let (grant_count, removed_count, item_count) = (header.grants, header.removed, header.items);
    let HeaderLine { this, log_bytes, run_bytes, .. } = header;
    let header = RunHeader { from, to, this, log_bytes, run_bytes };
    let facts: FactsLine<'_> = parse(key, "its second line", lines.next()?)?;
    if facts.share != log.as_str() {
        return Err(corrupt(format!("it is of share {}", facts.share)));
    }
    let mut saved = read_facts(facts).map_err(&corrupt)?;
    let bad_key = |refusal: Refusal| corrupt(refusal.to_string());
    for _ in 0..grant_count {
        saved.grants.push(read_grant(&parse(key, "a grant", lines.next()?)?).map_err(&corrupt)?);
    }
    for _ in 0..removed_count {
        let line: RemovedLine<'_> = parse(key, "a removal", lines.next()?)?;
        saved.removed.push((Revision(line.revision), line.removed.parse().map_err(bad_key)?));
    }
    for _ in 0..item_count {
        let line: ItemLine<'_> = parse(key, "an item", lines.next()?)?;
        let key: ItemKey = line.key.parse().map_err(bad_key)?;
        let value = Payload::from_checked_json(line.value.get());
        let (order, revision) = (line.order, Revision(line.revision));
        let first = line.first.map_or(revision, Revision);
        saved.items.push(SavedItem { key, order, revision, first, value });
    }
    lines.end()?;
    check(&saved).map_err(corrupt)?;
    Ok((header, saved))
}

/// Checks that a share can have this state. Restoring any other state would make its counts wrong.
fn check(saved: &Saved) -> Result<(), String> {
    let counts = [saved.sync_count, saved.revision.0, saved.last_order, saved.removed_from.0];
    if let Some(count) = counts.into_iter().find(|count| *count > COUNT_MAX) {
        return Err(format!("its count {count} is higher than any share reaches"));
    }
    for (what, count, max) in [
        ("secrets", saved.secrets.len(), SHARE_SECRETS_MAX),
        ("grants", saved.grants.len(), SHARE_GRANTS_MAX),
        ("producers", saved.producers.len(), SHARE_PRODUCERS_MAX),
        ("items", saved.items.len(), SHARE_ITEMS_MAX),
    ] {
        if count > max {
            return Err(format!("it has {count} {what}, and a share has at most {max}"));
        }
    }
    let mut before = 0;
    for SavedItem { key, order, revision, first, .. } in &saved.items {
        if *order <= before || *order > saved.last_order {
            return Err(format!(
                "the places of its items do not rise: {key} has {order}, the item before it {before}, and the last place is {}",
                saved.last_order
            ));
        }
        // Revisions begin at 1: what is of 0 would be told to nobody, and left out of the next run.
        if *first == Revision::EMPTY || first > revision || *revision > saved.revision {
            let of = saved.revision;
            return Err(format!(
                "the item {key} has revisions that cannot be: first {first}, value {revision}, share {of}"
            ));
        }
        before = *order;
    }
    let is_later = |revision: &Revision| *revision > saved.revision;
    if saved.removed.iter().any(|(revision, _)| *revision == Revision::EMPTY || is_later(revision))
        || is_later(&saved.removed_from)
    {
        return Err("it has a removal of revision 0, or of one after the share's".to_owned());
    }
    if saved.producers.iter().any(|last| last.sync_count > saved.sync_count || is_later(&last.revision)) {
        return Err("it has a producer's batch with a number after the share's".to_owned());
    }
    Ok(())
}

fn facts<'a>(share: &'a ShareId, saved: &'a Saved) -> FactsLine<'a> {
    let producer = |saved: &'a SavedProducer| ProducerLine {
        producer: saved.producer.as_str().into(),
        epoch: saved.epoch,
        sequence: saved.sequence,
        syncs: saved.sync_count,
        revision: saved.revision.0,
    };
    let visibility = saved.opened.visibility;
    FactsLine {
        share: share.as_str().into(),
        account: saved.opened.account.as_str().into(),
        session: saved.opened.session.as_str().into(),
        at: saved.opened.at.0,
        expires: saved.opened.expires_at.map(|at| at.0),
        visibility: (visibility != Visibility::Link).then(|| visibility.as_str().into()),
        updated: saved.updated_at.0,
        syncs: saved.sync_count,
        revision: saved.revision.0,
        order: saved.last_order,
        removed_from: saved.removed_from.0,
        secrets: saved.secrets.iter().map(SecretHash::to_hex).collect(),
        producers: saved.producers.iter().map(producer).collect(),
    }
}

fn read_facts(line: FactsLine<'_>) -> Result<Saved, String> {
    let bad = |bad: BadName| bad.to_string();
    let secret = |text: &String| SecretHash::from_hex(text).ok_or("a secret is not 64 hexadecimal digits");
    let producer = |line: ProducerLine<'_>| {
        Ok(SavedProducer {
            producer: line.producer.parse().map_err(bad)?,
            epoch: line.epoch,
            sequence: line.sequence,
            sync_count: line.syncs,
            revision: Revision(line.revision),
        })
    };
    Ok(Saved {
        opened: Opened {
            account: line.account.parse().map_err(bad)?,
            session: line.session.parse().map_err(bad)?,
            at: Timestamp(line.at),
            expires_at: line.expires.map(Timestamp),
            visibility: line.visibility.as_deref().map_or(Ok(Visibility::Link), read_visibility)?,
        },
        updated_at: Timestamp(line.updated),
        sync_count: line.syncs,
        revision: Revision(line.revision),
        last_order: line.order,
        removed_from: Revision(line.removed_from),
        secrets: line.secrets.iter().map(secret).collect::<Result<_, _>>()?,
        grants: Vec::new(),
        producers: line.producers.into_iter().map(producer).collect::<Result<_, String>>()?,
        removed: Vec::new(),
        items: Vec::new(),
    })
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "as serde calls it")]
fn is_0(count: &usize) -> bool {
    *count == 0
}

/// The lines of a compressed text, one at a time.
struct Lines<'a> {
    key: &'a Path,
    from: BufReader<GzDecoder<&'a [u8]>>,
    line: String,
}

impl Lines<'_> {
    fn next(&mut self) -> Result<&str, StoreError> {
        self.line.clear();
        let mut bounded = std::io::Read::take(&mut self.from, LINE_BYTES_MAX);
        match bounded.read_line(&mut self.line) {
            Ok(_) if self.line.ends_with('\n') => Ok(self.line.trim_end_matches('\n')),
            Ok(_) => Err(StoreError::corrupt(self.key, "it is cut off")),
            Err(error) => Err(StoreError::corrupt(self.key, format!("it cannot be unpacked: {error}"))),
        }
    }

    fn end(mut self) -> Result<(), StoreError> {
        self.line.clear();
        match self.from.read_line(&mut self.line) {
            Ok(0) => Ok(()),
            Ok(_) => Err(StoreError::corrupt(self.key, "it has more lines than its header says")),
            Err(error) => Err(StoreError::corrupt(self.key, format!("it cannot be unpacked: {error}"))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RUN: &str = include_str!("../../../tests/data/store/format-1-run.jsonl");

    fn read(lines: &str) -> Result<Saved, StoreError> {
        let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
        packed.write_all(lines.as_bytes()).unwrap();
        let log = "aaaaaaaaaaaaaaaaaaaaaaaaab".parse().unwrap();
        decode_run(&Path::from("run"), &log, Stretch { from: 0, to: 2 }, &packed.finish().unwrap())
            .map(|(_, saved)| saved)
    }

    /// Such a state would count wrong, or past the end of its numbers, as the fuzz target `run` shows.
    #[test]
    fn a_run_that_no_share_comes_to_is_corrupt() {
        assert!(read(RUN).is_ok());
        let secrets = format!("\"secrets\":[{}", format!("\"{}\",", "ab".repeat(32)).repeat(SHARE_SECRETS_MAX));
        for (from, to) in [
            ("\"order\":2,\"revision\":1,\"value\"", "\"order\":1,\"revision\":1,\"value\""),
            ("\"order\":1,\"revision\":1,\"value\"", "\"order\":0,\"revision\":1,\"value\""),
            ("\"order\":2,\"revision\":1,\"value\"", "\"order\":3,\"revision\":1,\"value\""),
            ("\"order\":2,\"revision\":1,\"value\"", "\"order\":2,\"revision\":2,\"value\""),
            ("\"order\":2,\"revision\":1,\"value\"", "\"order\":2,\"revision\":0,\"value\""),
            ("\"removedFrom\":0", "\"removedFrom\":2"),
            ("\"syncs\":1,\"revision\":1}", "\"syncs\":3,\"revision\":1}"),
            ("\"order\":2,\"revision\":1,\"value\"", "\"order\":2,\"revision\":1,\"first\":2,\"value\""),
            ("\"syncs\":2,\"revision\":1", "\"syncs\":2,\"revision\":18446744073709551615"),
            ("\"syncs\":2,\"revision\":1", "\"syncs\":18446744073709551615,\"revision\":1"),
            ("\"order\":2,\"removedFrom\"", "\"order\":18446744073709551615,\"removedFrom\""),
            ("\"secrets\":[", &secrets),
        ] {
            assert!(RUN.contains(from), "{from}");
            assert!(matches!(read(&RUN.replacen(from, to, 1)), Err(StoreError::Corrupt { .. })), "{to}");
        }
    }
}
