//! One append, one fault.

use std::sync::Arc;
use std::time::Duration;

use capshare::__internal::store::{Appended, Log, StoreError, StoreSettings};
use capshare::share::entry::Entry;
use object_store::memory::InMemory;
use tokio::time::Instant;

use super::{DELETE, account, append, created, host, host_with, keys, open_entry, opened, session, share, sync};
use crate::support::bucket::{Fault, TestBucket};

pub(super) fn in_memory() -> Arc<TestBucket> {
    TestBucket::over(Arc::new(InMemory::new()))
}

/// A bucket with a share of two entries, and its log at one host.
async fn scene() -> (Arc<TestBucket>, Log) {
    let bucket = in_memory();
    let log = created(&host(&bucket, 1), &share(1), &[open_entry(), sync("before")]).await;
    (bucket, log)
}

async fn whole(bucket: &Arc<TestBucket>) -> Vec<Entry> {
    opened(&host(bucket, 99), &share(1)).await.1
}

#[tokio::test(start_paused = true)]
async fn an_append_whose_request_or_answer_goes_astray_is_written_once() {
    let faults = [
        Fault::LostRequest,
        Fault::LostAnswer,
        Fault::Status503,
        Fault::BareExists,
        Fault::MetItself,
        Fault::Slow(Duration::from_secs(12)),
    ];
    for fault in faults {
        for times in 1..4 {
            let (bucket, mut log) = scene().await;
            bucket.next_writes(std::iter::repeat_n(Some(fault), times));
            assert_eq!(log.append(&[sync("x")]).await.unwrap(), Appended::Written, "{fault:?} {times} times");
            bucket.next_writes_are_over();
            assert_eq!(log.append(&[sync("y")]).await.unwrap(), Appended::Written);
            let expected = [open_entry(), sync("before"), sync("x"), sync("y")];
            assert_eq!(whole(&bucket).await, expected, "{fault:?} {times} times");
            assert_eq!(keys(&bucket, "share/").await.len(), 3);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_append_that_lands_after_it_was_given_up_is_met_as_others_are() {
    let (bucket, mut log) = scene().await;
    bucket.next_writes([Some(Fault::LandsLate(Duration::from_secs(30)))]);
    bucket.next_writes(std::iter::repeat_n(Some(Fault::LostRequest), 100));
    let begun = Instant::now();
    let failure = log.append(&[sync("late")]).await.unwrap_err();
    assert!(matches!(failure, StoreError::Unavailable { .. }), "{failure:?}");
    assert!(begun.elapsed() < Duration::from_secs(30), "it gave up before it landed");
    bucket.next_writes_are_over();
    assert_eq!(whole(&bucket).await.len(), 2);
    tokio::time::sleep(Duration::from_secs(30)).await;
    assert_eq!(log.append(&[sync("next")]).await.unwrap(), Appended::Behind(vec![sync("late")].into()));
    assert_eq!(log.append(&[sync("next")]).await.unwrap(), Appended::Written);
    assert_eq!(whole(&bucket).await, [open_entry(), sync("before"), sync("late"), sync("next")]);
}

#[tokio::test(start_paused = true)]
async fn an_append_that_lands_after_its_place_was_taken_lands_nowhere() {
    let (bucket, mut log) = scene().await;
    bucket.next_writes([Some(Fault::LandsLate(Duration::from_secs(30)))]);
    bucket.next_writes(std::iter::repeat_n(Some(Fault::LostRequest), 100));
    log.append(&[sync("late")]).await.unwrap_err();
    bucket.next_writes_are_over();
    assert_eq!(log.append(&[sync("next")]).await.unwrap(), Appended::Written);
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(log.append(&[sync("last")]).await.unwrap(), Appended::Written);
    assert_eq!(whole(&bucket).await, [open_entry(), sync("before"), sync("next"), sync("last")]);
}

#[tokio::test(start_paused = true)]
async fn a_log_opened_again_does_not_take_a_late_batch_for_its_own() {
    let bucket = in_memory();
    let store = host(&bucket, 1);
    drop(created(&store, &share(1), &[open_entry()]).await);
    let begun = Instant::now();
    let (mut log, _) = opened(&store, &share(1)).await;
    bucket.next_writes([Some(Fault::LandsLate(Duration::from_secs(30)))]);
    bucket.next_writes(std::iter::repeat_n(Some(Fault::LostRequest), 100));
    log.append(&[sync("late")]).await.unwrap_err();
    bucket.next_writes_are_over();
    let (mut log, _) = opened(&store, &share(1)).await;
    tokio::time::sleep_until(begun + Duration::from_secs(25)).await;
    // On its way from 25 s on, and there at 31 s: a second after the late one.
    bucket.next_writes([Some(Fault::Slow(Duration::from_secs(12)))]);
    assert_eq!(log.append(&[sync("next")]).await.unwrap(), Appended::Behind(vec![sync("late")].into()));
    assert_eq!(log.append(&[sync("next")]).await.unwrap(), Appended::Written);
}

#[tokio::test(start_paused = true)]
async fn keys_are_freed_only_when_no_writer_can_be_misled() {
    for free_after in [0, 120] {
        let bucket = in_memory();
        let mut settings = StoreSettings::default();
        settings.free_after = Duration::from_secs(free_after);
        let shortest = (settings.lease + settings.request_time).max(settings.free_after);
        let mut log = created(&host_with(&bucket, 1, settings), &share(1), &[open_entry(), DELETE]).await;
        assert!(matches!(log.append(&[sync("x")]).await.unwrap(), Appended::Behind(_)));
        let freeing = log.erase(&account("a"), &session("s")).await.unwrap().unwrap();
        let erased = Instant::now();
        freeing.run().await.unwrap();
        assert!(erased.elapsed() >= shortest);
        assert_eq!(keys(&bucket, "share/").await, [] as [&str; 0]);
    }
}

#[tokio::test(start_paused = true)]
async fn an_append_dropped_half_way_leaves_a_log_that_looks_first() {
    for (patience, landed) in [(1, false), (5, true)] {
        let (bucket, mut log) = scene().await;
        // It is applied after four seconds and answered after eight.
        bucket.next_writes([Some(Fault::Slow(Duration::from_secs(8)))]);
        let dropped = tokio::time::timeout(Duration::from_secs(patience), log.append(&[sync("dropped")])).await;
        assert!(dropped.is_err());
        bucket.counts.reset();
        let next = log.append(&[sync("next")]).await.unwrap();
        if landed {
            assert_eq!(next, Appended::Behind(vec![sync("dropped")].into()));
            assert_eq!(bucket.counts.all(), [0, 2, 0, 0], "it looked, and wrote nothing");
        } else {
            assert_eq!(next, Appended::Written);
            assert_eq!(bucket.counts.all(), [1, 1, 0, 0], "it looked before it wrote");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_dropped_or_failed_look_hands_out_everything_the_next_time() {
    let (bucket, mut log) = scene().await;
    let (mut other, mut seen) = opened(&host(&bucket, 2), &share(1)).await;
    append(&mut other, &mut seen, &[sync("one")]).await;
    append(&mut other, &mut seen, &[sync("two")]).await;
    // The first news is read, the second read fails.
    let mut reads = [None, Some(Fault::Status503)].into_iter();
    bucket.roll(move || reads.next().flatten());
    log.catch_up().await.unwrap_err();
    bucket.calm();
    assert_eq!(log.catch_up().await.unwrap(), vec![sync("one"), sync("two")].into());
}

#[tokio::test(start_paused = true)]
async fn a_bucket_that_is_down_fails_an_append_within_its_time() {
    let (bucket, mut log) = scene().await;
    bucket.down.store(true, std::sync::atomic::Ordering::Relaxed);
    let begun = Instant::now();
    let failure = log.append(&[sync("x")]).await.unwrap_err();
    assert!(failure.is_transient() && failure.to_string().contains("share/"), "{failure}");
    assert!(begun.elapsed() <= StoreSettings::default().append_time);
    assert!(host(&bucket, 2).ready().await.unwrap_err().is_transient());
    bucket.down.store(false, std::sync::atomic::Ordering::Relaxed);
    assert_eq!(log.append(&[sync("x")]).await.unwrap(), Appended::Written, "and the share goes on");
}

#[tokio::test(start_paused = true)]
async fn a_bucket_that_never_answers_fails_an_append_within_its_time() {
    let (bucket, mut log) = scene().await;
    bucket.next_writes(std::iter::repeat_n(Some(Fault::Slow(Duration::from_secs(100_000))), 100));
    let settings = StoreSettings::default();
    let begun = Instant::now();
    assert!(log.append(&[sync("x")]).await.unwrap_err().is_transient());
    assert!(begun.elapsed() <= settings.append_time + settings.request_time);
}

/// Rules 4 and 7 of the log: a tail that was held too long is not written to.
#[tokio::test(start_paused = true)]
async fn a_writer_that_slept_through_a_deletion_writes_nothing_to_the_freed_keys() {
    for slept in [1, 15, 60, 600] {
        let (bucket, mut log) = scene().await;
        let (mut sleeper, _) = opened(&host(&bucket, 2), &share(1)).await;
        let (mut reader, _) = opened(&host(&bucket, 3), &share(1)).await;
        log.append(&[sync("more")]).await.unwrap();
        log.append(&[DELETE]).await.unwrap();
        let freeing = log.erase(&account("a"), &session("s")).await.unwrap().unwrap();
        assert_eq!(keys(&bucket, "share/").await.len(), 3, "what is young keeps its place");
        tokio::time::sleep(Duration::from_secs(slept)).await;
        if slept > 120 {
            freeing.run().await.unwrap();
            assert_eq!(keys(&bucket, "share/").await, [] as [&str; 0], "in the end no key is left");
        }
        let Appended::Behind(met) = sleeper.append(&[sync("too late")]).await.unwrap() else { panic!("written") };
        assert!(met.entries.iter().any(|entry| matches!(entry, Entry::Delete { .. })), "slept {slept} s");
        let met = reader.catch_up().await.unwrap();
        assert!(met.entries.iter().any(|entry| matches!(entry, Entry::Delete { .. })), "slept {slept} s");
        assert_eq!(super::holding(&bucket, "too late").await, [] as [&str; 0]);
    }
}

/// Rule 5 of the log: a success that comes after the lease may have been a write to a freed key, as of a host that froze in
/// the middle of it.
#[tokio::test(start_paused = true)]
async fn a_success_that_comes_after_the_lease_is_not_trusted() {
    let bucket = in_memory();
    let mut settings = StoreSettings::default();
    settings.request_time = Duration::from_secs(1_000);
    settings.append_time = Duration::from_secs(1_000);
    let slow = host_with(&bucket, 1, settings);
    let mut sleeper = created(&slow, &share(1), &[open_entry()]).await;
    let (mut log, _) = opened(&host(&bucket, 2), &share(1)).await;
    bucket.next_writes([Some(Fault::Slow(Duration::from_secs(900)))]);
    let late = [sync("too late")];
    let (appended, ()) = tokio::join!(sleeper.append(&late), async {
        tokio::task::yield_now().await;
        log.append(&[DELETE]).await.unwrap();
        log.erase(&account("a"), &session("s")).await.unwrap().unwrap().run().await.unwrap();
        assert_eq!(keys(&bucket, "share/").await, [] as [&str; 0]);
    });
    let Appended::Behind(met) = appended.unwrap() else { panic!("what nobody will read was acknowledged") };
    assert!(matches!(met.entries[..], [Entry::Delete { .. }]));
    // What it put on the freed key does not stay.
    assert_eq!(super::holding(&bucket, "too late").await, [] as [&str; 0]);
    assert!(super::is_deleted(&host(&bucket, 3), &share(1)).await);
}

#[tokio::test(start_paused = true)]
async fn old_segments_are_deleted_at_once_and_young_ones_keep_their_place() {
    let (bucket, mut log) = scene().await;
    for n in 0..3 {
        log.append(&[sync(&n.to_string())]).await.unwrap();
    }
    log.append(&[DELETE]).await.unwrap();
    let id = share(1);
    // Of one as old as the fourth a host may have looked a minute before it was erased, and takes its absence for the log's end.
    for (number, seconds) in [(1, 100), (2, 100), (3, 100), (4, 80)] {
        bucket.age(&format!("share/{id}/log/00000000000{number}"), Duration::from_secs(seconds));
    }
    drop(log.erase(&account("a"), &session("s")).await.unwrap());
    let left: Vec<_> = (4..=5).map(|number| format!("share/{id}/log/00000000000{number}")).collect();
    assert_eq!(keys(&bucket, "share/").await, left);
    assert!(super::is_deleted(&host(&bucket, 2), &id).await);
}

#[tokio::test(start_paused = true)]
async fn numbers_of_claims_that_were_passed_long_ago_are_freed() {
    let bucket = in_memory();
    let (host, who, what) = (host(&bucket, 1), account("a"), session("s"));
    for n in 1..=4 {
        host.claim(&who, &what, &share(n), super::Timestamp(0)).await.unwrap();
        host.release(&who, &what, &share(n)).await.unwrap();
    }
    assert_eq!(keys(&bucket, "index/").await.len(), 4);
    for number in 1..=3 {
        bucket.age(&format!("index/a/s/00000000000{number}"), Duration::from_secs(600));
    }
    host.claim(&who, &what, &share(5), super::Timestamp(0)).await.unwrap();
    let left: Vec<_> = (3..=5).map(|number| format!("index/a/s/00000000000{number}")).collect();
    assert_eq!(keys(&bucket, "index/").await, left, "the one that was passed of late stays, and so does the newest");
}
