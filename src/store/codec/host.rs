//! The record of a host: one JSON line.

use std::borrow::Cow;
use std::collections::BTreeMap;

use bytes::Bytes;
use object_store::path::Path;
use serde::{Deserialize, Serialize};

use super::{FORMAT, check_format, parse, put_json, text_of};
use crate::share::host::{HostInfo, HostUrl};
use crate::share::id::HostId;
use crate::share::limits::hosts::{HOST_LINKS_MAX, HOST_URLS_MAX, HOST_VERSION_CHARS_MAX};
use crate::share::secret::SecretHash;
use crate::share::time::Timestamp;
use crate::store::error::StoreError;
use crate::store::records::HostRecord;

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct HostLine<'a> {
    capshare: u32,
    #[serde(borrow)]
    host: Cow<'a, str>,
    beat: u64,
    #[serde(default)]
    urls: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    inside_urls: Vec<String>,
    #[serde(borrow)]
    version: Cow<'a, str>,
    since: i64,
    #[serde(default)]
    draining: bool,
    #[serde(default)]
    shares: u64,
    #[serde(default)]
    connections: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    clock_ahead_ms: Option<i64>,
    /// SHA-256 of what the host will show to each host that it calls, as 64 hexadecimal digits.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    tickets: BTreeMap<String, String>,
}

pub(in crate::store) fn encode_host(record: &HostRecord) -> Bytes {
    let HostRecord { info, inside_urls, beat, tickets } = record;
    let texts = |urls: &[HostUrl]| urls.iter().map(HostUrl::to_string).collect();
    let line = HostLine {
        capshare: FORMAT,
        host: info.id.as_str().into(),
        beat: *beat,
        urls: texts(&info.urls),
        inside_urls: texts(inside_urls),
        version: info.version.as_str().into(),
        since: info.since.0,
        draining: info.draining,
        shares: info.shares,
        connections: info.connections,
        clock_ahead_ms: info.clock_ahead_ms,
        tickets: tickets.iter().map(|(id, hash)| (id.to_string(), hash.to_hex())).collect(),
    };
    let mut out = Vec::new();
    put_json(&mut out, &line);
    out.push(b'\n');
    out.into()
}

/// Reads the record of a host, which must be the host `id`. URLs and tickets that are invalid, and more of them than a host may
/// have, are passed over.
pub(in crate::store) fn decode_host(key: &Path, id: &HostId, bytes: &[u8]) -> Result<HostRecord, StoreError> {
    let text = text_of(key, bytes)?;
    check_format(key, text)?;
    let line: HostLine<'_> = parse(key, "the host's record", text)?;
    if line.host != id.as_str() {
        return Err(StoreError::corrupt(key, "it is the record of another host"));
    }
    let ticket = |(id, hash): (&String, &String)| Some((id.parse().ok()?, SecretHash::from_hex(hash)?));
    Ok(HostRecord {
        info: HostInfo {
            id: id.clone(),
            urls: urls(&line.urls),
            version: line.version.chars().take(HOST_VERSION_CHARS_MAX).collect(),
            since: Timestamp(line.since),
            draining: line.draining,
            shares: line.shares,
            connections: line.connections,
            clock_ahead_ms: line.clock_ahead_ms,
        },
        inside_urls: urls(&line.inside_urls),
        beat: line.beat,
        tickets: line.tickets.iter().filter_map(ticket).take(HOST_LINKS_MAX).collect(),
    })
}

fn urls(texts: &[String]) -> Vec<HostUrl> {
    texts.iter().filter_map(|url| url.parse().ok()).take(HOST_URLS_MAX).collect()
}
