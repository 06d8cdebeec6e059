//! The lines of entries: one JSON line for each entry of a segment, and for each grant of a run.

use std::borrow::Cow;

use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use super::{put_field, put_json, quoted};
use crate::share::change::{Batch, Change, Stamp};
use crate::share::entry::Entry;
use crate::share::grant::{Grant, GrantInfo, Right};
use crate::share::id::ShareId;
use crate::share::item::Payload;
use crate::share::secret::SecretHash;
use crate::share::time::Timestamp;
use crate::share::visibility::Visibility;

/// A line of any type, with the fields of all types.
#[derive(Deserialize)]
pub(super) struct Line<'a> {
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

/// Writes an entry's line, without its line feed.
pub(super) fn put_entry(out: &mut Vec<u8>, entry: &Entry) {
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

/// Reads the entry of a line of the log of `log`. The error says what is wrong with the line.
pub(super) fn read_entry(log: &ShareId, line: &Line<'_>) -> Result<Entry, String> {
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
pub(super) fn read_visibility(text: &str) -> Result<Visibility, String> {
    text.parse().map_err(|_| format!("it has the unknown visibility {}", quoted(text)))
}

/// Reads the grant of a line. The error says what is wrong with the line.
pub(super) fn read_grant(line: &Line<'_>) -> Result<Grant, String> {
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

/// About how many bytes an entry's line has.
pub(super) fn size_hint(entry: &Entry) -> usize {
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

fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<&'de RawValue>, D::Error> {
    <&RawValue>::deserialize(deserializer).map(Some)
}
