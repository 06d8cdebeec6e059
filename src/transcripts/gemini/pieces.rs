//! The pieces of a content in Gemini's terms, which Qwen Code writes, too: texts, thoughts, calls, results and files.

use serde_json::{Value, json};

use crate::transcripts::tool::File;
use crate::transcripts::values::{filled, text};

/// The pieces of a content, which is a text, a piece, or a list of both.
pub(in crate::transcripts) fn pieces(content: &Value) -> Vec<Value> {
    match content {
        Value::String(said) => vec![json!({ "text": said })],
        Value::Array(list) => list.iter().flat_map(pieces).collect(),
        Value::Object(_) => vec![content.clone()],
        Value::Null | Value::Bool(_) | Value::Number(_) => Vec::new(),
    }
}

/// The texts, or the thoughts, of pieces.
pub(in crate::transcripts) fn words(pieces: &[Value], thoughts: bool) -> impl Iterator<Item = &str> {
    let of_kind = move |piece: &&Value| (piece["thought"] == json!(true)) == thoughts;
    pieces.iter().filter(of_kind).filter_map(|piece| filled(piece, "text"))
}

/// The file of a piece.
pub(in crate::transcripts) fn file(piece: &Value) -> Option<File> {
    let (data, file) = (&piece["inlineData"], &piece["fileData"]);
    if let Some(held) = data["data"].as_str() {
        return Some(File::held(text(data, "mimeType"), held));
    }
    Some(File::at(text(file, "mimeType"), file["fileUri"].as_str()?))
}

/// The results in pieces, with the ids of their calls.
pub(in crate::transcripts) fn responses(pieces: &[Value]) -> impl Iterator<Item = (&str, &Value)> {
    let results = pieces.iter().map(|piece| &piece["functionResponse"]).filter(|result| result.is_object());
    results.map(|result| (text(result, "id"), &result["response"]))
}

/// Whether a piece is a call or a result, which stand in the message of the model.
pub(in crate::transcripts) fn is_repeated(piece: &Value) -> bool {
    piece.get("functionCall").is_some() || piece.get("functionResponse").is_some()
}

/// Whether a piece is of no kind that is known.
pub(in crate::transcripts) fn is_unknown(piece: &Value) -> bool {
    !is_repeated(piece) && !piece["text"].is_string() && file(piece).is_none()
}
