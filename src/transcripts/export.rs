//! An OpenCode export, `{"info": SESSION, "messages": [{"info": MESSAGE, "parts": [PART]}]}`, as pieces.
//!
//! Beside these members stand those that `capshare export` adds: `subagents` (the messages of other sessions, which calls began), `models`,
//! `session_diff` and `other`. An export is read whole or refused ([`read_export`]), or as far as it goes while its text comes
//! ([`ExportReader`](reader::ExportReader)): without what is not an item, without what other programs printed before and behind it, and up
//! to where it was cut off. What its user took back (`revert` in its `info`) becomes removals.

mod member;
pub(super) mod reader;
pub(super) mod revert;
mod value;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::share::error::Refusal;
use crate::share::limits::TRANSCRIPT_DOCUMENT_BYTES_MAX;
use crate::transcripts::export::revert::Revert;
use crate::transcripts::item_lines::id_of_session;
use crate::transcripts::piece::Piece;

/// Why an export cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ExportError {
    /// The text is not an export.
    #[error("it is not an OpenCode export, a JSON document with \"info\" and \"messages\": {reason}")]
    NotAnExport {
        /// What the JSON parser says.
        reason: String,
    },
    /// The text is larger than any share may be.
    #[error("it has {bytes} bytes, and an export has at most {TRANSCRIPT_DOCUMENT_BYTES_MAX}")]
    TooLarge {
        /// The text's size in bytes.
        bytes: usize,
    },
    /// The session's own record is not an item.
    #[error("the session's info: {}", reason(.0))]
    Session(Refusal),
    /// A message, or one of its parts, is not an item.
    #[error("message {number}: {}", reason(refusal))]
    Message {
        /// The number of the message, counted from 1; those of subagents come after the session's own.
        number: usize,
        /// What is wrong with it.
        refusal: Refusal,
    },
    /// Something beside the messages (a model, the session's changes, an item of the `other` lane) is not an item.
    #[error("beside the messages: {}", reason(.0))]
    Beside(Refusal),
}

impl ExportError {
    /// The refusal of the item that is wrong, if one is.
    #[must_use]
    pub fn refusal(&self) -> Option<&Refusal> {
        match self {
            Self::Session(refusal) | Self::Message { refusal, .. } | Self::Beside(refusal) => Some(refusal),
            Self::NotAnExport { .. } | Self::TooLarge { .. } => None,
        }
    }
}

/// What a refusal says, without a place in a list that the reader does not see.
fn reason(refusal: &Refusal) -> String {
    if let Refusal::InvalidInput { reason, .. } = refusal { reason.to_string() } else { refusal.to_string() }
}

/// Reads an OpenCode export into pieces: the session, then each message with its parts, then what is beside them. Each piece
/// comes with the number of bytes of the text that it was made of. What the session's `revert` says was taken back is removed.
///
/// # Errors
/// See [`ExportError`]. Nothing is given out then.
pub fn read_export(text: &str) -> Result<Vec<(Piece, u64)>, ExportError> {
    if text.len() > TRANSCRIPT_DOCUMENT_BYTES_MAX {
        return Err(ExportError::TooLarge { bytes: text.len() });
    }
    let export: Export<'_> = serde_json::from_str(text)
        .map_err(|error: serde_json::Error| ExportError::NotAnExport { reason: error.to_string() })?;
    pieces(&export)
}

fn pieces(export: &Export<'_>) -> Result<Vec<(Piece, u64)>, ExportError> {
    let mut pieces = Vec::with_capacity(2 + export.messages.len());
    let mut first = Piece::default();
    if export.info.get() != "null" {
        first.put("session", export.info.get()).map_err(ExportError::Session)?;
    }
    first.session = id_of_session(export.info);
    pieces.push((first, export.info.get().len() as u64));
    let mut revert = Revert::of(export.info.get());
    for (n, message) in export.messages.iter().chain(&export.subagents).enumerate() {
        let (mut piece, mut bytes) = (Piece::default(), message.info.get().len());
        let wrong = |refusal| ExportError::Message { number: n + 1, refusal };
        piece.put("message", message.info.get()).map_err(wrong)?;
        for part in &message.parts {
            bytes += part.get().len();
            piece.put("part", part.get()).map_err(wrong)?;
        }
        if let Some(revert) = &mut revert {
            revert.apply(&mut piece);
        }
        pieces.push((piece, bytes as u64));
    }
    let mut last = Piece::default();
    let beside = export.models.iter().map(|model| ("model", *model));
    for (kind, item) in beside.chain(export.session_diff.map(|diff| ("session_diff", diff))) {
        last.put(kind, item.get()).map_err(ExportError::Beside)?;
    }
    for item in &export.other {
        last.sync_data(item.get()).map_err(ExportError::Beside)?;
    }
    if !last.changes.is_empty() {
        pieces.push((last, 0));
    }
    Ok(pieces)
}

#[derive(Deserialize)]
struct Export<'a> {
    #[serde(borrow)]
    info: &'a RawValue,
    #[serde(borrow)]
    messages: Vec<ExportMessage<'a>>,
    #[serde(borrow, default)]
    subagents: Vec<ExportMessage<'a>>,
    #[serde(borrow, default)]
    models: Vec<&'a RawValue>,
    #[serde(borrow)]
    session_diff: Option<&'a RawValue>,
    /// Each `{"type", "data"}`.
    #[serde(borrow, default)]
    other: Vec<&'a RawValue>,
}

#[derive(Deserialize)]
struct ExportMessage<'a> {
    #[serde(borrow)]
    info: &'a RawValue,
    #[serde(borrow)]
    parts: Vec<&'a RawValue>,
}
