//! A bucket that stops honouring conditional writes under hosts that run, and one that is asked for nothing.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use capshare::__internal::store::{Appended, Claim, Log, Store, StoreError};
use capshare::client::ClientError;
use capshare::share::error::{Refusal, StorageTrouble, StoreOperation};
use capshare::testing::{Scene, run};
use object_store::memory::InMemory;

use super::survey::{memory, shared};
use super::{account, append, created, entries, host, keys, open_entry, opened, session, share, sync};
use crate::support::bucket::{Fault, TestBucket};
use crate::support::items::part;

/// A share, and its log at two hosts.
async fn two_hosts(bucket: &Arc<TestBucket>) -> ([Store; 2], [Log; 2]) {
    let stores = [host(bucket, 1), host(bucket, 2)];
    let mut first = created(&stores[0], &share(1), &[open_entry()]).await;
    assert_eq!(first.append(&[sync("before")]).await.unwrap(), Appended::Written);
    let (second, _) = opened(&stores[1], &share(1)).await;
    (stores, [first, second])
}

fn stops(bucket: &TestBucket, versioned: bool) {
    bucket.versioned.store(versioned, Ordering::Relaxed);
    bucket.careless.store(true, Ordering::Relaxed);
}

fn is_refused<T: std::fmt::Debug>(answer: Result<T, StoreError>) {
    assert!(matches!(answer, Err(StoreError::Unconditional)), "{answer:?}");
}

/// S85: versioning is switched on, and the bucket ignores conditions from then on, as some servers do: the first write of each
/// host shows it, and is not acknowledged. Nothing more is written, and it goes on when conditions are honoured again.
#[tokio::test(start_paused = true)]
async fn a_bucket_that_is_made_versioned_and_careless_acknowledges_nothing() {
    let bucket = memory();
    let (stores, mut logs) = two_hosts(&bucket).await;
    // Each has written once, so that it knows how the bucket answers, and has read what the other wrote.
    append(&mut logs[1], &mut Vec::new(), &[sync("of the second")]).await;
    assert_eq!(entries(logs[0].catch_up().await.unwrap()), [sync("of the second")]);
    stops(&bucket, true);
    for (store, log) in stores.iter().zip(&mut logs) {
        assert!(!store.is_refusing_writes());
        is_refused(log.append(&[sync("careless")]).await);
        assert!(store.is_refusing_writes());
        let puts = bucket.counts.all()[0];
        // What was refused may have landed, and is met like anybody's.
        assert!(matches!(log.append(&[sync("more")]).await.unwrap(), Appended::Behind(_)));
        is_refused(log.append(&[sync("more")]).await);
        is_refused(store.claim(&account("a"), &session("other"), &share(7), super::Timestamp(1)).await);
        assert_eq!(bucket.counts.all()[0], puts, "nothing is written");
    }
    assert_eq!(keys(&bucket, "probe/").await, [] as [&str; 0]);

    bucket.careless.store(false, Ordering::Relaxed);
    for (store, log) in stores.iter().zip(&mut logs) {
        store.probe_conditional_writes().await.unwrap();
        assert!(!store.is_refusing_writes());
        // What it had read was written over by the other host: it begins anew.
        while let Appended::Behind(_) = log.append(&[sync("again")]).await.unwrap() {}
    }
    let (_, whole) = opened(&host(&bucket, 3), &share(1)).await;
    for acknowledged in [open_entry(), sync("before"), sync("of the second"), sync("again")] {
        assert!(whole.contains(&acknowledged), "{whole:?}");
    }
}

/// Versioning alone is no harm: the bucket is asked once, and the write is acknowledged.
#[tokio::test(start_paused = true)]
async fn a_bucket_that_is_made_versioned_and_honest_is_asked_once() {
    let bucket = memory();
    let (_stores, [mut log, _]) = two_hosts(&bucket).await;
    bucket.versioned.store(true, Ordering::Relaxed);
    let puts = bucket.counts.all()[0];
    for n in 0..3 {
        assert_eq!(log.append(&[sync(&n.to_string())]).await.unwrap(), Appended::Written);
    }
    assert_eq!(bucket.counts.all()[0] - puts, 3 + 10);
}

/// S85: a host reads that another's segment follows one that is not its own, though its own was answered as created: it writes
/// nothing more, and its log begins anew with what is there.
#[tokio::test(start_paused = true)]
async fn a_segment_that_was_written_over_is_a_contradiction() {
    let bucket = memory();
    let (stores, [mut first, mut second]) = two_hosts(&bucket).await;
    stops(&bucket, false);
    assert_eq!(first.append(&[sync("lost")]).await.unwrap(), Appended::Written, "nothing shows it yet");
    for label in ["over it", "and on"] {
        assert_eq!(second.append(&[sync(label)]).await.unwrap(), Appended::Written);
    }
    let news = first.catch_up().await.unwrap();
    assert_eq!(
        news.state.as_deref(),
        Some(&capshare::share::state::State::default()),
        "the state held is to be forgotten"
    );
    assert_eq!(news.entries, [open_entry(), sync("before"), sync("over it"), sync("and on")]);
    is_refused(first.append(&[sync("more")]).await);
    assert!(stores[0].is_refusing_writes());
    bucket.careless.store(false, Ordering::Relaxed);
    stores[0].probe_conditional_writes().await.unwrap();
    assert_eq!(first.append(&[sync("more")]).await.unwrap(), Appended::Written);
    assert_eq!(entries(second.catch_up().await.unwrap()), [sync("more")]);
}

