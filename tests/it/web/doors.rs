//! What is asked at the door, and each of its noes.

use std::time::Duration;

use async_tungstenite::tungstenite::Message;
use capshare::__internal::access::SingleAccount;
use capshare::__internal::contract::SUBPROTOCOL;
use futures::StreamExt as _;
use object_store::memory::InMemory;
use serde_json::json;

use super::peer::{PATH, Peer, part};
use crate::support::door::{ANNS_KEY, Served, close_frame};

/// Plain requests are told to open a WebSocket, and where the types are; a batch is not served.
#[tokio::test]
async fn what_is_no_upgrade_is_told_what_to_do() {
    let served = Served::open().await;
    for (head, status, says) in [
        (format!("GET {PATH} HTTP/1.1"), "426", "this path is a WebSocket"),
        (format!("POST {PATH} HTTP/1.1\r\nContent-Length: 0"), "405", "newWebSocketRpcSession"),
    ] {
        let answer = served.request(&head).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{answer}");
        assert!(answer.contains("\r\nx-typescript-types: /rpc/share/web.d.ts\r\n"), "{answer}");
        assert!(answer.contains(says), "{answer}");
        assert_eq!(answer.contains("\r\nallow: GET\r\n"), status == "405", "{answer}");
    }
    let types = served.request("GET /rpc/share/web.d.ts HTTP/1.1").await;
    assert!(types.starts_with("HTTP/1.1 200 ") && types.contains("export interface ShareRpc"), "{types}");
    assert!(types.contains("\r\naccess-control-allow-origin: *\r\n"), "{types}");
    let (status, body) = served.refused(PATH, &[("Sec-WebSocket-Protocol", SUBPROTOCOL)]).await;
    assert_eq!((status, &body["error"]["code"]), (400, &json!("ProtocolMismatch")));
    assert_eq!(served.host.hub().connections().registry().count(), 0);
}

/// S4: pages of other origins are refused; the host's own and no page at all pass.
#[tokio::test]
async fn a_page_of_another_origin_is_refused() {
    let served = Served::open().await;
    let (status, body) = served.refused(PATH, &[("Origin", "https://evil.example")]).await;
    assert_eq!((status, &body["error"]["code"]), (403, &json!("UpgradeFailed")));
    let own = format!("http://{}", served.address);
    Peer::connect(&served, &[("Origin", &own)]).await.goes_on().await;
    Peer::connect(&served, &[]).await.goes_on().await;
}

/// S5: a client that shows no credential comes in, can call nothing that needs one, learns nothing of its arguments, and
/// authenticates inside.
#[tokio::test]
async fn who_shows_nothing_authenticates_inside() {
    let served = Served::with_keys().await;
    let mut peer = Peer::connect(&served, &[]).await;
    let open = ["hello", "authenticate", "probeValue", "probeCallback"];
    for method in methods() {
        let refused = peer.ask(&method, json!([{"wrong": 1}])).await.unwrap_err();
        let code = if open.contains(&method.as_str()) { "InvalidInput" } else { "Unauthorized" };
        assert_eq!(refused["code"], code, "{method}: {refused}");
    }
    assert_eq!(peer.ask("authenticate", json!(["wrong"])).await.unwrap_err()["code"], "Unauthorized");
    let rpc = peer.begin(0, "authenticate", json!([ANNS_KEY])).await;
    let welcome = peer.ask_of(rpc, "hello", json!([])).await.unwrap();
    assert_eq!(welcome["account"], "ann");
    assert!(peer.ask_of(rpc, "createShare", json!(["ses_1", [[part("p", "x")]]])).await.is_ok());
    // What it was before it is still.
    assert_eq!(peer.ask("listShares", json!([])).await.unwrap_err()["code"], "Unauthorized");
    let (status, _) = served.refused(PATH, &[("Authorization", "Bearer wrong")]).await;
    assert_eq!(status, 401);
    let bearer = format!("Bearer {ANNS_KEY}");
    let mut shown = Peer::connect(&served, &[("Authorization", &bearer)]).await;
    assert!(shown.ask("listShares", json!([])).await.is_ok());
}

/// The methods of the main object, as the declarations have them.
fn methods() -> Vec<String> {
    let text = capshare::__internal::web::typescript::declarations();
    let root = text.split("export interface ShareRpc").nth(1).unwrap().split("\n}").next().unwrap();
    let names = root.lines().filter_map(|line| line.strip_prefix("  ")?.split_once('(')).map(|(name, _)| name);
    names.filter(|name| name.chars().all(char::is_alphanumeric)).map(str::to_owned).collect()
}

