//! Many hosts, many faults, and the checks that must hold whatever happens: a run for each seed, in virtual time.
//! `CAPSHARE_TEST_SEEDS` asks for more seeds than the usual 100.

use std::sync::Arc;
use std::sync::Mutex;
use std::time::Duration;

use capshare::__internal::store::{Appended, Claim, Created, Log, Opened, Store, StoreError, StoreSettings};
use capshare::share::entry::Entry;
use capshare::share::time::Timestamp;
use futures::future::join_all;
use object_store::memory::InMemory;
use tokio::time::Instant;

use super::{DELETE, account, created, holding, host_with, is_deleted, keys, open_entry, opened, session, share, sync};
use crate::support::bucket::{Fault, TestBucket};

const HOSTS: u64 = 3;
const APPENDS: u64 = 12;

fn seeds() -> u64 {
    std::env::var("CAPSHARE_TEST_SEEDS").map_or(100, |seeds| seeds.parse().unwrap())
}

/// `splitmix64`.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % bound
    }

    fn fault(&mut self) -> Option<Fault> {
        let delay = Duration::from_millis(2 + self.below(4_000));
        match self.below(20) {
            0 => Some(Fault::LostRequest),
            1 => Some(Fault::LostAnswer),
            2 => Some(Fault::Status503),
            3 => Some(Fault::BareExists),
            4 => Some(Fault::MetItself),
            5 => Some(Fault::LandsLate(delay)),
            _ => Some(Fault::Slow(delay / 20)),
        }
    }
}

/// Short, so that a run crosses them often: a lease of 2 s, requests of at most 6 s.
fn settings() -> StoreSettings {
    let mut settings = StoreSettings::default();
    settings.lease = Duration::from_secs(2);
    settings.request_time = Duration::from_secs(6);
    settings.append_time = Duration::from_secs(3);
    settings.free_after = Duration::from_secs(9);
    settings
}

fn stormy(seed: u64) -> Arc<TestBucket> {
    let bucket = TestBucket::over(Arc::new(InMemory::new()));
    let mut random = Random(seed ^ 0xfa_17);
    bucket.roll(move || random.fault());
    bucket
}

/// Asks until there is an answer, as a caller that is told "try again later" does.
async fn insist<T>(mut ask: impl AsyncFnMut() -> Result<T, StoreError>) -> T {
    loop {
        match ask().await {
            Ok(answer) => return answer,
            Err(error) => assert!(error.is_transient(), "{error:?}"),
        }
    }
}

/// What a host did and saw.
#[derive(Default)]
struct Part {
    acknowledged: Vec<Entry>,
    /// Failed or dropped: it may be in the log, and may not.
    unknown: Vec<Entry>,
    /// In order, since the log was last opened.
    seen: Vec<Entry>,
    /// When the last of the acknowledged was begun.
    last_begun: Option<Instant>,
    /// It met the deletion.
    stopped: bool,
}

/// One host's part: appends, now and then dropping one, forgetting its log, or pausing.
async fn produce(store: &Store, name: u64, random: &mut Random) -> Part {
    let mut part = Part::default();
    let mut log = None;
    for n in 0..APPENDS {
        if random.below(6) == 0 {
            tokio::time::sleep(Duration::from_millis(random.below(30_000))).await;
        }
        if random.below(10) == 0 {
            log = None;
        }
        let log = match &mut log {
            Some(log) => log,
            none => match insist(async || store.open_log(&share(1)).await).await {
                Opened::Open(opened, entries) => {
                    part.seen = super::entries(entries);
                    none.insert(opened)
                }
                Opened::Deleted | Opened::Absent(_) => {
                    part.stopped = true;
                    return part;
                }
            },
        };
        let entry = sync(&format!("precious-{name}-{n}"));
        let patience = Duration::from_millis(if random.below(8) == 0 { random.below(300) } else { 1_000_000 });
        loop {
            let begun = Instant::now();
            match tokio::time::timeout(patience, log.append(std::slice::from_ref(&entry))).await {
                Ok(Ok(Appended::Written)) => {
                    part.acknowledged.push(entry.clone());
                    part.seen.push(entry);
                    part.last_begun = Some(begun);
                    break;
                }
                Ok(Ok(Appended::Behind(others))) => {
                    let others = super::entries(others);
                    assert!(!others.is_empty());
                    part.stopped = others.iter().any(|entry| matches!(entry, Entry::Delete { .. }));
                    part.seen.extend(others);
                    if part.stopped {
                        return part;
                    }
                }
                Ok(Err(error)) => {
                    assert!(error.is_transient(), "{error:?}");
                    part.unknown.push(entry);
                    break;
                }
                Err(_) => {
                    part.unknown.push(entry);
                    break;
                }
            }
        }
    }
    part
}

