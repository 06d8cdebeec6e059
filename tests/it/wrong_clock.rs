//! Hosts whose machines' clocks are wrong, over a bucket that says what time it is.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use capshare::__internal::ambient::{Clock, SystemClock, TokioClock};
use capshare::__internal::hub::Hub;
use capshare::__internal::rooms::{Created, Terms};
use capshare::__internal::store::GcOptions;
use capshare::share::change::{Batch, Change};
use capshare::share::error::Refusal;
use capshare::share::item::{ItemKey, Payload};
use capshare::share::time::Timestamp;
use capshare::testing::{BEGINNING, Scene, run};
use object_store::ObjectStore;
use object_store::memory::InMemory;

use crate::support::bucket::{TestBucket, dump};
use crate::support::door::{Served, keys};

const HOUR: Duration = Duration::from_secs(60 * 60);
const HOUR_MS: i64 = 3_600_000;

/// A clock that is so many milliseconds ahead of the bucket's, until it is set right.
#[derive(Debug, Clone)]
struct Off {
    right: TokioClock,
    ahead_ms: Arc<AtomicI64>,
}

impl Clock for Off {
    fn now(&self) -> Timestamp {
        Timestamp(self.right.now().0 + self.ahead_ms.load(Ordering::Relaxed))
    }
}

/// Hosts over one bucket that says what time it is.
struct Hosts {
    objects: Arc<dyn ObjectStore>,
    time: TokioClock,
}

impl Hosts {
    fn new() -> Self {
        Self { objects: Arc::new(InMemory::new()), time: TokioClock::from(BEGINNING) }
    }

    /// A host whose clock is so far ahead, which has asked the bucket for something as hosts do when they start.
    async fn host(&self, seed: u64, ahead_ms: i64) -> (Scene, Off) {
        let line = TestBucket::over(Arc::clone(&self.objects));
        line.tells_time(self.time);
        let clock = Off { right: self.time, ahead_ms: Arc::new(AtomicI64::new(ahead_ms)) };
        let scene = Scene::builder().store(line).seed(seed).clock(clock.clone()).build();
        scene.host().hub().rooms().store().probe_conditional_writes().await.unwrap();
        (scene, clock)
    }

    async fn content(&self) -> bool {
        dump(self.objects.as_ref()).await.iter().any(|(_, text)| text.contains("the content"))
    }

    async fn tombstones(&self) -> usize {
        dump(self.objects.as_ref()).await.iter().filter(|(key, _)| key.starts_with("tomb/")).count()
    }
}

fn content() -> Batch {
    let value = Some(Payload::from_checked_json("\"the content\""));
    Batch { stamp: None, changes: vec![Change { key: ItemKey::message("m").unwrap(), value }] }
}

async fn create(hub: &Hub, ttl: Option<Duration>) -> Result<Created, Refusal> {
    let who = hub.access().authenticate(None).await.unwrap();
    hub.rooms().create(&who, &"ses_1".parse().unwrap(), Some(content()), Terms { ttl, ..Terms::default() }).await
}

