//! What is asked of a bucket to open a share, however much lies in its log that is superseded.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use capshare::__internal::store::{Occasion, Store, StoreSettings};
use capshare::testing::run;
use object_store::ObjectStoreExt as _;
use object_store::memory::InMemory;
use object_store::path::Path;
use tokio::time::Instant;

use super::folds::Held;
use super::{host, host_with, keys, share, sync};
use crate::support::bucket::{PAGE, TestBucket};

/// Superseded segments, more than two pages of them, and the newest that is covered.
const COVERED: u64 = 2 * PAGE as u64 + 500;

/// How long each read takes.
const READ: Duration = Duration::from_millis(20);

fn segment(number: u64) -> String {
    format!("share/{}/log/{number:012}", share(1))
}

fn run_to(to: u64) -> String {
    format!("share/{}/fold/{:012}-{to:012}", share(1), 0)
}

async fn fill(held: &mut Held, segments: u64) {
    for n in 0..segments {
        held.append(sync(&(n % 9).to_string())).await;
    }
}

/// Folds all into one, and leaves what that supersedes to whoever opens the share.
async fn fold(held: &mut Held) {
    let (folded, frees) = held.log.fold(Occasion::Still, &held.state).unwrap().run().await.unwrap().unwrap();
    drop(frees);
    held.log.folded(&folded);
}

/// A share with so many segments, all covered by one run, and its log at one host.
async fn folded(segments: u64) -> (Arc<TestBucket>, Held) {
    let bucket = TestBucket::over(Arc::new(InMemory::new()));
    let mut held = Held::create(&host(&bucket, 1)).await;
    fill(&mut held, segments - 1).await;
    fold(&mut held).await;
    (bucket, held)
}

/// Opens the share, and tells what was asked for, sorted, and for how many reads one after the other that took.
async fn watched(bucket: &Arc<TestBucket>, store: &Store) -> (Held, Vec<String>, u32) {
    bucket.takes(READ);
    bucket.counts.reset();
    let begun = Instant::now();
    let opened = Held::open(store).await;
    let rounds = begun.elapsed().as_millis() / READ.as_millis();
    bucket.takes(Duration::ZERO);
    let mut asked = bucket.counts.touched();
    asked.sort();
    (opened, asked, rounds as u32)
}

fn tombstone() -> String {
    format!("tomb/{}", share(1))
}

/// Of a whole page and the rest.
fn pages(count: usize) -> Vec<String> {
    vec![format!("share/{}", share(1)); count]
}

/// S23: the tombstone and a page, then the run and what comes after it. What was passed over is freed all the same.
#[test]
fn a_share_is_opened_in_two_rounds_however_much_of_its_log_is_superseded() {
    run(async {
        let (bucket, mut held) = folded(COVERED).await;
        let whole = run_to(COVERED);
        let (opened, asked, rounds) = watched(&bucket, &host(&bucket, 2)).await;
        assert_eq!(asked, [pages(2), vec![whole.clone(), tombstone()]].concat());
        assert_eq!((rounds, &opened.state), (2, &held.state));

        // What came after it, in one more.
        fill(&mut held, 3).await;
        let (mut opened, asked, rounds) = watched(&bucket, &host(&bucket, 3)).await;
        let loose = (1..=3).map(|n| segment(COVERED + n)).collect();
        assert_eq!(asked, [pages(2), vec![whole.clone()], loose, vec![tombstone()]].concat());
        assert_eq!((rounds, &opened.state), (3, &held.state));
        let leftovers = opened.log.take_leftovers().unwrap();
        assert_eq!(leftovers.len() as u64, COVERED - 1);
        leftovers.run().await.unwrap();
        let left: Vec<_> = [whole].into_iter().chain((0..=3).map(|n| segment(COVERED + n))).collect();
        assert_eq!(keys(&bucket, "share/").await, left);
        assert_eq!(Held::open(&host(&bucket, 4)).await.state, held.state);
    });
}

