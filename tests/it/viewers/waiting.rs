//! Viewers that wait: what they cost, and that whoever writes to them meanwhile writes whole frames.

use std::time::Duration;

use async_tungstenite::tungstenite::Message;
use capshare::__internal::connections::comer::Door;
use futures::StreamExt as _;
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::runtime::Handle;

use crate::support::door::{Served, close_frame, next_frame, next_json};
use crate::support::items::part;
use crate::support::sse::Sse;

const VIEWERS: usize = 40;

/// A viewer that has been told all there is costs no task, on either transport: all of a share have one.
#[tokio::test]
async fn who_waits_costs_no_task() {
    let served = Served::open().await;
    let share = served.client(None).create(&"ses_1".parse().unwrap(), Some(part("p", "a"))).await.unwrap();
    let tasks = || Handle::current().metrics().num_alive_tasks();
    let before = tasks();
    let (mut sockets, mut streams) = (Vec::new(), Vec::new());
    for _ in 0..VIEWERS / 2 {
        sockets.push(served.knock(&format!("/ws/{}", share.id()), &[]).await.unwrap());
        streams.push(Sse::open(&served, share.id().as_str(), &[]).await);
    }
    // One for them all, and one that announces them to each other.
    while tasks() > before + 2 {
        tokio::task::yield_now().await;
    }
    assert_eq!(served.host.hub().connections().registry().count(), VIEWERS + 1);
    // They are told what comes, each time.
    for revision in 2..5_u64 {
        share.sync(part("p", &revision.to_string())).await.unwrap();
        for viewer in &mut sockets {
            while next_json(viewer).await["payload"]["revision"] != revision {}
        }
        for viewer in &mut streams {
            while viewer.until("changes").await.data["revision"] != revision {}
        }
    }
    drop((sockets, streams));
    while served.host.hub().connections().registry().count() > 1 || tasks() > before {
        tokio::task::yield_now().await;
    }
}

/// A frame of which the socket took a part is finished before anything else is written: what comes next, an answer to a ping of
/// the viewer, or the goodbye.
#[tokio::test]
async fn a_frame_that_was_begun_is_finished_first() {
    let served = Served::open().await;
    let hub = served.host.hub();
    let share = served.client(None).create(&"ses_1".parse().unwrap(), None).await.unwrap();
    let mut viewer = served.knock(&format!("/ws/{}", share.id()), &[]).await.unwrap();
    while next_json(&mut viewer).await["event"] != "ready" {}
    // 20 MB of values of which none extends another, to one that does not read: the socket takes a part of some frame.
    for n in 1..=200_u64 {
        share.sync(part("p", &n.to_string().repeat(100_000 / n.to_string().len()))).await.unwrap();
        if n % 20 == 0 {
            viewer.send(Message::Ping(n.to_string().into_bytes().into())).await.unwrap();
        }
    }
    let (mut revision, mut pongs) = (0, 0);
    while revision < 200 || pongs == 0 {
        match viewer.next().await.unwrap().unwrap() {
            Message::Text(text) => {
                let frame: Value = serde_json::from_str(&text).unwrap();
                if let Some(told) = frame["payload"]["revision"].as_u64() {
                    assert!(told >= revision, "{told} after {revision}");
                    revision = told;
                }
            }
            Message::Pong(_) => pongs += 1,
            other => panic!("{other:?}"),
        }
    }
    // The same, closed in the middle.
    for n in 1..=100_u64 {
        share.sync(part("p", &n.to_string().repeat(100_000 / n.to_string().len()))).await.unwrap();
    }
    let id = hub.connections().registry().matching(|entry| entry.door == Door::Viewer)[0].id.clone();
    assert_eq!(hub.connections().close_connection(id.as_str()), 1);
    while let Some(Ok(message)) = viewer.next().await {
        match message {
            Message::Text(text) => drop(serde_json::from_str::<Value>(&text).unwrap()),
            Message::Close(Some(close)) => return assert_eq!(u16::from(close.code), 4001),
            other => panic!("{other:?}"),
        }
    }
    panic!("there was no goodbye");
}

