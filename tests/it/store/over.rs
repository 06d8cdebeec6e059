//! Shares that are over: expired, deleted half way, or written to after their end; and what a collection makes of them.

use std::sync::Arc;
use std::time::Duration;

use capshare::__internal::store::{Appended, FreedKind, Log, Summary};
use capshare::share::entry::Entry;

use super::garbage::{gc, objects};
use super::survey::{LATER, check, codes, fold, memory, segment, shared, surveyor};
use super::{DELETE, Store, Timestamp, account, holding, is_deleted, keys, session, share, sync};
use crate::support::bucket::{Fault, TestBucket};

/// What the collections here take for now.
const NOW: Timestamp = Timestamp(1_000);

fn expiry(at: Option<i64>) -> Entry {
    Entry::Expiry { at: Timestamp(3), expires_at: at.map(Timestamp) }
}

/// A share that was written to, folded and freed, and goes away at some time.
async fn ending(bucket: &Arc<TestBucket>, at: Option<i64>) -> (Store, Log) {
    let host = surveyor(bucket, 1, true);
    let (mut log, mut state) = shared(&host, 1, 5).await;
    log.append(&[expiry(at)]).await.unwrap();
    state.apply(&expiry(at));
    fold(&mut log, &state).await;
    log.append(&[sync("precious")]).await.unwrap();
    state.apply(&sync("precious"));
    host.describe(&share(1), &Summary::of(&state, log.log_bytes(), log.segments()).unwrap()).await.unwrap();
    (host, log)
}

async fn companion(bucket: &TestBucket) -> Option<String> {
    keys(bucket, "index/a/s1/000000000001-about").await.pop()
}

/// What its companion is when the share has expired.
#[derive(Debug, Clone, Copy)]
enum Companion {
    Fresh,
    Missing,
    /// The expiry was set, or moved, after it was written.
    Behind,
    /// It does not say how much of the log it knows.
    Early,
    Unreadable,
}

/// S24: of an expired share nothing is left but its tombstone and the empty claim, whatever its companion says.
#[tokio::test(start_paused = true)]
async fn an_expired_share_that_no_host_has_goes() {
    for made in [Companion::Fresh, Companion::Missing, Companion::Behind, Companion::Early, Companion::Unreadable] {
        let bucket = memory();
        let at = if matches!(made, Companion::Behind) { None } else { Some(NOW.0) };
        let (_host, mut log) = ending(&bucket, at).await;
        let about = companion(&bucket).await.unwrap();
        match made {
            Companion::Fresh => {}
            Companion::Missing => super::survey::remove(&bucket, &about).await,
            Companion::Behind => drop(log.append(&[expiry(Some(NOW.0))]).await.unwrap()),
            Companion::Early => {
                let text = super::survey::text(&bucket, &about).await;
                let early = text.replace("\"segments\":8,", "").replace("\"expires\":1000", "\"expires\":1001");
                assert_eq!(early.len() + 13, text.len());
                super::survey::put(&bucket, &about, early).await;
            }
            Companion::Unreadable => super::survey::put(&bucket, &about, "nothing").await,
        }
        drop(log);
        let all = keys(&bucket, "share/").await.len() as u64;
        let collector = surveyor(&bucket, 2, true);
        let early = gc(&collector, |options| options.now = Timestamp(NOW.0 - 1)).await;
        assert_eq!((early.expired_shares, early.passed_over), (0, 0), "{made:?}");

        let foreseen = gc(&collector, |options| (options.now, options.dry_run) = (NOW, true)).await;
        assert_eq!(keys(&bucket, "share/").await.len() as u64, all);
        let freed = gc(&collector, |options| options.now = NOW).await;
        assert_eq!(freed, foreseen, "{made:?}");
        assert_eq!((freed.expired_shares, objects(&freed)), (1, vec![(FreedKind::Expired, all)]), "{made:?}");
        assert_eq!(holding(&bucket, "precious").await, [] as [&str; 0], "{made:?}");
        assert!(is_deleted(&surveyor(&bucket, 3, true), &share(1)).await);

        // And when no writer is left that has not heard of it, the empty ones.
        bucket.age("share/", Duration::from_secs(91));
        assert_eq!(gc(&collector, |options| options.now = NOW).await.expired_shares, 0);
        let left = [format!("index/a/s1/{:012}", 1), format!("tomb/{}", share(1))];
        assert_eq!(keys(&bucket, "").await, left, "{made:?}");
        assert_eq!(super::survey::text(&bucket, &left[0]).await, "");
        assert_eq!(codes(&check(&collector, false).await), []);
    }
}

#[tokio::test(start_paused = true)]
async fn a_share_whose_expiry_was_moved_stays_whatever_its_companion_says() {
    for moved in [None, Some(NOW.0 + 1)] {
        let bucket = memory();
        let (_host, mut log) = ending(&bucket, Some(NOW.0)).await;
        log.append(&[expiry(moved)]).await.unwrap();
        bucket.age("share/", Duration::from_secs(3_600));
        let freed = gc(&surveyor(&bucket, 2, true), |options| options.now = NOW).await;
        assert_eq!((freed.expired_shares, objects(&freed)), (0, vec![(FreedKind::Superseded, 6)]));
        assert!(!is_deleted(&surveyor(&bucket, 3, true), &share(1)).await);
        assert_ne!(holding(&bucket, "precious").await, [] as [&str; 0]);
    }
}

