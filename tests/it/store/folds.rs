//! Folds: what a log comes to as it grows, and who may still read and write what is folded.

use std::time::Duration;

use capshare::__internal::store::{Appended, Log, News, Occasion, Opened, Store, StoreSettings};
use capshare::share::change::{Batch, Change, Stamp};
use capshare::share::entry::Entry;
use capshare::share::id::ProducerId;
use capshare::share::item::{ItemKey, Payload};
use capshare::share::revision::Revision;
use capshare::share::state::{Outcome, State};
use capshare::share::time::Timestamp;
use capshare::testing::run;

use super::faults::in_memory as bucket;
use super::{DELETE, account, created, holding, host, host_with, is_deleted, keys, open_entry, session, share, sync};
use crate::support::bucket::{Fault, TestBucket};

/// Folds early.
pub(super) fn settings() -> StoreSettings {
    let mut settings = StoreSettings::default();
    settings.fold_segments = 4;
    settings
}

/// A log with the state that it came to.
pub(super) struct Held {
    pub(super) log: Log,
    pub(super) state: State,
}

impl Held {
    pub(super) async fn create(store: &Store) -> Self {
        let log = created(store, &share(1), &[open_entry()]).await;
        Self { log, state: News::from(vec![open_entry()]).into_state() }
    }

    pub(super) async fn open(store: &Store) -> Self {
        match store.open_log(&share(1)).await.unwrap() {
            Opened::Open(log, news) => Self { log, state: news.into_state() },
            other @ (Opened::Absent(_) | Opened::Deleted) => panic!("{other:?}"),
        }
    }

    pub(super) fn learn(&mut self, news: News) {
        if let Some(state) = news.state {
            self.state = *state;
        }
        for entry in &news.entries {
            self.state.apply(entry);
        }
    }

    pub(super) async fn append(&mut self, entry: Entry) -> Outcome {
        loop {
            match self.log.append(std::slice::from_ref(&entry)).await.unwrap() {
                Appended::Written => return self.state.apply(&entry),
                Appended::Behind(news) => self.learn(news),
            }
        }
    }

    /// Writes the fold that is due, if one is; what it supersedes is freed in time.
    pub(super) async fn fold(&mut self, occasion: Occasion) -> bool {
        let Some(fold) = self.log.fold(occasion, &self.state) else { return false };
        let (folded, frees) = fold.run().await.unwrap().unwrap();
        self.log.folded(&folded);
        tokio::spawn(frees.run());
        true
    }
}

fn names(keys: &[String]) -> Vec<&str> {
    keys.iter().map(|key| key.split_once('/').unwrap().1.split_once('/').unwrap().1).collect()
}

#[test]
fn a_folded_log_is_opened_by_one_listing_and_one_read() {
    run(async {
        let bucket = bucket();
        let mut held = Held::create(&host(&bucket, 1)).await;
        for n in 0..50 {
            held.append(sync(&n.to_string())).await;
        }
        assert!(!held.fold(Occasion::Busy).await, "64 segments gather first");
        assert!(held.fold(Occasion::Idle).await);
        assert!(!held.log.is_unfolded() && !held.fold(Occasion::Still).await, "there is nothing left to fold");
        bucket.counts.reset();
        let opened = Held::open(&host(&bucket, 2)).await;
        assert_eq!(bucket.counts.all(), [0, 2, 1, 0], "the tombstone is looked for, the run is read");
        assert_eq!(opened.state, held.state);
        assert_eq!(opened.log.log_bytes(), held.log.log_bytes());
        // Both go on from there.
        let (mut here, mut there) = (held, opened);
        here.append(sync("here")).await;
        there.append(sync("there")).await;
        here.append(sync("here again")).await;
        assert_eq!(Held::open(&host(&bucket, 3)).await.state, here.state);
    });
}

/// Everything a fold keeps is there after any number of them, whoever reads: also the numbers that a batch sent again is
/// answered with.
#[test]
fn a_batch_sent_again_after_folds_and_restarts_counts_once() {
    run(async {
        let bucket = bucket();
        let stamped = |sequence| {
            let stamp = Stamp { producer: ProducerId::from_bits(7), epoch: 3, sequence };
            let value = Some(Payload::from_checked_json(&sequence.to_string()));
            let changes = vec![Change { key: ItemKey::message(&(sequence % 9).to_string()).unwrap(), value }];
            Entry::Sync { at: Timestamp(2), batch: Batch { stamp: Some(stamp), changes } }
        };
        let mut held = Held::create(&host_with(&bucket, 1, settings())).await;
        for n in 1..=40 {
            assert!(matches!(held.append(stamped(n)).await, Outcome::Synced { sync_count, .. } if sync_count == n));
            held.fold(Occasion::Busy).await;
            if n % 7 == 0 {
                held = Held::open(&host_with(&bucket, n.into(), settings())).await;
                let again = held.append(stamped(n)).await;
                assert_eq!(again, Outcome::Duplicate { sync_count: n, revision: Revision(n) });
            }
        }
    });
}

