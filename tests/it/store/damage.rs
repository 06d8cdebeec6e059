//! Shares that are damaged: what a crash of a file system, a full disk, a broken copy or half a restore leaves. Nobody takes
//! them for deleted, nobody erases or frees anything of them, and a check names what is wrong.

use std::sync::Arc;
use std::time::Duration;

use capshare::__internal::store::{Appended, Claim, Log, Occasion, Opened, Problem, StoreError, Summary};
use capshare::testing::run;
use object_store::ObjectStoreExt as _;
use object_store::path::Path;

use super::folds::{Held, settings};
use super::garbage::{gc, objects};
use super::survey::{
    a_minute_later, check, codes, fold, memory, nothing, plant, populated, put, remove, segment, shared, surveyor, text,
};
use super::{DELETE, Timestamp, account, entries, host, host_with, is_deleted, keys, session, share, sync};
use crate::support::bucket::{Fault, TestBucket, dump};

/// The key of the object that cannot be read.
fn corrupt<T: std::fmt::Debug>(answer: Result<T, StoreError>) -> String {
    match answer {
        Err(StoreError::Corrupt { key, .. }) => key,
        other => panic!("{other:?}"),
    }
}

/// A share of seven segments that nobody has folded.
async fn seven(bucket: &Arc<TestBucket>) -> Log {
    shared(&surveyor(bucket, 1, true), 1, 6).await.0
}

/// Shows everything but what a collection asks for the time as so many hours older than it is.
fn aged(bucket: &TestBucket, hours: u64) {
    for begins in ["share/", "index/", "tomb/"] {
        bucket.age(begins, Duration::from_secs(hours * 3_600));
    }
}

/// S86: an empty segment is damage, wherever it stands: it is answered as that by who opens the share, creates it or writes to
/// it, and neither a host nor a collection erases anything. With its bytes again the share is what it was.
#[tokio::test(start_paused = true)]
async fn an_empty_segment_is_damage_and_not_a_deletion() {
    for number in [1, 4, 7] {
        let bucket = memory();
        let mut log = seven(&bucket).await;
        let key = segment(1, number);
        let before = text(&bucket, &key).await;
        put(&bucket, &key, "").await;
        let damaged = dump(&*bucket).await;

        let other = host(&bucket, 2);
        assert_eq!(corrupt(other.open_log(&share(1)).await), key);
        let claim = other.claim(&account("a"), &session("s1"), &share(2), Timestamp(1)).await.unwrap();
        assert_eq!(claim, Claim::Theirs(share(1)), "the next create finds the share that is there");
        assert_eq!(corrupt(other.create_log(&share(1), &[sync("anew")]).await), key);
        // A host whose tail is old looks before it writes.
        tokio::time::advance(Duration::from_secs(60)).await;
        if number == 7 {
            assert_eq!(
                log.append(&[sync("more")]).await.unwrap(),
                Appended::Written,
                "it has read the segment already"
            );
            remove(&bucket, &segment(1, 8)).await;
        }
        for repair in [false, true] {
            assert_eq!(codes(&check(&other, repair).await), [("empty-segment", key.clone())]);
        }
        aged(&bucket, 90 * 24);
        let freed = gc(&other, |_| {}).await;
        assert_eq!((objects(&freed), freed.passed_over), (vec![], 1));
        assert_eq!(dump(&*bucket).await, damaged, "nothing was erased, and there is no tombstone");

        put(&bucket, &key, before).await;
        assert!(matches!(other.open_log(&share(1)).await.unwrap(), Opened::Open(..)));
    }
}

/// S86: a host that stands right before an empty segment, and may trust its tail, does not take it for a deletion either.
#[tokio::test(start_paused = true)]
async fn an_empty_segment_after_the_tail_is_damage_and_not_a_deletion() {
    let bucket = memory();
    let mut log = seven(&bucket).await;
    put(&bucket, &segment(1, 8), "").await;
    assert_eq!(corrupt(log.catch_up().await), segment(1, 8));
    assert_eq!(corrupt(log.append(&[sync("more")]).await), segment(1, 8));
    assert_eq!(keys(&bucket, "tomb/").await, [] as [&str; 0]);
    remove(&bucket, &segment(1, 8)).await;
    assert_eq!(log.append(&[sync("more")]).await.unwrap(), Appended::Written);
}