/// S6: a text frame at the RPC door and a binary one here fail at once, by name.
#[tokio::test]
async fn frames_of_the_other_kind_are_refused_by_name() {
    let served = Served::open().await;
    let mut peer = Peer::connect(&served, &[]).await;
    peer.goes_on().await;
    peer.socket.send(Message::binary(vec![0; 16])).await.unwrap();
    let (error, code, reason) = peer.ended().await;
    assert_eq!((&error["code"], &error["close"], code), (&json!("ProtocolMismatch"), &json!(1003), 1003));
    assert!(reason.contains("/rpc/share") && reason.starts_with("ProtocolMismatch: "), "{reason}");
    let mut rpc = served.knock("/rpc/share", &[]).await.unwrap();
    rpc.send(Message::text(r#"["push",["pipeline",0,["hello"],[]]]"#)).await.unwrap();
    let (code, reason) = close_frame(&mut rpc).await;
    assert_eq!(code, 1003, "{reason}");
}

/// Wrong credentials are refused by a limit that passes by itself, and the refusal says so; its sentence names the code once.
#[tokio::test]
async fn too_many_wrong_credentials_pass_in_a_minute() {
    let served = Served::with_keys().await;
    let mut peer = Peer::connect(&served, &[]).await;
    let first = peer.ask("authenticate", json!(["wrong"])).await.unwrap_err();
    assert_eq!((&first["code"], &first["transient"]), (&json!("Unauthorized"), &json!(false)));
    assert!(!first["message"].as_str().unwrap().contains("unauthorized: "), "{first}");
    for _ in 0..1_000 {
        let refused = peer.ask("authenticate", json!(["wrong"])).await.unwrap_err();
        if refused["code"] == "LimitExceeded" {
            assert_eq!(refused["limit"], "failedCredentialsPerMinute");
            return assert_eq!(refused["transient"], true);
        }
    }
    panic!("no limit");
}

/// S96: a frame that breaks the protocol ends its session with an abort that says why, and a Close frame with its code.
#[tokio::test]
async fn a_frame_that_breaks_the_protocol_ends_the_session() {
    let served = Served::over(
        std::sync::Arc::new(InMemory::new()),
        std::sync::Arc::new(SingleAccount::new("local".parse().unwrap())),
        |settings| settings.hub.limits.message_bytes_max = 64 << 10,
    )
    .await;
    let long = format!(r#"["push",["pipeline",0,["hello"],["{}"]]]"#, "x".repeat(64 << 10));
    for (frame, code, says) in [
        ("{}", 1002, "a frame is not an array"),
        ("", 1002, "a frame is not an array"),
        (r#"["ping"]"#, 1002, "a frame is of an unknown type"),
        (r#"["push"]"#, 1002, "a frame is too short"),
        (r#"["push",[1]]"#, 1002, "an array is neither wrapped"),
        (r#"["pull",7]"#, 1002, "names the id 7, which this side never gave out"),
        (r#"["release",0,2]"#, 1002, "releases the id 0 2 times"),
        (&long, 1009, "messageBytesMax"),
    ] {
        let mut peer = Peer::connect(&served, &[]).await;
        peer.goes_on().await;
        peer.say_text(frame).await;
        let (error, got, reason) = peer.ended().await;
        assert_eq!(got, code, "{reason}");
        assert!(error["message"].as_str().unwrap().contains(says), "{error}");
        assert!(reason.contains(": "), "{reason}");
        let name = if code == 1009 { "LimitExceeded" } else { "ProtocolMismatch" };
        let members = (&error["code"], &error["close"], &error["transient"]);
        assert_eq!(members, (&json!(name), &json!(code), &json!(false)), "{frame}");
    }
    // The peer's own abort is answered by a Close frame.
    let mut peer = Peer::connect(&served, &[]).await;
    peer.goes_on().await;
    peer.say(&json!(["abort", ["error", "Error", "enough"]])).await;
    let (code, reason) = close_frame(&mut peer.socket).await;
    assert_eq!((code, reason.as_str()), (1000, "this side has ended the session"));
    let gone = async {
        while served.host.hub().connections().registry().taken() > 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    crate::support::patience::within("all places", gone).await;
    assert_eq!(served.host.hub().metrics().capabilities_held.get(), 0);
}

/// S97: a client that goes without a word, or says goodbye, leaves nothing.
#[tokio::test]
async fn a_client_that_leaves_is_gone() {
    let served = Served::open().await;
    let hub = served.host.hub();
    for says_goodbye in [true, false] {
        let mut peer = Peer::connect(&served, &[]).await;
        let made = peer.create(&format!("ses_{says_goodbye}")).await;
        peer.begin(made.share, "watch", json!([{"changed": ["export", -1]}])).await;
        peer.called().await;
        assert_eq!((hub.metrics().followers.get(), hub.metrics().capabilities_held.get()), (1, 2));
        if says_goodbye {
            peer.socket.close(None).await.unwrap();
            while !matches!(peer.socket.next().await, None | Some(Err(_))) {}
        }
        drop(peer);
        let gone = async {
            while hub.connections().registry().taken() > 0 {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        crate::support::patience::within("its place", gone).await;
        assert_eq!((hub.metrics().followers.get(), hub.metrics().capabilities_held.get()), (0, 0));
    }
}