#[test]
fn what_is_acknowledged_survives_any_storm_once_and_in_one_order() {
    let mut unknown_that_landed = 0;
    for seed in 0..seeds() {
        unknown_that_landed += paused().block_on(async move {
            let bucket = stormy(seed);
            let hosts: Vec<_> = (0..HOSTS).map(|n| host_with(&bucket, n.into(), settings())).collect();
            insist(async || hosts[0].create_log(&share(1), &[open_entry()]).await).await;
            let parts = join_all(
                hosts
                    .iter()
                    .zip(0..)
                    .map(|(store, n)| async move { produce(store, n, &mut Random(seed * HOSTS + n)).await }),
            )
            .await;
            tokio::time::sleep(Duration::from_secs(60)).await;
            bucket.calm();
            let (_, whole) = opened(&host_with(&bucket, 99, settings()), &share(1)).await;
            let times = |entry: &Entry| whole.iter().filter(|other| *other == entry).count();
            let mut landed = 0;
            for Part { acknowledged, unknown, seen, .. } in &parts {
                assert!(acknowledged.iter().all(|entry| times(entry) == 1), "seed {seed}: an acknowledged entry");
                assert!(unknown.iter().all(|entry| times(entry) <= 1), "seed {seed}: an unknown entry");
                assert_eq!(whole[..seen.len()], seen[..], "seed {seed}: a host saw another order");
                landed += unknown.iter().filter(|entry| times(entry) == 1).count();
            }
            let known: usize = 1 + parts.iter().map(|part| part.acknowledged.len()).sum::<usize>();
            assert_eq!(whole.len(), known + landed, "seed {seed}");
            landed
        });
    }
    assert!(unknown_that_landed > 0, "the storm was too mild to show anything");
}

#[test]
fn a_share_deleted_in_any_storm_stays_deleted_and_leaves_nothing() {
    let mut met = 0;
    for seed in 0..seeds() {
        met += paused().block_on(async move {
            let bucket = stormy(seed);
            let (who, what) = (account("a"), session("s"));
            let hosts: Vec<_> = (0..HOSTS).map(|n| host_with(&bucket, n.into(), settings())).collect();
            insist(async || hosts[0].claim(&who, &what, &share(1), Timestamp(0)).await).await;
            insist(async || hosts[0].create_log(&share(1), &[open_entry()]).await).await;
            let ended = Mutex::new(None);
            let producing = join_all(
                hosts
                    .iter()
                    .zip(0..)
                    .map(|(store, n)| async move { produce(store, n, &mut Random(seed * HOSTS + n)).await }),
            );
            let deleting = async {
                tokio::time::sleep(Duration::from_millis(Random(seed).below(60_000))).await;
                delete(&hosts[seed as usize % hosts.len()], &ended).await;
            };
            let (parts, ()) = tokio::join!(producing, deleting);
            let ended = ended.lock().unwrap().unwrap();
            for part in &parts {
                assert!(
                    part.last_begun.is_none_or(|begun| begun < ended),
                    "seed {seed}: acknowledged after the deletion"
                );
            }
            tokio::time::sleep(Duration::from_secs(600)).await;
            bucket.calm();
            let late = host_with(&bucket, 99, settings());
            assert!(is_deleted(&late, &share(1)).await, "seed {seed}");
            assert_eq!(holding(&bucket, "precious").await, [] as [&str; 0], "seed {seed}");
            assert_eq!(late.claim(&who, &what, &share(2), Timestamp(0)).await.unwrap(), Claim::Ours, "seed {seed}");
            created(&late, &share(2), &[open_entry()]).await;
            parts.iter().filter(|part| part.stopped).count()
        });
    }
    assert!(met > seeds() as usize / 2, "too few producers met a deletion: {met}");
}

