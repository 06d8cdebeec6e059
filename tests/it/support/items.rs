//! Items for scenes.

use capshare::client::{Items, Replica};

/// Items of types and JSON texts.
pub(crate) fn items(of: &[(&str, &str)]) -> Items {
    let mut items = Items::new();
    for (kind, json) in of {
        items.put(kind, json).unwrap();
    }
    items
}

/// One part of message `m`, with a text.
pub(crate) fn part(id: &str, text: &str) -> Items {
    items(&[("part", &serde_json::json!({ "id": id, "messageID": "m", "type": "text", "text": text }).to_string())])
}

/// What a follower holds, as keys and texts in order.
pub(crate) fn held(replica: &Replica) -> Vec<(String, String)> {
    replica.iter().map(|(key, value)| (key.to_string(), value.as_str().to_owned())).collect()
}