/// A host that is stopped after any write of a deletion leaves a share that is deleted, that a check does not call damaged,
/// and that whoever opens it next, or a collection, erases to the end.
#[tokio::test(start_paused = true)]
async fn a_deletion_that_stopped_after_any_write_is_known_and_finished() {
    for written in 1..12 {
        for collected in [false, true] {
            let bucket = memory();
            let mut log = seven(&bucket).await;
            // The entry, the tombstone, the claim, and eight segments that are emptied.
            bucket.next_writes(
                std::iter::repeat_n(None, written).chain(std::iter::repeat_n(Some(Fault::LostRequest), 99)),
            );
            assert_eq!(log.append(&[DELETE]).await.unwrap(), Appended::Written);
            let erased = log.erase(&account("a"), &session("s1")).await;
            assert_eq!(erased.is_ok(), written == 11, "{written}");
            bucket.next_writes_are_over();
            let other = host(&bucket, 2);
            let told = codes(&check(&other, false).await);
            let damage = ["empty-segment", "missing-segment", "unreadable", "broken-chain"];
            assert!(told.iter().all(|(code, _)| !damage.contains(code)), "{written}: {told:?}");
            if collected {
                aged(&bucket, 1);
                gc(&other, |_| {}).await;
            } else {
                assert!(is_deleted(&other, &share(1)).await, "{written}");
            }
            assert!(is_deleted(&host(&bucket, 3), &share(1)).await, "{written}");
            assert_eq!(super::holding(&bucket, "message").await, [] as [&str; 0], "{written}");
        }
    }
}

/// S86: of a damaged share nothing is collected, also not what a run covers, whether or not its companion says that it lasts.
#[tokio::test(start_paused = true)]
async fn of_a_damaged_share_nothing_is_collected() {
    for torn in [false, true] {
        let bucket = memory();
        let store = surveyor(&bucket, 1, true);
        let (mut log, mut state) = shared(&store, 1, 6).await;
        fold(&mut log, &state).await;
        for more in ["x", "y", "z"].map(sync) {
            log.append(std::slice::from_ref(&more)).await.unwrap();
            state.apply(&more);
        }
        store.describe(&share(1), &Summary::of(&state, log.log_bytes(), log.segments()).unwrap()).await.unwrap();
        let key = segment(1, 9);
        if torn {
            put(&bucket, &key, "{").await
        } else {
            remove(&bucket, &key).await
        }
        aged(&bucket, 1);
        let before = dump(&*bucket).await;
        let freed = gc(&host(&bucket, 2), |_| {}).await;
        assert_eq!((objects(&freed), freed.passed_over), (vec![], 1));
        assert_eq!(dump(&*bucket).await, before);
        assert_eq!(codes(&check(&store, false).await), [(if torn { "unreadable" } else { "missing-segment" }, key)]);
    }
}

/// What was not damaged goes on: the entries of a whole share are those that were written.
#[tokio::test(start_paused = true)]
async fn a_damaged_share_is_no_matter_of_the_others() {
    let bucket = memory();
    drop(seven(&bucket).await);
    let (mut log, _) = shared(&host(&bucket, 1), 2, 2).await;
    put(&bucket, &segment(1, 3), "").await;
    assert_eq!(entries(log.catch_up().await.unwrap()), []);
    assert_eq!(log.append(&[sync("more")]).await.unwrap(), Appended::Written);
}

