//! What viewers, pages and OpenCode's API meet at a host that drains, over real sockets.

use std::sync::Arc;
use std::time::Duration;

use async_tungstenite::tungstenite::Message;
use capshare::__internal::access::SingleAccount;
use futures::StreamExt as _;
use object_store::memory::InMemory;
use serde_json::{Value, json};

use crate::opencode::http::Api;
use crate::support::door::{Served, close_frame, next_json};
use crate::support::items::part;
use crate::support::patience::within;
use crate::support::sse::Sse;

const WITHIN: Duration = Duration::from_secs(2);
const OTHER: &str = "https://b.example.org";

async fn served() -> Served {
    let access = Arc::new(SingleAccount::new("local".parse().unwrap()));
    Served::over(Arc::new(InMemory::new()), access, |settings| settings.hub.hosts.others = vec![OTHER.parse().unwrap()])
        .await
}

async fn share(served: &Served) -> String {
    let share = served.client(None).create(&"ses_1".parse().unwrap(), Some(part("p", "x"))).await.unwrap();
    share.id().as_str().to_owned()
}

/// S102, S103: a viewer learns of the other hosts when it is ready; when its host drains it is told to move, whether it was busy or
/// parked, and a fifth of the time later it is closed with 1012, or its stream ends.
#[tokio::test]
async fn viewers_are_told_to_move_before_they_are_closed() {
    let served = served().await;
    let share = share(&served).await;
    let mut socket = served.knock(&format!("/ws/{share}"), &[]).await.unwrap();
    let mut stream = Sse::open(&served, &share, &[]).await;
    assert_eq!(next_json(&mut socket).await["event"], "snapshot");
    let ready = next_json(&mut socket).await;
    assert_eq!((&ready["event"], &ready["payload"]["hosts"]), (&json!("ready"), &json!([OTHER])));
    assert_eq!(stream.until("ready").await.data["hosts"], json!([OTHER]));
    assert_eq!(stream.retry, Some(2_000));
    served.host.drain(WITHIN).unwrap();
    let payload = json!({ "urls": [OTHER], "withinMs": 400 });
    assert_eq!(next_json(&mut socket).await, json!({ "event": "moving", "payload": payload }));
    let (code, _) = close_frame(&mut socket).await;
    assert_eq!(code, 1012);
    let moving = stream.until("moving").await;
    assert_eq!((&moving.data, moving.id), (&payload, None));
    assert!(stream.retry.is_some_and(|retry| (200..=3_000).contains(&retry)), "{:?}", stream.retry);
    let error = stream.until("__error").await;
    assert_eq!(error.data["transient"], true);
    assert_eq!(stream.next().await, None);
    within("the end of the drain", served.host.drained()).await;
}

/// S103: a Cap'n Proto connection that takes no call of its host is told where to go on by the Close frame.
#[tokio::test]
async fn the_close_of_an_rpc_connection_names_the_next_hosts() {
    let served = served().await;
    let mut socket = served.knock("/rpc/share", &[]).await.unwrap();
    served.host.drain(WITHIN).unwrap();
    assert_eq!(close_frame(&mut socket).await, (1012, format!("go on at {OTHER}")));
}

/// A viewer that comes by HTTP/2 is told as others are, and a new one is told when to come back.
#[tokio::test]
async fn a_viewer_over_http2_is_told_to_move() {
    let served = served().await;
    let share = share(&served).await;
    // The client has no TLS of its own; who was first has chosen.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = reqwest::Client::builder().no_proxy().http2_prior_knowledge().build().unwrap();
    let url = format!("http://{}/events/{share}", served.address);
    let mut stream = client.get(&url).send().await.unwrap();
    let mut text = String::new();
    while !text.contains("event: ready") {
        text += std::str::from_utf8(&within("a chunk", stream.chunk()).await.unwrap().unwrap()).unwrap();
    }
    served.host.drain(WITHIN).unwrap();
    while let Some(chunk) = within("a chunk", stream.chunk()).await.unwrap() {
        text += std::str::from_utf8(&chunk).unwrap();
    }
    let moving = text.split("event: moving").collect::<Vec<_>>();
    assert_eq!(moving.len(), 2, "{text}");
    assert!(moving[0].rsplit("\n\n").next().unwrap().starts_with("retry: "), "{text}");
    assert!(moving[1].contains("event: __error"), "{text}");
    let refused = client.get(&url).send().await.unwrap();
    assert_eq!(refused.status(), 503);
    assert!(refused.headers().contains_key("retry-after"));
}

/// S103: OpenCode's API goes on at a host that drains, over sockets that end with their answer; in the last fifth of the time it
/// refuses writes for a while, and still reads.
#[tokio::test]
async fn opencodes_api_refuses_writes_in_the_last_fifth_of_a_drain() {
    let served = served().await;
    let api = Api::at(served.address);
    let created = api.send("POST", "/api/share", r#"{"sessionID":"ses_2"}"#).await;
    assert!(created.headers.get("connection").is_none());
    let created: Value = serde_json::from_str(&created.text).unwrap();
    let id = created["id"].as_str().unwrap();
    let sync =
        json!({ "secret": created["secret"], "data": [{ "type": "session", "data": { "id": "ses_2" } }] }).to_string();
    let path = format!("/api/share/{id}/sync");
    let sync = || api.send("POST", &path, sync.clone());
    served.host.drain(WITHIN).unwrap();
    let taken = sync().await;
    assert_eq!((taken.status, taken.headers["connection"].to_str().unwrap()), (200, "close"));
    let refused = within("a refusal", async {
        loop {
            let answer = sync().await;
            if answer.status != 200 {
                return answer;
            }
        }
    })
    .await;
    let error: Value = serde_json::from_str(&refused.text).unwrap();
    assert_eq!((refused.status, &error["error"]["code"]), (503, &json!("Unavailable")), "{error}");
    let wait: u64 = refused.headers["retry-after"].to_str().unwrap().parse().unwrap();
    assert!((1..=3).contains(&wait), "{wait}");
    for path in [format!("/api/share/{id}/data"), format!("/share/{id}"), format!("/share/{id}.json")] {
        let read = api.send("GET", &path, "").await;
        assert_eq!((read.status, read.headers["connection"].to_str().unwrap()), (200, "close"), "{path}");
    }
    served.host.undrain();
    assert_eq!(sync().await.status, 200);
    assert!(sync().await.headers.get("connection").is_none());
}

/// A page may connect to the other hosts that its host knows, and a host takes the pages of the others.
#[tokio::test]
async fn a_page_may_connect_to_the_other_hosts() {
    let served = served().await;
    let share = share(&served).await;
    let page = served.request(&format!("GET /share/{share} HTTP/1.1")).await;
    let policy = page.lines().find(|line| line.starts_with("content-security-policy: ")).unwrap();
    assert!(policy.contains("; connect-src 'self' https://b.example.org wss://b.example.org; "), "{policy}");
    let path = format!("/ws/{share}");
    let mut socket = served.knock(&path, &[("Origin", "https://b.example.org")]).await.unwrap();
    assert!(matches!(within("a frame", socket.next()).await, Some(Ok(Message::Text(_)))));
    for other in ["https://b.example.org.evil.example", "http://b.example.org", "https://c.example.org"] {
        assert_eq!(served.refused(&path, &[("Origin", other)]).await.0, 403, "{other}");
    }
}
