//! A share's life: created, synced, read, followed, deleted; by the linked client, in process and over a real WebSocket.

use std::sync::Arc;

use capshare::__internal::access::{Scopes, SharedKeys};
use capshare::__internal::store::Summary;
use capshare::client::{ClientError, ListScope, PageRequest, Replica, WatchFrom};
use capshare::share::error::Refusal;
use capshare::share::id::{SessionId, ShareId};
use capshare::share::secret::Secret;
use capshare::share::time::Timestamp;
use capshare::testing::{Scene, run};
use object_store::ObjectStore;
use object_store::memory::InMemory;

use crate::support::bucket::{TestBucket, dump};
use crate::support::door::{ANNS_KEY, BOBS_KEY, Served, keys};
use crate::support::items::{held, items, part};

mod listings;

fn session(id: &str) -> SessionId {
    id.parse().unwrap()
}

/// S9: createShare gives id, url and secret, and leaves entries under `share/` and `index/`.
#[test]
fn creating_gives_id_url_and_secret_and_leaves_entries_in_the_bucket() {
    run(async {
        let scene = Scene::new();
        let share = scene.client().create(&session("ses_1"), None).await.unwrap();
        assert_eq!(share.id().as_str().len(), 26);
        assert!(share.url().ends_with(&format!("/share/{}", share.id())), "{}", share.url());
        assert!(share.secret().unwrap().reveal().starts_with("capsec_"));
        assert!(!share.existed());
        let keys: Vec<_> = dump(scene.store().as_ref()).await.into_iter().map(|(key, _)| key).collect();
        assert_eq!(keys.iter().filter(|key| key.starts_with("share/")).count(), 1, "{keys:?}");
        assert_eq!(keys.iter().filter(|key| key.starts_with("index/")).count(), 1, "{keys:?}");
    });
}

/// S9: the same account creating the same session again, also twice at once and on two hosts, gets the same share.
#[test]
fn an_account_that_shares_a_session_again_gets_the_same_share() {
    run(async {
        let store: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
        let one = Scene::builder().store(Arc::clone(&store)).seed(1).build();
        let two = Scene::builder().store(store).seed(2).build();
        let (a, b, c) = (one.client(), one.client(), two.client());
        let ses = session("ses_1");
        let (a, b, c) = tokio::join!(a.create(&ses, None), b.create(&ses, None), c.create(&ses, Some(part("p", "x"))));
        let (a, b, c) = (a.unwrap(), b.unwrap(), c.unwrap());
        assert_eq!((a.id(), b.id()), (b.id(), c.id()));
        assert_eq!([&a, &b, &c].iter().filter(|share| !share.existed()).count(), 1);
        let again = two.client().create(&ses, None).await.unwrap();
        assert!(again.existed());
        // Every secret is as good as the first, on either host.
        for (n, share) in [(2, &a), (3, &b), (4, &c), (5, &again)] {
            assert_eq!(share.sync(part("p", &n.to_string())).await.unwrap().sync_count, n);
        }
    });
}

/// S10: with initial data the data is in the bucket and syncCount is 1 when the call returns; without, it is 0.
#[test]
fn initial_data_is_stored_when_create_returns() {
    run(async {
        let scene = Scene::new();
        let client = scene.client();
        let with = client.create(&session("ses_1"), Some(part("p", "the initial text"))).await.unwrap();
        assert!(dump(scene.store().as_ref()).await.iter().any(|(_, text)| text.contains("the initial text")));
        assert_eq!(with.info().await.unwrap().sync_count, 1);
        let without = client.create(&session("ses_2"), None).await.unwrap();
        assert_eq!(without.info().await.unwrap().sync_count, 0);
    });
}

