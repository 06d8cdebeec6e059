//! Shares that end by themselves.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use capshare::__internal::ambient::Clock;
use capshare::__internal::hub::Hub;
use capshare::__internal::rooms::room::Room;
use capshare::__internal::rooms::{Created, Terms};
use capshare::client::{ClientError, CreateOptions, WatchFrom};
use capshare::share::change::{Batch, Change};
use capshare::share::error::{Refusal, StorageTrouble, StoreOperation};
use capshare::share::id::SessionId;
use capshare::share::item::{ItemKey, Payload};
use capshare::share::limits::Limit;
use capshare::share::revision::Revision;
use capshare::share::time::Timestamp;
use capshare::testing::{BEGINNING, Scene, SceneBuilder, run};
use object_store::memory::InMemory;

use crate::support::bucket::{TestBucket, dump};
use crate::support::door::{Served, next_json};
use crate::support::items::part;

const HOUR: Duration = Duration::from_secs(60 * 60);

fn in_memory() -> Arc<TestBucket> {
    TestBucket::over(Arc::new(InMemory::new()))
}

fn over(bucket: &Arc<TestBucket>, seed: u64) -> SceneBuilder {
    Scene::builder().store(Arc::clone(bucket) as _).seed(seed)
}

fn session() -> SessionId {
    "ses_1".parse().unwrap()
}

async fn create(hub: &Hub, ttl: Option<Duration>) -> Result<Created, Refusal> {
    let who = hub.access().authenticate(None).await.unwrap();
    let changes = vec![Change {
        key: ItemKey::message("m").unwrap(),
        value: Some(Payload::from_checked_json("\"the content\"")),
    }];
    hub.rooms().create(&who, &session(), Some(Batch { stamp: None, changes }), Terms { ttl, ..Terms::default() }).await
}

fn not_found<T: std::fmt::Debug>(answer: Result<T, Refusal>) {
    assert!(matches!(answer, Err(Refusal::NotFound { .. })), "{answer:?}");
}

