//! Commands of viewers, in frames and posted.

use std::sync::Arc;
use std::time::Duration;

use async_tungstenite::tungstenite::Message;
use capshare::__internal::access::Scopes;
use object_store::memory::InMemory;
use serde_json::{Value, json};

use crate::support::desk::{Desk, token};
use crate::support::door::{Served, close_frame, next_frame, next_json};
use crate::support::items::{items, part};
use crate::support::sse::{Sse, post};

type Socket = async_tungstenite::WebSocketStream<async_tungstenite::tokio::ConnectStream>;

async fn viewer(served: &Served, path: &str) -> Socket {
    let mut viewer = served.knock(path, &[]).await.unwrap();
    while next_json(&mut viewer).await["event"] != "ready" {}
    viewer
}

async fn ask(viewer: &mut Socket, frame: &str) -> Value {
    viewer.send(Message::text(frame)).await.unwrap();
    loop {
        let frame = next_frame(viewer).await;
        if frame.get("ok").is_some() {
            return frame;
        }
    }
}

/// S62: `{id, procedure, input}` is answered `{id, ok, data}`; the input is merged over `?input=`, and its own keys win.
#[tokio::test]
async fn a_command_is_answered_by_its_id_with_its_input_over_that_of_the_url() {
    let served = Served::open().await;
    let share = served.client(None).create(&"ses_1".parse().unwrap(), Some(part("p0", "a"))).await.unwrap();
    for n in 1..5 {
        share.sync(part(&format!("p{n}"), "b")).await.unwrap();
    }
    share.sync(part("p0", "changed")).await.unwrap();
    // {"limit":2}
    let mut viewer = viewer(&served, &format!("/ws/{}?input=%7B%22limit%22%3A2%7D", share.id())).await;
    let pong = ask(&mut viewer, r#"{"id":7,"procedure":"share.ping"}"#).await;
    assert_eq!((&pong["id"], &pong["ok"]), (&json!(7), &json!(true)));
    assert!(pong["data"]["at"].as_i64().unwrap() > 1_700_000_000_000);
    let info = ask(&mut viewer, r#"{"id":"a","procedure":"share.info","input":{}}"#).await;
    assert_eq!(
        (&info["id"], &info["data"]["id"], &info["data"]["revision"]),
        (&json!("a"), &json!(share.id().as_str()), &json!(6))
    );

    let page = ask(&mut viewer, r#"{"id":1,"procedure":"share.history"}"#).await;
    let keys = |page: &Value| -> Vec<String> {
        let changes = page["data"]["changes"].as_array().unwrap();
        changes.iter().map(|change| change["key"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(keys(&page), ["part/m/p0", "part/m/p1"], "{page}");
    let first = &page["data"]["changes"][0];
    assert_eq!((&first["revision"], &first["first"]), (&json!(6), &json!(1)), "as it stands, and when it came");
    assert_eq!(page["data"]["changes"][1].get("first"), None);
    let next = page["data"]["next"].as_str().unwrap();
    let rest = json!({ "id": 2, "procedure": "share.history", "input": { "limit": 9, "cursor": next } }).to_string();
    let page = ask(&mut viewer, &rest).await;
    assert_eq!(
        (keys(&page), &page["data"]["next"]),
        (vec!["part/m/p2".into(), "part/m/p3".into(), "part/m/p4".into()], &Value::Null)
    );
    let middle = r#"{"id":3,"procedure":"share.history","input":{"from":3,"to":4}}"#;
    assert_eq!(keys(&ask(&mut viewer, middle).await), ["part/m/p2", "part/m/p3"]);

    // Posted: the same, without a stream.
    let path = format!("/events/{}?input=%7B%22limit%22%3A2%7D", share.id());
    let (status, posted) = post(&served, &path, &[], r#"{"id":1,"procedure":"share.history"}"#).await;
    assert_eq!((status, keys(&posted).len()), (200, 2), "{posted}");
    // What must not stand in a URL does not.
    let (status, body) = served.refused(&format!("/ws/{}?input=%7B%22secret%22%3A%22x%22%7D", share.id()), &[]).await;
    assert_eq!((status, &body["error"]["code"]), (401, &json!("Unauthorized")));
    assert_eq!(served.refused(&format!("/ws/{}?input=7", share.id()), &[]).await.0, 400);
}

/// S63: a wrong prefix, `.events`, a missing id, bad JSON, an unknown type or command each get an error answer, and the
/// socket lives on.
#[tokio::test]
async fn whatever_is_wrong_with_a_frame_is_an_answer_and_the_socket_lives_on() {
    let served = Served::open().await;
    let share = served.client(None).create(&"ses_1".parse().unwrap(), None).await.unwrap();
    let mut viewer = viewer(&served, &format!("/ws/{}", share.id())).await;
    let path = format!("/events/{}", share.id());
    for (frame, id, says) in [
        (r#"{"id":1,"procedure":"other.ping"}"#, json!(1), "not a command of this channel"),
        (r#"{"id":2,"procedure":"share.events"}"#, json!(2), "this stream itself"),
        (r#"{"id":3,"procedure":"share.pong"}"#, json!(3), "there is no command share.pong"),
        (r#"{"procedure":"share.ping"}"#, Value::Null, "no valid id"),
        (r#"{"id":{},"procedure":"share.ping"}"#, Value::Null, "no valid id"),
        (r#"{"id":4}"#, json!(4), "names no procedure"),
        (r#"{"id":5,"procedure":7}"#, json!(5), "names no procedure"),
        (r#"{"id":6,"procedure":"share.ping","input":[]}"#, json!(6), "invalid input"),
        (r#"{"id":7,"procedure":"share.history","input":{"limit":"x"}}"#, json!(7), "invalid input of share.history"),
        (r#"{"id":8,"procedure":"share.history","input":{"limit":0}}"#, json!(8), "from 1 to 1,000"),
        (r#"{"id":9,"procedure":"share.answer","input":{"ask":"x","choice":"y"}}"#, json!(9), ""),
        ("no json", Value::Null, "in JSON"),
        ("[1]", Value::Null, "in JSON"),
        ("7", Value::Null, "in JSON"),
    ] {
        let answer = ask(&mut viewer, frame).await;
        assert_eq!(
            (&answer["id"], &answer["ok"], &answer["error"]["code"]),
            (&id, &json!(false), &json!("InvalidInput")),
            "{frame}"
        );
        assert_eq!(answer["error"]["transient"], false);
        assert!(answer["error"]["message"].as_str().unwrap().contains(says), "{frame}: {answer}");
        let (status, posted) = post(&served, &path, &[], frame).await;
        assert_eq!((status, &posted["id"], &posted["error"]["code"]), (200, &id, &json!("InvalidInput")), "{frame}");
    }
    share.sync(part("p", "x")).await.unwrap();
    assert_eq!(next_json(&mut viewer).await["event"], "changes");
    viewer.send(Message::text("x".repeat((64 << 10) + 1))).await.unwrap();
    assert_eq!(close_frame(&mut viewer).await.0, 1009);
    let (status, body) = post(&served, &path, &[], &"x".repeat((64 << 10) + 1)).await;
    assert_eq!((status, &body["error"]["limit"]), (413, &json!("uplinkBytesMax")));
}

/// S64: a slow command delays neither events nor heartbeats; past its deadline it is answered, and past their number
/// further ones are refused at once.
#[tokio::test]
async fn a_slow_command_delays_nothing() {
    let desk = Desk::of([("t1", token("ann", "t1", Scopes::SHARE)), ("t2", token("ann", "t2", Scopes::SHARE))]);
    let served = Served::over(Arc::new(InMemory::new()), Arc::new(desk.clone()), |settings| {
        settings.viewer.heartbeat = Duration::from_millis(50);
        settings.viewer.command_within = Duration::from_secs(3);
    })
    .await;
    let share = served.client(Some("t1")).create(&"ses_1".parse().unwrap(), None).await.unwrap();
    let mut viewer = viewer(&served, &format!("/ws/{}", share.id())).await;
    // Who is slow is whoever knows the tokens.
    desk.hold();
    for id in 0..17 {
        let slow = json!({ "id": id, "procedure": "share.authenticate", "input": { "token": "t2" } });
        viewer.send(Message::text(slow.to_string())).await.unwrap();
    }
    let (mut heartbeats, mut changes, mut answers) = (0, 0, Vec::new());
    share.sync(part("p", "x")).await.unwrap();
    while answers.len() < 17 {
        let frame = next_json(&mut viewer).await;
        if frame.get("ok").is_some() {
            if answers.len() == 1 {
                assert!(heartbeats > 0 && changes == 1, "they came before");
            }
            answers.push(frame);
        } else if frame["event"] == "changes" {
            changes += 1;
        } else {
            heartbeats += 1;
        }
    }
    assert_eq!(
        answers[0]["error"]["message"].as_str().unwrap().split(" of ").next(),
        Some("past the limit commandsInFlightMax")
    );
    for answer in &answers[1..] {
        assert_eq!((&answer["error"]["code"], &answer["error"]["transient"]), (&json!("Unavailable"), &json!(true)));
    }
    desk.release();
    let shown = ask(&mut viewer, r#"{"id":99,"procedure":"share.authenticate","input":{"token":"t2"}}"#).await;
    assert_eq!(shown["data"], json!({ "account": "ann" }));
}

/// A viewer is told nothing of a share that is not for everybody until it has shown a credential in its first frame; a wrong one,
/// or another first frame, ends with 4001.
#[tokio::test]
async fn a_page_shows_its_credential_in_its_first_frame() {
    let served = Served::with_keys().await;
    let share =
        served.client(Some(crate::support::door::ANNS_KEY)).create(&"ses_1".parse().unwrap(), None).await.unwrap();
    share.sync(items(&[("note", "1")])).await.unwrap();
    let hub = served.host.hub();
    let room = hub.rooms().open(share.id().as_str(), share.secret().unwrap()).await.unwrap();
    hub.rooms().set_visibility(&room, capshare::share::visibility::Visibility::Grant).await.unwrap();
    let label = capshare::share::grant::Label::default();
    let pass = capshare::__internal::rooms::pass::Pass::OWNER.narrowed(capshare::share::grant::Right::Read, None);
    let grant = hub.rooms().grant(&room, &pass, label, None).await.unwrap();
    let path = format!("/ws/{}?auth=inband", share.id());
    assert_eq!(served.refused(&format!("/ws/{}", share.id()), &[]).await.0, 401);
    let show =
        |token: &str| json!({ "id": 1, "procedure": "share.authenticate", "input": { "token": token } }).to_string();

    let plain = format!("/ws/{}", share.id());
    let origin = format!("http://{}", served.address);
    let of_a_page = [("Origin", origin.as_str())];
    for (path, headers, shown, account) in [
        (&path, &[][..], grant.reveal(), Value::Null),
        (&path, &[][..], crate::support::door::ANNS_KEY, json!("ann")),
        (&plain, &of_a_page[..], grant.reveal(), Value::Null),
    ] {
        let mut viewer = served.knock(path, headers).await.unwrap();
        viewer.send(Message::text(show(shown))).await.unwrap();
        assert_eq!(next_json(&mut viewer).await, json!({ "id": 1, "ok": true, "data": { "account": account } }));
        assert_eq!(next_json(&mut viewer).await["event"], "snapshot");
        assert_eq!(next_json(&mut viewer).await["event"], "ready");
        let info = ask(&mut viewer, r#"{"id":2,"procedure":"share.info"}"#).await;
        assert_eq!(info["ok"], true);
    }
    for frame in [
        show("wrong"),
        show(crate::support::door::BOBS_KEY),
        r#"{"id":1,"procedure":"share.info"}"#.to_owned(),
        "x".to_owned(),
    ] {
        let mut viewer = served.knock(&path, &[]).await.unwrap();
        viewer.send(Message::text(&frame)).await.unwrap();
        assert_eq!(next_json(&mut viewer).await["ok"], false, "{frame}");
        assert_eq!(close_frame(&mut viewer).await.0, 4001, "{frame}");
    }
    // As a stream: by the header.
    let bearer = format!("Bearer {}", grant.reveal());
    let stream = Sse::get(&served, &format!("/events/{}", share.id()), &[]).await;
    assert!(stream.head.starts_with("http/1.1 401 "), "{}", stream.head);
    let mut stream = Sse::open(&served, share.id().as_str(), &[("Authorization", &bearer)]).await;
    stream.until("ready").await;
    let path = format!("/events/{}", share.id());
    let info = r#"{"id":1,"procedure":"share.info"}"#;
    assert_eq!(post(&served, &path, &[], info).await.0, 401);
    assert_eq!(post(&served, &path, &[("Authorization", &bearer)], info).await.1["ok"], true);
    hub.rooms().revoke_grant(&room, grant.grant()).await.unwrap();
    assert_eq!(stream.until("__error").await.data["code"], "Unauthorized");
    assert_eq!(stream.next().await, None);
}