/// S11: each accepted sync raises syncCount by exactly one and moves the time of the last update.
#[test]
fn each_accepted_sync_counts_one_and_moves_the_time() {
    run(async {
        let scene = Scene::new();
        let share = scene.client().create(&session("ses_1"), None).await.unwrap();
        let mut before = share.info().await.unwrap();
        for n in 1..=5 {
            tokio::time::sleep(std::time::Duration::from_secs(3)).await;
            // The fourth changes nothing: it counts, and the revision stays.
            let synced =
                share.sync(part("p", if n == 4 { "3" } else { ["", "1", "2", "3", "", "5"][n] })).await.unwrap();
            let after = share.info().await.unwrap();
            assert_eq!((synced.sync_count, after.sync_count), (n as u64, n as u64));
            assert_eq!(after.revision.0, before.revision.0 + u64::from(n != 4));
            assert!(after.updated_at.0 >= before.updated_at.0 + 3_000);
            before = after;
        }
        let stranger = scene.client().open(share.id(), &Secret::from("wrong")).await;
        assert!(matches!(stranger, Err(ClientError::Refused(Refusal::InvalidSecret { .. }))));
        assert_eq!(share.info().await.unwrap().sync_count, 5);
    });
}

/// S12: session and session_diff replace; message, part and model upsert by id; a removal removes; an unknown type is kept.
#[test]
fn items_merge_by_key() {
    run(async {
        let scene = Scene::new();
        let client = scene.client();
        let first = items(&[
            ("session", r#"{"id":"s","title":"old"}"#),
            ("session_diff", r#"[{"file":"a"}]"#),
            ("message", r#"{"id":"m","role":"user"}"#),
            ("part", r#"{"id":"p1","messageID":"m","text":"one"}"#),
            ("part", r#"{"id":"p2","messageID":"m","text":"two"}"#),
            ("model", r#"[{"id":"x","providerID":"a"},{"id":"y","providerID":"a"}]"#),
            ("kilo_meta", r#"{"platform" : "web", "n": 1.50}"#),
        ]);
        let share = client.create(&session("ses_1"), Some(first)).await.unwrap();
        let mut second = items(&[
            ("session", r#"{"id":"s","title":"new"}"#),
            ("session_diff", "[]"),
            ("part", r#"{"id":"p1","messageID":"m","text":"ONE"}"#),
            ("model", r#"{"id":"y","providerID":"a","name":"Y"}"#),
        ]);
        second.remove("part/m/p2").unwrap();
        share.sync(second).await.unwrap();
        let expected = [
            ("session", r#"{"id":"s","title":"new"}"#),
            ("session_diff", "[]"),
            ("message/m", r#"{"id":"m","role":"user"}"#),
            ("part/m/p1", r#"{"id":"p1","messageID":"m","text":"ONE"}"#),
            ("model/a/x", r#"{"id":"x","providerID":"a"}"#),
            ("model/a/y", r#"{"id":"y","providerID":"a","name":"Y"}"#),
            ("other/kilo_meta", r#"{"platform" : "web", "n": 1.50}"#),
        ]
        .map(|(key, value)| (key.to_owned(), value.to_owned()));
        assert_eq!(held(&client.snapshot(share.id()).await.unwrap()), expected);
        // Another host reads the same from the bucket.
        let other = Scene::builder().store(Arc::clone(scene.store())).seed(2).build();
        assert_eq!(held(&other.client().snapshot(share.id()).await.unwrap()), expected);
    });
}

/// S13: deleting leaves no share data; a second delete and any sync after it are NotFound; a new share shows nothing old.
#[test]
fn a_deleted_share_is_gone_and_a_new_one_shows_nothing_old() {
    run(async {
        let scene = Scene::new();
        let other_host = Scene::builder().store(Arc::clone(scene.store())).seed(2).build();
        let client = scene.client();
        let share = client.create(&session("ses_1"), Some(part("p", "the old text"))).await.unwrap();
        let stale = other_host.client().open(share.id(), share.secret().unwrap()).await.unwrap();
        share.sync(part("q", "more old text")).await.unwrap();
        share.delete().await.unwrap();

        let left = dump(scene.store().as_ref()).await;
        assert!(left.iter().all(|(_, text)| !text.contains("old text") && !text.contains("ses_1")), "{left:?}");
        let not_found = |result: Result<(), ClientError>| {
            assert!(matches!(&result, Err(ClientError::Refused(Refusal::NotFound { .. }))), "{result:?}");
        };
        not_found(share.delete().await);
        not_found(share.sync(part("p", "late")).await.map(drop));
        not_found(stale.sync(part("p", "late, on another host")).await.map(drop));
        not_found(client.info(share.id()).await.map(drop));
        not_found(other_host.client().info(share.id()).await.map(drop));

        let anew = client.create(&session("ses_1"), None).await.unwrap();
        assert_ne!(anew.id(), share.id());
        assert!(!anew.existed());
        assert!(client.snapshot(anew.id()).await.unwrap().is_empty());
        let late = dump(scene.store().as_ref()).await;
        assert!(late.iter().all(|(_, text)| !text.contains("late")), "{late:?}");
    });
}

/// S15: syncs made at once, on one host and on two over one bucket, all survive and get different counts.
#[test]
fn syncs_made_at_once_on_two_hosts_all_survive() {
    run(async {
        let one = Scene::new();
        let two = Scene::builder().store(Arc::clone(one.store())).seed(2).build();
        let share = one.client().create(&session("ses_1"), None).await.unwrap();
        let mut sharers = Vec::new();
        for host in [&one, &two] {
            for _ in 0..3 {
                sharers.push(host.client().open(share.id(), share.secret().unwrap()).await.unwrap());
            }
        }
        let syncs = sharers.iter().enumerate().map(|(who, share)| async move {
            let mut counts = Vec::new();
            for n in 0..10 {
                counts.push(share.sync(part(&format!("p{who}-{n}"), "x")).await.unwrap().sync_count);
            }
            counts
        });
        let mut counts: Vec<_> = futures::future::join_all(syncs).await.into_iter().flatten().collect();
        counts.sort_unstable();
        assert_eq!(counts, (1..=60).collect::<Vec<_>>());
        for host in [&one, &two] {
            // A host is at most a second behind what another wrote.
            tokio::time::sleep(std::time::Duration::from_secs(2)).await;
            assert_eq!(host.client().snapshot(share.id()).await.unwrap().len(), 60);
        }
    });
}

/// S16: creating never touches another session's or another account's data.
#[test]
fn accounts_and_sessions_are_apart() {
    run(async {
        let scene = Scene::builder().access(keys().as_ref().clone()).build();
        let client = |key: &str| scene.client_builder().token(key).build_local().unwrap();
        let (ann, bob) = (client(ANNS_KEY), client(BOBS_KEY));
        let anns = ann.create(&session("ses_1"), Some(part("p", "ann's"))).await.unwrap();
        let bobs = bob.create(&session("ses_1"), Some(part("p", "bob's"))).await.unwrap();
        let other = ann.create(&session("ses_2"), Some(part("p", "other"))).await.unwrap();
        assert!(anns.id() != bobs.id() && anns.id() != other.id());
        assert!(!bobs.existed() && !other.existed());
        for (share, text) in [(&anns, "ann's"), (&bobs, "bob's"), (&other, "other")] {
            let replica = ann.snapshot(share.id()).await.unwrap();
            assert!(held(&replica)[0].1.contains(text));
            assert_eq!(share.info().await.unwrap().sync_count, 1);
        }
    });
}

/// S25: secrets and ids are random, of at least 128 and 96 bits; the bucket holds hashes only.
#[test]
fn secrets_are_kept_as_hashes_and_ids_are_random() {
    run(async {
        let scene = Scene::new();
        let client = scene.client();
        let one = client.create(&session("ses_1"), None).await.unwrap();
        let two = client.create(&session("ses_2"), None).await.unwrap();
        assert!(one.id() != two.id() && one.secret().unwrap() != two.secret().unwrap());
        // 26 digits of base32, and 43 of base64 after the prefix.
        assert_eq!((one.id().as_str().len(), one.secret().unwrap().reveal().len()), (26, "capsec_".len() + 43));
        let bucket = dump(scene.store().as_ref()).await;
        assert!(bucket.iter().all(|(_, text)| !text.contains("capsec_")), "{bucket:?}");
    });
}

/// S14: NotFound, InvalidSecret and InvalidInput are told apart by type on the client, with their facts.
#[test]
fn refusals_are_told_apart_with_their_facts() {
    run(async {
        let scene = Scene::new();
        let client = scene.client();
        let share = client.create(&session("ses_1"), None).await.unwrap();
        let wrong = client.open(share.id(), &Secret::from("capsec_wrong")).await;
        assert_eq!(wrong.err(), Some(Refusal::InvalidSecret { id: share.id().clone() }.into()));
        let unknown = ShareId::from_bits(7);
        let missing = client.open(&unknown, share.secret().unwrap()).await;
        assert_eq!(missing.err(), Some(Refusal::not_found(unknown.as_str()).into()));
    });
}

/// S20: the domain and the store pass with no socket, over memory, a directory and a real S3 server alike. (The store's own
/// suite is in `store/`.)
#[tokio::test]
async fn a_share_lives_alike_in_memory_in_a_directory_and_on_an_s3_server() {
    use capshare::host::storage::{S3Options, open};
    let folder = tempfile::tempdir().unwrap();
    let moto = crate::support::moto::Moto::start();
    let s3 = moto.options();
    let none = S3Options::default();
    for (location, options) in
        [("memory:", &none), (folder.path().to_str().unwrap(), &none), ("s3://shares/lifecycle", &s3)]
    {
        let store = open(&location.parse().unwrap(), options).await.unwrap();
        tokio::task::LocalSet::new().run_until(a_life_over(store)).await;
    }
}

async fn a_life_over(store: Arc<dyn ObjectStore>) {
    let one = Scene::builder().store(Arc::clone(&store)).build();
    let two = Scene::builder().store(Arc::clone(&store)).seed(2).build();
    let (client, other) = (one.client(), two.client());
    let ses = session("ses_1");
    let (share, again) = tokio::join!(client.create(&ses, Some(part("p", "the text"))), other.create(&ses, None));
    let (share, again) = (share.unwrap(), again.unwrap());
    assert_eq!(share.id(), again.id());
    let (here, there) = tokio::join!(share.sync(part("q", "here")), again.sync(part("r", "there")));
    let mut counts = [here.unwrap().sync_count, there.unwrap().sync_count];
    counts.sort_unstable();
    assert_eq!(counts, [2, 3]);
    let mut watch = two.client().watch(share.id(), WatchFrom::WholeState);
    let mut replica = Replica::new();
    while replica.len() < 3 {
        replica.apply(&watch.next().await.unwrap().unwrap()).unwrap();
    }
    assert_eq!(client.list_page(ListScope::OwnAccount, PageRequest::first()).await.unwrap().shares.len(), 1);
    share.delete().await.unwrap();
    let gone = watch.next().await.unwrap();
    assert!(matches!(gone, Err(ClientError::Refused(Refusal::NotFound { .. }))), "{gone:?}");
    assert!(dump(store.as_ref()).await.iter().all(|(_, text)| !text.contains("the text")));
    assert!(client.list_page(ListScope::OwnAccount, PageRequest::first()).await.unwrap().shares.is_empty());
    assert!(!client.create(&ses, None).await.unwrap().existed());
}

/// The main job over real sockets: one shares, another follows live and holds the same in the end.
#[tokio::test]
async fn a_follower_over_a_real_websocket_holds_what_was_sent() {
    let served = Served::open().await;
    let share = served.client(None).create(&session("ses_1"), Some(part("p0", "begun"))).await.unwrap();
    let mut watch = served.client(None).watch(share.id(), WatchFrom::WholeState);
    let mut replica = Replica::new();
    replica.apply(&watch.next().await.unwrap().unwrap()).unwrap();
    assert_eq!(replica.len(), 1);
    for n in 1..=20 {
        share.sync(part(&format!("p{n}"), &"x".repeat(n * 1_000))).await.unwrap();
    }
    while replica.revision().0 < 21 {
        replica.apply(&watch.next().await.unwrap().unwrap()).unwrap();
    }
    assert_eq!(held(&replica), held(&served.client(None).snapshot(share.id()).await.unwrap()));
    share.delete().await.unwrap();
    let ended = watch.next().await.unwrap();
    assert!(matches!(ended, Err(ClientError::Refused(Refusal::NotFound { .. }))), "{ended:?}");
    assert!(watch.next().await.is_none());
    assert!(served.host.shutdown().await);
}
