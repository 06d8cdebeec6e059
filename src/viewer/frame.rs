//! The frames of the viewer channel, as JSON text. `schema/viewer.md` describes them; golden samples lie beside it.
//!
//! Written by hand around texts that are JSON already, so that an item's value is copied once and never parsed.

use bytes::{BufMut as _, Bytes, BytesMut};
use serde::Serialize;

use crate::connections::moving::Moving;
use crate::rooms::audience::Notice;
use crate::rooms::event::Resync;
use crate::share::error::Refusal;
use crate::share::host::HostUrl;
use crate::share::item::ItemKind;
use crate::share::revision::Revision;
use crate::share::state::Replaced;
use crate::share::view::{Changed, Step};
use crate::viewer::code::json;
use crate::viewer::patch::patch;
use crate::viewer::shapes::{Ask, ErrorShape, MovingShape, Presence, Ready, SettledShape};

/// A piece of the state or of a change: `snapshot` if the viewer is to forget what it holds, else `changes`. `resync` says why,
/// to one that held something.
///
/// A piece of a snapshot after its first says `snapshot` no more: it is told by `changes` whose `base` is 0.
///
/// `replaced`: values that the viewer holds, and of which it may be told what is [different](patch()).
#[must_use]
pub fn step(step: &Step, resync: Option<Resync>, replaced: &[Replaced]) -> Bytes {
    let mut replaced = replaced.iter().peekable();
    let changes = step.changes.iter().enumerate().map(|(at, changed)| {
        let replaced = replaced.next_if(|replaced| replaced.at == at);
        Told { patch: replaced.and_then(|replaced| Patch::of(changed, replaced)), ..Told::whole(changed) }
    });
    let changes: Vec<_> = changes.collect();
    let size: usize = changes.iter().map(Told::byte_count).sum();
    let mut frame = BytesMut::with_capacity(160 + size);
    let event = if step.reset { "snapshot" } else { "changes" };
    let Step { base, revision, sync_count, more, .. } = step;
    frame.put_slice(
        format!(
            r#"{{"event":"{event}","payload":{{"base":{base},"revision":{revision},"syncCount":{sync_count},"more":{more},"#
        )
        .as_bytes(),
    );
    if let Some(resync) = resync {
        frame.put_slice(format!(r#""resync":"{}","#, resync.as_str()).as_bytes());
    }
    frame.put_slice(b"\"changes\":");
    put_changes(&mut frame, changes);
    frame.put_slice(b"}}");
    frame.freeze()
}

/// The frame that says that the viewer stands at this revision and is told changes as they come. `stream`: the name of its channel,
/// and the URLs of other hosts; `None` for who has no channel.
#[must_use]
pub fn ready(revision: Revision, stream: Option<(String, Vec<HostUrl>)>) -> String {
    event("ready", &Ready::new(revision, stream))
}

/// The frame that says that the viewer is to go to another host.
#[must_use]
pub fn moving(moving: &Moving) -> String {
    event("moving", &MovingShape::from(moving))
}

/// The frame of a notice: who watches, or a question.
#[must_use]
pub fn notice(notice: Notice) -> String {
    match notice {
        Notice::Watching(watching) => event("presence", &Presence::from(watching)),
        Notice::Asked(asked) => event("ask", &Ask::from(asked)),
        Notice::Settled(settled) => event("settled", &SettledShape::from(settled)),
    }
}

/// The frame that says that the connection lives.
pub const HEARTBEAT: &str = r#"{"heartbeat":true}"#;

/// The last frame before the channel closes, with the refusal that ends it.
#[must_use]
pub fn ended(refusal: &Refusal) -> String {
    event("__error", &ErrorShape::from(refusal))
}

/// The answer to a frame of the viewer whose `data` is this JSON text; `id` is that of the frame.
#[must_use]
pub fn answered(id: &serde_json::Value, data: &str) -> String {
    format!(r#"{{"id":{id},"ok":true,"data":{data}}}"#)
}

/// The answer to a frame of the viewer that is refused; `id` is that of the frame, or null.
#[must_use]
pub fn refused(id: &serde_json::Value, refusal: &Refusal) -> String {
    format!(r#"{{"id":{id},"ok":false,"error":{}}}"#, json(&ErrorShape::from(refusal)))
}

/// A page of what a share holds: the data of an answer.
#[must_use]
pub fn history(revision: Revision, changes: &[Changed], next: u64) -> String {
    let mut data = BytesMut::new();
    data.put_slice(format!(r#"{{"revision":{revision},"changes":"#).as_bytes());
    put_changes(&mut data, changes.iter().map(Told::whole));
    let next = if next == 0 { "null".to_owned() } else { format!(r#""{next}""#) };
    data.put_slice(format!(r#","next":{next}}}"#).as_bytes());
    // It is made of texts.
    String::from_utf8(data.into()).unwrap_or_default()
}

/// Some items of what a share holds, each with its place: a line of the document of a state, and with keys that are `left` the data of
/// an answer. `Some`: told in place of the value, which is longer.
pub(super) fn items(items: &[(u64, &Changed, Option<String>)], left: Option<&[&String]>) -> BytesMut {
    let told = items.iter().map(|(place, changed, short)| Told {
        place: Some(*place),
        short: short.as_deref(),
        ..Told::whole(changed)
    });
    let size: usize = told.clone().map(|told| told.byte_count()).sum();
    let mut data = BytesMut::with_capacity(64 + size);
    data.put_slice(b"{\"changes\":");
    put_changes(&mut data, told);
    if let Some(left) = left {
        data.put_slice(format!(",\"left\":{}", json(&left)).as_bytes());
    }
    data.put_u8(b'}');
    data
}

/// An event frame as a server-sent event: `id` if it is given, `event`, and the payload as `data`, line by line.
#[must_use]
pub fn server_sent(frame: &[u8], id: Option<Revision>) -> Bytes {
    const BEFORE: &[u8] = br#"{"event":""#;
    const BETWEEN: &[u8] = br#"","payload":"#;
    // Every event frame is made here, and looks like this.
    let rest = frame.get(BEFORE.len()..frame.len().saturating_sub(1)).unwrap_or_default();
    let name_len = memchr::memchr(b'"', rest).unwrap_or_default();
    let (name, payload) = (&rest[..name_len], rest.get(name_len + BETWEEN.len()..).unwrap_or_default());
    let mut out = BytesMut::with_capacity(payload.len() + 64);
    if let Some(id) = id {
        out.put_slice(format!("id: {id}\n").as_bytes());
    }
    out.put_slice(b"event: ");
    out.put_slice(name);
    out.put_slice(b"\ndata: ");
    // An item is JSON as its producer wrote it, perhaps over several lines: between its words, so they may end anywhere.
    let mut from = 0;
    for at in memchr::memchr2_iter(b'\n', b'\r', payload) {
        out.put_slice(&payload[from..at]);
        out.put_slice(b"\ndata: ");
        from = at + 1;
    }
    out.put_slice(&payload[from..]);
    out.put_slice(b"\n\n");
    out.freeze()
}

fn event(name: &str, payload: &impl Serialize) -> String {
    format!(r#"{{"event":"{name}","payload":{}}}"#, json(payload))
}

/// A change as a viewer is told it.
#[derive(Clone)]
struct Told<'a> {
    changed: &'a Changed,
    /// Told in place of the value.
    patch: Option<Patch>,
    /// Told in place of the value, with the value's size.
    short: Option<&'a str>,
    place: Option<u64>,
}

/// The difference from the value of revision `base`.
#[derive(Clone)]
struct Patch {
    base: Revision,
    operations: String,
}

impl<'a> Told<'a> {
    fn whole(changed: &'a Changed) -> Self {
        Self { changed, patch: None, short: None, place: None }
    }

    /// About the bytes that the change takes in a frame.
    fn byte_count(&self) -> usize {
        let patch = self.patch.as_ref().map(|patch| patch.operations.len());
        let told = patch.or(self.short.map(str::len)).map(|told| self.changed.key.as_str().len() + told);
        112 + told.unwrap_or_else(|| self.changed.byte_count())
    }
}

impl Patch {
    fn of(changed: &Changed, replaced: &Replaced) -> Option<Self> {
        let operations = patch(replaced.value.as_str(), changed.value.as_ref()?.as_str())?;
        Some(Self { base: replaced.revision, operations })
    }
}

fn put_changes<'a>(frame: &mut BytesMut, changes: impl IntoIterator<Item = Told<'a>>) {
    frame.put_u8(b'[');
    for (at, changed) in changes.into_iter().enumerate() {
        if at > 0 {
            frame.put_u8(b',');
        }
        put_changed(frame, &changed);
    }
    frame.put_u8(b']');
}

fn put_changed(frame: &mut BytesMut, Told { changed, patch, short, place }: &Told<'_>) {
    frame.put_slice(b"{\"key\":");
    put_text(frame, changed.key.as_str());
    frame.put_slice(format!(",\"revision\":{}", changed.revision).as_bytes());
    if let Some(first) = changed.first.filter(|first| *first != changed.revision) {
        frame.put_slice(format!(",\"first\":{first}").as_bytes());
    }
    if let Some(place) = place {
        frame.put_slice(format!(",\"place\":{place}").as_bytes());
    }
    match &changed.value {
        Some(value) => {
            if short.is_some() {
                frame.put_slice(format!(",\"size\":{}", value.as_str().len()).as_bytes());
            }
            frame.put_slice(b",\"type\":");
            match changed.key.kind() {
                ItemKind::Session => frame.put_slice(b"\"session\""),
                ItemKind::SessionDiff => frame.put_slice(b"\"session_diff\""),
                ItemKind::Message { .. } => frame.put_slice(b"\"message\""),
                ItemKind::Part { .. } => frame.put_slice(b"\"part\""),
                ItemKind::Model { .. } => frame.put_slice(b"\"model\""),
                ItemKind::Other { kind, .. } => put_text(frame, &kind),
            }
            match patch {
                Some(Patch { base, operations }) => {
                    frame.put_slice(format!(",\"base\":{base},\"patch\":").as_bytes());
                    frame.put_slice(operations.as_bytes());
                }
                None => {
                    frame.put_slice(b",\"value\":");
                    frame.put_slice(short.unwrap_or(value.as_str()).as_bytes());
                }
            }
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
    use std::time::Duration;

    use super::*;
    use crate::rooms::audience::Watching;
    use crate::rooms::ballot::{Asked, Settled, Verdict};
    use crate::share::item::{ItemKey, Payload};
    use crate::share::time::Timestamp;

    fn golden(name: &str) -> String {
        let path = format!("{}/schema/viewer/{name}.json", env!("CARGO_MANIFEST_DIR"));
        std::fs::read_to_string(&path).expect(&path).trim_end().to_owned()
    }

    fn put(key: ItemKey, revision: u64, first: u64, json: &str) -> Changed {
        let value = Some(Payload::from_checked_json(json));
        Changed { key, revision: Revision(revision), first: Some(Revision(first)), value }
    }

    fn snapshot() -> Step {
        let changes = vec![
            put(ItemKey::session(), 3, 1, r#"{"id":"ses_1","title":"A \"quoted\" title"}"#),
            put(ItemKey::model("p", "a/b").unwrap(), 2, 2, r#"{"id":"a/b","providerID":"p"}"#),
            put(ItemKey::other("note", None).unwrap(), 3, 3, "17"),
        ];
        Step { base: Revision::EMPTY, revision: Revision(3), sync_count: 4, reset: true, more: false, changes }
    }

    #[test]
    fn frames_are_those_of_the_golden_files() {
        let changes = Step {
            base: Revision(3),
            revision: Revision(4),
            sync_count: 5,
            reset: false,
            more: false,
            changes: vec![
                put(ItemKey::part("msg_1", "prt_1").unwrap(), 4, 4, r#"{"id":"prt_1","messageID":"msg_1"}"#),
                Changed { key: ItemKey::message("msg_0").unwrap(), revision: Revision(4), first: None, value: None },
            ],
        };
        let text = |text: &str, end: &str| format!(r#"{{"id":"prt_1","messageID":"msg_1","text":"{text}"{end}}}"#);
        let (before, more) = ("All work and no play. ".repeat(12), r#"It is \"done\"."#);
        let replaced = Replaced {
            at: 0,
            revision: Revision(3),
            value: Payload::from_checked_json(&text(&before, r#","time":{"start":1}"#)),
        };
        let grown = text(&format!("{before}{more}"), r#","time":{"start":1,"end":2}"#);
        let patched = Step {
            base: Revision(4),
            revision: Revision(5),
            sync_count: 6,
            changes: vec![put(ItemKey::part("msg_1", "prt_1").unwrap(), 5, 3, &grown)],
            ..changes.clone()
        };
        let replaced = [replaced];
        let counts = |approve| [("approve".to_owned(), approve), ("deny".to_owned(), 0)].into();
        let asked = Asked {
            ask: "5f".into(),
            question: "Deploy?".into(),
            choices: vec!["approve".into(), "deny".into()],
            needed: 2,
            deadline: Timestamp(1_796_000_060_000),
            counts: counts(1),
        };
        let settled = |outcome| Notice::Settled(Settled { ask: "5f".into(), outcome, counts: counts(2) });
        let watching = Watching { viewers: 3, names: vec!["Ann".into()] };
        let text = |bytes: Bytes| String::from_utf8(bytes.into()).unwrap();
        let url = |text: &str| text.parse().unwrap();
        let going = Moving {
            drain: 1,
            urls: vec![url("https://b.example.org"), url("https://c.example.org")],
            within: Duration::from_secs(2),
            retry: Duration::from_millis(1_234),
        };
        let frames = [
            ("snapshot", text(step(&snapshot(), None, &[]))),
            ("resync", text(step(&snapshot(), Some(Resync::RemovalsForgotten), &[]))),
            ("changes", text(step(&changes, None, &[]))),
            ("patched", text(step(&patched, None, &replaced))),
            ("ready", ready(Revision(4), Some(("3c9ad1f2".into(), vec![url("https://b.example.org")])))),
            ("moving", moving(&going)),
            ("presence", notice(Notice::Watching(watching))),
            ("ask", notice(Notice::Asked(asked))),
            ("settled", notice(settled(Verdict::Agreed("approve".into())))),
            ("settled-expired", notice(settled(Verdict::Expired))),
            ("settled-withdrawn", notice(settled(Verdict::Drained))),
            ("heartbeat", HEARTBEAT.to_owned()),
            ("error", ended(&Refusal::not_found("abc"))),
            ("answered", answered(&7.into(), r#"{"at":1796000000000}"#)),
            ("refused", refused(&"a".into(), &Refusal::invalid(0, "share.pong is no command"))),
            (
                "items",
                answered(&9.into(), str::from_utf8(&items(&[(12, &snapshot().changes[1], None)], Some(&[]))).unwrap()),
            ),
            ("history", answered(&8.into(), &history(Revision(3), &snapshot().changes[..2], 3))),
        ];
        for (name, frame) in frames {
            serde_json::from_str::<serde_json::Value>(&frame).expect(name);
            assert_eq!(frame, golden(name), "{name}");
        }
    }

    #[test]
    fn a_server_sent_event_has_the_payload_as_it_is_line_by_line() {
        let text = |bytes: Bytes| String::from_utf8(bytes.into()).unwrap();
        assert_eq!(text(server_sent(br#"{"event":"a","payload":{"x":1}}"#, None)), "event: a\ndata: {\"x\":1}\n\n");
        assert_eq!(
            text(server_sent(b"{\"event\":\"b\",\"payload\":{\"x\":\r\n1}}", Some(Revision(7)))),
            "id: 7\nevent: b\ndata: {\"x\":\ndata: \ndata: 1}\n\n"
        );
    }
}
