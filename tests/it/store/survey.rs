//! Whole buckets: judged, mended and counted.

use std::io::{Read as _, Write as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use capshare::__internal::store::{CheckOptions, Checked, Log, Occasion, Problem, StoreSettings, Summary};
use capshare::share::state::State;
use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{ObjectStoreExt as _, PutPayload};

use super::{DELETE, Store, Timestamp, about, account, created, host_with, keys, opening, session, share, sync};
use crate::support::bucket::{TestBucket, dump};

/// When everything has long settled.
pub(super) const LATER: Timestamp = Timestamp(1 << 52);

/// Progress that nobody looks at.
pub(super) fn nothing(_: u64) {}

/// A host that folds soon, on a bucket that lists in order or not.
pub(crate) fn surveyor(bucket: &Arc<TestBucket>, writer: u128, sorted: bool) -> Store {
    let mut settings = StoreSettings::default();
    settings.sorted_listings = sorted;
    settings.fold_segments = 4;
    host_with(bucket, writer, settings)
}

/// A share that is claimed, created, written to and described.
pub(super) async fn shared(host: &Store, n: u128, syncs: usize) -> (Log, State) {
    let (who, what) = (account("a"), session(&format!("s{n}")));
    host.claim(&who, &what, &share(n), Timestamp(1)).await.unwrap();
    let mut log = created(host, &share(n), &[opening(&who, &what)]).await;
    let mut state = State::default();
    state.apply(&opening(&who, &what));
    for sync in (0..syncs).map(|sync| super::sync(&format!("{n}-{sync}"))) {
        log.append(std::slice::from_ref(&sync)).await.unwrap();
        state.apply(&sync);
    }
    host.describe(&share(n), &about(&who, &what, "title")).await.unwrap();
    (log, state)
}

/// Folds all of it into one run; what that supersedes stays.
pub(super) async fn fold(log: &mut Log, state: &State) {
    let (folded, _frees) = log.fold(Occasion::Still, state).unwrap().run().await.unwrap().unwrap();
    log.folded(&folded);
}

/// Shares of every kind: new, folded, folded and freed and going on, deleted and freed.
pub(super) async fn populated(bucket: &Arc<TestBucket>) -> Store {
    let host = surveyor(bucket, 1, true);
    shared(&host, 1, 4).await;
    let (mut log, mut state) = shared(&host, 2, 5).await;
    fold(&mut log, &state).await;
    let more = sync("more");
    log.append(std::slice::from_ref(&more)).await.unwrap();
    state.apply(&more);
    fold(&mut log, &state).await;
    let (mut log, state) = shared(&host, 3, 6).await;
    let (folded, frees) = log.fold(Occasion::Still, &state).unwrap().run().await.unwrap().unwrap();
    log.folded(&folded);
    frees.run().await.unwrap();
    log.append(&[sync("after")]).await.unwrap();
    let (mut log, _) = shared(&host, 4, 3).await;
    log.append(&[DELETE]).await.unwrap();
    log.erase(&account("a"), &session("s4")).await.unwrap().unwrap().run().await.unwrap();
    host
}

pub(super) fn memory() -> Arc<TestBucket> {
    TestBucket::over(Arc::new(InMemory::new()))
}

pub(crate) async fn check(host: &Store, repair: bool) -> Checked {
    let mut options = CheckOptions::at(LATER);
    options.repair = repair;
    host.check(&options, &nothing).await.unwrap()
}

pub(super) fn codes(checked: &Checked) -> Vec<(&'static str, String)> {
    checked.findings.iter().map(|finding| (finding.problem.code(), finding.key.clone())).collect()
}

pub(super) async fn put(bucket: &TestBucket, key: &str, text: impl Into<PutPayload>) {
    bucket.put(&Path::parse(key).unwrap(), text.into()).await.unwrap();
}

pub(super) async fn text(bucket: &TestBucket, key: &str) -> String {
    String::from_utf8(read(bucket, key).await).unwrap()
}

pub(super) async fn remove(bucket: &TestBucket, key: &str) {
    bucket.delete(&Path::from(key)).await.unwrap();
}

async fn read(bucket: &TestBucket, key: &str) -> Vec<u8> {
    bucket.get(&Path::parse(key).unwrap()).await.unwrap().bytes().await.unwrap().to_vec()
}

pub(super) fn segment(n: u128, number: u64) -> String {
    format!("share/{}/log/{number:012}", share(n))
}

#[tokio::test(start_paused = true)]
async fn a_bucket_that_hosts_have_written_is_clean_and_a_check_changes_nothing() {
    let bucket = memory();
    populated(&bucket).await;
    let before = keys(&bucket, "").await;
    for (sorted, repair) in [(true, false), (false, false), (true, true)] {
        let met = AtomicU64::new(0);
        let count = |objects| {
            met.fetch_add(objects, Ordering::Relaxed);
        };
        let mut options = CheckOptions::at(LATER);
        options.repair = repair;
        let checked = surveyor(&bucket, 2, sorted).check(&options, &count).await.unwrap();
        assert_eq!(codes(&checked), []);
        assert!(checked.is_clean());
        assert_eq!((checked.shares, checked.sessions, checked.objects), (3, 4, before.len() as u64));
        assert_eq!(met.into_inner(), before.len() as u64);
    }
    assert_eq!(keys(&bucket, "").await, before);
}

/// What a host that had slept wrote into a freed place is told, and what a fold has left is not.
#[tokio::test(start_paused = true)]
async fn a_segment_that_no_chain_leads_to_is_told() {
    let bucket = memory();
    let host = populated(&bucket).await;
    // Another history of the third share, as far as somebody got who knew only its first two segments.
    let elsewhere = memory();
    shared(&surveyor(&elsewhere, 9, true), 3, 2).await;
    put(&bucket, &segment(3, 3), text(&elsewhere, &segment(3, 3)).await).await;
    assert_eq!(codes(&check(&host, false).await), [], "it may be what the fold covers");
    bucket.age(&format!("share/{}/fold/", share(3)), Duration::from_secs(10));
    let told = [("stray-segment", segment(3, 3))];
    assert_eq!(codes(&check(&host, false).await), told);
    assert_eq!(codes(&check(&host, true).await), told, "and not touched");
    // Whatever was written when: the segment after it follows another.
    let bucket = memory();
    let host = populated(&bucket).await;
    put(
        &bucket,
        &segment(2, 5),
        text(&elsewhere, &segment(3, 3)).await.replace(share(3).as_str(), share(2).as_str()).replacen(
            "\"seq\":3",
            "\"seq\":5",
            1,
        ),
    )
    .await;
    assert!(codes(&check(&host, false).await).contains(&("stray-segment", segment(2, 5))));
}

/// Plants a damage and says what is to be found of it.
pub(super) async fn plant(bucket: &Arc<TestBucket>, host: &Store, problem: Problem) -> Vec<(&'static str, String)> {
    let (who, what) = (account("a"), session("planted"));
    let folder = format!("share/{}", share(9));
    let claim = async || host.claim(&who, &what, &share(9), Timestamp(1)).await.unwrap();
    let key = match problem {
        Problem::Unreadable => {
            let key = segment(1, 2);
            let cut = text(bucket, &key).await.trim_end().to_owned();
            put(bucket, &key, cut).await;
            key
        }
        Problem::EmptySegment => {
            put(bucket, &segment(1, 2), "").await;
            segment(1, 2)
        }
        Problem::MissingSegment => {
            bucket.delete(&Path::from(segment(1, 3))).await.unwrap();
            segment(1, 3)
        }
        Problem::BrokenChain => {
            let other = text(bucket, &segment(1, 3)).await;
            let (_, rest) = other.split_once("\"prev\":{").unwrap();
            let batch = rest.split_once("},").unwrap().0.to_owned();
            put(bucket, &segment(1, 3), other.replacen(&batch, &format!("{batch}7"), 1)).await;
            segment(1, 3)
        }
        Problem::WrongRun => {
            let runs = keys(bucket, &format!("share/{}/fold/", share(2))).await;
            let mut lines = String::new();
            GzDecoder::new(&read(bucket, &runs[0]).await[..]).read_to_string(&mut lines).unwrap();
            let mut packed = GzEncoder::new(Vec::new(), Compression::default());
            packed.write_all(lines.replacen("2-3", "2-x", 1).as_bytes()).unwrap();
            put(bucket, &runs[0], packed.finish().unwrap()).await;
            runs[0].clone()
        }
        Problem::NotOpened => {
            created(host, &share(9), &[sync("x")]).await;
            folder
        }
        Problem::DeletionBegun => {
            claim().await;
            created(host, &share(9), &[opening(&who, &what), sync("precious")]).await.append(&[DELETE]).await.unwrap();
            host.describe(&share(9), &about(&who, &what, "precious")).await.unwrap();
            folder
        }
        Problem::ContentAfterDeletion => {
            put(bucket, &segment(4, 7), "precious").await;
            format!("share/{}", share(4))
        }
        Problem::StubsLeft => {
            claim().await;
            let mut log = created(host, &share(9), &[opening(&who, &what)]).await;
            log.append(&[DELETE]).await.unwrap();
            drop(log.erase(&who, &what).await.unwrap());
            folder
        }
        Problem::LostTail => {
            let known = Summary { segments: 7, ..about(&account("a"), &session("s1"), "title") };
            host.describe(&share(1), &known).await.unwrap();
            segment(1, 6)
        }
        Problem::ShareWithoutClaim => {
            created(host, &share(9), &[opening(&who, &what)]).await;
            folder
        }
        Problem::SessionTaken => {
            created(host, &share(9), &[opening(&who, &what)]).await;
            host.claim(&who, &what, &share(8), Timestamp(1)).await.unwrap();
            created(host, &share(8), &[opening(&who, &what)]).await;
            folder
        }
        Problem::LostLog => {
            claim().await;
            host.describe(&share(9), &about(&who, &what, "title")).await.unwrap();
            "index/a/planted/000000000001".to_owned()
        }
        Problem::ClaimWithoutLog => {
            claim().await;
            "index/a/planted/000000000001".to_owned()
        }
        Problem::ClaimOnDeleted => {
            host.claim(&who, &what, &share(4), Timestamp(1)).await.unwrap();
            "index/a/planted/000000000001".to_owned()
        }
        Problem::OrphanCompanion => {
            put(bucket, "index/a/s4/000000000001-about", "precious").await;
            "index/a/s4/000000000001-about".to_owned()
        }
        Problem::UnknownKey => {
            let keys = ["0", "elsewhere/x/y", "index/a/s1/1", "index/x", "share/x", "tomb/x"];
            for key in keys {
                put(bucket, key, "precious").await;
            }
            let inside = segment(1, 2).replace("/log/", "/lug/");
            put(bucket, &inside, "x").await;
            let mut all: Vec<_> = keys.iter().map(|key| ("unknown-key", (*key).to_owned())).collect();
            all.insert(4, ("unknown-key", inside));
            return all;
        }
        other => panic!("{other:?}"),
    };
    vec![(problem.code(), key)]
}

#[tokio::test(start_paused = true)]
async fn every_kind_of_damage_is_told_and_what_is_safe_to_mend_is_mended() {
    for problem in [
        Problem::Unreadable,
        Problem::EmptySegment,
        Problem::MissingSegment,
        Problem::LostTail,
        Problem::BrokenChain,
        Problem::WrongRun,
        Problem::NotOpened,
        Problem::DeletionBegun,
        Problem::ContentAfterDeletion,
        Problem::StubsLeft,
        Problem::ShareWithoutClaim,
        Problem::SessionTaken,
        Problem::ClaimWithoutLog,
        Problem::LostLog,
        Problem::ClaimOnDeleted,
        Problem::OrphanCompanion,
        Problem::UnknownKey,
    ] {
        let bucket = memory();
        populated(&bucket).await;
        let host = surveyor(&bucket, 2, problem != Problem::UnknownKey);
        let expected = plant(&bucket, &host, problem).await;
        let before = dump(&*readable(&bucket).await).await;
        let checked = check(&host, false).await;
        assert_eq!(codes(&checked), expected);
        assert!(!checked.is_clean());
        for finding in &checked.findings {
            let said = format!("{} {} {:?}", problem.meaning(), problem.remedy(), finding.detail);
            assert!(!said.contains("precious"), "no contents in findings: {said}");
        }
        assert_eq!(dump(&*readable(&bucket).await).await, before, "a check changes nothing");

        let checked = check(&host, true).await;
        assert_eq!(codes(&checked), expected);
        assert_eq!(checked.is_clean(), problem.is_mendable(), "{problem:?}");
        if problem.is_mendable() {
            let left = codes(&check(&host, false).await);
            let stubs = matches!(problem, Problem::DeletionBegun | Problem::ContentAfterDeletion)
                .then(|| ("stubs-left", expected[0].1.clone()));
            assert_eq!(left, Vec::from_iter(stubs), "{problem:?}");
            assert_eq!(super::holding(&bucket, "precious").await, [] as [&str; 0], "{problem:?}");
        } else {
            assert_eq!(dump(&*readable(&bucket).await).await, before, "what cannot be mended is not touched");
        }
    }
}

/// The bucket with its runs, which are no text, as their lengths.
async fn readable(bucket: &TestBucket) -> Arc<InMemory> {
    let copy = InMemory::new();
    for key in keys(bucket, "").await {
        let bytes = read(bucket, &key).await;
        let text = if key.contains("/fold/") { bytes.len().to_string().into_bytes() } else { bytes };
        copy.put(&Path::from(key), text.into()).await.unwrap();
    }
    Arc::new(copy)
}

/// Options of a check that is made a minute after all was written.
pub(super) async fn a_minute_later(bucket: &TestBucket) -> CheckOptions {
    let mut newest = 0;
    for key in keys(bucket, "").await {
        newest = newest.max(bucket.head(&Path::parse(key).unwrap()).await.unwrap().last_modified.timestamp_millis());
    }
    CheckOptions::at(Timestamp(newest + 60_000))
}

/// What a host is just doing looks like what one has left: it is counted, and not called clean.
#[tokio::test(start_paused = true)]
async fn what_is_being_done_is_too_young_to_judge_and_not_taken_for_left_over() {
    for problem in [
        Problem::DeletionBegun,
        Problem::ContentAfterDeletion,
        Problem::StubsLeft,
        Problem::ClaimWithoutLog,
        Problem::ClaimOnDeleted,
        Problem::OrphanCompanion,
    ] {
        let bucket = memory();
        populated(&bucket).await;
        let host = surveyor(&bucket, 2, true);
        let expected = plant(&bucket, &host, problem).await;
        let before = keys(&bucket, "").await;
        let mut options = a_minute_later(&bucket).await;
        options.repair = true;
        let checked = host.check(&options, &nothing).await.unwrap();
        assert_eq!((codes(&checked), checked.young, checked.problems()), (vec![], 1, 0), "{problem:?}");
        assert!(!checked.is_clean(), "{problem:?}");
        assert_eq!(keys(&bucket, "").await, before, "{problem:?}");
        (options.repair, options.now.0) = (false, options.now.0 + 600_000);
        let checked = host.check(&options, &nothing).await.unwrap();
        assert_eq!((codes(&checked), checked.young), (expected, 0), "{problem:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_bucket_is_counted_without_reading_it() {
    let bucket = memory();
    let host = populated(&bucket).await;
    plant(&bucket, &host, Problem::StubsLeft).await;
    put(&bucket, "elsewhere/x", "12345").await;
    host.claim(&account("b"), &session("x"), &share(30), Timestamp(1)).await.unwrap();
    bucket.age(&format!("share/{}", share(3)), Duration::from_secs(5));
    for sorted in [true, false] {
        bucket.counts.reset();
        let stats = surveyor(&bucket, 2, sorted).stats(&nothing).await.unwrap();
        assert_eq!(bucket.counts.all()[..2], [0, 0], "nothing is read");
        assert_eq!((stats.shares, stats.deleted, stats.accounts, stats.sessions), (3, 2, 2, 4));
        // 5 of the first; 7 of the second; the newest covered one and one more of the third.
        assert_eq!((stats.segments.objects, stats.runs.objects, stats.stubs.objects), (14, 3, 2));
        assert_eq!((stats.index.objects, stats.tombstones.objects), (9, 2));
        assert_eq!((stats.other.objects, stats.other.bytes), (1, 5));
        assert_eq!(stats.all.objects, keys(&bucket, "").await.len() as u64);
        assert!((stats.objects_a_share() - 17.0 / 3.0).abs() < 1e-9);
        let largest: Vec<_> = stats.largest.iter().map(|size| size.share.clone()).collect();
        assert_eq!((largest.len(), &largest[0]), (3, &share(2)));
        assert!(stats.largest.is_sorted_by(|a, b| a.all.bytes >= b.all.bytes));
        assert_eq!(stats.oldest.unwrap().share, share(3));
        assert_ne!(stats.newest.unwrap().share, share(3));
    }
}
