//! What does not fit into a frame of this wire, on which each array has two brackets more than in JSON.

use capshare::testing::{Scene, run};
use serde_json::{Value, json};

use super::peer::{Made, Peer, part};

/// A host whose frames are small.
fn scene() -> Scene {
    let settings = |settings: &mut capshare::host::HostSettings| {
        settings.hub.limits.message_bytes_max = 64 << 10;
        settings.hub.limits.chunk_bytes_max = 4 << 10;
    };
    Scene::builder().settings(settings).build()
}

/// An item whose arrays make it too large to be told, but not to be sent.
fn large() -> Value {
    let arrays = vec![json!([[]]); 8_000];
    json!({"type": "note", "data": {"id": "large", "list": [arrays]}})
}

async fn watched(peer: &mut Peer, made: &Made) {
    let observer = json!({"changed": ["export", -1], "ended": ["export", -2]});
    peer.begin(made.share, "watch", json!([observer])).await;
    next(peer).await;
}

/// The next event of the watch, acknowledged.
async fn next(peer: &mut Peer) -> Value {
    let (called, number) = peer.asked().await;
    assert_eq!(called[1], -1, "{called}");
    peer.say(&json!(["resolve", number, ["undefined"]])).await;
    called[3][0].clone()
}

/// An item whose value does not fit is told without it, and all else goes on: its neighbours, what comes later, and reads.
#[test]
fn an_item_that_does_not_fit_is_told_without_its_value() {
    run(async {
        let scene = scene();
        let mut peer = Peer::within(scene.host(), None).await;
        let made = peer.create("ses_1").await;
        watched(&mut peer, &made).await;
        let items = json!([[[part("p", "1"), large(), part("q", "1")]]]);
        peer.ask_of(made.share, "sync", items).await.unwrap();
        let told = |change: &Value| {
            let is_large = change["key"].as_str().unwrap().contains("large");
            assert_eq!(change["tooLarge"].is_number(), is_large, "{change}");
            assert_eq!(change["data"].is_object(), !is_large, "{change}");
            assert!(change["tooLarge"].as_u64().is_none_or(|bytes| (40_000..64 << 10).contains(&bytes)), "{change}");
        };
        let mut changes = Vec::new();
        loop {
            let event = next(&mut peer).await;
            changes.extend(event["changes"][0].as_array().unwrap().clone());
            if event["more"] == false {
                break;
            }
        }
        changes.iter().for_each(told);
        assert_eq!(changes.len(), 3);
        peer.ask_of(made.share, "sync", json!([[[part("q", "2")]]])).await.unwrap();
        assert_eq!(next(&mut peer).await["changes"][0][0]["data"]["text"], "2");
        let (mut cursor, mut read) = (0, Vec::new());
        loop {
            let chunk = peer.ask_of(made.share, "read", json!([0, cursor])).await.unwrap();
            read.extend(chunk["changes"][0].as_array().unwrap().clone());
            cursor = chunk["nextCursor"].as_u64().unwrap();
            if cursor == 0 {
                break;
            }
        }
        read.iter().for_each(told);
        assert_eq!(read.len(), 3);
        // A new watch is told the same.
        watched(&mut peer, &made).await;
    });
}

/// A sync of which the event is larger than a frame is told in pieces, of which the last one says so.
#[test]
fn an_event_that_does_not_fit_is_told_in_pieces() {
    run(async {
        let scene = scene();
        let mut peer = Peer::within(scene.host(), None).await;
        let made = peer.create("ses_1").await;
        watched(&mut peer, &made).await;
        let items: Vec<Value> = (0..900).map(|n| part(&n.to_string(), "")).collect();
        let synced = peer.ask_of(made.share, "sync", json!([[items]])).await.unwrap();
        let (mut pieces, mut count) = (0, 0);
        loop {
            let event = next(&mut peer).await;
            assert_eq!((&event["reset"], &event["revision"]), (&json!(false), &synced["revision"]));
            count += event["changes"][0].as_array().unwrap().len();
            pieces += 1;
            if event["more"] == false {
                break;
            }
        }
        assert!(pieces > 1);
        assert_eq!(count, 900);
    });
}
