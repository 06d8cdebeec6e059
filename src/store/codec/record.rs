//! The small objects: a claim and a tombstone, each one JSON line.

use std::borrow::Cow;

use bytes::Bytes;
use object_store::path::Path;
use serde::{Deserialize, Serialize};

use super::{FORMAT, check_format, parse, put_json, text_of};
use crate::share::id::{AccountId, BadName, SessionId, ShareId};
use crate::share::time::Timestamp;
use crate::store::error::StoreError;

/// Whose share a session is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::store) struct ClaimRecord {
    pub(in crate::store) account: AccountId,
    pub(in crate::store) session: SessionId,
    pub(in crate::store) share: ShareId,
    pub(in crate::store) at: Timestamp,
}

#[derive(Serialize, Deserialize)]
struct ClaimLine<'a> {
    capshare: u32,
    #[serde(borrow)]
    account: Cow<'a, str>,
    #[serde(borrow)]
    session: Cow<'a, str>,
    #[serde(borrow)]
    share: Cow<'a, str>,
    at: i64,
}

#[derive(Serialize)]
struct TombstoneLine<'a> {
    capshare: u32,
    deleted: &'a str,
    at: i64,
}

pub(in crate::store) fn encode_claim(claim: &ClaimRecord) -> Bytes {
    let mut out = Vec::new();
    let line = ClaimLine {
        capshare: FORMAT,
        account: claim.account.as_str().into(),
        session: claim.session.as_str().into(),
        share: claim.share.as_str().into(),
        at: claim.at.0,
    };
    put_json(&mut out, &line);
    out.push(b'\n');
    out.into()
}

pub(in crate::store) fn decode_claim(key: &Path, bytes: &[u8]) -> Result<ClaimRecord, StoreError> {
    let text = text_of(key, bytes)?;
    check_format(key, text)?;
    let line: ClaimLine<'_> = parse(key, "the claim", text)?;
    let name = |bad: BadName| StoreError::corrupt(key, bad.to_string());
    Ok(ClaimRecord {
        account: line.account.parse().map_err(name)?,
        session: line.session.parse().map_err(name)?,
        share: line.share.parse().map_err(name)?,
        at: Timestamp(line.at),
    })
}

pub(in crate::store) fn encode_tombstone(deleted: &ShareId, at: Timestamp) -> Bytes {
    let mut out = Vec::new();
    put_json(&mut out, &TombstoneLine { capshare: FORMAT, deleted: deleted.as_str(), at: at.0 });
    out.push(b'\n');
    out.into()
}
