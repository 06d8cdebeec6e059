//! Server-sent events: what is on the wire, and what ends a stream.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use capshare::__internal::access::{Scopes, SingleAccount};
use capshare::__internal::connections::comer::Door;
use object_store::memory::InMemory;
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::support::desk::{Desk, session, token};
use crate::support::door::{Served, close_frame};
use crate::support::items::{items, part};
use crate::support::sse::{Sse, post};

async fn local(change: impl FnOnce(&mut capshare::host::HostSettings)) -> Served {
    let access = Arc::new(SingleAccount::new("local".parse().unwrap()));
    Served::over(Arc::new(InMemory::new()), access, change).await
}

/// S67: a stream sends a comment at once, then `id`, `event` and `data`; an unknown share is an error and not a hang.
/// S66: a share that is deleted says so, and the stream ends.
#[tokio::test]
async fn a_stream_begins_with_a_comment_and_tells_the_same_as_a_socket() {
    let served = Served::open().await;
    let client = served.client(None);
    let share = client.create(&"ses_1".parse().unwrap(), Some(part("p", "a"))).await.unwrap();
    let mut stream = Sse::open(&served, share.id().as_str(), &[]).await;
    for header in ["content-type: text/event-stream\r", "cache-control: no-store\r", "x-accel-buffering: no\r"] {
        assert!(stream.head.contains(header), "{}", stream.head);
    }
    let opening = stream.next().await.unwrap();
    assert_eq!((opening.event.as_str(), opening.data), ("", json!("capshare")));
    let snapshot = stream.next().await.unwrap();
    assert_eq!((snapshot.event.as_str(), snapshot.id.as_deref()), ("snapshot", Some("1")));
    assert_eq!(snapshot.data["changes"][0]["value"]["text"], "a");
    let ready = stream.next().await.unwrap();
    assert_eq!((ready.event.as_str(), ready.id.as_deref(), &ready.data["revision"]), ("ready", Some("1"), &json!(1)));
    let presence = stream.next().await.unwrap();
    assert_eq!(
        (presence.event.as_str(), presence.id, presence.data),
        ("presence", None, json!({ "viewers": 1, "names": [] }))
    );
    // As its producer wrote it, over lines.
    share.sync(items(&[("note", "{\"a\":\r\n 1,\n \"b\": 2}")])).await.unwrap();
    let changes = stream.until("changes").await;
    assert_eq!((changes.id.as_deref(), &changes.data["changes"][0]["value"]), (Some("2"), &json!({ "a": 1, "b": 2 })));
    share.delete().await.unwrap();
    let error = stream.next().await.unwrap();
    assert_eq!(
        (error.event.as_str(), &error.data["code"], &error.data["transient"]),
        ("__error", &json!("NotFound"), &json!(false))
    );
    assert_eq!(stream.next().await, None);

    let unknown = Sse::get(&served, "/events/abcdefghijklmnopqrstuvwxyz", &[]).await;
    assert!(unknown.head.starts_with("http/1.1 404 ") && unknown.head.contains("application/json"), "{}", unknown.head);
    assert_eq!(unknown.body().await["error"]["code"], "NotFound");
    let wrong = Sse::get(&served, &format!("/events/{}?cursor=x", share.id()), &[]).await;
    assert!(wrong.head.starts_with("http/1.1 400 "), "{}", wrong.head);
}

/// S69: an idle stream stays subscribed, and receives the next event.
#[tokio::test]
async fn an_idle_stream_stays_and_receives_the_next_event() {
    let served = local(|settings| settings.viewer.heartbeat = Duration::from_millis(20)).await;
    let share = served.client(None).create(&"ses_1".parse().unwrap(), None).await.unwrap();
    let mut stream = Sse::open(&served, share.id().as_str(), &[]).await;
    stream.until("ready").await;
    for _ in 0..20 {
        let told = stream.next().await.unwrap();
        assert!(told.event == "presence" || told.data == "heartbeat", "{told:?}");
    }
    share.sync(part("p", "x")).await.unwrap();
    assert_eq!(stream.until("changes").await.data["revision"], 1);
}

