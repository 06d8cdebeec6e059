//! Rooms under bad weather: a bucket that fails or is slow, too much at once, callers that go away.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use capshare::__internal::rooms::Terms;
use capshare::__internal::rooms::room::QUEUE_BYTES_MAX;
use capshare::client::{ClientError, Replica, WatchFrom};
use capshare::share::change::{Batch, Change};
use capshare::share::error::{Refusal, StorageTrouble, StoreOperation};
use capshare::share::item::{ItemKey, Payload};
use capshare::share::secret::Secret;
use capshare::testing::{Scene, SceneBuilder, run};
use futures::FutureExt as _;
use object_store::memory::InMemory;

use crate::support::bucket::{Fault, TestBucket};
use crate::support::door::{Served, keys};
use crate::support::items::{held, part};

fn over(bucket: &Arc<TestBucket>) -> SceneBuilder {
    Scene::builder().store(Arc::clone(bucket) as _)
}

fn failed(error: Option<ClientError>) -> StoreOperation {
    match error {
        Some(ClientError::Refused(Refusal::StorageFailure { operation, trouble: StorageTrouble::Passing })) => {
            operation
        }
        other => panic!("{other:?}"),
    }
}

/// S14: StorageFailure comes with its operation. S19: a write that fails leaves no half share.
#[test]
fn a_bucket_that_answers_503_is_told_with_the_operation_and_leaves_nothing_half() {
    run(async {
        let bucket = TestBucket::over(Arc::new(InMemory::new()));
        let scene = over(&bucket).build();
        let client = scene.client_builder().call_timeout(Duration::from_secs(300)).build_local().unwrap();
        let share = client.create(&"ses_1".parse().unwrap(), Some(part("p", "1"))).await.unwrap();
        let cold = over(&bucket).seed(2).build();
        let who = scene.host().hub().access().authenticate(None).await.unwrap();
        let hub = scene.host().hub();
        bucket.down.store(true, Ordering::Relaxed);

        assert_eq!(failed(client.create(&"ses_2".parse().unwrap(), None).await.err()), StoreOperation::Create);
        let room = hub.rooms().open(share.id().as_str(), share.secret().unwrap()).await.unwrap();
        let batch = || Batch { stamp: None, changes: vec![] };
        assert_eq!(
            hub.rooms().sync_room(&room, batch()).await,
            Err(Refusal::StorageFailure { operation: StoreOperation::Sync, trouble: StorageTrouble::Passing })
        );
        assert_eq!(
            hub.rooms().delete_room(&room).await,
            Err(Refusal::StorageFailure { operation: StoreOperation::Delete, trouble: StorageTrouble::Passing })
        );
        assert_eq!(failed(cold.client().info(share.id()).await.err()), StoreOperation::Read);
        let listed = hub.rooms().list(&who, false, "", 0).await.unwrap_err();
        assert_eq!(
            listed,
            Refusal::StorageFailure { operation: StoreOperation::List, trouble: StorageTrouble::Passing }
        );
        assert!(hub.ready().await.is_err());
        assert!(hub.metrics().storage_failures.get() >= 5);

        bucket.down.store(false, Ordering::Relaxed);
        assert!(hub.ready().await.is_ok());
        let listed = hub.rooms().list(&who, false, "", 0).await.unwrap();
        assert_eq!(listed.shares.len(), 1, "the share that could not be created is not there");
        assert_eq!(share.sync(part("p", "2")).await.unwrap().sync_count, 2);
        share.delete().await.unwrap();
    });
}

#[test]
fn a_deletion_that_failed_half_way_is_finished_by_the_next_one() {
    run(async {
        let bucket = TestBucket::over(Arc::new(InMemory::new()));
        let scene = over(&bucket).build();
        let share = scene.client().create(&"ses_1".parse().unwrap(), Some(part("p", "the content"))).await.unwrap();
        let hub = scene.host().hub();
        let room = hub.rooms().open(share.id().as_str(), share.secret().unwrap()).await.unwrap();
        // The deletion's entry is written, its tombstone is not.
        bucket.next_writes([None, Some(Fault::Status503)]);
        assert_eq!(
            hub.rooms().delete_room(&room).await,
            Err(Refusal::StorageFailure { operation: StoreOperation::Delete, trouble: StorageTrouble::Passing })
        );
        assert!(matches!(room.read(|_| ()), Err(Refusal::NotFound { .. })), "it is gone all the same");
        bucket.next_writes_are_over();
        assert_eq!(hub.rooms().delete_room(&room).await, Ok(()));
        assert!(matches!(hub.rooms().delete_room(&room).await, Err(Refusal::NotFound { .. })));
        let objects = crate::support::bucket::dump(bucket.as_ref()).await;
        assert!(objects.iter().all(|(_, text)| !text.contains("the content")), "{objects:?}");
    });
}

