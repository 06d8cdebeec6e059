//! The contents of Kimi Code and of kimi-cli: a text, or a list of parts `{type, ..}`.

use serde_json::Value;

use crate::transcripts::tool::File;
use crate::transcripts::values::{filled, text};

/// The parts of a content.
pub(in crate::transcripts) fn parts(content: &Value) -> Vec<Value> {
    match content {
        Value::String(said) => vec![serde_json::json!({ "type": "text", "text": said })],
        Value::Array(parts) => parts.clone(),
        Value::Object(_) => vec![content.clone()],
        Value::Null | Value::Bool(_) | Value::Number(_) => Vec::new(),
    }
}

/// The texts of parts, each on lines of its own.
pub(in crate::transcripts) fn words(parts: &[Value]) -> String {
    parts.iter().filter_map(|part| filled(part, "text")).collect::<Vec<_>>().join("\n")
}

/// The file of a part: a picture, a sound or a film.
pub(in crate::transcripts) fn file(part: &Value) -> Option<File> {
    let kinds = [
        ("image_url", "imageUrl", "image/*"),
        ("audio_url", "audioUrl", "audio/*"),
        ("video_url", "videoUrl", "video/*"),
    ];
    let (old, new, any) = kinds.into_iter().find(|(kind, ..)| text(part, "type") == *kind)?;
    let url = [old, new].into_iter().find_map(|name| filled(&part[name], "url").or_else(|| filled(part, name)))?;
    let mime = url.strip_prefix("data:").and_then(|rest| rest.split_once([';', ','])).map_or(any, |(mime, _)| mime);
    Some(File::at(mime, url))
}
