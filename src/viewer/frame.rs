//! The frames of the viewer channel, as JSON text. `schema/viewer.md` describes them; golden samples lie beside it.
//!
//! Written by hand around texts that are JSON already, so that an item's value is copied once and never parsed.

use bytes::{BufMut as _, Bytes, BytesMut};

use crate::share::error::Refusal;
use crate::share::item::ItemKind;
use crate::share::view::{Changed, Revision, Step};

/// A piece of the state or of a change: `snapshot` if the viewer is to forget what it holds, else `changes`.
///
/// A piece of a snapshot after its first says `snapshot` no more: it is told by `changes` whose `base` is 0.
#[must_use]
pub fn step(step: &Step) -> Bytes {
    let size: usize = step.changes.iter().map(|changed| 80 + changed.byte_count()).sum();
    let mut frame = BytesMut::with_capacity(128 + size);
    let event = if step.reset { "snapshot" } else { "changes" };
    let Step { base, revision, sync_count, more, .. } = step;
    frame.put_slice(
        format!(
            r#"{{"event":"{event}","payload":{{"base":{base},"revision":{revision},"syncCount":{sync_count},"more":{more},"changes":["#
        )
        .as_bytes(),
    );
    for (at, changed) in step.changes.iter().enumerate() {
        if at > 0 {
            frame.put_u8(b',');
        }
        put_changed(&mut frame, changed);
    }
    frame.put_slice(b"]}}");
    frame.freeze()
}

/// The viewer stands at this revision; from here on it is live.
#[must_use]
pub fn ready(revision: Revision) -> String {
    format!(r#"{{"event":"ready","payload":{{"revision":{revision}}}}}"#)
}

/// The connection lives.
pub const HEARTBEAT: &str = r#"{"heartbeat":true}"#;

/// The last frame before the channel closes.
#[must_use]
pub fn ended(refusal: &Refusal) -> String {
    serde_json::json!({ "event": "__error", "payload": error(refusal) }).to_string()
}

/// The answer to a frame of the viewer that is refused; `id` is that of the frame, or null.
#[must_use]
pub fn refused(id: &serde_json::Value, refusal: &Refusal) -> String {
    serde_json::json!({ "id": id, "ok": false, "error": error(refusal) }).to_string()
}

fn error(refusal: &Refusal) -> serde_json::Value {
    serde_json::json!({
        "code": code(refusal),
        "message": refusal.to_string(),
        "transient": refusal.is_transient(),
    })
}

/// A refusal's name: the same in every JSON answer.
#[must_use]
pub fn code(refusal: &Refusal) -> &'static str {
    match refusal {
        Refusal::Unauthorized { .. } => "Unauthorized",
        Refusal::NotFound { .. } => "NotFound",
        Refusal::InvalidSecret { .. } => "InvalidSecret",
        Refusal::RouteMismatch { .. } => "RouteMismatch",
        Refusal::ProtocolMismatch { .. } => "ProtocolMismatch",
        Refusal::StorageFailure { .. } => "StorageFailure",
        Refusal::UpgradeFailed { .. } => "UpgradeFailed",
        Refusal::LimitExceeded { .. } => "LimitExceeded",
        Refusal::InvalidInput { .. } => "InvalidInput",
        Refusal::StaleProducer { .. } => "StaleProducer",
        Refusal::NotYet { .. } => "NotYet",
        Refusal::Unavailable { .. } => "Unavailable",
        Refusal::Unspecified { .. } => "Unspecified",
    }
}

fn put_changed(frame: &mut BytesMut, changed: &Changed) {
    frame.put_slice(b"{\"key\":");
    put_text(frame, changed.key.as_str());
    frame.put_slice(format!(",\"revision\":{}", changed.revision).as_bytes());
    match &changed.value {
        Some(value) => {
            frame.put_slice(b",\"type\":");
            match changed.key.kind() {
                ItemKind::Session => frame.put_slice(b"\"session\""),
                ItemKind::SessionDiff => frame.put_slice(b"\"session_diff\""),
                ItemKind::Message { .. } => frame.put_slice(b"\"message\""),
                ItemKind::Part { .. } => frame.put_slice(b"\"part\""),
                ItemKind::Model { .. } => frame.put_slice(b"\"model\""),
                ItemKind::Other { kind, .. } => put_text(frame, &kind),
            }
            frame.put_slice(b",\"value\":");
            frame.put_slice(value.as_str().as_bytes());
        }
        None => frame.put_slice(b",\"removed\":true"),
    }
    frame.put_u8(b'}');
}

fn put_text(frame: &mut BytesMut, text: &str) {
    // Writing to memory cannot fail.
    let _ = serde_json::to_writer(frame.writer(), text);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::share::item::{ItemKey, Payload};

    fn golden(name: &str) -> String {
        let path = format!("{}/schema/viewer/{name}.json", env!("CARGO_MANIFEST_DIR"));
        std::fs::read_to_string(&path).expect(&path).trim_end().to_owned()
    }

    fn put(key: ItemKey, revision: Revision, json: &str) -> Changed {
        Changed { key, revision, value: Some(Payload::from_checked_json(json)) }
    }

    #[test]
    fn frames_are_those_of_the_golden_files() {
        let snapshot = Step {
            base: 0,
            revision: 3,
            sync_count: 4,
            reset: true,
            more: false,
            changes: vec![
                put(ItemKey::session(), 1, r#"{"id":"ses_1","title":"A \"quoted\" title"}"#),
                put(ItemKey::model("p", "a/b").unwrap(), 2, r#"{"id":"a/b","providerID":"p"}"#),
                put(ItemKey::other("note", None).unwrap(), 3, "17"),
            ],
        };
        assert_eq!(std::str::from_utf8(&step(&snapshot)).unwrap(), golden("snapshot"));
        let changes = Step {
            base: 3,
            revision: 4,
            sync_count: 5,
            reset: false,
            more: false,
            changes: vec![
                put(ItemKey::part("msg_1", "prt_1").unwrap(), 4, r#"{"id":"prt_1","messageID":"msg_1"}"#),
                Changed { key: ItemKey::message("msg_0").unwrap(), revision: 4, value: None },
            ],
        };
        assert_eq!(std::str::from_utf8(&step(&changes)).unwrap(), golden("changes"));
        assert_eq!(ready(4), golden("ready"));
        assert_eq!(HEARTBEAT, golden("heartbeat"));
        assert_eq!(ended(&Refusal::not_found("abc")), golden("error"));
        let refusal = Refusal::NotYet { feature: "commands".into() };
        assert_eq!(refused(&7.into(), &refusal), golden("refused"));
        for name in ["snapshot", "changes", "ready", "heartbeat", "error", "refused"] {
            serde_json::from_str::<serde_json::Value>(&golden(name)).expect(name);
        }
    }
}