#[tokio::test]
async fn a_host_whose_bucket_is_down_is_healthy_and_not_ready() {
    let bucket = TestBucket::over(Arc::new(InMemory::new()));
    let served = Served::over(Arc::clone(&bucket) as _, keys(), |_| {}).await;
    assert!(served.request("GET /readyz HTTP/1.1").await.starts_with("HTTP/1.1 200 "));
    bucket.down.store(true, Ordering::Relaxed);
    let answer = served.request("GET /readyz HTTP/1.1").await;
    assert!(answer.starts_with("HTTP/1.1 503 ") && answer.contains("StorageFailure"), "{answer}");
    assert!(served.request("GET /healthz HTTP/1.1").await.starts_with("HTTP/1.1 200 "));
}

#[test]
fn past_what_may_wait_for_a_slow_bucket_a_sync_is_told_to_come_back() {
    run(async {
        let bucket = TestBucket::over(Arc::new(InMemory::new()));
        let scene = over(&bucket).build();
        let share = scene.client().create(&"ses_1".parse().unwrap(), None).await.unwrap();
        let hub = scene.host().hub();
        let room = hub.rooms().open(share.id().as_str(), share.secret().unwrap()).await.unwrap();
        bucket.next_writes([Some(Fault::Slow(Duration::from_secs(4)))]);
        let large = Payload::from_checked_json(&format!("\"{}\"", "x".repeat(1 << 20)));
        let batch = |n: usize| {
            let key = ItemKey::message(&n.to_string()).unwrap();
            Batch { stamp: None, changes: vec![Change { key, value: Some(large.clone()) }] }
        };
        let first = hub.rooms().sync_room(&room, batch(0));
        // Let the first one go to the bucket: what follows waits for it.
        tokio::time::sleep(Duration::from_secs(1)).await;
        let waiting: Vec<_> = (1..=30).map(|n| hub.rooms().sync_room(&room, batch(n))).collect();
        let results = futures::future::join_all(waiting).await;
        let accepted = results.iter().filter(|result| result.is_ok()).count();
        assert_eq!(accepted, QUEUE_BYTES_MAX / ((1 << 20) + 32), "{results:?}");
        assert!(results.iter().skip(accepted).all(|r| matches!(r, Err(Refusal::Unavailable { .. }))), "{results:?}");
        assert_eq!(first.await.unwrap().sync_count, 1);
        assert_eq!(hub.rooms().sync_room(&room, batch(99)).await.unwrap().sync_count, accepted as u64 + 2);
    });
}

#[test]
fn many_syncs_at_once_share_one_write() {
    run(async {
        let bucket = TestBucket::over(Arc::new(InMemory::new()));
        let scene = over(&bucket).build();
        let share = scene.client().create(&"ses_1".parse().unwrap(), None).await.unwrap();
        let hub = scene.host().hub();
        let room = hub.rooms().open(share.id().as_str(), share.secret().unwrap()).await.unwrap();
        bucket.counts.reset();
        bucket.next_writes([Some(Fault::Slow(Duration::from_millis(20)))]);
        let syncs = (0..64).map(|_| hub.rooms().sync_room(&room, Batch::default()));
        let counts: Vec<_> =
            futures::future::join_all(syncs).await.into_iter().map(|r| r.unwrap().sync_count).collect();
        assert_eq!(counts, (1..=64).collect::<Vec<_>>());
        let [puts, ..] = bucket.counts.all();
        assert!(puts <= 2, "{puts} writes for 64 syncs");
    });
}

#[test]
fn a_caller_that_goes_away_takes_nothing_with_it() {
    run(async {
        let bucket = TestBucket::over(Arc::new(InMemory::new()));
        let scene = over(&bucket).build();
        let share = scene.client().create(&"ses_1".parse().unwrap(), None).await.unwrap();
        let hub = scene.host().hub();
        let room = hub.rooms().open(share.id().as_str(), share.secret().unwrap()).await.unwrap();
        drop(hub.rooms().sync_room(&room, Batch::default()));
        assert_eq!(hub.rooms().sync_room(&room, Batch::default()).await.unwrap().sync_count, 2);
    });
}

