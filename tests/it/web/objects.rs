//! Shares as objects: pipelining, reading, watching, tokens, questions.

use capshare::testing::{Scene, run};
use serde_json::json;

use super::peer::{Peer, part};
use crate::support::door::{ANNS_KEY, keys};

/// S94: authenticate, create, sync and read are sent before anything is heard, and all of them are answered.
#[test]
fn authenticate_create_sync_and_read_take_one_round_trip() {
    run(async {
        let scene = Scene::builder().access(keys().as_ref().clone()).build();
        let mut peer = Peer::within(scene.host(), None).await;
        let rpc = peer.begin(0, "authenticate", json!([ANNS_KEY])).await;
        let created = peer.begin(rpc, "createShare", json!(["ses_1", [[part("p", "1")]]])).await;
        for text in ["2", "3"] {
            peer.begin(created, "share.sync", json!([[[part("p", text)]]])).await;
        }
        let read = peer.begin(created, "share.read", json!([])).await;
        // An argument that is a promise takes its turn as well.
        let id = json!([["pipeline", created, ["id"]], ["pipeline", created, ["secret"]], [[part("q", "4")]]]);
        let synced = peer.begin(rpc, "syncShare", id).await;
        peer.pull(read).await;
        peer.pull(synced).await;
        let chunk = peer.answer(read).await.unwrap();
        // The sync by the id may have been applied by then.
        assert!(matches!(chunk["syncCount"].as_u64(), Some(3 | 4)), "{chunk}");
        assert_eq!(chunk["changes"][0][0]["data"]["text"], "3");
        assert_eq!(peer.answer(synced).await.unwrap()["syncCount"], 4);
    });
}

/// S36: a refusal reaches the calls that depend on it.
#[test]
fn a_refusal_reaches_the_calls_that_depend_on_it() {
    run(async {
        let scene = Scene::builder().access(keys().as_ref().clone()).build();
        let mut peer = Peer::within(scene.host(), None).await;
        let rpc = peer.begin(0, "authenticate", json!(["wrong"])).await;
        let created = peer.begin(rpc, "createShare", json!(["ses_1"])).await;
        let refused = peer.ask_of(created, "share.sync", json!([[[]]])).await.unwrap_err();
        assert_eq!(refused["code"], "Unauthorized");
        peer.goes_on().await;
    });
}

/// S94: each sync is applied in the order of its push, and a read sees those before it.
#[test]
fn syncs_of_one_object_are_applied_in_their_order() {
    run(async {
        let scene = Scene::new();
        let mut peer = Peer::within(scene.host(), None).await;
        let made = peer.create("ses_1").await;
        let mut syncs = Vec::new();
        for n in 0..100 {
            let by_id = json!([made.id, made.secret, [[part("p", &n.to_string())]]]);
            syncs.push(if n % 2 == 0 {
                peer.begin(made.share, "sync", json!([[[part("p", &n.to_string())]]])).await
            } else {
                peer.begin(0, "syncShare", by_id).await
            });
        }
        let read = peer.begin(made.share, "read", json!([])).await;
        peer.pull(read).await;
        let mut counts = Vec::new();
        for id in syncs {
            peer.pull(id).await;
            counts.push(peer.answer(id).await.unwrap()["syncCount"].as_u64().unwrap());
        }
        assert!(counts.iter().step_by(2).is_sorted() && counts.iter().skip(1).step_by(2).is_sorted(), "{counts:?}");
        let text = peer.answer(read).await.unwrap()["changes"][0][0]["data"]["text"].clone();
        assert!(text.as_str().unwrap().parse::<u64>().unwrap() >= 98, "{text}");
    });
}

