//! What a listing says of a share, kept beside its claim: written late, and gone with the share whatever comes late.

use std::sync::Arc;
use std::time::Duration;

use capshare::__internal::store::{Claim, Summary};
use capshare::share::item::{ItemKey, Payload};
use capshare::share::state::State;
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{ObjectStoreExt as _, PutPayload};

use super::{
    Batch, Change, DELETE, Entry, Store, Timestamp, about, account, created, holding, host, keys, open_entry, session,
    share,
};
use crate::support::bucket::{Fault, TestBucket};

/// A share of account `a`, session `s`, claimed and created.
async fn shared() -> (Arc<TestBucket>, Store) {
    let bucket = TestBucket::over(Arc::new(InMemory::new()));
    let host = host(&bucket, 1);
    assert_eq!(host.claim(&account("a"), &session("s"), &share(1), Timestamp(1)).await.unwrap(), Claim::Ours);
    (bucket, host)
}

fn titled(title: &str) -> Summary {
    about(&account("a"), &session("s"), title)
}

async fn listed(host: &Store) -> Option<Summary> {
    host.list(None, None, 10).await.unwrap().claims.remove(0).summary
}

async fn companions(bucket: &TestBucket) -> Vec<String> {
    let mut keys = keys(bucket, "index/").await;
    keys.retain(|key| key.ends_with("-about"));
    keys
}

fn state_with(session: &str) -> State {
    let mut state = State::default();
    let value = Some(Payload::from_checked_json(session));
    let changes = vec![Change { key: ItemKey::session(), value }];
    for entry in [open_entry(), Entry::Sync { at: Timestamp(2), batch: Batch { stamp: None, changes } }] {
        state.apply(&entry);
    }
    state
}