/// The runtime that a commit runs on ends in the middle of it: nobody hangs, and the next sync finds its place.
#[test]
fn a_commit_whose_runtime_ends_leaves_the_room_in_order() {
    let bucket = TestBucket::over(Arc::new(InMemory::new()));
    let (scene, room) = run(async {
        let scene = over(&bucket).build();
        let share = scene.client().create(&"ses_1".parse().unwrap(), None).await.unwrap();
        let room = scene.host().hub().rooms().open(share.id().as_str(), share.secret().unwrap()).await.unwrap();
        bucket.next_writes([Some(Fault::Slow(Duration::from_secs(10)))]);
        drop(scene.host().hub().rooms().sync_room(&room, Batch::default()));
        tokio::time::sleep(Duration::from_secs(6)).await;
        (scene, room)
    });
    run(async {
        // The write of before was done in the bucket, though nobody heard of it.
        let synced = scene.host().hub().rooms().sync_room(&room, Batch::default()).await.unwrap();
        assert_eq!(synced.sync_count, 2);
    });
}

/// A runtime that has ended drops a commit before it begins: the caller is told, and nobody hangs.
#[test]
fn a_sync_on_a_runtime_that_has_ended_fails_and_the_next_goes_on() {
    let (scene, room) = run(async {
        let scene = Scene::new();
        let share = scene.client().create(&"ses_1".parse().unwrap(), None).await.unwrap();
        let room = scene.host().hub().rooms().open(share.id().as_str(), share.secret().unwrap()).await.unwrap();
        (scene, room)
    });
    let ended = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let handle = ended.handle().clone();
    drop(ended);
    let entered = handle.enter();
    let failed = scene.host().hub().rooms().sync_room(&room, Batch::default()).now_or_never().unwrap();
    assert_eq!(
        failed,
        Err(Refusal::StorageFailure { operation: StoreOperation::Sync, trouble: StorageTrouble::Passing })
    );
    drop(entered);
    run(async {
        let synced = scene.host().hub().rooms().sync_room(&room, Batch::default()).await.unwrap();
        assert_eq!(synced.sync_count, 1);
    });
}

/// Of two that create a session at once, one creates the log and the other meets it: both are in one room, also if the other
/// was there first.
#[test]
fn a_share_that_two_create_at_once_is_one_room() {
    run(async {
        let bucket = TestBucket::over(Arc::new(InMemory::new()));
        let scene = over(&bucket).build();
        let hub = scene.host().hub();
        let (who, session) = (hub.access().authenticate(None).await.unwrap(), "ses_1".parse().unwrap());
        // The claim is quick; the log is there after five seconds and is answered after ten.
        bucket.next_writes([None, Some(Fault::Slow(Duration::from_secs(10)))]);
        let first = hub.rooms().create(&who, &session, None, Terms::default());
        let second = async {
            tokio::time::sleep(Duration::from_secs(7)).await;
            hub.rooms().create(&who, &session, None, Terms::default()).await
        };
        let (first, second) = tokio::join!(first, second);
        let (first, second) = (first.unwrap(), second.unwrap());
        assert!(!first.existed && second.existed);
        assert!(Arc::ptr_eq(&first.room, &second.room));
        assert!(Arc::ptr_eq(&first.room, &hub.rooms().view(first.id.as_str()).await.unwrap()));
    });
}

#[test]
fn idle_rooms_leave_memory_and_come_back_from_the_bucket() {
    run(async {
        let scene = Scene::builder().settings(|settings| settings.hub.idle_rooms_max = 8).build();
        let client = scene.client();
        let mut created = Vec::new();
        for n in 0..200 {
            let share = client.create(&format!("ses_{n}").parse().unwrap(), Some(part("p", "x"))).await.unwrap();
            created.push((share.id().clone(), Secret::from(share.secret().unwrap().reveal())));
        }
        // Rooms are counted once in 64 that come.
        let rooms = scene.host().hub().metrics().rooms.get();
        assert!(rooms <= 8 + 64, "{rooms}");
        for (id, secret) in created.iter().step_by(20) {
            assert_eq!(client.open(id, secret).await.unwrap().sync(part("p", "y")).await.unwrap().sync_count, 2);
        }
    });
}

