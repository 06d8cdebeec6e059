//! What sessions leave behind: nothing.

use std::sync::Arc;
use std::time::Duration;

use capshare::__internal::access::SingleAccount;
use capshare::host::storage::{self, S3Options, StoreLocation};
use serde_json::json;

use super::peer::{Peer, part};
use crate::support::door::Served;
use crate::support::memory::{descriptors, resident_bytes};
use crate::support::patience::within;

/// Sessions of the scene; `WEB_SESSIONS=10000` makes it ten thousand.
fn sessions() -> usize {
    std::env::var("WEB_SESSIONS").ok().and_then(|text| text.parse().ok()).unwrap_or(200)
}

/// S97: sessions that create, call back, watch, offer a sink and vanish, each in another way, leave no entry, no object, no follower and no
/// memory but what they wrote to the bucket.
#[tokio::test]
async fn sessions_that_vanish_leave_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let store =
        storage::open(&StoreLocation::Directory(folder.path().to_owned()), &S3Options::default()).await.unwrap();
    let access = SingleAccount::new("local".parse().unwrap());
    let served = Served::over(store, Arc::new(access), |_| {}).await;
    let hub = served.host.hub();
    let mut resident = 0;
    let count = sessions();
    for n in 0..count {
        let mut peer = Peer::connect(&served, &[]).await;
        let made = peer.create(&format!("ses_{}", n % 8)).await;
        peer.begin(made.share, "sync", json!([[[part("p", &n.to_string())]]])).await;
        peer.begin(made.share, "watch", json!([{"changed": ["export", -1], "ended": ["export", -2]}])).await;
        peer.begin(0, "offerSink", json!([["export", -3]])).await;
        let call = peer.begin(0, "probeCallback", json!([["export", -4]])).await;
        peer.pull(call).await;
        let push = peer.wait(|frame| frame[0] == "push" && frame[1][1] == -4).await;
        match n % 4 {
            0 => drop(peer),
            1 => peer.socket.close(None).await.unwrap(),
            2 => peer.say_text("[]").await,
            _ => {
                peer.say(&json!(["resolve", push[2], "x"])).await;
                assert_eq!(peer.answer(call).await, Ok(json!("x")));
            }
        }
        if n == count / 5 {
            resident = resident_bytes();
        }
    }
    let gone = async {
        while hub.connections().registry().taken() > 0 || hub.metrics().followers.get() > 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    within("all places", gone).await;
    let metrics = hub.metrics();
    assert_eq!(
        (metrics.capabilities_held.get(), metrics.calls_in_flight.get(), metrics.calls_panicked.get()),
        (0, 0, 0)
    );
    assert!(descriptors() < 100, "{}", descriptors());
    let grown = resident_bytes().saturating_sub(resident);
    // The bucket is a folder, so nothing of what was written is in memory; the eight rooms stay for a while.
    assert!(grown < 16 << 20, "{grown} bytes");
}
