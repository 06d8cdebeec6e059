//! The plain form: ids and secrets, items as values, errors by their code.

use capshare::testing::{Scene, run};
use serde_json::{Value, json};

use super::peer::{Peer, part};

/// Create, sync and delete in the shapes of the design, and what is there afterwards.
#[test]
fn a_share_is_created_synced_and_deleted_by_its_secret() {
    run(async {
        let scene = Scene::new();
        let mut peer = Peer::within(scene.host(), None).await;
        let created = peer.ask("createShare", json!(["ses_1", [[part("p", "x")]]])).await.unwrap();
        let (id, secret) = (created["id"].clone(), created["secret"].clone());
        assert_eq!(
            (&created["syncCount"], &created["revision"], &created["existed"]),
            (&json!(1), &json!(1), &json!(false))
        );
        assert_eq!(created["share"][0], "export");
        let synced = peer.ask("syncShare", json!([id, secret, [[part("q", "y")]]])).await;
        assert_eq!(synced, Ok(json!({"success": true, "syncCount": 2, "revision": 2, "duplicate": false})));
        let again = peer.ask("createShare", json!(["ses_1"])).await.unwrap();
        assert_eq!((&again["id"], &again["existed"]), (&id, &json!(true)));
        let wrong = peer.ask("syncShare", json!([id, "no", [[]]])).await.unwrap_err();
        assert_eq!((&wrong["code"], &wrong["id"], &wrong["transient"]), (&json!("InvalidSecret"), &id, &json!(false)));
        assert!(wrong["message"].as_str().unwrap().starts_with("InvalidSecret: "), "{wrong}");
        let page = peer.ask("listShares", json!([])).await.unwrap();
        assert_eq!(page["shares"][0][0]["id"], id);
        assert_eq!(page["shares"][0][0]["createdAt"][0], "date");
        assert_eq!(peer.ask("deleteShare", json!([id, secret])).await, Ok(json!({"success": true})));
        let gone = peer.ask("deleteShare", json!([id, secret])).await.unwrap_err();
        assert_eq!((&gone["code"], &gone["id"]), (&json!("NotFound"), &id));
    });
}

/// S26: a probe gives back a time, bytes and an object in the object.
#[test]
fn a_probe_gives_its_value_back() {
    run(async {
        let scene = Scene::new();
        let mut peer = Peer::within(scene.host(), None).await;
        let value = json!({"when": ["date", 1_796_000_000_123_i64], "bytes": ["bytes", "AAE9"], "nested": {"x": 1.5}});
        assert_eq!(peer.ask("probeValue", json!([value])).await, Ok(value));
        for (name, wrong) in [
            ("input.when", json!({"when": ["date", null], "bytes": ["bytes", ""], "nested": {"x": 1}})),
            ("input.bytes", json!({"when": ["date", 0], "bytes": "AA", "nested": {"x": 1}})),
            ("input.nested.x", json!({"when": ["date", 0], "bytes": ["bytes", ""], "nested": {}})),
        ] {
            let refused = peer.ask("probeValue", json!([wrong])).await.unwrap_err();
            assert_eq!(refused["code"], "InvalidInput");
            assert!(refused["message"].as_str().unwrap().contains(name), "{refused}");
        }
        peer.goes_on().await;
    });
}