/// S94: a sync with a promise in its items keeps its turn before a later one that waits for nothing.
#[test]
fn a_sync_with_a_promise_in_it_keeps_its_turn() {
    run(async {
        let scene = Scene::new();
        let mut peer = Peer::within(scene.host(), None).await;
        let made = peer.create("ses_1").await;
        let listed = peer.begin(0, "listShares", json!([])).await;
        let item = json!({"id": "p", "messageID": "m", "text": ["pipeline", listed, ["nextCursor"]]});
        let first = peer.begin(made.share, "sync", json!([[[{"type": "part", "data": item}]]])).await;
        let second = peer.begin(made.share, "sync", json!([[[part("p", "second")]]])).await;
        for (id, count) in [(second, 2), (first, 1)] {
            peer.pull(id).await;
            assert_eq!(peer.answer(id).await.unwrap()["syncCount"], count);
        }
        let read = peer.ask_of(made.share, "read", json!([])).await.unwrap();
        assert_eq!(read["changes"][0][0]["data"]["text"], "second");
    });
}

/// S27: an observer, be it an object of functions or an object with methods, is told the state and each change until the watch is
/// disposed of, and is then released.
#[test]
fn an_observer_is_told_until_its_watch_is_disposed_of() {
    run(async {
        let scene = Scene::new();
        let mut peer = Peer::within(scene.host(), None).await;
        let made = peer.create("ses_1").await;
        for (observer, callee, path) in [
            (json!({"changed": ["export", -1], "ended": ["export", -2]}), -1, json!([])),
            (json!(["export", -3]), -3, json!(["changed"])),
        ] {
            let watch = peer.begin(made.share, "watch", json!([observer])).await;
            peer.pull(watch).await;
            if callee == -3 {
                // Whether it has the method is asked first.
                let (read, number) = peer.asked().await;
                assert_eq!(read, json!(["pipeline", -3, ["changed"]]));
                peer.say(&json!(["resolve", number, ["export", -4]])).await;
                peer.wait(|frame| *frame == json!(["release", -4, 1])).await;
            }
            let (called, number) = peer.asked().await;
            assert_eq!((&called[1], &called[2]), (&json!(callee), &path), "{called}");
            assert_eq!(called[3][0]["base"], 0);
            let watch = peer.answer(watch).await.unwrap()[1].as_i64().unwrap();
            peer.ask_of(made.share, "sync", json!([[[part("p", "1")]]])).await.unwrap();
            peer.ask_of(made.share, "sync", json!([[[part("p", "2")]]])).await.unwrap();
            // One call is open at a time, and what came meanwhile is merged.
            assert!(!peer.unheard().iter().any(|frame| frame.starts_with(r#"["push""#)), "{:?}", peer.unheard());
            peer.say(&json!(["resolve", number, ["undefined"]])).await;
            let event = peer.asked().await.0[3][0].clone();
            assert_eq!(event["changes"][0][0]["data"]["text"], "2");
            assert_eq!(event["revision"].as_u64().unwrap() - event["base"].as_u64().unwrap(), 2);
            peer.say(&json!(["release", watch, 1])).await;
            peer.wait(|frame| frame[0] == "release" && frame[1] == callee).await;
        }
        // What the second watch began with was the first's state; the functions of the first were both let go.
        peer.wait(|frame| *frame == json!(["release", -2, 1])).await;
        let metrics = scene.host().hub().metrics();
        assert_eq!((metrics.followers.get(), metrics.capabilities_held.get()), (0, 1));
    });
}

/// A function is no observer: the watch is refused, and the function released.
#[test]
fn a_function_is_no_observer() {
    run(async {
        let scene = Scene::new();
        let mut peer = Peer::within(scene.host(), None).await;
        let made = peer.create("ses_1").await;
        for answer in [json!(["undefined"]), json!(1)] {
            let watch = peer.begin(made.share, "watch", json!([["export", -1]])).await;
            peer.pull(watch).await;
            let (_, number) = peer.asked().await;
            peer.say(&json!(["resolve", number, answer])).await;
            let refused = peer.answer(watch).await.unwrap_err();
            assert_eq!(refused["code"], "InvalidInput");
            let says = "watch: the argument observer must be an object with the function changed";
            assert!(refused["message"].as_str().unwrap().contains(says), "{refused}");
            peer.wait(|frame| *frame == json!(["release", -1, 1])).await;
        }
        let metrics = scene.host().hub().metrics();
        assert_eq!((metrics.followers.get(), metrics.capabilities_held.get()), (0, 1));
    });
}

/// S66: when the share is deleted its observers are told, by the last call to them.
#[test]
fn an_observer_is_told_that_its_share_is_gone() {
    run(async {
        let scene = Scene::new();
        let mut peer = Peer::within(scene.host(), None).await;
        let made = peer.create("ses_1").await;
        let view = peer.begin(0, "viewShare", json!([made.id])).await;
        peer.begin(view, "watch", json!([{"changed": ["export", -1], "ended": ["export", -2]}])).await;
        let (_, number) = peer.asked().await;
        peer.say(&json!(["resolve", number, ["undefined"]])).await;
        assert_eq!(peer.ask_of(made.share, "remove", json!([])).await, Ok(json!({"success": true})));
        let called = peer.called().await;
        assert_eq!((&called[1], &called[3][0][4]["code"]), (&json!(-2), &json!("NotFound")), "{called}");
        peer.wait(|frame| *frame == json!(["release", -2, 1])).await;
        let gone = peer.ask_of(made.share, "read", json!([])).await.unwrap_err();
        assert_eq!(gone["code"], "NotFound");
    });
}

/// S38: narrowed objects do what they may and no more; a saved token restores its object, and no other, until it is revoked.
#[test]
fn objects_are_narrowed_saved_restored_and_revoked() {
    run(async {
        let scene = Scene::new();
        let mut peer = Peer::within(scene.host(), None).await;
        let made = peer.create("ses_1").await;
        let writer = peer.begin(made.share, "narrowToWrite", json!([])).await;
        assert!(peer.ask_of(writer, "sync", json!([[[part("p", "1")]]])).await.is_ok());
        for method in ["read", "watch", "remove", "grants", "setVisibility", "narrowToRead"] {
            let refused = peer.ask_of(writer, method, json!([])).await.unwrap_err();
            assert!(refused["message"].as_str().unwrap().contains("is not a function"), "{method} {refused}");
        }
        let view = peer.begin(made.share, "narrowToRead", json!([["date", 4_000_000_000_000_i64]])).await;
        let saved = peer.ask_of(view, "save", json!(["for Ann"])).await.unwrap();
        assert!(peer.ask_of(view, "sync", json!([[[]]])).await.is_err());
        let mut other = Peer::within(scene.host(), None).await;
        let restored = other.ask("restore", json!([saved["token"]])).await.unwrap();
        assert_eq!(restored["right"], "read");
        let (view, share) = (restored["view"][1].as_i64().unwrap(), restored["share"][1].as_i64().unwrap());
        assert_eq!(other.ask_of(view, "read", json!([])).await.unwrap()["syncCount"], 1);
        assert_eq!(other.ask_of(share, "read", json!([])).await.unwrap_err()["code"], "Unauthorized");
        let grants = peer.ask_of(made.share, "grants", json!([])).await.unwrap();
        assert_eq!((&grants[0][0]["label"], &grants[0][0]["id"]), (&json!("for Ann"), &saved["grantId"]));
        peer.ask_of(made.share, "revokeGrant", json!([saved["grantId"]])).await.unwrap();
        assert_eq!(other.ask_of(view, "read", json!([])).await.unwrap_err()["code"], "Unauthorized");
        assert!(peer.ask_of(made.share, "setVisibility", json!(["grant"])).await.is_ok());
        let expires_at = peer.ask_of(made.share, "setExpiry", json!([60_000])).await.unwrap();
        assert_eq!(peer.ask_of(made.share, "info", json!([])).await.unwrap()["expiresAt"], expires_at);
        for wrong in [json!([]), json!([0]), json!([-1]), json!([["undefined"]]), json!([["nan"]])] {
            let refused = peer.ask_of(made.share, "setExpiry", wrong.clone()).await.unwrap_err();
            assert!(refused["message"].as_str().unwrap().contains("or null for never"), "{wrong}: {refused}");
        }
        let refused = peer.ask("createShare", json!(["ses_0", [[]], {"ttlMs": 0}])).await.unwrap_err();
        assert!(refused["message"].as_str().unwrap().contains("leave it out"), "{refused}");
        assert_eq!(peer.ask_of(made.share, "setExpiry", json!([null])).await, Ok(json!(null)));
    });
}

/// S87: an account's own share is opened without its secret, and another's is not there.
#[test]
fn an_account_opens_its_own_shares() {
    run(async {
        let scene = Scene::builder().access(keys().as_ref().clone()).build();
        let mut ann = Peer::within(scene.host(), Some(ANNS_KEY)).await;
        let made = ann.create("ses_1").await;
        let own = ann.begin(0, "ownShare", json!([made.id])).await;
        assert!(ann.ask_of(own, "sync", json!([[[part("p", "1")]]])).await.is_ok());
        let opened = ann.begin(0, "openShare", json!([made.id, made.secret])).await;
        assert_eq!(ann.ask_of(opened, "info", json!([])).await.unwrap()["syncCount"], 1);
        let mut bob = Peer::within(scene.host(), Some(crate::support::door::BOBS_KEY)).await;
        assert_eq!(bob.ask("ownShare", json!([made.id])).await.unwrap_err()["code"], "NotFound");
    });
}

/// A question is asked, and taken back when its promise is disposed of.
#[test]
fn a_question_ends_with_its_promise() {
    run(async {
        let scene = Scene::new();
        let mut peer = Peer::within(scene.host(), None).await;
        let made = peer.create("ses_1").await;
        let asked = json!(["Go on?", [["yes", "no"]], 1, 60_000]);
        let expired = peer.ask_of(made.share, "ask", json!(["Go on?", [["yes", "no"]], 1, 50])).await.unwrap();
        assert_eq!((&expired["outcome"], &expired["choice"]), (&json!("expired"), &json!(null)));
        assert_eq!(expired["counts"][0], json!([{"choice": "no", "count": 0}, {"choice": "yes", "count": 0}]));
        let mut open = Vec::new();
        for _ in 0..8 {
            let id = peer.begin(made.share, "ask", asked.clone()).await;
            peer.pull(id).await;
            open.push(id);
        }
        let refused = peer.ask_of(made.share, "ask", asked.clone()).await.unwrap_err();
        assert_eq!(refused["limit"], "asksOpenMax");
        peer.say(&json!(["release", open[0], 1])).await;
        let id = peer.begin(made.share, "ask", asked).await;
        peer.pull(id).await;
        peer.goes_on().await;
        assert_eq!(peer.unheard(), [] as [&str; 0], "the ninth is open");
    });
}

/// A question ends with the right by which it was asked, and with the promise that it was asked for, awaited or not.
#[test]
fn a_question_ends_with_its_askers_right_and_with_its_promise() {
    run(async {
        let scene = Scene::new();
        let mut peer = Peer::within(scene.host(), None).await;
        let made = peer.create("ses_1").await;
        let saved = peer.ask_of(made.share, "save", json!([])).await.unwrap();
        let restored = peer.begin(0, "restore", json!([saved["token"]])).await;
        peer.pull(restored).await;
        let share = peer.answer(restored).await.unwrap()["share"][1].as_i64().unwrap();
        let asked = json!(["Go on?", [["yes", "no"]], 1, 60_000]);
        let id = peer.begin(share, "ask", asked.clone()).await;
        peer.pull(id).await;
        peer.ask_of(made.share, "revokeGrant", json!([saved["grantId"]])).await.unwrap();
        assert_eq!(peer.answer(id).await.unwrap()["outcome"], "withdrawn");
        // So many may be open, and one more that takes the place of one that was given up.
        for _ in 0..20 {
            let id = peer.begin(made.share, "ask", asked.clone()).await;
            peer.say(&json!(["release", id, 1])).await;
        }
        let expired = peer.ask_of(made.share, "ask", json!(["Go on?", [["yes", "no"]], 1, 50])).await.unwrap();
        assert_eq!(expired["outcome"], "expired");
    });
}