/// Opening costs a number of reads that does not grow, and the runs stay within what they may take.
#[test]
fn a_long_log_stays_cheap_to_read_and_to_write() {
    run(async {
        let bucket = bucket();
        let mut held = Held::create(&host(&bucket, 1)).await;
        let mut reads = Vec::new();
        for n in 0..3_000 {
            // A part that grows, as producers send it.
            let text = "All work and no play makes a dull session. ".repeat(1 + n % 25);
            let value = Some(Payload::from_checked_json(&format!("{{\"n\":{n},\"text\":\"{text}\"}}")));
            let changes = vec![Change { key: ItemKey::part("m", &(n / 25).to_string()).unwrap(), value }];
            held.append(Entry::Sync { at: Timestamp(2), batch: Batch { stamp: None, changes } }).await;
            held.fold(Occasion::Busy).await;
            tokio::time::sleep(Duration::from_secs(1)).await;
            if n % 500 == 499 {
                bucket.counts.reset();
                assert_eq!(Held::open(&host(&bucket, 2)).await.state, held.state);
                let [_, gets, lists, _] = bucket.counts.all();
                reads.push(gets + lists);
            }
        }
        assert!(reads.iter().all(|reads| *reads <= 4 * 64 + 16), "{reads:?}");
        held.fold(Occasion::Idle).await;
        let log_bytes = held.log.log_bytes() as f64;
        let runs = Box::pin(stored(&bucket, "/fold/")).await;
        assert!(runs as f64 <= 0.25 * log_bytes, "{runs} bytes of runs for {log_bytes} of log");
        tokio::time::sleep(Duration::from_secs(200)).await;
        let left = keys(&bucket, "share/").await;
        assert_eq!(names(&left), ["fold/000000000000-000000003001", "log/000000003001"]);
    });
}

/// Bytes of the objects there are.
async fn stored(bucket: &TestBucket, part: &str) -> u64 {
    use futures::TryStreamExt as _;
    use object_store::ObjectStore as _;
    let objects: Vec<_> = bucket.list(None).try_collect().await.unwrap();
    objects.iter().filter(|meta| meta.location.as_ref().contains(part)).map(|meta| meta.size).sum()
}

/// Values that are all new and cannot be packed: the reads stay bounded all the same.
#[test]
fn a_log_that_cannot_be_packed_is_read_in_bounded_pieces() {
    run(async {
        let bucket = bucket();
        let mut held = Held::create(&host(&bucket, 1)).await;
        for n in 0..2_000 {
            let text = noise(1_000, n);
            let value = Some(Payload::from_checked_json(&format!("\"{text}\"")));
            let changes = vec![Change { key: ItemKey::message(&n.to_string()).unwrap(), value }];
            held.append(Entry::Sync { at: Timestamp(2), batch: Batch { stamp: None, changes } }).await;
            held.fold(Occasion::Busy).await;
        }
        bucket.counts.reset();
        assert_eq!(Held::open(&host(&bucket, 2)).await.state, held.state);
        let [_, gets, lists, _] = bucket.counts.all();
        assert!(gets + lists <= 4 * 64 + 16, "{gets} + {lists}");
    });
}

/// A log that is written to faster than its host may pack is folded seldom, until there is time again.
#[test]
fn a_log_that_grows_too_fast_gathers_until_there_is_time_to_fold_it() {
    run(async {
        let bucket = bucket();
        let mut settings = settings();
        settings.fold_segments = 2;
        let mut held = Held::create(&host_with(&bucket, 1, settings)).await;
        let text = "All work and no play makes a dull session. ".repeat(1_500);
        let folds = async |held: &mut Held, appends: u64| {
            let mut folds = 0;
            for n in 0..appends {
                let value = Some(Payload::from_checked_json(&format!("\"{n} {text}\"")));
                let changes = vec![Change { key: ItemKey::message("m").unwrap(), value }];
                held.append(Entry::Sync { at: Timestamp(2), batch: Batch { stamp: None, changes } }).await;
                folds += u64::from(held.fold(Occasion::Busy).await);
            }
            folds
        };
        let rested = folds(&mut held, 320).await;
        assert!(rested > 100, "{rested}: at first each second append or so is followed by a fold");
        folds(&mut held, 2_560).await;
        let tired = folds(&mut held, 320).await;
        assert!((9..=11).contains(&tired), "{tired}: then one is made for each 32 segments");
        tokio::time::sleep(Duration::from_secs(60)).await;
        let rested = folds(&mut held, 320).await;
        assert!(rested > 100, "{rested}");
    });
}

