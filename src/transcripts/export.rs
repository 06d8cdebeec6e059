//! An OpenCode export, `{"info": SESSION, "messages": [{"info": MESSAGE, "parts": [PART]}]}`, as pieces.
//!
//! Beside these members stand those that `capshare export` adds: `models`, `session_diff` and `other`. An export is read whole or refused
//! ([`read_export`]), or as far as it goes ([`read_export_leniently`]): without what is not an item, without what other programs
//! printed before and behind it, and up to where it was cut off.

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::share::error::Refusal;
use crate::share::limits::TRANSCRIPT_DOCUMENT_BYTES_MAX;
use crate::transcripts::item_lines::id_of_session;
use crate::transcripts::piece::Piece;
use crate::transcripts::report::{LeftOut, Report};

/// Places where an export may begin that are tried: what is printed before it has few braces.
const STARTS_MAX: usize = 64;

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
        /// The number of the message, counted from 1.
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

/// An export, as far as it could be read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ReadExport {
    /// The session, then each message with its parts, then what is beside them; with each the number of bytes that it was made of.
    pub pieces: Vec<(Piece, u64)>,
    /// What is not among them, or not whole.
    pub report: Report,
    /// The text ends in the middle of the export: the message that was cut off, and what came after it, is missing.
    pub ends_early: bool,
}

/// Reads an OpenCode export into pieces: the session, then each message with its parts, then what is beside them. Each piece
/// comes with the number of bytes of the text that it was made of.
///
/// # Errors
/// See [`ExportError`]. Nothing is given out then.
pub fn read_export(text: &str) -> Result<Vec<(Piece, u64)>, ExportError> {
    check_size(text)?;
    let export: Export<'_> = serde_json::from_str(text).map_err(|error| not_an_export(&error))?;
    let mut refused = None;
    let pieces = pieces(&export, &mut |put| match put {
        Ok(_) => true,
        Err(error) => {
            refused.get_or_insert(error);
            false
        }
    });
    refused.map_or(Ok(pieces), Err)
}

/// Reads an OpenCode export as far as it goes: what is no item is left out and counted, what is printed before or behind the export
/// is passed over, and of an export that ends early the messages before its end are given out.
///
/// # Errors
/// [`ExportError::NotAnExport`] or [`ExportError::TooLarge`].
pub fn read_export_leniently(text: &str) -> Result<ReadExport, ExportError> {
    check_size(text)?;
    let text = text.trim_start_matches('\u{FEFF}');
    let first = match serde_json::from_str::<Export<'_>>(text) {
        Ok(export) => return Ok(lenient(&export, false)),
        Err(error) => not_an_export(&error),
    };
    let mut cut_off = None;
    for (at, _) in text.match_indices('{').take(STARTS_MAX) {
        let rest = &text[at..];
        match serde_json::Deserializer::from_str(rest).into_iter::<Export<'_>>().next() {
            Some(Ok(export)) => return Ok(lenient(&export, false)),
            Some(Err(error)) if error.is_eof() => cut_off = cut_off.or_else(|| before_the_end(rest)),
            Some(Err(_)) | None => {}
        }
    }
    let export = cut_off.as_deref().and_then(|text| serde_json::from_str(text).ok());
    export.map_or(Err(first), |export: Export<'_>| Ok(lenient(&export, true)))
}

fn check_size(text: &str) -> Result<(), ExportError> {
    let is_small = text.len() <= TRANSCRIPT_DOCUMENT_BYTES_MAX;
    if is_small { Ok(()) } else { Err(ExportError::TooLarge { bytes: text.len() }) }
}

fn not_an_export(error: &serde_json::Error) -> ExportError {
    let reason = if error.is_eof() { "it ends early".to_owned() } else { error.to_string() };
    ExportError::NotAnExport { reason }
}

fn lenient(export: &Export<'_>, ends_early: bool) -> ReadExport {
    let mut report = Report::default();
    let pieces = pieces(export, &mut |put| {
        match put {
            Ok(true) => report.made_smaller(),
            Ok(false) => {}
            Err(error) => report.leave_out(match error.refusal() {
                Some(Refusal::LimitExceeded { .. }) => LeftOut::TooLarge,
                _ => LeftOut::NotAnItem,
            }),
        }
        true
    });
    ReadExport { pieces, report, ends_early }
}

/// An export that was cut off, ended behind its last whole message. `None` if it has not come to its messages.
fn before_the_end(text: &str) -> Option<String> {
    let (mut depth, mut in_string, mut is_escaped) = (0_usize, false, false);
    let (mut in_messages, mut end) = (false, None);
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' if in_string => is_escaped = true,
            b'"' => in_string = !in_string,
            _ if in_string => {}
            b'{' | b'[' => {
                depth += 1;
                if depth == 2 {
                    let name = text[..at].trim_end().strip_suffix(':').map(str::trim_end).unwrap_or_default();
                    in_messages = byte == b'[' && name.ends_with("\"messages\"");
                    end = end.or(in_messages.then_some(at + 1));
                }
            }
            b'}' | b']' => {
                depth = depth.saturating_sub(1);
                if depth == 2 && in_messages {
                    end = Some(at + 1);
                }
                in_messages &= depth >= 2;
            }
            _ => {}
        }
    }
    end.map(|end| format!("{}]}}", &text[..end]))
}

/// The pieces of an export. `take` is told of each item whether it was made smaller, or why it is not an item, and says whether to go on.
fn pieces(export: &Export<'_>, take: &mut dyn FnMut(Result<bool, ExportError>) -> bool) -> Vec<(Piece, u64)> {
    let mut pieces = Vec::with_capacity(2 + export.messages.len());
    let mut first = Piece::default();
    if export.info.get() != "null" && !take(first.put("session", export.info.get()).map_err(ExportError::Session)) {
        return pieces;
    }
    first.session = id_of_session(export.info);
    pieces.push((first, export.info.get().len() as u64));
    for (n, message) in export.messages.iter().enumerate() {
        let (mut piece, mut bytes) = (Piece::default(), message.info.get().len());
        let items = std::iter::once(("message", message.info)).chain(message.parts.iter().map(|part| ("part", *part)));
        for (kind, item) in items {
            bytes += if kind == "part" { item.get().len() } else { 0 };
            let put = piece.put(kind, item.get());
            if !take(put.map_err(|refusal| ExportError::Message { number: n + 1, refusal })) {
                return pieces;
            }
        }
        pieces.push((piece, bytes as u64));
    }
    let mut last = Piece::default();
    let beside = export.models.iter().map(|model| ("model", *model));
    for (kind, item) in beside.chain(export.session_diff.map(|diff| ("session_diff", diff))) {
        if !take(last.put(kind, item.get()).map_err(ExportError::Beside)) {
            return pieces;
        }
    }
    for item in &export.other {
        if !take(last.sync_data(item.get()).map_err(ExportError::Beside)) {
            return pieces;
        }
    }
    if !last.changes.is_empty() {
        pieces.push((last, 0));
    }
    pieces
}

#[derive(Deserialize)]
struct Export<'a> {
    #[serde(borrow)]
    info: &'a RawValue,
    #[serde(borrow)]
    messages: Vec<ExportMessage<'a>>,
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
