//! Every bound of the door, each by its name.

use std::sync::Arc;
use std::time::Duration;

use capshare::host::HostSettings;
use capshare::share::limits::Limits;
use capshare::share::limits::web::{
    WEB_BIGINT_DIGITS_MAX, WEB_EXPORTS_MAX, WEB_NESTING_MAX, WEB_QUEUED_BYTES_MAX, WEB_RESULT_KEPT_FOR,
    WEB_RESULTS_MAX, WEB_STRANGER_BYTES_MAX, WEB_STRANGER_FRAME_BYTES_MAX,
};
use capshare::testing::{Scene, run};
use object_store::memory::InMemory;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::peer::{Peer, part};
use crate::support::door::{ANNS_KEY, Served, keys};

fn limited(change: impl FnOnce(&mut Limits)) -> Scene {
    Scene::builder().settings(|settings| change(&mut settings.hub.limits)).build()
}

#[track_caller]
fn past(answer: Result<Value, Value>, limit: &str) {
    let refused = answer.unwrap_err();
    assert_eq!((&refused["code"], &refused["limit"]), (&json!("LimitExceeded"), &json!(limit)), "{refused}");
}

/// S74: calls in flight, objects held and items of a sync are bounded, by name; the session goes on.
#[test]
fn calls_objects_and_items_are_bounded() {
    run(async {
        let scene = limited(|limits| {
            limits.calls_in_flight_max = 3;
            limits.capabilities_held_max = 4;
            limits.sync_items_max = 2;
        });
        let mut peer = Peer::within(scene.host(), None).await;
        let made = peer.create("ses_1").await;
        let three = json!([[[part("p", "1"), part("q", "1"), part("r", "1")]]]);
        past(peer.ask_of(made.share, "sync", three).await, "syncItemsMax");
        let mut views = vec![made.share];
        for _ in 1..4 {
            let view = peer.begin(0, "viewShare", json!([made.id])).await;
            peer.pull(view).await;
            views.push(peer.answer(view).await.unwrap()[1].as_i64().unwrap());
        }
        past(peer.ask("viewShare", json!([made.id])).await, "capabilitiesHeldMax");
        past(peer.ask("createShare", json!(["ses_2"])).await, "capabilitiesHeldMax");
        past(peer.ask_of(made.share, "watch", json!([{"changed": ["export", -1]}])).await, "capabilitiesHeldMax");
        // What was refused is not there, and a place that is given back can be taken.
        assert_eq!(peer.ask("listShares", json!([])).await.unwrap()["shares"][0].as_array().unwrap().len(), 1);
        peer.say(&json!(["release", views[3], 1])).await;
        assert!(peer.ask("viewShare", json!([made.id])).await.is_ok());
        let mut open = Vec::new();
        for n in 2..5 {
            let id = peer.begin(0, "probeCallback", json!([["export", -n]])).await;
            peer.pull(id).await;
            open.push((id, peer.asked().await.1));
        }
        past(peer.ask("hello", json!([])).await, "callsInFlightMax");
        let (id, callback) = &open[0];
        peer.say(&json!(["resolve", callback, "yes"])).await;
        assert_eq!(peer.answer(*id).await, Ok(json!("yes")));
        peer.goes_on().await;
    });
}

/// What takes no place among the objects that a connection may hold takes none of these places away, and has a bound of its own: so
/// what is created can be handed out.
#[test]
fn what_takes_no_place_has_a_bound_of_its_own() {
    run(async {
        let settings = |settings: &mut HostSettings| settings.hub.limits.capabilities_held_max = 2;
        let scene = Scene::builder().access(keys().as_ref().clone()).settings(settings).build();
        let mut peer = Peer::within(scene.host(), Some(ANNS_KEY)).await;
        for _ in 0..3 {
            peer.ask("authenticate", json!([ANNS_KEY])).await.unwrap();
        }
        peer.create("ses_1").await;
        peer.create("ses_2").await;
        past(peer.ask("createShare", json!(["ses_3"])).await, "capabilitiesHeldMax");
        let mut given = 5;
        let refused = loop {
            match peer.ask("authenticate", json!([ANNS_KEY])).await {
                Ok(_) => given += 1,
                Err(refused) => break refused,
            }
        };
        past(Err(refused), "webExportsMax");
        assert_eq!(given, WEB_EXPORTS_MAX);
        peer.goes_on().await;
    });
}

