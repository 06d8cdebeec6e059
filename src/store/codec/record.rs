//! The small objects, each of one JSON line: claims, their companions, tombstones, and records of tokens.

use std::borrow::Cow;

use bytes::Bytes;
use object_store::path::Path;
use serde::{Deserialize, Serialize};

use super::{FORMAT, check_format, parse, put_json, text_of};
use crate::share::id::{AccountId, BadName, SessionId, ShareId, StoreId, TokenId};
use crate::share::secret::SecretHash;
use crate::share::time::Timestamp;
use crate::store::error::StoreError;
use crate::store::records::{Summary, TokenRecord};

/// A claim: which share a session is.
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

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct CompanionLine<'a> {
    #[serde(flatten, borrow)]
    claim: ClaimLine<'a>,
    updated: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    title: Option<Cow<'a, str>>,
    syncs: u64,
    items: u64,
    bytes: u64,
    log_bytes: u64,
    /// Number of the segment up to which the companion is right; 0 if an early host wrote it, which did not tell.
    #[serde(default)]
    segments: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    expires: Option<i64>,
}

#[derive(Serialize, Deserialize)]
struct TombstoneLine<'a> {
    capshare: u32,
    #[serde(borrow)]
    deleted: Cow<'a, str>,
    at: i64,
}

#[derive(Serialize, Deserialize)]
struct StoreLine<'a> {
    capshare: u32,
    #[serde(borrow)]
    store: Cow<'a, str>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct TokenLine<'a> {
    capshare: u32,
    #[serde(borrow)]
    id: Cow<'a, str>,
    #[serde(borrow)]
    account: Cow<'a, str>,
    #[serde(borrow)]
    hash: Cow<'a, str>,
    scopes: Cow<'a, [String]>,
    #[serde(default, skip_serializing_if = "str::is_empty", borrow)]
    label: Cow<'a, str>,
    created_at: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    expires: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    revoked: Option<i64>,
}

pub(in crate::store) fn encode_claim(claim: &ClaimRecord) -> Bytes {
    let mut out = Vec::new();
    put_json(&mut out, &claim_line(claim));
    out.push(b'\n');
    out.into()
}

pub(in crate::store) fn decode_claim(key: &Path, bytes: &[u8]) -> Result<ClaimRecord, StoreError> {
    let text = text_of(key, bytes)?;
    check_format(key, text)?;
    read_claim(key, &parse(key, "the claim", text)?)
}

fn claim_line(claim: &ClaimRecord) -> ClaimLine<'_> {
    ClaimLine {
        capshare: FORMAT,
        account: claim.account.as_str().into(),
        session: claim.session.as_str().into(),
        share: claim.share.as_str().into(),
        at: claim.at.0,
    }
}

fn read_claim(key: &Path, line: &ClaimLine<'_>) -> Result<ClaimRecord, StoreError> {
    let name = |bad: BadName| StoreError::corrupt(key, bad.to_string());
    Ok(ClaimRecord {
        account: line.account.parse().map_err(name)?,
        session: line.session.parse().map_err(name)?,
        share: line.share.parse().map_err(name)?,
        at: Timestamp(line.at),
    })
}

/// Encodes the companion of a share's claim.
pub(in crate::store) fn encode_companion(share: &ShareId, summary: &Summary) -> Bytes {
    let (account, session) = (summary.account.clone(), summary.session.clone());
    let claim = ClaimRecord { account, session, share: share.clone(), at: summary.created_at };
    let mut out = Vec::new();
    let line = CompanionLine {
        claim: claim_line(&claim),
        updated: summary.updated_at.0,
        title: summary.title.as_deref().map(Cow::Borrowed),
        syncs: summary.sync_count,
        items: summary.item_count,
        bytes: summary.byte_count,
        log_bytes: summary.log_bytes,
        segments: summary.segments,
        expires: summary.expires_at.map(|at| at.0),
    };
    put_json(&mut out, &line);
    out.push(b'\n');
    out.into()
}

