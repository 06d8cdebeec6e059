//! What a growing item costs those who watch: what was added, and not all of it again each time.

use std::collections::BTreeMap;

use capshare::__internal::rooms::event::Values;
use capshare::__internal::viewer::frame;
use capshare::client::Items;
use capshare::share::revision::Revision;
use serde_json::{Value, json};

use crate::cli::program::RECORDING;
use crate::opencode::http::Api;
use crate::support::door::{Served, next_json};
use crate::support::items::{items, part};
use crate::support::patch::changed;
use crate::support::relay::Relay;
use crate::support::sse::Sse;

/// What a viewer holds, by key: the value and its revision.
#[derive(Debug, Default, Clone, PartialEq)]
struct Held {
    items: BTreeMap<String, (Value, u64)>,
    revision: u64,
    patches: usize,
    /// What it was told, in bytes of JSON.
    bytes: usize,
}

impl Held {
    fn fold(&mut self, event: &str, payload: &Value) {
        self.bytes += payload.to_string().len();
        if event == "snapshot" {
            self.items.clear();
        }
        for change in payload["changes"].as_array().into_iter().flatten() {
            let key = change["key"].as_str().unwrap().to_owned();
            if change["removed"] == true {
                self.items.remove(&key);
            } else {
                self.patches += usize::from(change["patch"].is_array());
                let value = changed(self.items.get(&key).map(|(value, revision)| (value, *revision)), change);
                self.items.insert(key, (value, change["revision"].as_u64().unwrap()));
            }
        }
        if payload["more"] == false {
            self.revision = payload["revision"].as_u64().unwrap();
        }
    }
}

/// One who follows from nothing, by either transport.
enum Viewer {
    Socket(Box<async_tungstenite::WebSocketStream<async_tungstenite::tokio::ConnectStream>>),
    Stream(Box<Sse>),
}

impl Viewer {
    async fn socket(served: &Served, share: &str, query: &str) -> Self {
        Self::Socket(Box::new(served.knock(&format!("/ws/{share}{query}"), &[]).await.unwrap()))
    }

    async fn stream(served: &Served, share: &str, query: &str) -> Self {
        Self::Stream(Box::new(Sse::get(served, &format!("/events/{share}{query}"), &[]).await))
    }

    async fn next(&mut self) -> (String, Value) {
        match self {
            Self::Socket(socket) => {
                let mut frame = next_json(socket).await;
                (frame["event"].as_str().unwrap().to_owned(), frame["payload"].take())
            }
            Self::Stream(stream) => {
                let told = stream.next().await.unwrap();
                (told.event, told.data)
            }
        }
    }

    /// Follows until it is live.
    async fn ready(&mut self, held: &mut Held) {
        loop {
            let (event, payload) = self.next().await;
            match event.as_str() {
                "ready" => return,
                "snapshot" | "changes" => held.fold(&event, &payload),
                _ => {}
            }
        }
    }

    async fn until(&mut self, revision: u64, held: &mut Held) {
        while held.revision < revision {
            let (event, payload) = self.next().await;
            if event == "changes" {
                held.fold(&event, &payload);
            }
        }
    }
}

/// A text of words, of which no two stretches are alike.
fn words(bytes: usize) -> String {
    let mut text: String = (0..bytes / 4).map(|n| format!("w\"{n} ")).collect();
    text.truncate(bytes);
    text
}