#[test]
fn a_title_is_taken_from_whatever_record_has_one() {
    let of = |session: &str| Summary::of(&state_with(session), 9, 3).unwrap();
    assert_eq!(of(r#"{"id":"s","title":"A \"fine\" \u00e9","time":{"x":[1]}}"#).title.as_deref(), Some("A \"fine\" é"));
    for none in [r#"{"id":"s"}"#, r#"{"title":7}"#, r#"{"title":null}"#, r#"{"title":" "}"#, "[]", "null", "\"x\"", "1"]
    {
        assert_eq!(of(none).title, None, "{none}");
    }
    let long = "ü".repeat(300);
    assert_eq!(of(&format!(r#"{{"title":"{long}"}}"#)).title.unwrap(), "ü".repeat(256));
    let about = of("{}");
    assert_eq!((about.account, about.session), (account("a"), session("s")));
    assert_eq!((about.created_at, about.updated_at), (Timestamp(1), Timestamp(2)));
    assert_eq!(
        (about.sync_count, about.item_count, about.byte_count, about.log_bytes, about.segments),
        (1, 1, 9, 9, 3)
    );

    assert_eq!(Summary::of(&State::default(), 0, 0), None, "a share that is not there");
    let mut deleted = state_with("{}");
    deleted.apply(&DELETE);
    assert_eq!(Summary::of(&deleted, 0, 0), None, "one that was deleted");
}

#[tokio::test]
async fn what_was_described_is_listed_and_only_news_are_written() {
    let (bucket, host) = shared().await;
    assert_eq!(listed(&host).await, None);
    bucket.counts.reset();
    host.describe(&share(1), &titled("first")).await.unwrap();
    assert_eq!(bucket.counts.all(), [1, 3, 1, 0], "the tombstone twice, the claims, the claim, the companion");
    assert_eq!(listed(&host).await, Some(titled("first")));
    bucket.counts.reset();
    host.describe(&share(1), &titled("first")).await.unwrap();
    assert_eq!(bucket.counts.all(), [0, 2, 1, 0], "no news is not written");
    let second = Summary { segments: 3, ..titled("second") };
    host.describe(&share(1), &second).await.unwrap();
    assert_eq!(listed(&host).await, Some(second.clone()));
    host.describe(&share(1), &titled("first")).await.unwrap();
    assert_eq!(listed(&host).await, Some(second.clone()), "a host that folded less says nothing");

    let key = Path::from("index/a/s/000000000001-about");
    for garbage in ["", "\u{0}", "{\"capshare\":9}\n", "{\"capshare\":1,\"account\":\"b\"}\n"] {
        bucket.put(&key, PutPayload::from(garbage)).await.unwrap();
        assert_eq!(listed(&host).await, None, "{garbage:?} is passed over");
    }
    host.describe(&share(1), &second).await.unwrap();
    assert_eq!(listed(&host).await, Some(second), "and mended");
}

#[tokio::test]
async fn only_the_share_that_holds_the_session_is_described() {
    let (bucket, host) = shared().await;
    host.describe(&share(2), &titled("another's")).await.unwrap();
    host.describe(&share(1), &about(&account("a"), &session("t"), "no such session")).await.unwrap();
    assert_eq!(companions(&bucket).await, [] as [&str; 0]);
    host.describe(&share(1), &titled("its own")).await.unwrap();
    host.describe(&share(2), &Summary { segments: 9, ..titled("another's") }).await.unwrap();
    assert_eq!(listed(&host).await, Some(titled("its own")));

    host.release(&account("a"), &session("s"), &share(1)).await.unwrap();
    host.describe(&share(1), &titled("released")).await.unwrap();
    assert_eq!(companions(&bucket).await, [] as [&str; 0]);
    host.claim(&account("a"), &session("s"), &share(2), Timestamp(3)).await.unwrap();
    host.describe(&share(1), &titled("stale")).await.unwrap();
    host.describe(&share(2), &titled("next")).await.unwrap();
    assert_eq!(companions(&bucket).await, ["index/a/s/000000000002-about"]);
    let claims = host.list(None, None, 10).await.unwrap().claims;
    assert_eq!((&claims[0].share, claims[0].summary.as_ref()), (&share(2), Some(&titled("next"))));
}

/// A deletion leaves nothing of a title, also if the host that describes the share has not heard of it.
#[tokio::test(start_paused = true)]
async fn a_companion_that_is_written_late_goes_all_the_same() {
    let slow = Duration::from_secs(10);
    for fault in [Fault::Slow(slow), Fault::LandsLate(slow), Fault::LandsLate(Duration::from_secs(100))] {
        let (bucket, host) = shared().await;
        let mut log = created(&host, &share(1), &[open_entry()]).await;
        host.describe(&share(1), &titled("precious")).await.unwrap();
        log.append(&[DELETE]).await.unwrap();
        bucket.next_writes([Some(fault)]);
        let describing = tokio::spawn({
            let host = super::host(&bucket, 2);
            async move { host.describe(&share(1), &Summary { segments: 3, ..titled("precious") }).await }
        });
        // Its write is under way when the deletion begins.
        while bucket.counts.all()[0] < 5 {
            tokio::task::yield_now().await;
        }
        let freeing = log.erase(&account("a"), &session("s")).await.unwrap().unwrap();
        let described = describing.await.unwrap();
        assert_eq!(described.is_ok(), matches!(fault, Fault::Slow(_)), "{described:?}");
        if described.is_err() {
            tokio::time::sleep(Duration::from_secs(110)).await;
            assert_eq!(holding(&bucket, "precious").await, ["index/a/s/000000000001-about"], "{fault:?}: it landed");
            freeing.run().await.unwrap();
        }
        assert_eq!(holding(&bucket, "precious").await, [] as [&str; 0], "{fault:?}");
    }
}

/// A claim whose share was deleted, but which its host did not come to release.
#[tokio::test]
async fn whoever_claims_a_session_clears_away_what_was_said_of_the_share_before() {
    let (bucket, host) = shared().await;
    host.describe(&share(1), &titled("precious")).await.unwrap();
    bucket.put(&Path::from(format!("tomb/{}", share(1))), PutPayload::from("{}")).await.unwrap();
    assert_eq!(host.claim(&account("a"), &session("s"), &share(2), Timestamp(3)).await.unwrap(), Claim::Ours);
    assert_eq!(holding(&bucket, "precious").await, [] as [&str; 0]);
    // One that landed after its claim was released.
    bucket.put(&Path::from("index/a/s/000000000001-about"), PutPayload::from("precious")).await.unwrap();
    host.release(&account("a"), &session("s"), &share(2)).await.unwrap();
    assert_eq!(holding(&bucket, "precious").await, [] as [&str; 0]);
    bucket.put(&Path::from("index/a/s/000000000001-about"), PutPayload::from("precious")).await.unwrap();
    host.claim(&account("a"), &session("s"), &share(3), Timestamp(3)).await.unwrap();
    assert_eq!(holding(&bucket, "precious").await, [] as [&str; 0]);
}
