//! The viewer channel, over real sockets: the state, then what changes.

mod asks;
mod audience;
mod commands;
mod events;
mod goodbye;
mod heartbeats;
mod loading;
mod manifest;
mod operations;
mod patches;
mod resume;
mod streams;
mod waiting;
mod weight;

use crate::support::door::{Served, close_frame, next_json};
use crate::support::items::part;
use crate::support::sse::Sse;

/// S61, S66: a snapshot, then `ready`, then what changes in its share only; a deletion says so and closes.
#[tokio::test]
async fn a_viewer_gets_the_state_then_ready_then_each_change_of_its_share_only() {
    let served = Served::open().await;
    let client = served.client(None);
    let share = client.create(&"ses_1".parse().unwrap(), Some(part("p0", "first"))).await.unwrap();
    let other = client.create(&"ses_2".parse().unwrap(), None).await.unwrap();
    let mut viewer = served.knock(&format!("/ws/{}", share.id()), &[]).await.unwrap();
    let snapshot = next_json(&mut viewer).await;
    assert_eq!(snapshot["event"], "snapshot");
    assert_eq!(snapshot["payload"]["revision"], 1);
    assert_eq!(snapshot["payload"]["changes"][0]["value"]["text"], "first");
    let ready = next_json(&mut viewer).await;
    assert_eq!((&ready["event"], &ready["payload"]["revision"]), (&"ready".into(), &1.into()));

    other.sync(part("x", "another share's")).await.unwrap();
    for n in 1..=3 {
        share.sync(part("p0", &format!("text {n}"))).await.unwrap();
        let changes = next_json(&mut viewer).await;
        assert_eq!(changes["event"], "changes");
        assert_eq!((&changes["payload"]["base"], &changes["payload"]["revision"]), (&n.into(), &(n + 1).into()));
        assert_eq!(changes["payload"]["changes"][0]["value"]["text"], format!("text {n}"));
    }
    share.delete().await.unwrap();
    let error = next_json(&mut viewer).await;
    assert_eq!((&error["event"], &error["payload"]["code"]), (&"__error".into(), &"NotFound".into()));
    assert_eq!(close_frame(&mut viewer).await.0, 1000);
}

#[tokio::test]
async fn an_unknown_share_is_refused_before_the_upgrade() {
    let served = Served::open().await;
    for id in ["abcdefghijklmnopqrstuvwxyz", "no-id", "..", "%2e%2e%2fetc"] {
        let (status, body) = served.refused(&format!("/ws/{id}"), &[]).await;
        assert_eq!((status, body["error"]["code"].as_str()), (404, Some("NotFound")), "{id}");
    }
}

/// A share that nobody watches costs its producer nothing: no frame is written. However many watch, each is written once.
#[tokio::test]
async fn each_frame_is_written_once_and_none_when_nobody_watches() {
    let served = Served::open().await;
    let frames = &served.host.hub().metrics().frames_encoded;
    let share = served.client(None).create(&"ses_1".parse().unwrap(), None).await.unwrap();
    for n in 0..20 {
        share.sync(part("p", &n.to_string())).await.unwrap();
    }
    assert_eq!(frames.get(), 0);
    let path = format!("/ws/{}", share.id());
    let mut viewers = Vec::new();
    for _ in 0..5 {
        let mut viewer = served.knock(&path, &[]).await.unwrap();
        while next_json(&mut viewer).await["event"] != "ready" {}
        viewers.push(viewer);
    }
    let mut streams = Vec::new();
    for _ in 0..5 {
        let mut stream = Sse::open(&served, share.id().as_str(), &[]).await;
        stream.until("ready").await;
        streams.push(stream);
    }
    let snapshots = frames.get();
    assert!(snapshots <= 10, "{snapshots}");
    for n in 0..3 {
        share.sync(part("p", &format!("watched {n}"))).await.unwrap();
    }
    for viewer in &mut viewers {
        while next_json(viewer).await["payload"]["revision"] != 23 {}
    }
    for stream in &mut streams {
        while stream.until("changes").await.data["revision"] != 23 {}
    }
    assert_eq!(frames.get() - snapshots, 3);
}

#[tokio::test]
async fn a_large_state_comes_in_pieces() {
    let served = Served::open().await;
    let share = served.client(None).create(&"ses_1".parse().unwrap(), None).await.unwrap();
    for n in 0..8 {
        share.sync(part(&format!("p{n}"), &"x".repeat(100_000))).await.unwrap();
    }
    let mut viewer = served.knock(&format!("/ws/{}", share.id()), &[]).await.unwrap();
    let (mut pieces, mut items) = (0, 0);
    loop {
        let piece = next_json(&mut viewer).await;
        assert_eq!(piece["event"], if pieces == 0 { "snapshot" } else { "changes" });
        pieces += 1;
        items += piece["payload"]["changes"].as_array().unwrap().len();
        if piece["payload"]["more"] == false {
            break;
        }
    }
    // 800 kB in pieces of at most 256 KiB.
    assert_eq!((pieces, items), (4, 8));
    assert_eq!(next_json(&mut viewer).await["event"], "ready");
}

/// S19: a viewer that fails does not fail a stored sync. (That a failed write leaves no half share, the store's tests show.)
#[tokio::test]
async fn a_viewer_that_fails_or_never_reads_fails_no_sync() {
    let served = Served::open().await;
    let share = served.client(None).create(&"ses_1".parse().unwrap(), None).await.unwrap();
    let path = format!("/ws/{}", share.id());
    let dead = served.knock(&path, &[]).await.unwrap();
    let _never_reads = served.knock(&path, &[]).await.unwrap();
    let mut reads = served.knock(&path, &[]).await.unwrap();
    drop(dead);
    // 20 MB, far more than the sockets' buffers hold.
    for n in 1..=200_u64 {
        let synced = share.sync(part("p", &n.to_string().repeat(100_000 / n.to_string().len()))).await.unwrap();
        assert_eq!(synced.sync_count, n);
    }
    let mut revision = 0;
    while revision < 200 {
        let frame = next_json(&mut reads).await;
        revision = frame["payload"]["revision"].as_u64().unwrap().max(revision);
    }
}