/// S85: hosts that write over each other in step read nothing that would contradict them: what a host created is looked at again
/// beside a later write.
#[tokio::test(start_paused = true)]
async fn what_was_created_is_looked_at_again() {
    let bucket = memory();
    let (_stores, [mut first, mut second]) = two_hosts(&bucket).await;
    stops(&bucket, false);
    let mut acknowledged = [0, 0];
    let mut refused = [false, false];
    for n in 0..130 {
        for (at, log) in [&mut first, &mut second].into_iter().enumerate() {
            match log.append(&[sync(&format!("{at} {n}"))]).await {
                Ok(Appended::Written) => acknowledged[at] += 1,
                Ok(Appended::Behind(_)) => {}
                Err(error) => {
                    assert!(matches!(error, StoreError::Unconditional), "{error}");
                    refused[at] = true;
                }
            }
        }
        tokio::time::advance(Duration::from_secs(1)).await;
    }
    // The first to find out leaves the other alone, whom nothing contradicts then.
    assert!(refused.contains(&true), "{acknowledged:?}");
    assert!(acknowledged.iter().min() <= Some(&62), "at the first look: {acknowledged:?}");
}

/// The same by the single writer, whom nobody contradicts: it goes on.
#[tokio::test(start_paused = true)]
async fn a_single_writer_minds_no_careless_bucket() {
    let bucket = memory();
    let mut settings = capshare::__internal::store::StoreSettings::default();
    settings.single_writer = true;
    let store = super::host_with(&bucket, 1, settings);
    let (mut log, _) = shared(&store, 1, 1).await;
    stops(&bucket, true);
    is_refused(store.probe_conditional_writes().await);
    assert!(!store.is_refusing_writes());
    assert_eq!(log.append(&[sync("on")]).await.unwrap(), Appended::Written);
    let claim = store.claim(&account("a"), &session("s1"), &share(2), super::Timestamp(1)).await.unwrap();
    assert_eq!(claim, Claim::Theirs(share(1)));
}

/// S85: a running host asks its bucket at least each 10 minutes. While it ignores conditions syncs are refused with the reason, as is
/// readiness; and all that was acknowledged is there.
#[test]
fn a_running_host_stops_within_ten_minutes_and_goes_on_by_itself() {
    run(async {
        let bucket = TestBucket::over(Arc::new(InMemory::new()));
        let scene = Scene::builder().store(Arc::clone(&bucket) as _).build();
        let share = scene.client().create(&"ses_1".parse().unwrap(), Some(part("p", "1"))).await.unwrap();
        let hub = scene.host().hub();
        bucket.careless.store(true, Ordering::Relaxed);
        tokio::time::sleep(Duration::from_secs(600)).await;
        let refusal =
            Refusal::StorageFailure { operation: StoreOperation::Sync, trouble: StorageTrouble::Unconditional };
        assert!(refusal.is_transient() && refusal.to_string().contains("conditional writes"), "{refusal}");
        assert_eq!(hub.ready().await, Err(refusal.clone()));
        let room = hub.rooms().open(share.id().as_str(), share.secret().unwrap()).await.unwrap();
        let batch = || capshare::share::change::Batch { stamp: None, changes: vec![] };
        assert_eq!(hub.rooms().sync_room(&room, batch()).await, Err(refusal));
        let refused = scene.client().create(&"ses_2".parse().unwrap(), None).await.err();
        let Some(ClientError::Refused(Refusal::StorageFailure { trouble, .. })) = refused else {
            panic!("{refused:?}")
        };
        assert_eq!(trouble, StorageTrouble::Unconditional);
        assert_eq!(scene.client().info(share.id()).await.unwrap().sync_count, 1, "reading goes on");

        bucket.careless.store(false, Ordering::Relaxed);
        tokio::time::sleep(Duration::from_secs(61)).await;
        assert_eq!(hub.ready().await, Ok(()));
        assert_eq!(share.sync(part("p", "2")).await.unwrap().sync_count, 2);
    });
}

/// Readiness tells of writes that fail, though the bucket answers a listing: until one is taken again.
#[test]
fn a_host_whose_bucket_takes_no_writes_is_not_ready() {
    run(async {
        let bucket = TestBucket::over(Arc::new(InMemory::new()));
        let scene = Scene::builder().store(Arc::clone(&bucket) as _).build();
        let share = scene.client().create(&"ses_1".parse().unwrap(), Some(part("p", "1"))).await.unwrap();
        let hub = scene.host().hub();
        bucket.next_writes(std::iter::repeat_n(Some(Fault::Status503), 1_000));
        assert_eq!(hub.ready().await, Ok(()), "nobody has tried to write");
        let room = hub.rooms().open(share.id().as_str(), share.secret().unwrap()).await.unwrap();
        let batch = || capshare::share::change::Batch { stamp: None, changes: vec![] };
        let refusal = Refusal::StorageFailure { operation: StoreOperation::Sync, trouble: StorageTrouble::Passing };
        assert_eq!(hub.rooms().sync_room(&room, batch()).await, Err(refusal.clone()));
        for _ in 0..2 {
            assert_eq!(hub.ready().await, Err(refusal.clone()));
        }
        bucket.next_writes_are_over();
        assert_eq!(hub.ready().await, Ok(()));
        assert_eq!(keys(&bucket, "probe/").await, [] as [&str; 0]);
        assert!(hub.rooms().sync_room(&room, batch()).await.is_ok());
    });
}