/// S86: half a copy of a bucket: every share that misses something is told, with what it misses.
#[tokio::test(start_paused = true)]
async fn every_damage_of_a_share_is_told_with_what_is_missing() {
    let bucket = memory();
    drop(seven(&bucket).await);
    remove(&bucket, &segment(1, 2)).await;
    remove(&bucket, &segment(1, 3)).await;
    remove(&bucket, &segment(1, 6)).await;
    put(&bucket, &segment(1, 5), "{").await;
    remove(&bucket, "index/a/s1/000000000001").await;
    let checked = check(&host(&bucket, 2), false).await;
    let told: Vec<_> =
        checked.findings.iter().map(|f| (f.problem.code(), f.key.as_str(), f.detail.is_some())).collect();
    let (two, five, six) = (segment(1, 2), segment(1, 5), segment(1, 6));
    let expected = [
        ("orphan-companion", "index/a/s1/000000000001-about", false),
        ("share-without-claim", &format!("share/{}", share(1)), false),
        ("missing-segment", &two, true),
        ("unreadable", &five, true),
        ("missing-segment", &six, false),
    ];
    assert_eq!(told, expected);
    assert!(checked.findings[2].detail.as_ref().unwrap().contains("000000000003"), "{:?}", checked.findings[2]);
}

/// S86: a run that is lost with the segments that were freed for it.
#[tokio::test(start_paused = true)]
async fn a_lost_run_is_told_as_the_segments_that_it_stood_for() {
    let bucket = memory();
    let store = surveyor(&bucket, 1, true);
    let (log, state) = shared(&store, 1, 6).await;
    let (_folded, frees) =
        log.fold(capshare::__internal::store::Occasion::Still, &state).unwrap().run().await.unwrap().unwrap();
    frees.run().await.unwrap();
    let run = keys(&bucket, &format!("share/{}/fold/", share(1))).await;
    remove(&bucket, &run[0]).await;
    assert_eq!(codes(&check(&store, false).await), [("missing-segment", segment(1, 1))]);
    assert_eq!(corrupt(host(&bucket, 2).open_log(&share(1)).await), segment(1, 1));
}

/// A claim that is gone, empty or torn is claimed again by a repair, from the share's own log; then the session is the same
/// share as before, and a repair that comes late takes it from nobody.
#[tokio::test(start_paused = true)]
async fn a_lost_claim_is_mended() {
    for damage in ["gone", "empty", "torn", "turned by a bit"] {
        let bucket = memory();
        let mut log = seven(&bucket).await;
        let key = "index/a/s1/000000000001";
        remove(&bucket, &format!("{key}-about")).await;
        let before = text(&bucket, key).await;
        match damage {
            "gone" => remove(&bucket, key).await,
            "empty" => put(&bucket, key, "").await,
            "torn" => put(&bucket, key, before[..before.len() / 2].to_owned()).await,
            _ => put(&bucket, key, before.replacen("capshare", "capshire", 1)).await,
        }
        let other = host(&bucket, 2);
        let told = codes(&check(&other, false).await);
        assert!(told.contains(&("share-without-claim", format!("share/{}", share(1)))), "{damage}: {told:?}");
        let checked = check(&other, true).await;
        assert!(checked.findings.iter().any(|f| f.problem.code() == "share-without-claim" && f.mended), "{damage}");
        let claim = other.claim(&account("a"), &session("s1"), &share(2), Timestamp(1)).await.unwrap();
        assert_eq!(claim, Claim::Theirs(share(1)), "{damage}");
        let listed = other.list(None, None, 10).await.unwrap();
        assert_eq!((listed.claims.len(), &listed.claims[0].share, listed.damaged.len()), (1, &share(1), 0), "{damage}");
        assert_eq!(listed.claims[0].at, Timestamp(1), "it is as old as its share");
        assert_eq!(log.append(&[sync("more")]).await.unwrap(), Appended::Written);
    }
}