/// Many calls that are awaited together, and pulled behind all of them, each have their result, or were not carried out and say so.
#[test]
fn calls_that_are_awaited_together_have_their_results_or_did_not_run() {
    run(async {
        let scene = Scene::new();
        let mut peer = Peer::within(scene.host(), None).await;
        let made = peer.create("ses_1").await;
        let mut calls = Vec::new();
        for n in 0..3 * WEB_RESULTS_MAX {
            calls.push(peer.begin(made.share, "sync", json!([[[part(&format!("p{n}"), "x")]]])).await);
        }
        for call in &calls {
            peer.pull(*call).await;
        }
        let mut done = 0;
        for call in calls {
            match peer.answer(call).await {
                Ok(_) => done += 1,
                Err(refused) => {
                    assert_eq!(refused["transient"], true, "{refused}");
                    past(Err(refused), "callsInFlightMax");
                }
            }
        }
        assert!(done >= WEB_RESULTS_MAX, "{done}");
        assert_eq!(peer.ask_of(made.share, "info", json!([])).await.unwrap()["syncCount"], done);
    });
}

/// Many large answers that are awaited together all come: they are made as there is room for them.
#[test]
fn large_answers_that_are_awaited_together_all_come() {
    run(async {
        let scene = Scene::new();
        let mut peer = Peer::within(scene.host(), None).await;
        let made = peer.create("ses_1").await;
        let text = "x".repeat(250_000);
        peer.ask_of(made.share, "sync", json!([[[part("p", &text)]]])).await.unwrap();
        let mut reads = Vec::new();
        for _ in 0..100 {
            reads.push(peer.begin(made.share, "read", json!([])).await);
        }
        for read in &reads {
            peer.pull(*read).await;
        }
        for read in reads {
            let chunk = peer.answer(read).await.unwrap();
            assert_eq!(chunk["changes"][0].as_array().unwrap().len(), 1);
        }
    });
}

/// Until a client has authenticated, little is held for it; what lies behind its call of `authenticate` may be as large as any.
#[test]
fn little_is_held_for_a_stranger() {
    run(async {
        let scene = Scene::builder().access(keys()).build();
        let mut peer = Peer::within(scene.host(), None).await;
        let text = "x".repeat(60_000);
        for _ in 0..4 {
            peer.push(json!(text)).await;
        }
        let fifth = peer.push(json!(text)).await;
        peer.pull(fifth).await;
        past(peer.answer(fifth).await, "webHeldBytesMax");
        peer.goes_on().await;

        let mut peer = Peer::within(scene.host(), None).await;
        let rpc = peer.begin(0, "authenticate", json!([ANNS_KEY])).await;
        let large = json!(["ses_1", [[part("p", &"x".repeat(2 << 20))]]]);
        let created = peer.begin(rpc, "createShare", large).await;
        peer.pull(created).await;
        assert_eq!(peer.answer(created).await.unwrap()["syncCount"], 1);

        let mut peer = Peer::within(scene.host(), None).await;
        peer.begin(0, "probeValue", json!(["x".repeat(WEB_STRANGER_FRAME_BYTES_MAX)])).await;
        assert_eq!(peer.ended().await.1, 1009);
    });
}

/// Of a client that does not authenticate only so many bytes are read: what lies behind them is not answered.
#[tokio::test]
async fn few_bytes_of_a_stranger_are_read() {
    let (store, keys) = (Arc::new(InMemory::new()), keys());
    let served = Served::over(store, keys, |settings| {
        settings.web.authenticate_within = Duration::from_secs(1);
    })
    .await;
    let mut peer = Peer::connect(&served, &[]).await;
    let text = "x".repeat(WEB_STRANGER_BYTES_MAX / 4);
    for _ in 0..6 {
        peer.push(json!(text)).await;
    }
    let hello = peer.begin(0, "hello", json!([])).await;
    peer.pull(hello).await;
    assert_eq!(peer.ended().await.1, 1008);
    assert_eq!(peer.unheard(), [] as [&str; 0], "the call is not answered");
}