/// The last word is the log's: what stands there before the deletion counts.
#[tokio::test(start_paused = true)]
async fn what_is_written_while_a_collection_is_about_to_delete_is_looked_at_first() {
    for (written, goes) in [(expiry(None), false), (sync("more"), true)] {
        let bucket = memory();
        let (_host, mut log) = ending(&bucket, Some(NOW.0)).await;
        // It asks for the time, and then its deletion is slow.
        bucket.next_writes([None, Some(Fault::Slow(Duration::from_secs(4)))]);
        let before = bucket.counts.all()[0];
        let collecting = tokio::spawn({
            let collector = surveyor(&bucket, 2, true);
            async move { gc(&collector, |options| options.now = NOW).await }
        });
        while bucket.counts.all()[0] < before + 2 {
            tokio::task::yield_now().await;
        }
        assert_eq!(log.append(std::slice::from_ref(&written)).await.unwrap(), Appended::Written);
        assert_eq!(collecting.await.unwrap().expired_shares, u64::from(goes));
        assert_eq!(is_deleted(&surveyor(&bucket, 3, true), &share(1)).await, goes);
    }
}

#[tokio::test(start_paused = true)]
async fn a_share_is_not_read_if_its_companion_knows_all_of_it() {
    let bucket = memory();
    let (_host, mut log) = ending(&bucket, Some(NOW.0 + 1)).await;
    let collector = surveyor(&bucket, 2, true);
    let reads = async || {
        bucket.counts.reset();
        assert_eq!(gc(&collector, |options| options.now = NOW).await.expired_shares, 0);
        let touched = bucket.counts.touched();
        touched.into_iter().filter(|key| key.contains("/log/") || key.contains("/fold/")).count()
    };
    assert_eq!(reads().await, 0);
    log.append(&[sync("more")]).await.unwrap();
    assert_ne!(reads().await, 0);
}

#[tokio::test(start_paused = true)]
async fn a_deletion_that_its_host_began_long_ago_is_finished() {
    let bucket = memory();
    let (_host, mut log) = ending(&bucket, None).await;
    log.append(&[DELETE]).await.unwrap();
    let collector = surveyor(&bucket, 2, true);
    assert_eq!(objects(&gc(&collector, |_| {}).await), [], "its host may be at it");
    assert_ne!(holding(&bucket, "precious").await, [] as [&str; 0]);
    bucket.age("share/", Duration::from_secs(91));
    let foreseen = gc(&collector, |options| options.dry_run = true).await;
    assert_ne!(holding(&bucket, "precious").await, [] as [&str; 0]);
    assert_eq!(gc(&collector, |_| {}).await, foreseen);
    assert_eq!(holding(&bucket, "precious").await, [] as [&str; 0]);
    assert_eq!(keys(&bucket, "tomb/").await.len(), 1);
}

/// A host froze with its request under way, and nobody acknowledged that.
#[tokio::test(start_paused = true)]
async fn what_lands_under_a_deleted_share_when_all_of_it_is_freed_is_told_and_goes() {
    for repair in [true, false] {
        let bucket = memory();
        let host = surveyor(&bucket, 1, true);
        let (mut log, _) = shared(&host, 1, 2).await;
        let (mut frozen, _) = super::opened(&surveyor(&bucket, 2, true), &share(1)).await;
        bucket.next_writes([Some(Fault::LandsLate(Duration::from_secs(600)))]);
        let freezing = tokio::spawn(async move { frozen.append(&[sync("precious")]).await });
        while bucket.counts.all()[0] < 6 {
            tokio::task::yield_now().await;
        }
        freezing.abort();
        log.append(&[DELETE]).await.unwrap();
        log.erase(&account("a"), &session("s1")).await.unwrap().unwrap().run().await.unwrap();
        assert_eq!(keys(&bucket, "share/").await, [] as [&str; 0]);
        tokio::time::sleep(Duration::from_secs(600)).await;
        assert_eq!(holding(&bucket, "precious").await, [segment(1, 4)]);

        bucket.age("tomb/", Duration::from_secs(600));
        let collector = surveyor(&bucket, 4, true);
        let told = vec![("content-after-deletion", format!("share/{}", share(1)))];
        assert_eq!(codes(&check(&collector, false).await), told);
        if repair {
            assert!(check(&collector, true).await.is_clean());
        } else {
            assert_eq!(objects(&gc(&collector, |options| options.now = LATER).await), [(FreedKind::Deleted, 1)]);
        }
        assert_eq!(holding(&bucket, "precious").await, [] as [&str; 0]);
        bucket.age("share/", Duration::from_secs(91));
        gc(&collector, |_| {}).await;
        assert_eq!(keys(&bucket, "share/").await, [] as [&str; 0]);
        assert_eq!(codes(&check(&collector, false).await), []);
    }
}