/// A page that is not full is all there is, and so is one that ends where the runs end.
#[test]
fn a_share_whose_objects_fit_a_page_is_opened_by_one_listing() {
    for segments in [PAGE as u64 - 2, PAGE as u64 - 1] {
        run(async {
            let (bucket, held) = folded(segments).await;
            let (opened, asked, rounds) = watched(&bucket, &host(&bucket, 2)).await;
            assert_eq!(asked, [pages(1), vec![run_to(segments), tombstone()]].concat());
            assert_eq!((rounds, opened.state), (2, held.state));
        });
    }
}

/// A run that is listed later might be longer.
#[test]
fn a_bucket_that_lists_in_no_order_is_listed_to_the_end() {
    run(async {
        let (bucket, held) = folded(COVERED).await;
        bucket.shuffled.store(true, Ordering::Relaxed);
        let (opened, asked, _) = watched(&bucket, &host(&bucket, 2)).await;
        assert_eq!(asked, [pages(3), vec![run_to(COVERED), tombstone()]].concat());
        assert_eq!(opened.state, held.state);
    });
}

/// Others fold further and free, before what was passed over is made up for, or while that is done: what was read does not
/// fit, and all is listed again.
#[test]
fn a_run_that_goes_between_the_listing_and_the_read_makes_it_list_again() {
    for (after, run_goes) in [(READ / 2, true), (READ / 2, false), (READ + READ / 2, true), (READ + READ / 2, false)] {
        run(async {
            let (bucket, mut held) = folded(COVERED).await;
            fill(&mut held, 3).await;
            fold(&mut held).await;
            let longer = Path::parse(run_to(COVERED + 3)).unwrap();
            let bytes = bucket.get(&longer).await.unwrap().bytes().await.unwrap();
            bucket.delete(&longer).await.unwrap();
            let others = bucket.clone();
            tokio::spawn(async move {
                tokio::time::sleep(after).await;
                others.put(&longer, bytes.into()).await.unwrap();
                let gone = (1..COVERED + 3).map(segment).chain(run_goes.then(|| run_to(COVERED)));
                for key in gone {
                    others.delete(&Path::parse(key).unwrap()).await.unwrap();
                }
            });
            let (opened, asked, _) = watched(&bucket, &host(&bucket, 2)).await;
            assert_eq!(opened.state, held.state, "{after:?} {run_goes}");
            assert_eq!(asked.iter().filter(|key| **key == tombstone()).count(), 2, "two looks: {asked:?}");
            assert!(asked.contains(&run_to(COVERED + 3)), "{asked:?}");
            let news = held.log.catch_up().await.unwrap();
            assert!(news.is_empty());
        });
    }
}

/// A host that knows the log, but not whether that is still true, passes over what it knows.
#[test]
fn a_log_that_slept_passes_over_what_it_has_read() {
    run(async {
        let (bucket, mut held) = folded(COVERED).await;
        let mut asleep = Held::open(&host(&bucket, 2)).await;
        fill(&mut held, 2).await;
        let mut behind = Held::open(&host(&bucket, 3)).await;
        tokio::time::sleep(Duration::from_secs(70)).await;
        bucket.counts.reset();
        let news = asleep.log.catch_up().await.unwrap();
        assert_eq!((news.state.is_none(), news.entries.len()), (true, 2));
        let mut asked = bucket.counts.touched();
        asked.sort();
        // The next segment is asked for first: it may be that too much time went by, and nothing else.
        let loose = [1, 1, 2].map(|n| segment(COVERED + n)).to_vec();
        assert_eq!(asked, [pages(2), loose, vec![tombstone()]].concat());
        // One that runs have overtaken begins anew from them.
        fill(&mut held, 2).await;
        fold(&mut held).await;
        let news = behind.log.catch_up().await.unwrap();
        assert_eq!((news.entries.len(), news.into_state()), (0, held.state));
    });
}