/// A listing with a damaged claim has all the others, and says which it is; so has what an account's shares hold.
#[tokio::test(start_paused = true)]
async fn a_damaged_claim_hides_no_other() {
    let bucket = memory();
    let store = host(&bucket, 1);
    for n in 1..=4 {
        shared(&store, n, 1).await;
    }
    // One that has a companion is listed by that.
    for damaged in ["index/a/s2/000000000001", "index/a/s3/000000000001", "index/a/s3/000000000001-about"] {
        put(&bucket, damaged, "{").await;
    }
    let first = store.list(Some(&account("a")), None, 3).await.unwrap();
    let second = store.list(Some(&account("a")), first.next.as_ref(), 3).await.unwrap();
    let listed: Vec<_> = first.claims.iter().chain(&second.claims).map(|claim| claim.share.clone()).collect();
    assert_eq!(listed, [share(1), share(2), share(4)]);
    let [damaged] = &first.damaged[..] else { panic!("{:?}", first.damaged) };
    assert_eq!((&damaged.account, &damaged.session), (&account("a"), &session("s3")));
    assert!(damaged.error.to_string().contains("index/a/s3/000000000001"), "{}", damaged.error);
    assert_eq!(store.usage(&account("a")).await.unwrap().shares.len(), 3);
    assert_eq!(store.share_count(&account("a")).await.unwrap(), 4);
    assert_eq!(
        corrupt(store.claim(&account("a"), &session("s3"), &share(9), Timestamp(1)).await),
        "index/a/s3/000000000001"
    );
}

#[test]
fn a_corrupt_run_is_told_by_its_key_and_hides_nothing() {
    run(async {
        let bucket = memory();
        let mut held = Held::create(&host_with(&bucket, 1, settings())).await;
        for n in 0..6 {
            held.append(sync(&n.to_string())).await;
        }
        assert!(held.fold(Occasion::Busy).await);
        let key = Path::parse(format!("share/{}/fold/000000000000-000000000007", share(1))).unwrap();
        let whole = bucket.get(&key).await.unwrap().bytes().await.unwrap();
        for (bytes, reason) in [
            (whole.slice(..whole.len() - 9), "unpacked"),
            (whole.slice(..20), "unpacked"),
            (bytes::Bytes::from_static(b"plain"), "unpacked"),
            (repacked(&whole, |text| text.replace("\"capshare\":1", "\"capshare\":2")), "format 2"),
            (repacked(&whole, |text| text.replace("\"to\":7", "\"to\":8")), "says 0 to 8"),
            (repacked(&whole, |text| text.replace("\"items\":6", "\"items\":5")), "more lines"),
            (repacked(&whole, |text| text.replace("\"items\":6", "\"items\":7")), "cut off"),
            (repacked(&whole, |text| text.replace("message/3", "nothing/3")), "invalid item key"),
        ] {
            bucket.put(&key, bytes.into()).await.unwrap();
            let failure = host(&bucket, 5).open_log(&share(1)).await.unwrap_err();
            assert!(matches!(&failure, StoreError::Corrupt { key, .. } if key.contains("/fold/")), "{failure}");
            assert!(failure.to_string().contains(reason), "{failure}\ndoes not say: {reason}");
        }
    });
}

fn repacked(packed: &[u8], change: impl Fn(String) -> String) -> bytes::Bytes {
    use std::io::{Read as _, Write as _};
    let mut text = String::new();
    flate2::read::GzDecoder::new(packed).read_to_string(&mut text).unwrap();
    let changed = change(text.clone());
    assert_ne!(changed, text);
    let mut out = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    out.write_all(changed.as_bytes()).unwrap();
    out.finish().unwrap().into()
}

/// S86: what is damaged is named at once, whatever its age.
#[tokio::test(start_paused = true)]
async fn damage_is_told_at_once() {
    for problem in [
        Problem::Unreadable,
        Problem::EmptySegment,
        Problem::MissingSegment,
        Problem::LostTail,
        Problem::BrokenChain,
        Problem::WrongRun,
        Problem::NotOpened,
        Problem::ShareWithoutClaim,
        Problem::SessionTaken,
        Problem::LostLog,
    ] {
        let bucket = memory();
        populated(&bucket).await;
        let host = surveyor(&bucket, 2, true);
        let expected = plant(&bucket, &host, problem).await;
        let checked = host.check(&a_minute_later(&bucket).await, &nothing).await.unwrap();
        assert_eq!((codes(&checked), checked.young), (expected, 0), "{problem:?}");
    }
}
