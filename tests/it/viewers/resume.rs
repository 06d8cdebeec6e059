//! Going on where one stood: on the same host, on another, over folds, and when that cannot be done.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use capshare::__internal::access::SingleAccount;
use capshare::client::{Items, Share};
use futures::TryStreamExt as _;
use object_store::ObjectStore;
use object_store::memory::InMemory;
use serde_json::{Value, json};

use crate::support::door::{Served, next_json};
use crate::support::items::part;
use crate::support::sse::{Sse, Told};

async fn host(store: &Arc<dyn ObjectStore>) -> Served {
    let access = Arc::new(SingleAccount::new("local".parse().unwrap()));
    Served::over(Arc::clone(store), access, |settings| settings.hub.fold_after = Duration::from_millis(1)).await
}

/// What a viewer holds, as a page folds it.
#[derive(Debug, Default, PartialEq)]
struct Held {
    items: BTreeMap<String, Value>,
    revision: u64,
}

impl Held {
    fn fold(&mut self, event: &str, payload: &Value) {
        if event == "snapshot" {
            self.items.clear();
        } else if event == "changes" && payload["base"] != 0 {
            assert_eq!(payload["base"], json!(self.revision), "no gap");
        }
        for change in payload["changes"].as_array().into_iter().flatten() {
            let key = change["key"].as_str().unwrap().to_owned();
            if change["removed"] == true {
                self.items.remove(&key);
            } else {
                self.items.insert(key, change["value"].clone());
            }
        }
        if payload["more"] == false {
            self.revision = payload["revision"].as_u64().unwrap();
        }
    }

    async fn follow(&mut self, stream: &mut Sse, revision: u64) -> Vec<Told> {
        let mut told = Vec::new();
        while self.revision < revision || !told.iter().any(|told: &Told| told.event == "ready") {
            let next = stream.next().await.unwrap();
            self.fold(&next.event, &next.data);
            told.push(next);
        }
        told.retain(|told| ["snapshot", "changes"].contains(&told.event.as_str()));
        told
    }
}

fn gone(key: &str) -> Items {
    let mut items = Items::new();
    items.remove(key).unwrap();
    items
}

async fn whole(served: &Served, share: &Share) -> Held {
    let mut held = Held::default();
    let revision = served.client(None).info(share.id()).await.unwrap().revision.0;
    held.follow(&mut Sse::open(served, share.id().as_str(), &[]).await, revision).await;
    held
}