/// S54: a revocation reaches RPC, viewer and SSE connections alike, summed; a stream is told why, and is told nothing after it.
#[tokio::test]
async fn a_revocation_reaches_streams_too() {
    let desk = Desk::of([("t1", token("ann", "t1", Scopes::SHARE)), ("bob", token("bob", "t2", Scopes::SHARE))]);
    let served = Served::over(Arc::new(InMemory::new()), Arc::new(desk), |_| {}).await;
    let hub = served.host.hub();
    let share = served.client(Some("bob")).create(&"ses_1".parse().unwrap(), None).await.unwrap();
    let bearer = [("Authorization", "Bearer t1")];
    let mut rpc = served.knock("/rpc/share", &bearer).await.unwrap();
    let mut viewer = served.knock(&format!("/ws/{}", share.id()), &bearer).await.unwrap();
    let mut stream = Sse::open(&served, share.id().as_str(), &bearer).await;
    let mut others = Sse::open(&served, share.id().as_str(), &[]).await;
    stream.until("ready").await;
    others.until("ready").await;
    let of_t1 = || hub.connections().registry().matching(|entry| entry.is_of(&"ann".parse().unwrap())).len();
    while of_t1() != 3 {
        tokio::task::yield_now().await;
    }
    assert_eq!(hub.connections().close_token("t1"), 3);
    assert_eq!(hub.connections().close_token("t1"), 0);
    assert_eq!((close_frame(&mut rpc).await.0, close_frame(&mut viewer).await.0), (4001, 4001));
    let error = stream.until("__error").await;
    assert_eq!((&error.data["code"], &error.data["transient"]), (&json!("Unauthorized"), &json!(false)));
    assert_eq!(stream.next().await, None);
    share.sync(part("p", "x")).await.unwrap();
    others.until("changes").await;
    assert_eq!(hub.connections().registry().count_of(Door::Sse), 1);
    // A restart asks to come back.
    served.host.shutdown().await;
    assert_eq!(others.until("__error").await.data["transient"], true);
    assert_eq!(others.next().await, None);
}

/// S70: streams of one login session are capped, the oldest closed first; so are those of one address without a credential.
#[tokio::test]
async fn the_oldest_stream_goes_first() {
    let desk = Desk::of([("s1", session("ann", "s1")), ("s2", session("ann", "s2"))]);
    let served = Served::over(Arc::new(InMemory::new()), Arc::new(desk), |settings| {
        settings.viewer.streams_max = 2;
        settings.hub.address_connections_max = NonZeroUsize::new(1);
    })
    .await;
    let share = served.client(Some("s1")).create(&"ses_1".parse().unwrap(), None).await.unwrap();
    let id = share.id().as_str();
    let of = async |shown: &str| {
        let bearer = format!("Bearer {shown}");
        let mut stream = Sse::open(&served, id, &[("Authorization", &bearer)]).await;
        stream.until("ready").await;
        stream
    };
    let (mut first, mut second, mut other) = (of("s1").await, of("s1").await, of("s2").await);
    let mut third = of("s1").await;
    let error = first.until("__error").await;
    assert_eq!(
        (&error.data["code"], &error.data["transient"]),
        (&json!("Unspecified"), &json!(false)),
        "do not come back"
    );
    assert_eq!(first.next().await, None);
    let mut nobody = Sse::open(&served, id, &[]).await;
    nobody.until("ready").await;
    let mut somebody = Sse::open(&served, id, &[]).await;
    nobody.until("__error").await;
    share.sync(part("p", "x")).await.unwrap();
    for stream in [&mut second, &mut third, &mut other, &mut somebody] {
        stream.until("changes").await;
    }
}

