//! What becomes of requests whose client leaves, whose bucket is away, or that overtake one another: this client sends
//! nothing twice.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use capshare::__internal::access::SingleAccount;
use capshare::host::HostSettings;
use object_store::ObjectStore;
use object_store::memory::InMemory;
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt as _;

use super::http::{Api, Begun, Shared, part};
use crate::support::bucket::TestBucket;
use crate::support::door::{Served, next_json};

async fn over(store: Arc<dyn ObjectStore>) -> Served {
    Served::over(store, Arc::new(SingleAccount::new("local".parse().unwrap())), |_| {}).await
}

/// A body as OpenCode writes it: the secret stands first.
fn body(share: &Shared, data: Value) -> String {
    format!(r#"{{"secret":"{}","data":{data}}}"#, share.secret)
}

/// The text of part `p` in an answer to a read.
fn text(data: &Value) -> String {
    let part = data.as_array().unwrap().iter().find(|item| item["data"]["id"] == "p").expect("the part is there");
    part["data"]["text"].as_str().unwrap().to_owned()
}

/// A client that leaves once it has sent everything, as one does whose program ends, has what it sent in the share.
#[tokio::test]
async fn a_sync_is_carried_out_though_its_client_left() {
    let served = over(Arc::new(InMemory::new())).await;
    let api = Api::at(served.address);
    let share = api.create("ses_1").await;
    let mut viewer = served.knock(&format!("/ws/{}", share.id), &[]).await.unwrap();
    while next_json(&mut viewer).await["event"] != "ready" {}
    let body = body(&share, json!([part("p", "the last words")]));
    let mut leaving = Begun::sync(served.address, &share, body.len()).await;
    leaving.send(&body).await;
    drop(leaving);
    let changes = next_json(&mut viewer).await;
    assert_eq!(changes["payload"]["changes"][0]["value"]["text"], "the last words");
}

/// S21: a sync that the bucket does not take for the moment is tried again by the host, and is there when it is answered.
#[tokio::test]
async fn a_bucket_that_is_away_for_a_while_costs_nothing() {
    let store: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
    let bucket = TestBucket::over(store.clone());
    let served = over(bucket.clone()).await;
    let api = Api::at(served.address);
    let share = api.create("ses_1").await;
    bucket.down.store(true, Ordering::Relaxed);
    let failures = || served.host.hub().metrics().storage_failures.get();
    let before = failures();
    let back = async {
        while failures() == before {
            tokio::task::yield_now().await;
        }
        bucket.down.store(false, Ordering::Relaxed);
    };
    let (synced, ()) = tokio::join!(api.sync(&share, json!([part("p", "through it all")])), back);
    assert_eq!(synced.ok()["revision"], 1);
    let other = over(store).await;
    assert_eq!(text(&Api::at(other.address).data(&share).await.ok()), "through it all");
}

/// Requests of one client are applied in the order in which they showed the share's secret, though the rest of the first is slow to
/// arrive.
#[tokio::test]
async fn a_later_request_does_not_overtake_an_earlier_one() {
    let served = over(Arc::new(InMemory::new())).await;
    let api = Api::at(served.address);
    let share = api.create("ses_1").await;
    let (old, new) = (body(&share, json!([part("p", "old")])), body(&share, json!([part("p", "new")])));
    let other = api.create("ses_2").await;
    let mut first = Begun::sync(served.address, &share, old.len()).await;
    let (shown, rest) = old.split_at(old.find("\"data\"").unwrap());
    first.send(shown).await;
    // By now the host has read it.
    api.sync(&other, json!([])).await.ok();
    let mut second = tokio::net::TcpStream::connect(served.address).await.unwrap();
    let head =
        format!("POST /api/share/{}/sync HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n", share.id, new.len());
    second.write_all(format!("{head}{new}").as_bytes()).await.unwrap();
    // Others are not held up; and by now the second would be through, if it could.
    api.sync(&other, json!([part("p", "x")])).await.ok();
    first.send(rest).await;
    assert!(first.answer().await.starts_with("HTTP/1.1 200 "));
    let mut line = [0; 13];
    tokio::io::AsyncReadExt::read_exact(&mut second, &mut line).await.unwrap();
    assert_eq!(&line, b"HTTP/1.1 200 ");
    assert_eq!(text(&api.data(&share).await.ok()), "new");
}

/// S15: large requests for one share at once are each applied as one, whatever they are split into. The host pauses between
/// its writes, so that the second request is there long before the first is done.
#[tokio::test]
async fn large_requests_do_not_mix() {
    let access = Arc::new(SingleAccount::new("local".parse().unwrap()));
    let lingers = |settings: &mut HostSettings| settings.hub.linger = Duration::from_secs(1);
    let served = Served::over(Arc::new(InMemory::new()), access, lingers).await;
    let api = Api::at(served.address);
    let share = api.create("ses_1").await;
    // Three syncs each.
    let queue = |text: &str| Value::from_iter((0..4_500).map(|at| part(&format!("p{at}"), text)));
    // From another address, because those of one wait for one another before that.
    let other = Api::from("127.0.0.2", served.address);
    let (one, two) = tokio::join!(api.sync(&share, queue("one")), other.sync(&share, queue("two")));
    let mut counts = [one, two].map(|answer| answer.ok()["syncCount"].as_u64().unwrap());
    counts.sort_unstable();
    assert_eq!(counts, [3, 6]);
    let data = api.data(&share).await.ok();
    let texts: std::collections::BTreeSet<_> =
        data.as_array().unwrap().iter().map(|item| item["data"]["text"].as_str().unwrap()).collect();
    assert_eq!(texts.len(), 1, "{texts:?}");
}
