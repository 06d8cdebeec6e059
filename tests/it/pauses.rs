//! A share that is small beside its log is one object as soon as nobody writes to it, and nothing else is done for that.

use std::sync::Arc;
use std::time::Duration;

use capshare::__internal::hub::Hub;
use capshare::__internal::rooms::room::Room;
use capshare::host::HostSettings;
use capshare::share::change::{Batch, Change};
use capshare::share::item::{ItemKey, Payload};
use capshare::testing::{Scene, run};
use object_store::memory::InMemory;

use crate::support::bucket::{TestBucket, dump};

/// A share on a host, and its bucket.
struct Busy {
    bucket: Arc<TestBucket>,
    scene: Scene,
    room: Arc<Room>,
    syncs: u64,
}

impl Busy {
    async fn of(fold_after: Duration) -> Self {
        let bucket = TestBucket::over(Arc::new(InMemory::new()));
        let scene = Scene::builder().store(Arc::clone(&bucket) as _);
        // What a host tells of itself is not counted here.
        let quiet =
            |settings: &mut HostSettings| (settings.hub.fold_after, settings.hub.hosts.every) = (fold_after, None);
        let scene = scene.settings(quiet).build();
        let share = scene.client().create(&"ses_1".parse().unwrap(), None).await.unwrap();
        let room = scene.host().hub().rooms().open(share.id().as_str(), share.secret().unwrap()).await.unwrap();
        Self { bucket, scene, room, syncs: 0 }
    }

    fn hub(&self) -> &Arc<Hub> {
        self.scene.host().hub()
    }

    /// Writes one of so many items, a segment each time.
    async fn sync(&mut self, items: u64) {
        let text = "All work and no play makes a dull session. ".repeat(20);
        let value = Some(Payload::from_checked_json(&format!("{{\"n\":{},\"text\":\"{text}\"}}", self.syncs)));
        let key = ItemKey::message(&(self.syncs % items).to_string()).unwrap();
        self.syncs += 1;
        let batch = Batch { stamp: None, changes: vec![Change { key, value }] };
        assert_eq!(self.hub().rooms().sync_room(&self.room, batch).await.unwrap().sync_count, self.syncs);
    }

    /// The runs that cover all there is.
    async fn whole(&self) -> usize {
        let whole = format!("/fold/{:012}-{:012}", 0, self.syncs + 1);
        dump(self.bucket.as_ref()).await.iter().filter(|(key, _)| key.ends_with(&whole)).count()
    }
}

/// S23: whoever is sent the link a moment after the last sync reads one object.
#[test]
fn a_share_that_pauses_is_one_object_after_a_second() {
    run(async {
        let mut share = Busy::of(Duration::from_secs(60)).await;
        for round in 0..3 {
            for _ in 0..300 {
                share.sync(10).await;
            }
            assert_eq!(share.whole().await, 0, "round {round}");
            tokio::time::sleep(Duration::from_millis(900)).await;
            assert_eq!(share.whole().await, 0, "round {round}: not while it may go on at once");
            tokio::time::sleep(Duration::from_millis(200)).await;
            assert_eq!(share.whole().await, 1, "round {round}");
        }
        share.bucket.counts.reset();
        let reader = Scene::builder().store(Arc::clone(&share.bucket) as _).seed(2);
        let reader = reader.settings(|settings| settings.hub.hosts.every = None).build();
        let replica = reader.client().snapshot(share.room.id()).await.unwrap();
        assert_eq!(replica.len(), 10);
        assert_eq!(share.bucket.counts.all(), [0, 2, 1, 0], "the tombstone, a page, the run");
        // And that was all there was to do: the index knows it too.
        share.bucket.counts.reset();
        tokio::time::sleep(Duration::from_secs(100)).await;
        let [puts, gets, lists, _freed] = share.bucket.counts.all();
        assert_eq!([puts, gets, lists], [0; 3], "{:?}", share.bucket.counts.touched());
    });
}

/// A producer that is at work never leaves it alone for that long: all that is asked of the bucket are its writes.
#[test]
fn a_share_that_is_worked_on_costs_nothing_more() {
    run(async {
        let mut share = Busy::of(Duration::from_secs(60)).await;
        for _ in 0..400 {
            share.sync(10).await;
        }
        tokio::time::sleep(Duration::from_secs(2)).await;
        assert_eq!(share.whole().await, 1);
        share.bucket.counts.reset();
        for _ in 0..60 {
            share.sync(10).await;
            tokio::time::sleep(Duration::from_millis(900)).await;
        }
        assert_eq!(share.bucket.counts.all(), [60, 0, 0, 0]);
    });
}

/// Its state is as large as its log: it waits for the minute, and nobody looks at its log before.
#[test]
fn an_ordinary_session_is_folded_no_sooner() {
    run(async {
        let mut share = Busy::of(Duration::from_secs(60)).await;
        share.bucket.counts.reset();
        for _ in 0..60 {
            share.sync(1_000).await;
            tokio::time::sleep(Duration::from_secs(5)).await;
        }
        // But for one look a minute at what was created, whether it is still this host's.
        assert_eq!(share.bucket.counts.all(), [60, 4, 0, 0]);
        tokio::time::sleep(Duration::from_secs(60)).await;
        assert_eq!(share.whole().await, 1);
    });
}

/// A host that folds sooner than that does not wait for a pause.
#[test]
fn a_pause_is_no_longer_than_what_the_settings_say() {
    run(async {
        let mut share = Busy::of(Duration::from_millis(300)).await;
        for _ in 0..300 {
            share.sync(10).await;
        }
        tokio::time::sleep(Duration::from_millis(400)).await;
        assert_eq!(share.whole().await, 1);
    });
}