/// A stream that nobody reads is cut off, delays no sync and no other viewer, and gives its place back.
#[tokio::test]
async fn a_stream_that_nobody_reads_is_cut_off() {
    let served = local(|settings| settings.viewer.write_stall = Duration::from_millis(500)).await;
    let hub = served.host.hub();
    let share = served.client(None).create(&"ses_1".parse().unwrap(), None).await.unwrap();
    let mut deaf = TcpStream::connect(served.address).await.unwrap();
    let head = format!("GET /events/{} HTTP/1.1\r\nHost: x\r\n\r\n", share.id());
    deaf.write_all(head.as_bytes()).await.unwrap();
    let mut reads = Sse::open(&served, share.id().as_str(), &[]).await;
    let open = || hub.connections().registry().count_of(Door::Sse);
    while open() != 2 {
        tokio::task::yield_now().await;
    }
    let mut text = 0_u64;
    while open() == 2 {
        text += 1;
        share.sync(part("p", &text.to_string().repeat(100_000 / text.to_string().len()))).await.unwrap();
        while reads.until("changes").await.data["revision"] != text {}
    }
    assert_eq!(open(), 1);
    // Cut, and not told to its end.
    let mut rest = Vec::new();
    let _reset = deaf.read_to_end(&mut rest).await;
    assert!(!String::from_utf8_lossy(&rest).ends_with("0\r\n\r\n"));
}

/// Over HTTP/2 with prior knowledge a connection carries many streams, as a reverse proxy opens them.
#[tokio::test]
async fn streams_go_over_http_2() {
    let served = Served::open().await;
    let share = served.client(None).create(&"ses_1".parse().unwrap(), None).await.unwrap();
    let socket = TcpStream::connect(served.address).await.unwrap();
    let (mut requests, connection) = h2::client::handshake(socket).await.unwrap();
    let connection = tokio::spawn(connection);
    let mut streams = Vec::new();
    for _ in 0..3 {
        let uri = format!("http://{}/events/{}", served.address, share.id());
        let request = http::Request::get(uri).body(()).unwrap();
        let (answer, _) = requests.send_request(request, true).unwrap();
        let answer = answer.await.unwrap();
        assert_eq!((answer.status().as_u16(), answer.version()), (200, http::Version::HTTP_2));
        streams.push(answer.into_body());
    }
    share.sync(part("p", "over http 2")).await.unwrap();
    for stream in &mut streams {
        let mut text = String::new();
        while !text.contains("over http 2") {
            let data = stream.data().await.unwrap().unwrap();
            stream.flow_control().release_capacity(data.len()).unwrap();
            text += std::str::from_utf8(&data).unwrap();
        }
        assert!(text.starts_with(": capshare\n") && text.contains("\nevent: ready\n"), "{text}");
    }
    assert_eq!(served.host.hub().connections().registry().count_of(Door::Sse), 3);
    // An upgrade is HTTP/1's.
    let request = http::Request::get(format!("http://{}/ws/{}", served.address, share.id())).body(()).unwrap();
    let (answer, _) = requests.send_request(request, true).unwrap();
    assert_eq!(answer.await.unwrap().status().as_u16(), 426);
    drop((streams, requests));
    connection.abort();
    while served.host.hub().connections().registry().taken() > 1 {
        tokio::task::yield_now().await;
    }
}

/// Pages of other origins may only if the host was told so, and are told so in words that browsers know.
#[tokio::test]
async fn a_page_of_another_origin_needs_leave() {
    let served = local(|settings| settings.doors.origins.push("https://app.example".into())).await;
    let share = served.client(None).create(&"ses_1".parse().unwrap(), None).await.unwrap();
    let path = format!("/events/{}", share.id());
    let foreign = Sse::get(&served, &path, &[("Origin", "https://evil.example")]).await;
    assert!(foreign.head.starts_with("http/1.1 403 ") && !foreign.head.contains("allow-origin"), "{}", foreign.head);
    let ping = r#"{"id":1,"procedure":"share.ping"}"#;
    assert_eq!(post(&served, &path, &[("Origin", "https://evil.example")], ping).await.0, 403);
    assert_eq!(post(&served, &path, &[("Origin", "https://app.example")], ping).await.1["ok"], true);
    let allowed = Sse::get(&served, &path, &[("Origin", "https://app.example")]).await;
    assert!(allowed.head.contains("access-control-allow-origin: https://app.example\r"), "{}", allowed.head);
    let preflight =
        format!("OPTIONS {path} HTTP/1.1\r\nOrigin: https://app.example\r\nAccess-Control-Request-Method: POST");
    let preflight = served.request(&preflight).await.to_lowercase();
    assert!(
        preflight.starts_with("http/1.1 204 ") && preflight.contains("access-control-allow-methods: get, post\r"),
        "{preflight}"
    );
}