/// Two hosts, two producers and a follower on each, over a bucket that fails at random: what was acknowledged is there once.
#[test]
fn what_was_acknowledged_under_faults_is_there_once() {
    let seeds = std::env::var("CAPSHARE_TEST_SEEDS").ok().and_then(|n| n.parse().ok()).unwrap_or(40);
    for seed in 1..=seeds {
        run(one_history(seed));
    }
}

async fn one_history(seed: u64) {
    let bucket = TestBucket::over(Arc::new(InMemory::new()));
    let hosts = [1, 2].map(|n| over(&bucket).seed(seed * 10 + n).build());
    let share = hosts[0].client().create(&"ses_1".parse().unwrap(), None).await.unwrap();
    let dice = capshare::__internal::ambient::SeededEntropy::new(seed);
    bucket.roll(move || {
        use capshare::__internal::ambient::Entropy as _;
        let mut bytes = [0; 2];
        dice.fill(&mut bytes).unwrap();
        let delay = Duration::from_millis(u64::from(bytes[1]) * 8);
        match bytes[0] {
            0..12 => Some(Fault::LostRequest),
            12..24 => Some(Fault::LostAnswer),
            24..36 => Some(Fault::Status503),
            36..44 => Some(Fault::BareExists),
            44..52 => Some(Fault::MetItself),
            52..60 => Some(Fault::LandsLate(delay)),
            60..120 => Some(Fault::Slow(delay)),
            120.. => None,
        }
    });
    let mut counts = Vec::new();
    let producers = hosts.iter().enumerate().map(|(who, host)| {
        let share = &share;
        async move {
            let client = host.client_builder().call_timeout(Duration::from_secs(600)).build_local().unwrap();
            // Opening is a read, and reads fail too.
            let mine = loop {
                match client.open(share.id(), share.secret().unwrap()).await {
                    Ok(share) => break share,
                    Err(error) => assert!(error.is_transient(), "seed {seed}: {error}"),
                }
            };
            let mut counts = Vec::new();
            for n in 0..20 {
                counts.push(mine.sync(part(&format!("{who}-{n}"), "x")).await.unwrap().sync_count);
            }
            counts
        }
    });
    let followers = hosts.iter().map(|host| {
        let mut watch = host.client().watch(share.id(), WatchFrom::WholeState);
        async move {
            let mut replica = Replica::new();
            while replica.len() < 40 {
                replica.apply(&watch.next().await.unwrap().unwrap()).unwrap();
            }
            held(&replica)
        }
    });
    let (acknowledged, followed) =
        tokio::join!(futures::future::join_all(producers), futures::future::join_all(followers));
    counts.extend(acknowledged.into_iter().flatten());
    counts.sort_unstable();
    assert_eq!(counts, (1..=40).collect::<Vec<_>>(), "seed {seed}");
    bucket.calm();
    let fresh = over(&bucket).seed(seed * 10 + 3).build();
    let replica = fresh.client().snapshot(share.id()).await.unwrap();
    assert_eq!(fresh.client().info(share.id()).await.unwrap().sync_count, 40, "seed {seed}");
    for held_by_follower in followed {
        assert_eq!(held_by_follower, held(&replica), "seed {seed}");
    }
}

/// What each verb costs in requests, so that a change that makes one dearer is seen.
#[test]
fn a_share_costs_few_requests() {
    run(async {
        let bucket = TestBucket::over(Arc::new(InMemory::new()));
        let scene = over(&bucket).build();
        let client = scene.client();
        client.hello().await.unwrap();
        // Puts, gets (heads too), lists, deletes.
        let cost = || {
            let counts = bucket.counts.all();
            bucket.counts.reset();
            counts
        };
        cost();
        let share = client.create(&"ses_1".parse().unwrap(), Some(part("p", "x"))).await.unwrap();
        assert_eq!(cost(), [2, 1, 2, 0], "the claim and the log, each looked for first");
        share.sync(part("p", "y")).await.unwrap();
        assert_eq!(cost(), [1, 0, 0, 0], "one write");
        share.info().await.unwrap();
        assert_eq!(cost(), [0, 0, 0, 0], "what is fresh is not asked for");
        client.create(&"ses_1".parse().unwrap(), None).await.unwrap();
        assert_eq!(cost(), [1, 2, 1, 0], "the claim is found, and a secret written");
    });
}
