//! Lines of items, `{"type", "data"}`, or of recorded requests, whose `body` has `data`, a list of these.

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::share::error::Refusal;
use crate::transcripts::piece::Piece;

/// Reads one line of JSON: an item, `{"type": TYPE, "data": DATA}`, or a request to an OpenCode share host as it was recorded,
/// `{"body": {"sessionID": ID, "data": [ITEM, ...]}}`.
///
/// # Errors
/// The line is not such an object, or one of its items is not of the shape that its type asks for, too large or too deeply nested.
pub fn read_item_line(line: &str) -> Result<Piece, Refusal> {
    let object: Line<'_> =
        serde_json::from_str(line).map_err(|error| Refusal::invalid(0, format!("it is not a JSON object: {error}")))?;
    let mut piece = Piece::default();
    match object.body {
        Some(body) => {
            piece.session = body.session;
            for item in body.data {
                let inner: Line<'_> = serde_json::from_str(item.get())
                    .map_err(|_| Refusal::invalid(0, "an item is a JSON object with type and data"))?;
                piece.sync_data(item.get())?;
                piece.session = piece.session.or_else(|| session_of(&inner));
            }
        }
        None => {
            piece.sync_data(line)?;
            piece.session = session_of(&object);
        }
    }
    Ok(piece)
}

/// The id of the session whose record this is.
pub(super) fn id_of_session(record: &RawValue) -> Option<String> {
    serde_json::from_str::<Origin>(record.get()).ok()?.id
}

/// A line: an item, or a recorded request.
#[derive(Deserialize)]
struct Line<'a> {
    #[serde(borrow, rename = "type")]
    kind: Option<&'a RawValue>,
    #[serde(borrow)]
    data: Option<&'a RawValue>,
    #[serde(borrow)]
    body: Option<Body<'a>>,
}

#[derive(Deserialize)]
struct Body<'a> {
    #[serde(rename = "sessionID")]
    session: Option<String>,
    #[serde(borrow, default)]
    data: Vec<&'a RawValue>,
}

/// The members of an item that name its session.
#[derive(Deserialize)]
struct Origin {
    id: Option<String>,
    #[serde(rename = "sessionID")]
    session: Option<String>,
}

fn session_of(line: &Line<'_>) -> Option<String> {
    let origin: Origin = serde_json::from_str(line.data?.get()).ok()?;
    match line.kind?.get() {
        "\"session\"" => origin.id,
        "\"message\"" | "\"part\"" => origin.session,
        _ => None,
    }
}