/// Reads a companion: which share it is of, and what it says.
pub(in crate::store) fn decode_companion(key: &Path, bytes: &[u8]) -> Result<(ShareId, Summary), StoreError> {
    let text = text_of(key, bytes)?;
    check_format(key, text)?;
    let line: CompanionLine<'_> = parse(key, "the companion", text)?;
    let ClaimRecord { account, session, share, at } = read_claim(key, &line.claim)?;
    let summary = Summary {
        account,
        session,
        created_at: at,
        updated_at: Timestamp(line.updated),
        title: line.title.map(Cow::into_owned),
        sync_count: line.syncs,
        item_count: line.items,
        byte_count: line.bytes,
        log_bytes: line.log_bytes,
        segments: line.segments,
        expires_at: line.expires.map(Timestamp),
    };
    Ok((share, summary))
}

pub(in crate::store) fn encode_store_id(id: &StoreId) -> Bytes {
    let mut out = Vec::new();
    put_json(&mut out, &StoreLine { capshare: FORMAT, store: id.as_str().into() });
    out.push(b'\n');
    out.into()
}

pub(in crate::store) fn decode_store_id(key: &Path, bytes: &[u8]) -> Result<StoreId, StoreError> {
    let text = text_of(key, bytes)?;
    check_format(key, text)?;
    let line: StoreLine<'_> = parse(key, "the id of the store", text)?;
    line.store.parse().map_err(|bad: BadName| StoreError::corrupt(key, bad.to_string()))
}

pub(in crate::store) fn encode_tombstone(deleted: &ShareId, at: Timestamp) -> Bytes {
    let mut out = Vec::new();
    put_json(&mut out, &TombstoneLine { capshare: FORMAT, deleted: deleted.as_str().into(), at: at.0 });
    out.push(b'\n');
    out.into()
}

/// Checks that a tombstone is this share's.
pub(in crate::store) fn decode_tombstone(key: &Path, deleted: &ShareId, bytes: &[u8]) -> Result<(), StoreError> {
    let text = text_of(key, bytes)?;
    check_format(key, text)?;
    let line: TombstoneLine<'_> = parse(key, "the tombstone", text)?;
    if line.deleted == deleted.as_str() {
        Ok(())
    } else {
        Err(StoreError::corrupt(key, "it is the tombstone of another share"))
    }
}

pub(in crate::store) fn encode_token(record: &TokenRecord) -> Bytes {
    let mut out = Vec::new();
    let line = TokenLine {
        capshare: FORMAT,
        id: record.id.as_str().into(),
        account: record.account.as_str().into(),
        hash: record.hash.to_hex().into(),
        scopes: record.scopes.as_slice().into(),
        label: record.label.as_str().into(),
        created_at: record.created_at.0,
        expires: record.expires_at.map(|at| at.0),
        revoked: record.revoked_at.map(|at| at.0),
    };
    put_json(&mut out, &line);
    out.push(b'\n');
    out.into()
}

/// Reads the record of a token, which must be the token `id`.
pub(in crate::store) fn decode_token(key: &Path, id: &TokenId, bytes: &[u8]) -> Result<TokenRecord, StoreError> {
    let text = text_of(key, bytes)?;
    check_format(key, text)?;
    let line: TokenLine<'_> = parse(key, "the token's record", text)?;
    if line.id != id.as_str() {
        return Err(StoreError::corrupt(key, "it is the record of another token"));
    }
    Ok(TokenRecord {
        id: id.clone(),
        account: line.account.parse().map_err(|bad: BadName| StoreError::corrupt(key, bad.to_string()))?,
        hash: SecretHash::from_hex(&line.hash)
            .ok_or_else(|| StoreError::corrupt(key, "its hash is not 64 hexadecimal digits"))?,
        scopes: line.scopes.into_owned(),
        label: line.label.into_owned(),
        created_at: Timestamp(line.created_at),
        expires_at: line.expires.map(Timestamp),
        revoked_at: line.revoked.map(Timestamp),
    })
}