/// A text that grows to 64 KiB in 64 steps, each time sent whole, reaches a viewer about once: over a socket, as events, and
/// after the state that it began with. Who wants values whole gets 32 times as much.
#[tokio::test]
#[expect(clippy::print_stderr, reason = "figures, shown with --no-capture")]
async fn a_text_that_grows_travels_as_it_grows() {
    const FULL: usize = 64 << 10;
    const STEPS: usize = 64;
    let mut served = Served::open().await;
    let (client, host) = (served.client(None), served.address);
    let share = client.create(&"ses_1".parse().unwrap(), None).await.unwrap();
    let id = share.id().as_str();
    let mut viewers = Vec::new();
    for query in ["", "?values=whole"] {
        for is_socket in [true, false] {
            let relay = Relay::to(host).await;
            served.address = relay.address;
            let mut viewer = match is_socket {
                true => Viewer::socket(&served, id, query).await,
                false => Viewer::stream(&served, id, query).await,
            };
            let mut held = Held::default();
            viewer.ready(&mut held).await;
            viewers.push((viewer, held, relay, query.is_empty()));
        }
    }
    let text = words(FULL);
    for step in 1..=STEPS {
        let end = text.floor_char_boundary(FULL * step / STEPS);
        share.sync(part("p", &text[..end])).await.unwrap();
        for (viewer, held, ..) in &mut viewers {
            viewer.until(step as u64, held).await;
            assert_eq!(held.items["part/m/p"].0["text"], text[..end]);
        }
    }
    // As JSON: with each quotation mark escaped.
    let full = json!(text).to_string().len();
    for (_, held, relay, is_patched) in viewers {
        let told = relay.answered();
        eprintln!("a text of {full} bytes in {STEPS} steps: {told} bytes, {} patches", held.patches);
        if is_patched {
            assert_eq!(held.patches, STEPS - 1);
            assert!(told < full * 3 / 2 + 300 * STEPS, "{told} bytes for {full}");
        } else {
            assert_eq!(held.patches, 0);
            assert!(told > full * STEPS / 2, "{told} bytes for {full}");
        }
    }
    // However many watch, a step is written once as a patch and once whole.
    let encoded = served.host.hub().metrics().frames_encoded.get();
    assert!(encoded <= 2 * STEPS as u64 + 4, "{encoded}");
}

/// The recorded session, as the real client sends it: whoever folds patches holds at each revision what those hold who are
/// told values, and in the end what the share does.
#[tokio::test]
#[expect(clippy::print_stderr, reason = "figures, shown with --no-capture")]
async fn a_session_told_in_patches_is_the_session() {
    let served = Served::open().await;
    let api = Api::at(served.address);
    let share = api.create("ses_1").await;
    let mut viewers = [
        (Viewer::socket(&served, &share.id, "?values=whole").await, Held::default()),
        (Viewer::socket(&served, &share.id, "").await, Held::default()),
        (Viewer::stream(&served, &share.id, "?values=patched").await, Held::default()),
    ];
    for (viewer, held) in &mut viewers {
        viewer.ready(held).await;
    }
    let lines = std::fs::read_to_string(RECORDING).unwrap();
    let lines = lines.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let client = served.client(None);
    for sync in lines.filter_map(|line| line["body"].get("data").cloned()) {
        api.sync(&share, sync).await.ok();
        let revision = client.info(&share.id.parse().unwrap()).await.unwrap().revision;
        let [whole, patched, streamed] = &mut viewers;
        for (viewer, held) in [&mut *whole, &mut *patched, &mut *streamed] {
            viewer.until(revision.0, held).await;
        }
        assert_eq!((whole.1.patches, &whole.1.items), (0, &patched.1.items));
        assert_eq!(patched.1, streamed.1);
    }
    let [(_, whole), (_, held), _] = viewers;
    eprintln!("a session: {} bytes in values, {} with {} patches", whole.bytes, held.bytes, held.patches);
    assert!(held.patches > 50, "{}", held.patches);
    let state = client.snapshot(&share.id.parse().unwrap()).await.unwrap();
    let state = state.iter().map(|(key, value)| (key.to_string(), serde_json::from_str(value.as_str()).unwrap()));
    assert_eq!(
        held.items.into_iter().map(|(key, (value, _))| (key, value)).collect::<BTreeMap<String, Value>>(),
        state.collect()
    );
}

fn long(id: &str, end: &str) -> Items {
    part(id, &format!("{}{end}", "so far ".repeat(100)))
}