/// S96: calls that nobody awaits are not the end, however many; nesting and bigints have bounds.
#[test]
fn calls_that_nobody_awaits_are_not_the_end() {
    run(async {
        let scene = Scene::new();
        let mut peer = Peer::within(scene.host(), None).await;
        let made = peer.create("ses_1").await;
        let first = peer.begin(made.share, "sync", json!([[[part("p", "0")]]])).await;
        for n in 0..2 * WEB_RESULTS_MAX {
            peer.begin(made.share, "sync", json!([[[part("p", &n.to_string())]]])).await;
            if n % 256 == 0 {
                // So many may be in flight, and not many more.
                peer.ask_of(made.share, "info", json!([])).await.unwrap();
                tokio::time::advance(WEB_RESULT_KEPT_FOR).await;
            }
        }
        let info = peer.ask_of(made.share, "info", json!([])).await.unwrap();
        assert_eq!(info["syncCount"], 2 * WEB_RESULTS_MAX + 1);
        peer.pull(first).await;
        assert_eq!(peer.answer(first).await.unwrap_err()["code"], "ResultDropped");
        let digits = "9".repeat(WEB_BIGINT_DIGITS_MAX + 1);
        past(peer.ask("listShares", json!(["", ["bigint", digits]])).await, "webBigintDigitsMax");
        let deep = "[[".repeat(WEB_NESTING_MAX) + &"]]".repeat(WEB_NESTING_MAX);
        peer.say_text(&format!(r#"["push",["pipeline",0,["hello"],[{deep}]]]"#)).await;
        let (error, code, _) = peer.ended().await;
        assert_eq!(code, 1002, "{error}");
    });
}

/// A client that reads nothing makes the host hold some chunks, however much it asks for.
#[test]
fn a_client_that_reads_nothing_makes_the_host_hold_little() {
    run(async {
        let scene = Scene::new();
        let mut peer = Peer::within(scene.host(), None).await;
        let made = peer.create("ses_1").await;
        let text = "x".repeat(1 << 20);
        peer.ask_of(made.share, "sync", json!([[[part("p", &text)]]])).await.unwrap();
        let mut reads = Vec::new();
        for _ in 0..100 {
            let id = peer.begin(made.share, "read", json!([])).await;
            peer.pull(id).await;
            reads.push(id);
        }
        for _ in 0..1_000 {
            tokio::task::yield_now().await;
        }
        let entry = scene.host().hub().connections().registry().connections().remove(0);
        let queued = entry.traffic.queued_bytes();
        assert!((1 << 19..4 << 20).contains(&queued), "{queued}");
        assert!(entry.traffic.calls_in_flight() > 90);
        for id in reads {
            assert_eq!(peer.answer(id).await.unwrap()["changes"][0][0]["data"]["text"], text);
        }
        peer.goes_on().await;
        assert_eq!(entry.traffic.calls_in_flight(), 0);
    });
}

/// S90: watches that are all told of one sync wait for their client to read, and none is lost, though what they are told is more than may
/// wait in all; what is read makes room at once, also when nothing is answered.
#[test]
fn watches_wait_for_their_client_to_read() {
    run(async {
        let scene = Scene::new();
        let mut peer = Peer::within(scene.host(), None).await;
        let made = peer.create("ses_1").await;
        let text = "x".repeat(500 << 10);
        let count = i64::try_from(WEB_QUEUED_BYTES_MAX / text.len()).unwrap() + 8;
        for n in 1..=count {
            peer.begin(made.share, "watch", json!([{"changed": ["export", -n]}])).await;
            let (_, number) = peer.asked().await;
            peer.say(&json!(["resolve", number, ["undefined"]])).await;
        }
        // Each of them waits for news now, so that all of them have a step at once.
        peer.goes_on().await;
        peer.ask_of(made.share, "sync", json!([[[part("p", &text)]]])).await.unwrap();
        let began = Instant::now();
        for _ in 0..count {
            let event = peer.called().await[3][0].clone();
            assert_eq!(event["changes"][0][0]["data"]["text"].as_str().unwrap().len(), text.len());
        }
        assert_eq!(began.elapsed().as_secs(), 0);
        peer.goes_on().await;
    });
}

/// A quota of the account is refused as at every door.
#[test]
fn a_quota_is_refused_by_name() {
    run(async {
        let scene = Scene::builder().settings(|settings| settings.hub.quotas.default.shares_max = Some(1)).build();
        let mut peer = Peer::within(scene.host(), None).await;
        peer.create("ses_1").await;
        past(peer.ask("createShare", json!(["ses_2"])).await, "accountSharesMax");
    });
}