/// S105: a host whose clock is two hours ahead shows a share of an hour for its hour, and deletes nothing of it afterwards
/// either; as soon as its clock is right, it does.
#[test]
fn a_host_with_a_fast_clock_deletes_no_share_because_it_has_expired() {
    run(async {
        let hosts = Hosts::new();
        let (right, _) = hosts.host(1, 0).await;
        let (fast, clock) = hosts.host(2, 2 * HOUR_MS).await;
        let share = create(right.host().hub(), Some(HOUR)).await.unwrap();
        let room = fast.host().hub().rooms().view(share.id.as_str()).await.unwrap();
        tokio::time::sleep(HOUR / 2).await;
        assert!(fast.host().hub().rooms().view(share.id.as_str()).await.is_ok());
        assert!(right.host().hub().rooms().view(share.id.as_str()).await.is_ok());
        drop(share);
        drop(right);

        // The hour is over, and the only host that is left has a wrong clock.
        tokio::time::sleep(HOUR).await;
        let gone = fast.host().hub().rooms().info(&room).unwrap_err();
        assert!(matches!(gone, Refusal::NotFound { .. }), "{gone}");
        assert!(hosts.content().await && hosts.tombstones().await == 0, "it is answered as expired, and not deleted");
        let refused = create(fast.host().hub(), None).await.unwrap_err();
        assert_eq!(refused, Refusal::Unavailable { retry_after_ms: 60_000 });
        assert!(
            fast.host().hub().health().clock_warning().unwrap().contains("7199 s ahead"),
            "{:?}",
            fast.host().hub().health().clock_warning()
        );

        clock.ahead_ms.store(0, Ordering::Relaxed);
        while hosts.content().await {
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        assert_eq!(hosts.tombstones().await, 1);
        assert_eq!(fast.host().hub().health().clock_warning(), None);
    });
}

/// S105: nor are the shares gone that such a host was given to keep for an hour.
#[test]
fn a_share_of_a_host_with_a_slow_clock_lives_as_long_as_was_said() {
    run(async {
        let hosts = Hosts::new();
        let (right, _) = hosts.host(1, 0).await;
        let (slow, _) = hosts.host(2, -2 * HOUR_MS).await;
        let share = create(slow.host().hub(), Some(HOUR)).await.unwrap();
        let expires_at = slow.host().hub().rooms().info(&share.room).unwrap().expires_at.unwrap();
        assert!((expires_at.0 - BEGINNING.0 - HOUR_MS).abs() <= 1_000, "{expires_at:?}");
        let there = right.host().hub();
        let room = there.rooms().view(share.id.as_str()).await.unwrap();
        tokio::time::sleep(HOUR - Duration::from_secs(10)).await;
        assert!(there.rooms().info(&room).is_ok());
        tokio::time::sleep(Duration::from_secs(20)).await;
        assert!(there.rooms().info(&room).is_err());
        while hosts.content().await {
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    });
}

/// S105: neither does a collection, whichever way the clock is wrong, and it says so.
#[test]
fn a_collection_by_a_wrong_clock_frees_nothing_because_it_has_expired() {
    run(async {
        let hosts = Hosts::new();
        let (right, _) = hosts.host(1, 0).await;
        create(right.host().hub(), Some(HOUR)).await.unwrap();
        let store = right.host().hub().rooms().store().clone();
        drop(right);
        let gc = async |now: i64, nonce| store.gc(&GcOptions::at(Timestamp(now), nonce), &|_| {}).await.unwrap();
        let early = gc(BEGINNING.0 + 2 * HOUR_MS, 1).await;
        assert_eq!((early.expired_shares, early.clock_wrong_by_ms), (0, Some(2 * HOUR_MS)));
        assert!(hosts.content().await);
        tokio::time::sleep(2 * HOUR).await;
        let late = gc(BEGINNING.0, 2).await;
        assert_eq!((late.expired_shares, late.clock_wrong_by_ms), (0, Some(-2 * HOUR_MS)));
        let agreeing = gc(BEGINNING.0 + 2 * HOUR_MS + 59_000, 3).await;
        assert_eq!((agreeing.expired_shares, agreeing.clock_wrong_by_ms), (1, None));
        assert!(!hosts.content().await);
    });
}

/// The clocks of two hosts differ by less than what is called wrong, and each writes in turn.
#[test]
fn what_a_share_was_updated_at_never_goes_back() {
    run(async {
        let hosts = Hosts::new();
        let (ahead, behind) = (hosts.host(1, 30_000).await.0, hosts.host(2, -20_000).await.0);
        let share = create(ahead.host().hub(), None).await.unwrap();
        let mut last = Timestamp::default();
        for scene in [&ahead, &behind, &ahead, &behind] {
            let hub = scene.host().hub();
            let room = hub.rooms().open(share.id.as_str(), &share.secret).await.unwrap();
            hub.rooms().sync_room(&room, content()).await.unwrap();
            let updated_at = hub.rooms().info(&room).unwrap().updated_at;
            assert!(updated_at >= last, "{updated_at:?} after {last:?}");
            last = updated_at;
        }
        assert!(last.0 >= BEGINNING.0 + 30_000);
    });
}

/// S105: an operator is told at the host's own doors.
#[tokio::test]
async fn a_wrong_clock_is_told_by_readiness_and_a_metric() {
    #[derive(Debug)]
    struct Yesterday;
    impl Clock for Yesterday {
        fn now(&self) -> Timestamp {
            Timestamp(SystemClock.now().0 - 24 * HOUR_MS)
        }
    }
    let bucket = TestBucket::over(Arc::new(InMemory::new()));
    let served = Served::over(Arc::clone(&bucket) as _, keys(), |_| {}).await;
    let ready = served.request("GET /readyz HTTP/1.1").await;
    assert!(ready.starts_with("HTTP/1.1 200 ") && !ready.contains("warning"), "{ready}");
    bucket.tells_time(Yesterday);
    let ready = served.request("GET /readyz HTTP/1.1").await;
    assert!(ready.starts_with("HTTP/1.1 200 ") && ready.contains("s ahead of the store's: set it right"), "{ready}");
    let metrics = served.request("GET /metrics HTTP/1.1").await;
    let line = metrics.lines().find(|line| line.starts_with("capshare_clock_ahead_seconds ")).unwrap().to_owned();
    let seconds: f64 = line.split(' ').nth(1).unwrap().parse().unwrap();
    assert!((86_390.0..=86_410.0).contains(&seconds), "{line}");
}