/// Waits until nothing in the bucket holds anything that was shared.
async fn content_is_gone(bucket: &TestBucket) {
    while dump(bucket).await.iter().any(|(_, text)| text.contains("the content")) {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

async fn every_verb_is_not_found(hub: &Hub, share: &Created) {
    let (id, who) = (share.id.as_str(), hub.access().authenticate(None).await.unwrap());
    not_found(hub.rooms().open(id, &share.secret).await.map(drop));
    not_found(hub.rooms().view(id).await.map(drop));
    not_found(hub.rooms().sync(&who, id, &share.secret, Batch::default()).await);
    not_found(hub.rooms().delete(&who, id, &share.secret).await);
    // And by capabilities, which hold the room.
    not_found(hub.rooms().info(&share.room));
    not_found(hub.rooms().read(&share.room, Revision::EMPTY, 0).await);
    not_found(hub.rooms().follow(&share.room, Revision::EMPTY).await.map(drop));
    not_found(hub.rooms().sync_room(&share.room, Batch::default()).await);
    not_found(hub.rooms().set_expiry(&share.room, None).await);
    not_found(hub.rooms().delete_room(&share.room).await);
}

/// S24: past its expiry a share reads as NotFound and its objects go away.
#[test]
fn past_its_expiry_a_share_is_not_found_and_its_objects_go() {
    run(async {
        let bucket = in_memory();
        let scene = over(&bucket, 1).build();
        let hub = scene.host().hub();
        let share = create(hub, Some(HOUR)).await.unwrap();
        assert_eq!(hub.rooms().info(&share.room).unwrap().expires_at, Some(Timestamp(BEGINNING.0 + 3_600_000)));
        let mut watch = scene.client().watch(&share.id, WatchFrom::WholeState);
        watch.next().await.unwrap().unwrap();
        tokio::time::sleep(HOUR - Duration::from_millis(10)).await;
        hub.rooms().sync_room(&share.room, Batch::default()).await.unwrap();
        let before = tokio::time::Instant::now();
        loop {
            match watch.next().await.unwrap() {
                Ok(_) => {}
                Err(ClientError::Refused(Refusal::NotFound { .. })) => break,
                Err(error) => panic!("{error}"),
            }
        }
        assert!(before.elapsed() < Duration::from_millis(100), "{:?}", before.elapsed());
        every_verb_is_not_found(hub, &share).await;
        content_is_gone(&bucket).await;
        every_verb_is_not_found(hub, &share).await;
        let anew = create(hub, None).await.unwrap();
        assert!(anew.id != share.id && !anew.existed);
        assert_eq!(hub.metrics().shares_expired.get(), 1);
    });
}

/// S24: also where nobody waited for it, and its host is gone.
#[test]
fn a_share_that_is_loaded_after_its_expiry_is_not_found_and_goes() {
    run(async {
        let bucket = in_memory();
        let first = over(&bucket, 1).build();
        let share = create(first.host().hub(), Some(HOUR)).await.unwrap();
        let id = share.id.clone();
        drop((share, first));
        tokio::time::sleep(2 * HOUR).await;
        assert!(dump(bucket.as_ref()).await.iter().any(|(_, text)| text.contains("the content")), "nobody has it");
        let later =
            over(&bucket, 2).clock(capshare::__internal::ambient::TokioClock::from(Timestamp(BEGINNING.0 + 7_200_000)));
        let later = later.build();
        not_found(later.host().hub().rooms().view(id.as_str()).await.map(drop));
        content_is_gone(&bucket).await;
        // One who shares the session again before anybody looked gets a new share as well.
        let share = create(later.host().hub(), Some(HOUR)).await.unwrap();
        let third = over(&bucket, 3)
            .clock(capshare::__internal::ambient::TokioClock::from(Timestamp(BEGINNING.0 + 14_400_000)));
        let third = third.build();
        let anew = create(third.host().hub(), None).await.unwrap();
        assert!(anew.id != share.id && anew.id != id && !anew.existed);
    });
}

/// S24: by the linked client, and at the viewers' door.
#[tokio::test]
async fn a_producer_says_how_long_its_share_lives_and_a_viewer_is_told_when_it_is_over() {
    let served = Served::open().await;
    let client = served.client(None);
    let options = CreateOptions::new().ttl(HOUR);
    let share = client.create_with(&session(), Some(part("p", "the content")), options).await.unwrap();
    let info = share.info().await.unwrap();
    assert_eq!(info.expires_at, Some(Timestamp(info.created_at.0 + 3_600_000)));
    assert_eq!(share.set_expiry(None).await.unwrap(), None);
    assert_eq!(share.info().await.unwrap().expires_at, None);
    let too_long = share.set_expiry(Some(Duration::MAX)).await.unwrap_err();
    assert!(matches!(too_long.refusal(), Some(Refusal::LimitExceeded { limit, .. }) if *limit == Limit::ShareTtlMsMax));
    let wrong = client.set_expiry(share.id(), &"capsec_wrong".into(), Some(HOUR)).await.unwrap_err();
    assert!(matches!(wrong.refusal(), Some(Refusal::InvalidSecret { .. })), "{wrong}");

    let mut viewer = served.knock(&format!("/ws/{}", share.id()), &[]).await.unwrap();
    assert_eq!(next_json(&mut viewer).await["event"], "snapshot");
    assert_eq!(next_json(&mut viewer).await["event"], "ready");
    assert!(share.set_expiry(Some(Duration::from_millis(100))).await.unwrap().is_some());
    let error = next_json(&mut viewer).await;
    assert_eq!((&error["event"], &error["payload"]["code"]), (&"__error".into(), &"NotFound".into()));
    let (status, _) = served.refused(&format!("/ws/{}", share.id()), &[]).await;
    assert_eq!(status, 404);
    let gone = share.info().await.unwrap_err();
    assert!(matches!(gone.refusal(), Some(Refusal::NotFound { .. })), "{gone}");
}

#[test]
fn two_hosts_that_delete_an_expired_share_at_once_both_succeed() {
    run(async {
        let bucket = in_memory();
        let hosts = [1, 2].map(|seed| over(&bucket, seed).build());
        let share = create(hosts[0].host().hub(), Some(HOUR)).await.unwrap();
        let there = hosts[1].host().hub().rooms().open(share.id.as_str(), &share.secret).await.unwrap();
        tokio::time::sleep(HOUR).await;
        content_is_gone(&bucket).await;
        not_found(there.read(|_| ()));
        for host in &hosts {
            every_verb_is_not_found(host.host().hub(), &share).await;
            assert_eq!(host.host().hub().metrics().storage_failures.get(), 0);
        }
        let (one, two) = tokio::join!(create(hosts[0].host().hub(), None), create(hosts[1].host().hub(), None));
        assert_eq!(one.unwrap().id, two.unwrap().id);
    });
}

fn expires_at(hub: &Hub, room: &Room) -> Option<i64> {
    hub.rooms().info(room).unwrap().expires_at.map(|at| (at.0 - BEGINNING.0) / 1_000)
}

#[test]
fn an_expiry_that_was_moved_here_or_at_another_host_is_the_one_that_counts() {
    run(async {
        let bucket = in_memory();
        let hosts = [1, 2].map(|seed| over(&bucket, seed).build());
        let (here, there) = (hosts[0].host().hub(), hosts[1].host().hub());
        let share = create(here, Some(HOUR)).await.unwrap();
        let room = there.rooms().open(share.id.as_str(), &share.secret).await.unwrap();
        // `here` hears nothing of this until its own time has come.
        there.rooms().set_expiry(&room, Some(2 * HOUR)).await.unwrap();
        tokio::time::sleep(HOUR + Duration::from_secs(1)).await;
        assert_eq!(expires_at(here, &share.room), Some(7_200));
        // For ever, and not: the task goes on.
        assert_eq!(here.rooms().set_expiry(&share.room, None).await, Ok(None));
        tokio::time::sleep(2 * HOUR).await;
        assert_eq!(expires_at(here, &share.room), None);
        assert_eq!(there.rooms().view(share.id.as_str()).await.map(|room| expires_at(there, &room)), Ok(None));
        here.rooms().set_expiry(&share.room, Some(Duration::from_secs(1))).await.unwrap();
        tokio::time::sleep(Duration::from_secs(1)).await;
        content_is_gone(&bucket).await;
        every_verb_is_not_found(here, &share).await;
    });
}

#[test]
fn sharing_a_session_again_with_a_time_sets_it_anew_and_without_one_leaves_it() {
    run(async {
        let scene = over(&in_memory(), 1).build();
        let hub = scene.host().hub();
        let share = create(hub, Some(HOUR)).await.unwrap();
        assert!(create(hub, None).await.unwrap().existed);
        assert_eq!(expires_at(hub, &share.room), Some(3_600));
        assert!(create(hub, Some(2 * HOUR)).await.unwrap().existed);
        assert_eq!(expires_at(hub, &share.room), Some(7_200));
    });
}

#[test]
fn a_host_has_a_time_that_it_gives_and_a_longest() {
    run(async {
        let of = |ttl: Option<Duration>, most: Option<Duration>| {
            over(&in_memory(), 1)
                .settings(|settings| (settings.hub.share_ttl, settings.hub.share_ttl_max) = (ttl, most))
                .build()
        };
        let limit = |max: Duration, got: Duration| {
            let [max, got] = [max, got].map(|time| time.as_millis() as u64);
            Some(Refusal::LimitExceeded { limit: Limit::ShareTtlMsMax, max, got })
        };
        for (ttl, most, given) in [
            (None, None, None),
            (Some(HOUR), None, Some(3_600)),
            (Some(HOUR), Some(2 * HOUR), Some(3_600)),
            (None, Some(2 * HOUR), Some(7_200)),
            (Some(3 * HOUR), Some(2 * HOUR), Some(7_200)),
        ] {
            let scene = of(ttl, most);
            let hub = scene.host().hub();
            let share = create(hub, None).await.unwrap();
            assert_eq!(expires_at(hub, &share.room), given, "{ttl:?} {most:?}");
            hub.rooms().set_expiry(&share.room, None).await.unwrap();
            assert_eq!(
                expires_at(hub, &share.room),
                most.map(|most| most.as_secs() as i64),
                "never, if there is no longest"
            );
            let longest = most.unwrap_or(36_525 * 24 * HOUR);
            let longer = longest + Duration::from_millis(1);
            assert_eq!(hub.rooms().set_expiry(&share.room, Some(longer)).await.err(), limit(longest, longer));
            assert_eq!(create(hub, Some(longer)).await.err(), limit(longest, longer));
            assert!(hub.rooms().set_expiry(&share.room, Some(longest)).await.is_ok());
            hub.rooms().delete_room(&share.room).await.unwrap();
        }
    });
}

#[test]
fn a_bucket_that_is_down_when_the_time_has_come_is_tried_again() {
    run(async {
        let bucket = in_memory();
        let scene = over(&bucket, 1).build();
        let hub = scene.host().hub();
        let share = create(hub, Some(HOUR)).await.unwrap();
        // First everything fails, then the deletion gets half way.
        bucket.down.store(true, Ordering::Relaxed);
        tokio::time::sleep(HOUR + Duration::from_secs(30)).await;
        not_found(hub.rooms().info(&share.room));
        let who = hub.access().authenticate(None).await.unwrap();
        let unknown =
            Err(Refusal::StorageFailure { operation: StoreOperation::Read, trouble: StorageTrouble::Passing });
        assert_eq!(
            hub.rooms().delete(&who, share.id.as_str(), &share.secret).await,
            unknown,
            "it might have more time"
        );
        bucket.next_writes([None, Some(crate::support::bucket::Fault::Status503)]);
        bucket.down.store(false, Ordering::Relaxed);
        content_is_gone(&bucket).await;
        every_verb_is_not_found(hub, &share).await;
    });
}

/// A clock of its own, which jumps.
#[derive(Debug, Clone, Default)]
struct Jumping(Arc<AtomicI64>);

impl Clock for Jumping {
    fn now(&self) -> Timestamp {
        Timestamp(BEGINNING.0 + self.0.load(Ordering::Relaxed))
    }
}

#[test]
fn a_clock_that_jumps_is_followed() {
    run(async {
        let (bucket, clock) = (in_memory(), Jumping::default());
        let scene = over(&bucket, 1).clock(clock.clone()).build();
        let hub = scene.host().hub();
        let share = create(hub, Some(48 * HOUR)).await.unwrap();
        // Two days of waiting, none by the clock.
        tokio::time::sleep(49 * HOUR).await;
        assert!(hub.rooms().info(&share.room).is_ok());
        // And the other way round; whoever asks makes sure that it goes at once.
        clock.0.store(48 * 3_600_000, Ordering::Relaxed);
        let asked = tokio::time::Instant::now();
        not_found(hub.rooms().info(&share.room));
        content_is_gone(&bucket).await;
        assert!(asked.elapsed() < Duration::from_secs(10), "{:?}", asked.elapsed());
    });
}

#[test]
fn waiting_for_an_expiry_keeps_no_share_in_memory() {
    run(async {
        let scene = over(&in_memory(), 1).settings(|settings| settings.hub.idle_rooms_max = 0).build();
        let hub = scene.host().hub();
        let who = hub.access().authenticate(None).await.unwrap();
        for n in 0..200 {
            let session = format!("ses_{n}").parse().unwrap();
            hub.rooms().create(&who, &session, None, Terms { ttl: Some(HOUR), ..Terms::default() }).await.unwrap();
        }
        // Rooms are counted once in 64 that come, and what is left of them is written first.
        while hub.metrics().rooms.get() > 64 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    });
}