/// Of those who watch one share some send pings without end: the others are told everything, and all are ended with the share.
#[tokio::test]
async fn who_always_has_something_to_say_delays_nobody() {
    let served = Served::open().await;
    let share = served.client(None).create(&"ses_1".parse().unwrap(), None).await.unwrap();
    let path = format!("/ws/{}", share.id());
    let mut quiet = served.knock(&path, &[]).await.unwrap();
    let mut loud = Vec::new();
    for _ in 0..20 {
        let mut viewer = served.knock(&path, &[]).await.unwrap();
        loud.push(tokio::spawn(async move {
            loop {
                // It reads what it is answered, and asks again at once.
                if viewer.send(Message::Ping(vec![7].into())).await.is_err() {
                    return None;
                }
                match viewer.next().await?.ok()? {
                    Message::Close(close) => return close.map(|close| u16::from(close.code)),
                    _ => continue,
                }
            }
        }));
    }
    while next_json(&mut quiet).await["event"] != "ready" {}
    for revision in 1..=50_u64 {
        share.sync(part("p", &revision.to_string())).await.unwrap();
        while next_json(&mut quiet).await["payload"]["revision"] != revision {}
    }
    share.delete().await.unwrap();
    while next_frame(&mut quiet).await["event"] != "__error" {}
    assert_eq!(close_frame(&mut quiet).await.0, 1000);
    for viewer in loud {
        assert_eq!(viewer.await.unwrap(), Some(1000));
    }
}

/// A stream's socket is the host's own from its first event on; the other forms of HTTP are answered as they have to be.
#[tokio::test]
async fn a_stream_is_http_as_its_client_speaks_it() {
    let served = Served::open().await;
    let share = served.client(None).create(&"ses_1".parse().unwrap(), Some(part("p", "a"))).await.unwrap();
    let open = || served.host.hub().connections().registry().count_of(Door::Sse);
    let ask = async |head: &str| {
        let mut socket = TcpStream::connect(served.address).await.unwrap();
        let request = head.replace("ID", share.id().as_str()).replace('\n', "\r\n");
        socket.write_all(request.as_bytes()).await.unwrap();
        socket
    };
    // Only its head is asked for: no viewer comes of it.
    let head = "HEAD /events/ID HTTP/1.1\nHost: x\nConnection: close\n\n";
    let mut answer = String::new();
    ask(head).await.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 ") && answer.ends_with("\r\n\r\n"), "{answer}");
    assert_eq!(open(), 0);
    // HTTP/1.0 knows no chunks.
    let mut old = ask("GET /events/ID HTTP/1.0\n\n").await;
    let mut answer = Vec::new();
    while !answer.ends_with(b"}\n\n") || !answer.windows(12).any(|bytes| bytes == b"event: ready") {
        assert_ne!(old.read_buf(&mut answer).await.unwrap(), 0);
    }
    let answer = String::from_utf8(answer).unwrap();
    assert!(answer.contains("\r\n\r\n: capshare\nretry: 2000\n\n") && !answer.contains("chunked"), "{answer}");
    share.sync(part("p", "to HTTP/1.0")).await.unwrap();
    let mut answer = Vec::new();
    while !answer.ends_with(b"}\n\n") || !answer.windows(15).any(|bytes| bytes == b"\nevent: changes") {
        assert_ne!(old.read_buf(&mut answer).await.unwrap(), 0);
    }
    assert!(String::from_utf8(answer).unwrap().contains("to HTTP/1.0"));
    drop(old);
    // After other requests on the same connection; and who then asks for something else does not want the stream any more.
    let mut both = ask("GET /healthz HTTP/1.1\nHost: x\n\n").await;
    let mut answer = Vec::new();
    while !answer.ends_with(b"}") {
        both.read_buf(&mut answer).await.unwrap();
    }
    let request = format!("GET /events/{} HTTP/1.1\r\nHost: x\r\n\r\n", share.id());
    both.write_all(request.as_bytes()).await.unwrap();
    while !String::from_utf8_lossy(&answer).contains("event: ready") {
        assert_ne!(both.read_buf(&mut answer).await.unwrap(), 0);
    }
    while open() != 1 {
        tokio::task::yield_now().await;
    }
    both.write_all(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    while open() != 0 {
        tokio::task::yield_now().await;
    }
    let mut rest = Vec::new();
    let _reset = tokio::time::timeout(Duration::from_secs(10), both.read_to_end(&mut rest)).await.unwrap();
    assert!(!String::from_utf8_lossy(&rest).contains("HTTP/1.1"), "nothing else was answered");
}