/// S68: `Last-Event-ID` or a cursor replays exactly what was missed, removals too, on the same host or another, and one that
/// read the share from folds.
#[tokio::test]
async fn a_viewer_goes_on_where_it_stood_on_any_host() {
    let store: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
    let (one, two) = (host(&store).await, host(&store).await);
    let share = one.client(None).create(&"ses_1".parse().unwrap(), Some(part("p0", "a"))).await.unwrap();
    share.sync(part("p1", "b")).await.unwrap();
    let id = share.id().as_str();
    let mut held = Held::default();
    let mut stream = Sse::open(&one, id, &[]).await;
    held.follow(&mut stream, 2).await;
    let last_id = stream.last_id.clone().unwrap();
    assert_eq!(last_id, "2");
    drop(stream);
    for text in ["c", "d"] {
        share.sync(part("p1", text)).await.unwrap();
    }
    share.sync(gone("part/m/p0")).await.unwrap();
    share.sync(part("p2", "e")).await.unwrap();

    // By either host: what was missed, merged by key, and nothing else.
    for served in [&one, &two] {
        let mut here = Held { items: held.items.clone(), revision: 2 };
        let mut stream = Sse::open(served, id, &[("Last-Event-ID", &last_id)]).await;
        let told = here.follow(&mut stream, 6).await;
        assert_eq!(told.len(), 1, "{told:?}");
        let told = &told[0];
        assert_eq!((told.event.as_str(), told.id.as_deref(), &told.data["base"]), ("changes", Some("6"), &json!(2)));
        let keys: Vec<_> = told.data["changes"].as_array().unwrap().iter().map(|change| &change["key"]).collect();
        assert_eq!(keys, ["part/m/p0", "part/m/p1", "part/m/p2"]);
        assert_eq!(here, whole(&one, &share).await);
        // On a socket, by the cursor.
        let mut socket = served.knock(&format!("/ws/{id}?cursor=2"), &[]).await.unwrap();
        assert_eq!(next_json(&mut socket).await["payload"], told.data);
        assert_eq!(next_json(&mut socket).await["event"], "ready");
        // Nothing missed: ready at once, and then what comes.
        let mut stream = Sse::get(served, &format!("/events/{id}?cursor=6"), &[]).await;
        let opening = stream.next().await.unwrap();
        assert_eq!(opening.event, "");
        let ready = stream.next().await.unwrap();
        assert_eq!((ready.event.as_str(), ready.id.as_deref()), ("ready", Some("6")));
        // What a browser sends of itself counts more than the URL, which stays what it was.
        let mut stream = Sse::get(served, &format!("/events/{id}?cursor=2"), &[("Last-Event-ID", "6")]).await;
        stream.next().await.unwrap();
        assert_eq!(stream.next().await.unwrap().event, "ready");
    }

    // A third host, which finds it folded; the removal is known there too, and when the items came.
    let folder = format!("share/{id}/fold").into();
    while store.list(Some(&folder)).try_collect::<Vec<_>>().await.unwrap().is_empty() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let three = host(&store).await;
    let mut stream = Sse::open(&three, id, &[("Last-Event-ID", &last_id)]).await;
    let told = held.follow(&mut stream, 6).await;
    assert_eq!((told.len(), &told[0].event[..]), (1, "changes"));
    let changes = &told[0].data["changes"];
    assert_eq!(
        (&changes[0]["removed"], &changes[1]["first"], &changes[1]["revision"]),
        (&json!(true), &json!(2), &json!(4))
    );
    assert_eq!(held, whole(&two, &share).await);
    // And goes on with what another host writes.
    share.sync(part("p3", "f")).await.unwrap();
    while held.revision < 7 {
        let told = stream.until("changes").await;
        held.fold("changes", &told.data);
    }
    assert_eq!(held, whole(&one, &share).await);
}

/// S68: what cannot be replayed is a fresh snapshot that says why, and never a silent gap; while it is being told, its reader
/// stands nowhere.
#[tokio::test]
async fn what_cannot_be_replayed_is_a_snapshot_that_says_so() {
    let store: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
    let served = host(&store).await;
    let share = served.client(None).create(&"ses_1".parse().unwrap(), Some(part("p", "a"))).await.unwrap();
    let id = share.id().as_str();
    // More removed keys than a share remembers: 1,000 of 200 bytes.
    for half in 0..2 {
        let (mut come, mut go) = (Items::new(), Items::new());
        for n in 0..500 {
            let message = format!("{half}{n:0>200}");
            come.put("message", &json!({ "id": message }).to_string()).unwrap();
            go.remove(&format!("message/{message}")).unwrap();
        }
        share.sync(come).await.unwrap();
        share.sync(go).await.unwrap();
    }
    share.sync(part("large", &"x".repeat(300_000))).await.unwrap();
    for (cursor, why) in [("1", "removals-forgotten"), ("99", "ahead")] {
        let mut stream = Sse::open(&served, id, &[("Last-Event-ID", cursor)]).await;
        let snapshot = stream.until("snapshot").await;
        assert_eq!((&snapshot.data["resync"], &snapshot.data["base"]), (&json!(why), &json!(0)));
        assert_eq!(
            (&snapshot.data["more"], snapshot.id.as_deref()),
            (&json!(true), Some("0")),
            "cut here, it begins anew"
        );
        let rest = stream.until("changes").await;
        assert_eq!((&rest.data["more"], rest.id.as_deref()), (&json!(false), Some("6")));
        let mut socket = served.knock(&format!("/ws/{id}?cursor={cursor}"), &[]).await.unwrap();
        assert_eq!(next_json(&mut socket).await["payload"]["resync"], why);
    }
    let mut fresh = Sse::open(&served, id, &[]).await;
    assert_eq!(fresh.until("snapshot").await.data.get("resync"), None, "nobody is told why who held nothing");
}