/// Items cross as values: the order of their members, the texts of their numbers and their arrays stay, half a surrogate pair becomes
/// U+FFFD.
#[test]
fn items_come_back_as_they_were_sent() {
    run(async {
        let scene = Scene::new();
        let mut peer = Peer::within(scene.host(), None).await;
        let made = peer.create("ses_1").await;
        let data = r#"{"z":1.50,"a":[[1e3,[[]],[[{"b":[[null]]}]]]],"constructor":"c","half":"\ud83d","whole":"\ud83d\ude00"}"#;
        let (id, secret) = (&made.id, &made.secret);
        let frame = format!(
            r#"["push",["pipeline",0,["syncShare"],["{id}","{secret}",[[{{"type":"note","data":{data}}},{{"data":-0.0,"type":"n2"}}]]]]]"#
        );
        peer.say_text(&frame).await;
        peer.say_text(r#"["pull",2]"#).await;
        peer.wait(|frame| frame[0] == "resolve" && frame[1] == 2).await;
        let room = scene.host().hub().rooms().view(id).await.unwrap();
        let chunk = scene.host().hub().rooms().read(&room, Default::default(), 0).await.unwrap();
        let texts: Vec<_> = chunk.changes.iter().map(|changed| changed.value.as_ref().unwrap().as_str()).collect();
        let plain =
            r#"{"z":1.50,"a":[1e3,[],[{"b":[null]}]],"constructor":"c","half":"\ufffd","whole":"\ud83d\ude00"}"#;
        assert_eq!(texts, [plain, "-0.0"]);
        peer.say_text(&format!(r#"["push",["pipeline",{},["read"],[]]]"#, made.share)).await;
        peer.say_text(r#"["pull",3]"#).await;
        let read = peer.wait(|frame| frame[0] == "resolve" && frame[1] == 3).await;
        let value = r#"{"z":1.5,"a":[[1000.0,[[]],[[{"b":[[null]]}]]]],"constructor":"c","half":"\ufffd","whole":"\ud83d\ude00"}"#;
        assert_eq!(read[2]["changes"][0][0]["data"], serde_json::from_str::<Value>(value).unwrap());
        assert_eq!(read[2]["changes"][0][1]["type"], "n2");
    });
}

/// What is not plain JSON in an item is refused by its name and place, and nothing of the sync is applied.
#[test]
fn what_is_no_json_in_an_item_is_refused_by_name() {
    run(async {
        let scene = Scene::new();
        let mut peer = Peer::within(scene.host(), None).await;
        let made = peer.create("ses_1").await;
        for (name, data) in [
            ("undefined", json!({"a": ["undefined"]})),
            ("Date", json!([[1, ["date", 0]]])),
            ("bytes", json!({"a": {"b": ["bytes", "AA"]}})),
            ("bigint", json!(["bigint", "1"])),
            ("NaN", json!({"a": ["nan"]})),
            ("Error", json!({"a": ["error", "Error", "x"]})),
            ("function", json!({"a": {"b": {"c": ["export", -1]}}})),
        ] {
            let items = json!([[part("p", "x"), {"type": "note", "data": data}]]);
            let refused = peer.ask("syncShare", json!([made.id, made.secret, items])).await.unwrap_err();
            assert_eq!((&refused["code"], &refused["index"]), (&json!("InvalidInput"), &json!(1)), "{refused}");
            let message = refused["message"].as_str().unwrap();
            assert!(message.contains(name) && message.contains("data.1.data"), "{message}");
            assert!(!message.contains("item 1"), "the place is named once: {message}");
        }
        // The function that came with it was let go.
        peer.wait(|frame| *frame == json!(["release", -1, 1])).await;
        let deep = |levels: usize| (0..levels).fold(json!(1), |inside, _| json!([[inside]]));
        let sync = |levels| json!([made.id, made.secret, [[{"type": "note", "data": deep(levels)}]]]);
        assert!(peer.ask("syncShare", sync(100)).await.is_ok());
        let refused = peer.ask("syncShare", sync(101)).await.unwrap_err();
        assert_eq!((&refused["code"], &refused["limit"]), (&json!("LimitExceeded"), &json!("itemNestingMax")));
        assert_eq!(peer.ask_of(made.share, "info", json!([])).await.unwrap()["syncCount"], 1);
    });
}

/// S96: what a program does wrong fails alone, by a name that it can tell, and the session goes on.
#[test]
fn a_wrong_call_fails_alone_and_says_what_is_wrong() {
    run(async {
        let scene = Scene::new();
        let mut peer = Peer::within(scene.host(), None).await;
        for (method, args, says) in [
            ("nope", json!([]), "'nope' is not a function"),
            ("createShare.more", json!([]), "'createShare.more' is not a function"),
            ("createShare", json!([]), "the argument sessionID must be a string"),
            ("createShare", json!([7]), "the argument sessionID must be a string"),
            ("createShare", json!(["a b"]), "invalid session id"),
            ("createShare", json!(["s", "x"]), "the argument initialData must be an array"),
            ("createShare", json!(["s", [[]], {"ttl": 1}]), "there is no member ttl"),
            ("createShare", json!(["s", [[]], {"visibility": "all"}]), "options.visibility must be"),
            (
                "createShare",
                json!(["s", [[{"data": 1}]]]),
                "createShare: the argument initialData.0.type must be a string",
            ),
            (
                "createShare",
                json!(["s", [[{"type": "n"}]]]),
                "initialData.0.data must be the item's value, and is missing",
            ),
            (
                "createShare",
                json!(["s", [[]], {"stamp": {"producer": "p", "epoch": 1, "sequence": 0}}]),
                "sequences begin at 1",
            ),
            (
                "createShare",
                json!(["s", [[{"type": "message", "data": {"id": 5}}]]]),
                "createShare: the argument initialData.0: invalid message: its member id must be a string",
            ),
            ("createShare", json!(["s", [[]], null, 1]), "1 arguments too many"),
            ("probeCallback", json!(["x"]), "must be a function"),
            ("listShares", json!(["", -1]), "limit must be an integer"),
            ("call", json!(["nothing"]), "UnknownProcedure"),
            ("restore", json!(["capgr_x"]), "Unauthorized"),
        ] {
            let refused = peer.ask(method, args.clone()).await.unwrap_err();
            assert!(refused["message"].as_str().unwrap().contains(says), "{method} {args}: {refused}");
        }
        let map = json!(["remap", 0, ["listShares"], [], [["pipeline", 0]]]);
        let id = peer.push(map).await;
        peer.pull(id).await;
        assert_eq!(peer.answer(id).await.unwrap_err()["code"], "Unsupported");
        // A promise that was awaited, as an argument.
        let made = peer.create("ses_1").await;
        let refused = peer.ask("viewShare", json!([["pipeline", 1, ["id"]]])).await.unwrap_err();
        assert_eq!(refused["code"], "Released");
        assert!(refused["message"].as_str().unwrap().contains("pass the awaited value"), "{refused}");
        assert!(peer.ask("viewShare", json!([made.id])).await.is_ok());
        peer.goes_on().await;
    });
}