/// The limit on what is freed unseen: the rest goes when the share is opened again.
#[test]
fn what_was_passed_over_is_freed_in_bounded_pieces() {
    run(async {
        let (bucket, held) = folded(10_200).await;
        let mut settings = StoreSettings::default();
        settings.listing_page = 100;
        for left in [101, 1] {
            let mut opened = Held::open(&host_with(&bucket, 2, settings.clone())).await;
            assert_eq!(opened.state, held.state);
            let leftovers = opened.log.take_leftovers().unwrap();
            assert_eq!(leftovers.len(), if left > 1 { 99 + 10_000 } else { 100 });
            leftovers.run().await.unwrap();
            assert_eq!(keys(&bucket, "share/").await.len(), 1 + left);
        }
    });
}

/// S23: a state that is small beside its log costs next to nothing to fold, and is folded by the host that wrote last; in all
/// pauses together no more than a twenty-fourth of the log is written.
#[test]
fn what_is_small_beside_its_log_is_folded_in_a_pause() {
    run(async {
        let bucket = TestBucket::over(Arc::new(InMemory::new()));
        let mut held = Held::create(&host(&bucket, 1)).await;
        let (mut folds, mut spent) = (0, 0);
        for n in 0..3_000 {
            held.append(sync(&(n % 9).to_string())).await;
            if n % 500 == 0 {
                let other = Held::open(&host(&bucket, 2)).await;
                assert!(
                    other.log.is_unfolded() && !other.log.is_worth_a_pause(&other.state),
                    "another host wrote last"
                );
                assert!(other.log.fold(Occasion::Pause, &other.state).is_none());
            }
            let (worth_it, before) = (held.log.is_worth_a_pause(&held.state), bucket.counts.put_bytes());
            assert_eq!(held.fold(Occasion::Pause).await, worth_it);
            folds += u64::from(worth_it);
            spent += bucket.counts.put_bytes() - before;
        }
        assert!((10..1_000).contains(&folds), "{folds} folds");
        // What one comes to is known when it is made.
        let allowed = held.log.log_bytes() / 24 + 1_000;
        assert!(spent <= allowed, "{spent} of {allowed} bytes");

        // As much state as log: never.
        let bucket = TestBucket::over(Arc::new(InMemory::new()));
        let mut held = Held::create(&host(&bucket, 1)).await;
        for n in 0..1_000 {
            held.append(sync(&format!("{}{n}", "x".repeat(100)))).await;
            assert!(!held.fold(Occasion::Pause).await);
        }
    });
}

/// Requests of hosts that had slept land in freed places, one behind the other, and the bucket lists in no order: what does not follow may be
/// such a segment, and all is listed again before it is called damage.
#[test]
fn segments_that_landed_late_beside_a_run_that_was_passed_over_are_no_damage() {
    run(async {
        let (bucket, mut held) = folded(7).await;
        let mut settings = StoreSettings::default();
        settings.listing_page = 1;
        let slow = host_with(&bucket, 2, settings);
        let (mut asleep, mut late) = (Held::open(&slow).await, Held::open(&slow).await);
        let place = Path::parse(segment(8)).unwrap();
        late.append(sync("late")).await;
        let landed = bucket.get(&place).await.unwrap().bytes().await.unwrap();
        bucket.delete(&place).await.unwrap();
        fill(&mut held, 5).await;
        fold(&mut held).await;
        bucket.delete(&place).await.unwrap();
        bucket.put(&place, landed.into()).await.unwrap();
        for number in [10, 11] {
            bucket.delete(&Path::parse(segment(number)).unwrap()).await.unwrap();
        }
        bucket.shuffled.store(true, Ordering::Relaxed);
        // So long that what was freed may have been filled anew.
        tokio::time::sleep(Duration::from_secs(120)).await;
        let news = asleep.log.catch_up().await.unwrap();
        assert_eq!(news.into_state(), held.state);
    });
}