/// A host that slept while others wrote, folded and freed goes on from the state, and writes nothing twice.
#[test]
fn a_log_that_slept_through_folds_and_frees_goes_on_from_the_state() {
    run(async {
        let bucket = bucket();
        let mut awake = Held::create(&host_with(&bucket, 1, settings())).await;
        let mut asleep = Held::open(&host_with(&bucket, 2, settings())).await;
        for n in 0..20 {
            awake.append(sync(&n.to_string())).await;
            awake.fold(Occasion::Busy).await;
        }
        tokio::time::sleep(Duration::from_secs(300)).await;
        let left = keys(&bucket, "share/").await;
        assert!(!left.contains(&format!("share/{}/log/000000000002", share(1))), "it was freed: {left:?}");
        assert!(matches!(asleep.append(sync("late")).await, Outcome::Synced { sync_count: 21, .. }));
        let Appended::Behind(news) = awake.log.append(&[sync("next")]).await.unwrap() else { panic!() };
        assert!(news.state.is_none(), "a host that is not behind the runs reads segments");
        awake.learn(news);
        assert_eq!(awake.state, asleep.state);
    });
}

/// Each host folds what it has read, and knows nothing of the others' runs; whoever opens the log frees what runs supersede.
/// Whichever runs are left, nothing of the log is missing.
#[test]
fn hosts_that_fold_one_log_each_for_itself_lose_nothing() {
    for seed in 1..=20 {
        run(async {
            let bucket = bucket();
            let mut random = seed;
            let mut below = |end: u64| {
                random = u64::wrapping_mul(random, 0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
                (random >> 33) % end
            };
            let host = |n: usize| host_with(&bucket, n as u128, settings());
            let mut hosts = vec![Held::create(&host(0)).await];
            hosts.extend([Held::open(&host(1)).await, Held::open(&host(2)).await]);
            let mut syncs = 0;
            for _ in 0..300 {
                let n = below(3) as usize;
                match below(40) {
                    0 => {
                        hosts[n] = Held::open(&host(n)).await;
                        if let Some(leftovers) = hosts[n].log.take_leftovers() {
                            tokio::spawn(leftovers.run());
                        }
                    }
                    1 => tokio::time::sleep(Duration::from_secs(below(200))).await,
                    _ => {
                        let text = noise(2_000, below(u64::MAX));
                        let value = Some(Payload::from_checked_json(&format!("\"{text}\"")));
                        let key = ItemKey::message(&below(60).to_string()).unwrap();
                        let value = value.filter(|_| below(5) > 0);
                        let batch = Batch { stamp: None, changes: vec![Change { key, value }] };
                        let outcome = hosts[n].append(Entry::Sync { at: Timestamp(2), batch }).await;
                        syncs += 1;
                        assert!(matches!(outcome, Outcome::Synced { sync_count, .. } if sync_count == syncs));
                        hosts[n].fold(Occasion::Busy).await;
                    }
                }
            }
            tokio::time::sleep(Duration::from_secs(200)).await;
            let state = Held::open(&host(9)).await.state;
            assert_eq!(state.sync_count(), syncs, "seed {seed}");
            for held in &mut hosts {
                let news = held.log.catch_up().await.unwrap();
                held.learn(news);
                assert_eq!(held.state, state, "seed {seed}");
            }
        });
    }
}

/// Text that cannot be packed.
fn noise(bytes: usize, mut seed: u64) -> String {
    let mut text = String::new();
    while text.len() < bytes {
        seed = seed.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
        text += &format!("{:x}", seed >> 20);
    }
    text
}

/// An append whose outcome can no longer be told, because others folded its place meanwhile, is given up at once.
#[test]
fn an_append_that_a_fold_overtook_asks_no_further() {
    run(async {
        let bucket = bucket();
        let mut settings = settings();
        // Then a look that begins 25 seconds after the last one lists.
        settings.free_after = Duration::ZERO;
        let [one, two] = [1, 2].map(|n| host_with(&bucket, n, settings.clone()));
        let (mut quick, mut slow) = (Held::create(&one).await, Held::open(&two).await);
        for n in 0..6 {
            quick.append(sync(&n.to_string())).await;
        }
        assert!(quick.fold(Occasion::Busy).await);
        tokio::time::sleep(Duration::from_millis(9_900)).await;
        bucket.next_writes([Some(Fault::Slow(Duration::from_secs(60)))]);
        bucket.counts.reset();
        assert!(slow.log.append(&[sync("lost")]).await.unwrap_err().is_transient());
        assert_eq!(bucket.counts.all()[..3], [1, 3, 1], "a write; a read, the tombstone and the run; a listing");
        assert!(matches!(slow.append(sync("again")).await, Outcome::Synced { sync_count: 7, .. }));
    });
}

/// A run that lands on a share that was deleted meanwhile goes with it.
#[test]
fn a_fold_that_a_deletion_overtakes_leaves_nothing() {
    run(async {
        let bucket = bucket();
        let (here, there) = (host_with(&bucket, 1, settings()), host_with(&bucket, 2, settings()));
        let mut held = Held::create(&here).await;
        for n in 0..6 {
            held.append(sync(&format!("precious-{n}"))).await;
        }
        let fold = held.log.fold(Occasion::Busy, &held.state).unwrap();
        let late = held.log.fold(Occasion::Idle, &held.state).unwrap();
        let mut other = Held::open(&there).await;
        assert_eq!(other.append(DELETE).await, Outcome::Deleted);
        let freeing = other.log.erase(&account("a"), &session("s")).await.unwrap().unwrap();
        assert!(fold.run().await.unwrap().is_none());
        assert_eq!(holding(&bucket, "precious").await, [] as [&str; 0]);
        // One whose host stops before it can look again is met when the keys are freed.
        bucket.next_writes([Some(Fault::LandsLate(Duration::from_secs(30)))]);
        late.run().await.unwrap_err();
        tokio::time::sleep(Duration::from_secs(60)).await;
        assert_eq!(holding(&bucket, "precious").await.len(), 1);
        assert!(is_deleted(&there, &share(1)).await);
        freeing.run().await.unwrap();
        assert_eq!(keys(&bucket, "share/").await, [] as [&str; 0]);
        // A log that does not know how it stands folds nothing.
        tokio::time::sleep(Duration::from_secs(30)).await;
        assert!(held.log.fold(Occasion::Still, &held.state).is_none());
    });
}

#[test]
fn superseded_objects_of_a_host_that_stopped_are_freed_by_the_next_that_opens() {
    run(async {
        let bucket = bucket();
        let mut held = Held::create(&host_with(&bucket, 1, settings())).await;
        for n in 0..6 {
            held.append(sync(&n.to_string())).await;
        }
        let fold = held.log.fold(Occasion::Busy, &held.state).unwrap();
        let (folded, frees) = fold.run().await.unwrap().unwrap();
        assert_eq!(frees.len(), 6);
        held.log.folded(&folded);
        drop(frees);
        let mut opened = Held::open(&host_with(&bucket, 2, settings())).await;
        let leftovers = opened.log.take_leftovers().unwrap();
        assert_eq!(leftovers.len(), 6);
        assert!(opened.log.take_leftovers().is_none());
        leftovers.run().await.unwrap();
        assert_eq!(names(&keys(&bucket, "share/").await), ["fold/000000000000-000000000007", "log/000000000007"]);
        assert_eq!(Held::open(&host(&bucket, 3)).await.state, opened.state);
    });
}

#[test]
fn a_fold_whose_answer_is_lost_or_that_another_host_made_is_taken_for_made() {
    run(async {
        let bucket = bucket();
        let mut held = Held::create(&host_with(&bucket, 1, settings())).await;
        for n in 0..6 {
            held.append(sync(&n.to_string())).await;
        }
        bucket.next_writes([Some(Fault::BareExists)]);
        let bare = held.log.fold(Occasion::Busy, &held.state).unwrap().run().await.unwrap_err();
        assert!(bare.is_transient(), "it is not there: {bare}");
        let (first, second) =
            [(); 2].map(|()| held.log.fold(Occasion::Busy, &held.state).unwrap()).map(|fold| fold.run()).into();
        let (first, second) = tokio::join!(first, second);
        held.log.folded(&first.unwrap().unwrap().0);
        held.log.folded(&second.unwrap().unwrap().0);
        assert_eq!(Held::open(&host(&bucket, 2)).await.state, held.state);
        assert!(held.append(sync("more")).await != Outcome::Void);
    });
}