/// Deletes the share, by whatever it takes; the keys are freed when it is time.
async fn delete(store: &Store, ended: &Mutex<Option<Instant>>) {
    let (who, what) = (account("a"), session("s"));
    let mut log: Log = match insist(async || store.open_log(&share(1)).await).await {
        Opened::Open(log, _) | Opened::Absent(log) => log,
        Opened::Deleted => panic!("by nobody"),
    };
    insist_append_delete(&mut log).await;
    *ended.lock().unwrap() = Some(Instant::now());
    let freeing = insist(async || log.erase(&who, &what).await).await.unwrap();
    freeing.run().await.unwrap_or_else(|error| assert!(error.is_transient(), "{error:?}"));
}

#[test]
fn of_hosts_that_create_and_delete_a_session_in_any_storm_all_agree_who_has_it() {
    for seed in 0..seeds() {
        paused().block_on(async move {
            let bucket = stormy(seed);
            let (who, what) = (account("a"), session("s"));
            let hosts: Vec<_> = (0..HOSTS).map(|n| host_with(&bucket, n.into(), settings())).collect();
            join_all(hosts.iter().zip(0_u64..).map(|(store, n)| {
                let (who, what) = (&who, &what);
                async move {
                    let mut random = Random(seed * HOSTS + n);
                    for round in 0..4_u64 {
                        tokio::time::sleep(Duration::from_millis(random.below(8_000))).await;
                        let mine = share(u128::from(1_000 + n * 100 + round));
                        let id = share_of(store, &mine).await;
                        if random.below(2) == 0 {
                            tokio::time::sleep(Duration::from_millis(random.below(8_000))).await;
                            let Opened::Open(mut log, _) = insist(async || store.open_log(&id).await).await else {
                                continue;
                            };
                            insist_append_delete(&mut log).await;
                            if random.below(3) > 0 {
                                drop(insist(async || log.erase(who, what).await).await);
                            }
                        }
                    }
                }
            }))
            .await;
            tokio::time::sleep(Duration::from_secs(60)).await;
            bucket.calm();
            // Whoever asks now is told one share, which is there, and is the only one listed and alive.
            let late = host_with(&bucket, 99, settings());
            let id = share_of(&late, &share(9_999)).await;
            assert_eq!(share_of(&hosts[0], &share(9_998)).await, id, "seed {seed}");
            let listed = late.list(Some(&who), None, 10).await.unwrap().claims;
            assert_eq!(listed.iter().map(|claim| &claim.share).collect::<Vec<_>>(), [&id], "seed {seed}");
            let mut alive = Vec::new();
            for log in keys(&bucket, "share/").await.into_iter().filter(|key| key.ends_with("/log/000000000001")) {
                let other = log.split('/').nth(1).unwrap().parse().unwrap();
                if !is_deleted(&late, &other).await {
                    alive.push(other);
                }
            }
            assert_eq!(alive, [id], "seed {seed}: a share lives that no claim names");
        });
    }
}

/// Creates the session's share, or finds whose it is: what a host does for `createShare`.
async fn share_of(store: &Store, mine: &capshare::share::id::ShareId) -> capshare::share::id::ShareId {
    let (who, what) = (account("a"), session("s"));
    loop {
        let id = match insist(async || store.claim(&who, &what, mine, Timestamp(0)).await).await {
            Claim::Ours => mine.clone(),
            Claim::Theirs(id) => id,
        };
        match insist(async || store.create_log(&id, &[open_entry()]).await).await {
            Created::New(_) | Created::Exists(..) => return id,
            // An id is used once: whoever was told "yours" of a share that has been deleted since comes with another.
            Created::Deleted if id == *mine => return id,
            Created::Deleted => {}
        }
    }
}

/// Appends the deletion, or meets one: another's, or its own from an attempt that failed. The time of one that is met may be
/// another, when what the log held of it is erased already.
async fn insist_append_delete(log: &mut Log) {
    loop {
        match log.append(&[DELETE]).await {
            Ok(Appended::Written) => return,
            Ok(Appended::Behind(met)) => {
                if met.entries.iter().any(|entry| matches!(entry, Entry::Delete { .. })) {
                    return;
                }
            }
            Err(error) => assert!(error.is_transient(), "{error:?}"),
        }
    }
}

fn paused() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap()
}
