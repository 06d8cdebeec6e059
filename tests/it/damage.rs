//! Damaged shares at the doors: told apart from deleted ones and from a bucket that is busy, on every wire.

use std::sync::Arc;

use capshare::client::{ClientError, ListScope};
use capshare::share::error::{Refusal, StorageTrouble, StoreOperation};
use capshare::share::id::ShareId;
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt as _};
use serde_json::Value;

use crate::support::door::{ANNS_KEY, Served, keys};
use crate::support::items::part;

async fn served(objects: &Arc<InMemory>) -> Served {
    Served::over(Arc::clone(objects) as Arc<dyn ObjectStore>, keys(), |_| {}).await
}

/// A share of several segments, written by a host that is gone.
async fn shared(objects: &Arc<InMemory>, session: &str) -> ShareId {
    let host = served(objects).await;
    let client = host.client(Some(ANNS_KEY));
    let share = client.create(&session.parse().unwrap(), Some(part("p", "0"))).await.unwrap();
    for n in 1..4 {
        share.sync(part("p", &n.to_string())).await.unwrap();
    }
    client.close().await;
    host.host.shutdown().await;
    share.id().clone()
}

fn trouble(answer: Result<(), ClientError>) -> (StoreOperation, StorageTrouble) {
    match answer {
        Err(ClientError::Refused(refusal @ Refusal::StorageFailure { operation, trouble })) => {
            assert!(!refusal.is_transient() && refusal.to_string().contains("capshare store check"), "{refusal}");
            (operation, trouble)
        }
        other => panic!("{other:?}"),
    }
}

fn body(answer: &str) -> Value {
    serde_json::from_str(answer.split_once("\r\n\r\n").unwrap().1).unwrap()
}

/// S86: a share with a hole, an empty or a torn object is answered as damaged by every door: a storage failure that is not
/// transient, names what the operator does, and says nothing of a deletion. The other shares go on.
#[tokio::test]
async fn a_damaged_share_is_answered_as_damaged_at_every_door() {
    for damage in ["missing", "empty", "torn"] {
        let objects = Arc::new(InMemory::new());
        let (id, whole) = (shared(&objects, "ses_damaged").await, shared(&objects, "ses_whole").await);
        // Of the runs, if there are any, nothing is left; so it is the log that counts.
        for object in crate::support::bucket::dump(&*objects).await {
            if object.0.starts_with(&format!("share/{id}/fold/")) {
                objects.delete(&Path::from(object.0)).await.unwrap();
            }
        }
        let segment = Path::from(format!("share/{id}/log/000000000002"));
        match damage {
            "missing" => objects.delete(&segment).await.unwrap(),
            "empty" => drop(objects.put(&segment, "".into()).await.unwrap()),
            _ => drop(objects.put(&segment, "{\"capshare\":1".into()).await.unwrap()),
        }
        let host = served(&objects).await;
        for path in [format!("/share/{id}.json"), format!("/share/{id}.md"), format!("/events/{id}")] {
            let answer = host.request(&format!("GET {path} HTTP/1.1")).await;
            assert!(answer.starts_with("HTTP/1.1 503 "), "{damage} {path}: {answer}");
            let error = &body(&answer)["error"];
            assert_eq!((&error["code"], &error["transient"]), (&"StorageFailure".into(), &false.into()), "{answer}");
            assert_eq!((&error["operation"], &error["trouble"]), (&"read".into(), &"damaged".into()), "{answer}");
            assert!(!answer.contains("deleted"), "{answer}");
        }
        let page = host.request(&format!("GET /share/{id} HTTP/1.1\r\nAccept: text/html")).await;
        assert!(page.starts_with("HTTP/1.1 503 ") && page.contains("This share is damaged"), "{page}");
        let (status, error) = host.refused(&format!("/ws/{id}"), &[]).await;
        assert_eq!((status, &error["error"]["transient"]), (503, &false.into()), "{error}");

        let client = host.client(Some(ANNS_KEY));
        let damaged = |operation| (operation, StorageTrouble::Damaged);
        assert_eq!(trouble(client.info(&id).await.map(drop)), damaged(StoreOperation::Read));
        let again = client.create(&"ses_damaged".parse().unwrap(), None).await;
        assert_eq!(trouble(again.map(drop)), damaged(StoreOperation::Read), "sharing it again makes no second share");
        assert_eq!(client.info(&whole).await.unwrap().id, whole);
        client.close().await;
        host.host.shutdown().await;
    }
}

/// A damaged claim hides no other share from a client's listing, which says whose session it is.
#[tokio::test]
async fn a_listing_with_a_damaged_claim_has_the_others() {
    let objects = Arc::new(InMemory::new());
    for session in ["ses_1", "ses_2", "ses_3"] {
        shared(&objects, session).await;
    }
    for ending in ["", "-about"] {
        let key = Path::from(format!("index/ann/ses_2/000000000001{ending}"));
        objects.put(&key, "{".into()).await.unwrap();
    }
    let host = served(&objects).await;
    let client = host.client(Some(ANNS_KEY));
    let mut listing = client.list(ListScope::OwnAccount);
    let mut sessions = Vec::new();
    while let Some(share) = listing.try_next().await.unwrap() {
        sessions.push(share.session.to_string());
    }
    sessions.sort();
    assert_eq!(sessions, ["ses_1", "ses_3"]);
    let damaged: Vec<_> = listing.take_damaged().iter().map(|d| format!("{}/{}", d.account, d.session)).collect();
    assert_eq!(damaged, ["ann/ses_2"]);
    client.close().await;
}
