//! What a file of Codex goes on from: who goes back, or forks, goes on in a new file, whose first record says how much of an earlier
//! one comes before it.

use serde_json::Value;

use crate::transcripts::values::filled;

/// The earlier part of a session, which is in another file.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Base {
    /// The name of the file's segment: the last id in the name of the file that holds the earlier part.
    pub segment: String,
    /// The ordinal of the first record that does not belong to it any more; `None` if the file does not say it.
    pub before_ordinal: Option<u64>,
    /// The bytes of the earlier file that belong to it, where its records have no ordinals.
    pub bytes: u64,
}

impl Base {
    /// Whether a line of the earlier file belongs to the part. `end`: the position in the file after the line.
    #[must_use]
    pub fn has(&self, line: &[u8], end: u64) -> bool {
        let ordinal = serde_json::from_slice::<Ordinal>(line).ok().and_then(|record| record.ordinal);
        match (ordinal, self.before_ordinal) {
            (Some(ordinal), Some(before)) => ordinal < before,
            _ => end <= self.bytes,
        }
    }
}

/// The member of a record that counts records.
#[derive(serde::Deserialize)]
struct Ordinal {
    ordinal: Option<u64>,
}

/// What the first line of a transcript says that it goes on from. `None` for a transcript that begins by itself, which all but
/// Codex's do.
///
/// The lines of the base, as far as they [belong](Base::has) to it, are to be fed to the [`Reader`](super::super::Reader) after this first
/// line and before the second one; and before them, in the same way, what the base itself goes on from.
#[must_use]
pub fn base_of(first_line: &[u8]) -> Option<Base> {
    let record: Value = serde_json::from_slice(first_line).ok()?;
    let base = record["payload"].get("history_base").filter(|_| record["type"] == "session_meta")?;
    Some(Base {
        segment: filled(base, "thread_id")?.to_owned(),
        before_ordinal: base["end_ordinal_exclusive"].as_u64(),
        bytes: base["end_byte_offset"].as_u64().unwrap_or_default(),
    })
}
