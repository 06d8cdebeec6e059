//! A host that slept: what it holds in memory is old, whatever its clocks say, and other hosts have gone on.

use std::sync::Arc;
use std::time::Duration;

use capshare::__internal::ambient::TokioClock;
use capshare::__internal::hub::Hub;
use capshare::client::{Replica, WatchFrom};
use capshare::share::change::{Batch, Change};
use capshare::share::error::Refusal;
use capshare::share::id::ShareId;
use capshare::share::item::{ItemKey, Payload};
use capshare::share::revision::Revision;
use capshare::share::secret::Secret;
use capshare::share::view::Synced;
use capshare::testing::{BEGINNING, Scene, run};
use object_store::ObjectStore;
use object_store::memory::InMemory;
use tokio::time::Instant;

use crate::support::bucket::{TestBucket, dump};
use crate::support::clock::{HandClock, Still};

/// Two hosts over one bucket, of which one is on a laptop, and a share of two syncs.
struct Pair {
    objects: Arc<dyn ObjectStore>,
    /// The laptop's way to them.
    line: Arc<TestBucket>,
    clock: HandClock,
    laptop: Scene,
    other: Scene,
    id: ShareId,
    secret: Secret,
}

/// A message by this number, and nothing else.
fn message(n: u64) -> Batch {
    let value = Some(Payload::from_checked_json(&n.to_string()));
    Batch { stamp: None, changes: vec![Change { key: ItemKey::message(&n.to_string()).unwrap(), value }] }
}

impl Pair {
    /// `told`: the bucket says what time it is.
    async fn new(told: bool) -> Self {
        let objects: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
        let (line, clock) = (TestBucket::over(Arc::clone(&objects)), HandClock::new());
        if told {
            line.tells_time(TokioClock::from(BEGINNING));
        }
        let laptop = Scene::builder().store(Arc::clone(&line) as _).seed(1).clock(clock.clone()).build();
        let other = Scene::builder().store(Arc::clone(&objects)).seed(2).build();
        let share = laptop.client().create(&"ses_1".parse().unwrap(), None).await.unwrap();
        let (id, secret) = (share.id().clone(), share.secret().unwrap().clone());
        let pair = Self { objects, line, clock, laptop, other, id, secret };
        for n in 1..=2 {
            assert_eq!(pair.sync(pair.laptop.host().hub(), n).await.sync_count, n);
        }
        pair
    }

    /// The laptop is shut. Meanwhile the other host writes three syncs, folds the share, and frees what the fold covers; then
    /// the laptop is opened.
    async fn sleep(&self, still: Still) {
        self.line.sleeps();
        self.clock.stop(still);
        for n in 3..=5 {
            assert_eq!(self.sync(self.other.host().hub(), n).await.sync_count, n);
        }
        while self.segments().await > 1 {
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        self.clock.go_on();
        self.line.wakes();
    }

    async fn segments(&self) -> usize {
        dump(self.objects.as_ref()).await.iter().filter(|(key, _)| key.contains("/log/")).count()
    }

    /// A sync at a host, again for as long as the host says that it cannot just now, as producers do.
    async fn sync(&self, hub: &Hub, n: u64) -> Synced {
        let who = hub.access().authenticate(None).await.unwrap();
        loop {
            match hub.rooms().sync(&who, self.id.as_str(), &self.secret, message(n)).await {
                Ok(synced) => return synced,
                Err(Refusal::StorageFailure { .. }) => {}
                Err(refusal) => panic!("{refusal}"),
            }
        }
    }

    /// What a host shows that has just started: the numbers of the messages.
    async fn held_by_a_third(&self) -> Vec<String> {
        let third = Scene::builder().store(Arc::clone(&self.objects)).seed(3).build();
        let replica = third.client().snapshot(&self.id).await.unwrap();
        replica.iter().map(|(_, value)| value.as_str().to_owned()).collect()
    }
}

/// Which clocks stood still, and whether the bucket says what time it is: every way in which somebody can tell.
fn nights() -> Vec<(Still, bool)> {
    Still::SOME.into_iter().map(|still| (still, false)).chain([(Still::ALL, true)]).collect()
}

/// S84: a sync at a host that slept is applied after what others wrote meanwhile, and nothing of either is lost.
#[test]
fn a_sync_at_a_host_that_slept_comes_after_what_others_wrote_and_loses_nothing() {
    for (still, told) in nights() {
        run(async {
            let pair = Pair::new(told).await;
            pair.sleep(still).await;
            let synced = pair.sync(pair.laptop.host().hub(), 6).await;
            assert_eq!((synced.sync_count, synced.revision), (6, Revision(6)), "{still:?}");
            assert_eq!(pair.sync(pair.other.host().hub(), 7).await.sync_count, 7, "{still:?}");
            assert_eq!(pair.held_by_a_third().await, ["1", "2", "3", "4", "5", "6", "7"], "{still:?}");
        });
    }
}

/// S84: viewers of a host that slept catch up within two seconds of its waking, in one step.
#[test]
fn viewers_of_a_host_that_slept_catch_up_within_two_seconds() {
    for (still, told) in nights() {
        run(async {
            let pair = Pair::new(told).await;
            let mut watch = pair.laptop.client().watch(&pair.id, WatchFrom::WholeState);
            let mut replica = Replica::new();
            let mut follow = async |to: u64| {
                while replica.revision().0 < to {
                    let step = tokio::time::timeout(Duration::from_secs(60), watch.next()).await;
                    replica.apply(&step.expect("the viewer hears nothing").unwrap().unwrap()).unwrap();
                }
                replica.len()
            };
            assert_eq!(follow(2).await, 2);
            pair.sleep(still).await;
            let woken = Instant::now();
            assert_eq!(follow(5).await, 5);
            assert!(woken.elapsed() <= Duration::from_secs(2), "{still:?}: {:?}", woken.elapsed());
            assert_eq!(pair.sync(pair.laptop.host().hub(), 6).await.sync_count, 6, "{still:?}");
            assert_eq!(follow(6).await, 6);
        });
    }
}

/// S84: nobody reads an old state because the clock stood still by which it was young.
#[test]
fn a_read_at_a_host_that_slept_is_not_answered_from_what_it_held() {
    for still in Still::SOME {
        run(async {
            let pair = Pair::new(false).await;
            let hub = pair.laptop.host().hub();
            let room = hub.rooms().view(pair.id.as_str()).await.unwrap();
            pair.sleep(still).await;
            assert_eq!(hub.rooms().read(&room, Revision::EMPTY, 0).await.unwrap().revision, Revision(5), "{still:?}");
        });
    }
}
