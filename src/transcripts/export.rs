//! An OpenCode export, `{"info": SESSION, "messages": [{"info": MESSAGE, "parts": [PART]}]}`, as pieces.
//!
//! With it what `capshare export` puts beside these: `models`, `session_diff` and `other`.

use std::collections::VecDeque;

use capshare::share::error::Refusal;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::cli::connect::of_refusal;
use crate::cli::exit::{Exit, Failure};
use crate::cli::push::source::{Origin, Piece, reason};

/// Its pieces: the session, each message with its parts, and what is beside them; each with the bytes that it took.
pub(super) fn read_export(text: &str) -> Result<VecDeque<(Piece, u64)>, Failure> {
    let export: Export<'_> = serde_json::from_str(text).map_err(|error| {
        let message = format!(
            "neither an export ({{\"info\", \"messages\"}}: {error}) nor JSON lines of {{\"type\", \"data\"}} from its first line on"
        );
        Failure::new(Exit::Failed, message)
    })?;
    let mut pieces = VecDeque::with_capacity(1 + export.messages.len());
    let mut first = Piece::default();
    if export.info.get() != "null" {
        first.items.put("session", export.info.get()).map_err(|refusal| of_refusal(&refusal))?;
    }
    first.session = serde_json::from_str::<Origin>(export.info.get()).ok().and_then(|origin| origin.id);
    pieces.push_back((first, export.info.get().len() as u64));
    for (n, message) in export.messages.iter().enumerate() {
        let mut piece = Piece::default();
        let mut bytes = message.info.get().len();
        let mut read = || -> Result<(), Refusal> {
            piece.items.put("message", message.info.get())?;
            for part in &message.parts {
                bytes += part.get().len();
                piece.items.put("part", part.get())?;
            }
            Ok(())
        };
        read().map_err(|refusal| of_refusal(&refusal).saying(format!("message {}: {}", n + 1, reason(&refusal))))?;
        pieces.push_back((piece, bytes as u64));
    }
    let mut last = Piece::default();
    let mut read = || -> Result<(), Refusal> {
        export.models.iter().try_for_each(|model| last.items.put("model", model.get()))?;
        export.session_diff.iter().try_for_each(|diff| last.items.put("session_diff", diff.get()))?;
        export.other.iter().try_for_each(|item| last.items.sync_data(item.get()))
    };
    read().map_err(|refusal| of_refusal(&refusal).saying(format!("beside the messages: {}", reason(&refusal))))?;
    if !last.items.is_empty() {
        pieces.push_back((last, 0));
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