/// Whoever comes back one revision behind holds what the newest sync replaced, and is told what is different; whoever missed
/// more is told in one step, whole. So is one that is slow: it is behind what the room remembers.
#[tokio::test]
async fn who_may_not_hold_the_value_before_is_told_the_value() {
    let served = Served::open().await;
    let share = served.client(None).create(&"ses_1".parse().unwrap(), Some(long("p", "."))).await.unwrap();
    let id = share.id().as_str();
    // For as long as somebody watches, the room remembers.
    let mut stays = Viewer::socket(&served, id, "").await;
    stays.ready(&mut Held::default()).await;
    let room = served.host.hub().rooms().view(id).await.unwrap();
    let mut slow = served.host.hub().rooms().follow(&room, Revision::EMPTY).await.unwrap();
    assert!(slow.next().await.unwrap().step().reset);
    for end in [". More", ". More and more"] {
        share.sync(long("p", end)).await.unwrap();
    }
    for (cursor, is_patch) in [(2, true), (1, false)] {
        for mut viewer in [
            Viewer::socket(&served, id, &format!("?cursor={cursor}")).await,
            Viewer::stream(&served, id, &format!("?cursor={cursor}")).await,
        ] {
            let (event, payload) = loop {
                let told = viewer.next().await;
                if !told.0.is_empty() {
                    break told;
                }
            };
            assert_eq!(
                (event.as_str(), &payload["base"], &payload["revision"]),
                ("changes", &json!(cursor), &json!(3))
            );
            let change = &payload["changes"][0];
            assert_eq!(change["patch"].is_array(), is_patch, "{change}");
            assert_eq!(change["value"].is_object(), !is_patch, "{change}");
            assert_eq!(viewer.next().await.0, "ready");
        }
    }
    // From nothing, the state.
    let mut held = Held::default();
    Viewer::socket(&served, id, "").await.ready(&mut held).await;
    assert_eq!((held.patches, held.revision), (0, 3));

    // 256 events are remembered; it is further behind.
    for n in 0..260 {
        share.sync(long("p", &format!(". More and more {n}"))).await.unwrap();
    }
    let event = slow.next().await.unwrap();
    assert_eq!((event.step().base.0, event.step().revision.0, event.resync()), (1, 263, None));
    assert!(event.replaced(Values::Patched).is_empty());
    let frame: Value =
        serde_json::from_slice(&frame::step(event.step(), None, event.replaced(Values::Patched))).unwrap();
    assert!(frame["payload"]["changes"][0]["value"]["text"].as_str().unwrap().ends_with(" 259"));
    // And goes on as whoever keeps up.
    share.sync(long("p", ". More and more 259!")).await.unwrap();
    let event = slow.next().await.unwrap();
    assert_eq!(event.replaced(Values::Patched).len(), 1);
    assert_eq!(event.replaced(Values::Whole).len(), 0);
}

/// One sync may set an item twice, or remove it and set it again: only what a viewer holds is patched.
#[tokio::test]
async fn what_one_sync_does_twice_is_told_right() {
    let served = Served::open().await;
    let long = |end: &str| json!({ "id": "n", "text": "so far ".repeat(100) + end }).to_string();
    let share =
        served.client(None).create(&"ses_1".parse().unwrap(), Some(items(&[("note", &long("."))]))).await.unwrap();
    let api = served.host.hub();
    let room = api.rooms().open(share.id().as_str(), share.secret().unwrap()).await.unwrap();
    let (mut viewer, mut held) = (Viewer::socket(&served, share.id().as_str(), "").await, Held::default());
    viewer.ready(&mut held).await;
    let put = |end: &str| capshare::share::change::Change {
        key: "other/note/n".parse().unwrap(),
        value: Some(capshare::share::item::Payload::from_checked_json(&long(end))),
    };
    let gone = || capshare::share::change::Change { value: None, ..put("") };
    for (changes, end, patches) in [
        (vec![put(". One"), put(". One, two")], ". One, two", 1),
        (vec![put(". One, two, three"), gone(), put(". One, two, three, four")], ". One, two, three, four", 2),
        (vec![gone(), put(". One")], ". One", 2),
        (vec![put(". One!")], ". One!", 3),
    ] {
        let batch = capshare::share::change::Batch { stamp: None, changes };
        let revision = api.rooms().sync_room(&room, batch).await.unwrap().revision;
        viewer.until(revision.0, &mut held).await;
        assert_eq!(held.items["other/note/n"].0, serde_json::from_str::<Value>(&long(end)).unwrap());
        assert_eq!(held.patches, patches, "{end}");
    }
}

/// `values` is `whole` or `patched`.
#[tokio::test]
async fn an_unknown_wish_is_refused() {
    let served = Served::open().await;
    let share = served.client(None).create(&"ses_1".parse().unwrap(), None).await.unwrap();
    for values in ["none", "", "Whole"] {
        let (status, body) = served.refused(&format!("/ws/{}?values={values}", share.id()), &[]).await;
        assert_eq!((status, &body["error"]["code"]), (400, &json!("InvalidInput")), "{values}");
        let answer = Sse::get(&served, &format!("/events/{}?values={values}", share.id()), &[]).await;
        assert!(answer.head.starts_with("http/1.1 400 "), "{}", answer.head);
    }
}
