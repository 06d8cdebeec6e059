//! Garbage of whole buckets: what a collection frees, and what it leaves.

use std::time::Duration;

use capshare::__internal::store::{Freed, FreedKind, GcOptions, Log, Opened, Problem, Summary};
use capshare::share::state::State;
use object_store::ObjectStoreExt as _;
use object_store::path::Path;

use super::survey::{check, codes, memory, nothing, plant, populated, put, segment, shared, surveyor, text};
use super::{ShareId, Store, Timestamp, about, account, keys, session, share, sync};
use crate::support::bucket::TestBucket;

/// Collects the garbage of a bucket, with options that are changed before.
pub(super) async fn gc(host: &Store, change: impl FnOnce(&mut GcOptions)) -> Freed {
    let mut options = GcOptions::at(Timestamp(0), 7);
    change(&mut options);
    host.gc(&options, &nothing).await.unwrap()
}

/// The number of objects that were freed, by kind.
pub(super) fn objects(freed: &Freed) -> Vec<(FreedKind, u64)> {
    freed.kinds.iter().map(|(kind, tally)| (*kind, tally.objects)).collect()
}

#[tokio::test(start_paused = true)]
async fn garbage_is_freed_when_nobody_can_depend_on_it_and_nothing_else() {
    let bucket = memory();
    let host = populated(&bucket).await;
    plant(&bucket, &host, Problem::StubsLeft).await;
    plant(&bucket, &host, Problem::ContentAfterDeletion).await;
    plant(&bucket, &host, Problem::OrphanCompanion).await;
    for n in 20..23 {
        host.claim(&account("a"), &session("again"), &share(n), Timestamp(1)).await.unwrap();
        host.release(&account("a"), &session("again"), &share(n)).await.unwrap();
    }
    put(&bucket, "probe/0123-twice", "x").await;
    let all = keys(&bucket, "").await;
    // Nobody's at any time.
    let young = [(FreedKind::Companions, 1)];
    assert_eq!(objects(&gc(&host, |options| options.dry_run = true).await), young);
    assert_eq!(keys(&bucket, "").await, all);

    for begins in ["share/", "index/", "tomb/", "probe/0123"] {
        bucket.age(begins, Duration::from_secs(2 * 3_600));
    }
    let expected = [
        // Of share 9 two empty ones, of share 4 what was planted.
        (FreedKind::Deleted, 3),
        // Of share 2: its first run, and all of seven segments but the last.
        (FreedKind::Superseded, 7),
        (FreedKind::Claims, 2),
        (FreedKind::Companions, 1),
        (FreedKind::Probes, 1),
    ];
    let foreseen = gc(&host, |options| options.dry_run = true).await;
    assert_eq!(objects(&foreseen), expected);
    assert_eq!(keys(&bucket, "").await, all, "a dry run changes nothing");
    let before: Vec<_> = futures::future::join_all([1, 2, 3].map(|n| state(&host, share(n)))).await;
    assert_eq!(gc(&surveyor(&bucket, 3, false), |_| {}).await, foreseen);
    // What was planted was the newest of its share, and keeps its place once more.
    assert_eq!(keys(&bucket, "").await.len(), all.len() - 13);
    assert_eq!(objects(&gc(&host, |_| {}).await), [(FreedKind::Deleted, 1)]);
    for gone in [4, 9] {
        assert_eq!(keys(&bucket, &format!("share/{}", share(gone))).await, [] as [&str; 0]);
        assert_eq!(keys(&bucket, &format!("tomb/{}", share(gone))).await.len(), 1);
    }
    let after: Vec<_> = futures::future::join_all([1, 2, 3].map(|n| state(&host, share(n)))).await;
    assert!(before == after, "every share is what it was");
    assert_eq!(codes(&check(&host, false).await), []);
    let (mut log, _) = reopened(&surveyor(&bucket, 4, true), share(2)).await;
    log.append(&[sync("and on")]).await.unwrap();
}

/// The request of a host that had slept lands in the freed place below the segment that is kept: the chain between them is not broken.
#[tokio::test(start_paused = true)]
async fn a_stray_segment_below_the_one_that_is_kept_is_no_damage_and_is_freed() {
    let (bucket, elsewhere) = (memory(), memory());
    let host = populated(&bucket).await;
    shared(&surveyor(&elsewhere, 9, true), 3, 2).await;
    let other = text(&elsewhere, &segment(3, 3)).await.replacen("\"seq\":3", "\"seq\":6", 1);
    put(&bucket, &segment(3, 6), other).await;
    assert_eq!(codes(&check(&host, false).await), [("stray-segment", segment(3, 6))]);
    bucket.age(&format!("share/{}/", share(3)), Duration::from_secs(3_600));
    let before = state(&host, share(3)).await;
    let freed = gc(&host, |_| {}).await;
    assert_eq!((objects(&freed), freed.passed_over), (vec![(FreedKind::Superseded, 1)], 0));
    assert_eq!(codes(&check(&host, false).await), []);
    assert!(before == state(&host, share(3)).await, "the share is what it was");
}

async fn reopened(host: &Store, id: ShareId) -> (Log, State) {
    match host.open_log(&id).await.unwrap() {
        Opened::Open(log, news) => (log, news.into_state()),
        other @ (Opened::Absent(_) | Opened::Deleted) => panic!("{other:?}"),
    }
}

async fn state(host: &Store, id: ShareId) -> Option<capshare::share::state::Saved> {
    reopened(host, id).await.1.save(capshare::share::revision::Revision::EMPTY)
}

#[tokio::test(start_paused = true)]
async fn segments_are_not_freed_for_a_run_that_cannot_be_read() {
    // Whether its companion says that there is no need to read it, or not.
    for segments in [7, 6] {
        let bucket = memory();
        let host = populated(&bucket).await;
        let about = Summary { segments, ..about(&account("a"), &session("s2"), "title") };
        host.describe(&share(2), &about).await.unwrap();
        let runs = keys(&bucket, &format!("share/{}/fold/", share(2))).await;
        put(&bucket, runs.last().unwrap(), "no run").await;
        bucket.age("share/", Duration::from_secs(3_600));
        let freed = gc(&host, |_| {}).await;
        assert_eq!((objects(&freed), freed.passed_over), (vec![], 1));
        assert_eq!(opened_segments(&bucket).await, 7);
    }
}

async fn opened_segments(bucket: &TestBucket) -> usize {
    keys(bucket, &format!("share/{}/log/", share(2))).await.len()
}

#[tokio::test(start_paused = true)]
async fn a_tombstone_stays_for_long_and_while_a_claim_names_its_share() {
    let bucket = memory();
    let host = populated(&bucket).await;
    let tomb = format!("tomb/{}", share(4));
    bucket.age("tomb/", Duration::from_secs(29 * 24 * 3_600));
    assert_eq!(objects(&gc(&host, |_| {}).await), []);
    bucket.age("tomb/", Duration::from_secs(2 * 24 * 3_600));
    host.claim(&account("b"), &session("late"), &share(4), Timestamp(1)).await.unwrap();
    assert_eq!(objects(&gc(&host, |_| {}).await), []);
    host.release(&account("b"), &session("late"), &share(4)).await.unwrap();
    put(&bucket, &segment(4, 1), "").await;
    assert_eq!(objects(&gc(&host, |_| {}).await), [], "nor while anything of it is there");
    bucket.delete(&Path::from(segment(4, 1))).await.unwrap();
    assert_eq!(objects(&gc(&host, |_| {}).await), [(FreedKind::Tombstones, 1)]);
    assert_eq!(keys(&bucket, &tomb).await, [] as [&str; 0]);
}
