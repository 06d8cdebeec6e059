//! What is too large for a share, in one place: an item that is larger than a share takes is made smaller, and says so.
//!
//! A file that is too large becomes words with its name, its type and its size. Then long texts are cut, and end with the number of
//! bytes that are missing. The item keeps its ids, so whatever refers to it finds it.

use std::borrow::Cow;

use serde_json::{Value, json};

use crate::share::limits::ITEM_BYTES_MAX;
use crate::transcripts::values::{cut, text};

/// The longest text of an item that is too large, tried one after the other.
const TEXTS_MAX: [usize; 3] = [512 << 10, 32 << 10, 1 << 10];

/// Makes the JSON text of an item small enough for a share. The second is whether it was too large. A text that cannot be made
/// small enough, or is not JSON, is given back as it is, and is refused later.
pub(super) fn fitting<'a>(kind: &str, json: &'a str) -> (Cow<'a, str>, bool) {
    if json.len() <= ITEM_BYTES_MAX {
        return (Cow::Borrowed(json), false);
    }
    let Ok(mut item) = serde_json::from_str::<Value>(json) else { return (Cow::Borrowed(json), false) };
    if kind == "part" {
        name_files(&mut item);
    }
    for most in TEXTS_MAX {
        let smaller = item.to_string();
        if smaller.len() <= ITEM_BYTES_MAX {
            return (Cow::Owned(smaller), true);
        }
        shorten(&mut item, most);
    }
    let smaller = item.to_string();
    if smaller.len() <= ITEM_BYTES_MAX { (Cow::Owned(smaller), true) } else { (Cow::Borrowed(json), false) }
}

/// Replaces the files of a part by words, if they are what makes it large.
fn name_files(part: &mut Value) {
    if text(part, "type") == "file" && url_bytes(part) > 0 {
        let words = words(part);
        if let Some(members) = part.as_object_mut() {
            members.retain(|name, _| matches!(name.as_str(), "id" | "messageID" | "sessionID" | "time"));
            members.insert("type".to_owned(), json!("text"));
            members.insert("text".to_owned(), json!(words));
        }
        return;
    }
    let Some(state) = part.get_mut("state").and_then(Value::as_object_mut) else { return };
    let Some(files) = state.get_mut("attachments").and_then(Value::as_array_mut) else { return };
    let mut named = Vec::new();
    // The largest first, until the rest is small enough by far.
    while files.iter().map(url_bytes).sum::<usize>() > ITEM_BYTES_MAX / 2 {
        let Some(at) = (0..files.len()).max_by_key(|at| url_bytes(&files[*at])) else { break };
        named.push(words(&files.remove(at)));
    }
    let is_error = state.get("status") == Some(&json!("error"));
    let said = state.entry(if is_error { "error" } else { "output" }).or_insert_with(|| json!(""));
    if let Value::String(said) = said {
        for words in named {
            if !said.is_empty() && !said.ends_with('\n') {
                said.push('\n');
            }
            said.push_str(&words);
        }
    }
}

/// The bytes of the URL in which a file is held.
fn url_bytes(file: &Value) -> usize {
    Some(text(file, "url")).filter(|url| url.starts_with("data:")).map_or(0, str::len)
}

/// What stands in the place of a file.
fn words(file: &Value) -> String {
    let name = Some(text(file, "filename")).filter(|name| !name.is_empty()).unwrap_or("a file");
    let mime = Some(text(file, "mime")).filter(|mime| !mime.is_empty()).unwrap_or("of no type");
    let url = text(file, "url");
    let held = url.split_once(',').map_or(url, |(_, held)| held);
    // Base64 has four characters for three bytes.
    let bytes = if url.contains(";base64,") { held.trim_end_matches('=').len() * 3 / 4 } else { held.len() };
    format!("[{name} ({mime}, {bytes} bytes) is not in the share: it is larger than a share takes]")
}

/// Cuts each text inside a value that is longer than this.
fn shorten(value: &mut Value, most: usize) {
    match value {
        Value::String(said) if said.len() > most => *said = cut(said, most),
        Value::Array(values) => values.iter_mut().for_each(|value| shorten(value, most)),
        Value::Object(members) => members.iter_mut().for_each(|(_, value)| shorten(value, most)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}
