//! A viewer's host that is cut off: from what carries the news, from the bucket, or from both. What its viewers have stays, what was written
//! meanwhile comes when the cut is over, and each step follows on the one before.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use capshare::client::{Replica, Share, Watch};
use capshare::host::HostSettings;
use capshare::host::settings::NatsSettings;
use futures::FutureExt as _;
use object_store::ObjectStore;
use object_store::memory::InMemory;
use tokio::time::{Instant, sleep};

use super::peers::{Member, free_port, until};
use crate::support::bucket::TestBucket;
use crate::support::items::part;
use crate::support::nats::NatsServer;
use crate::support::patience::within;
use crate::support::relay::Relay;

/// What carries the news.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Carrier {
    Peers,
    Nats,
}

/// A writer's host and a viewer's, each with a line of its own to one bucket, and a relay between them.
struct Scene {
    a: Member,
    b: Member,
    line: Arc<TestBucket>,
    relay: Relay,
    share: Share,
    watch: Watch,
    replica: Replica,
    _server: Option<NatsServer>,
}

impl Scene {
    async fn begin(carrier: Carrier) -> Self {
        let objects: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
        let (straight, line) = (TestBucket::over(Arc::clone(&objects)), TestBucket::over(objects));
        let (own, other) = (free_port().await, free_port().await);
        let server = if carrier == Carrier::Nats { Some(NatsServer::start().await) } else { None };
        let relay = match &server {
            Some(server) => Relay::to(([127, 0, 0, 1], server.port()).into()).await,
            None => Relay::to(own).await,
        };
        let by_nats = |port: u16| {
            move |settings: &mut HostSettings| {
                let mut nats = NatsSettings::at(&format!("nats://127.0.0.1:{port}")).unwrap();
                nats.ping_every = Duration::from_millis(150);
                (settings.nats, settings.hub.hosts.peers) = (Some(nats), false);
            }
        };
        let (a, b) = match &server {
            Some(server) => (
                Member::at(&straight, own, None, by_nats(server.port())).await,
                Member::at(&line, other, None, by_nats(relay.address.port())).await,
            ),
            // The one calls the other by the relay, and cannot be called.
            None => (
                Member::at(&straight, own, Some(relay.address), |_| {}).await,
                Member::at(&line, other, None, |_| {}).await,
            ),
        };
        let share = a.share("s").await;
        let watch = b.watch(share.id());
        let mut scene = Self { a, b, line, relay, share, watch, replica: Replica::new(), _server: server };
        // A room that somebody begins to follow looks after 1 and 5 s, whatever is heard.
        sleep(Duration::from_secs(6)).await;
        scene.is_well().await;
        scene
    }

    /// Writes, and gives the number of syncs.
    async fn sync(&self) -> u64 {
        let next = self.replica.sync_count() + 1;
        self.share.sync(part("p", &next.to_string())).await.unwrap().sync_count
    }

    /// Takes what the viewer is told until it has so many syncs. A step that does not follow on the one before fails.
    async fn has(&mut self, syncs: u64) {
        within("a sync", async {
            while self.replica.sync_count() < syncs {
                let step = self.watch.next().await.unwrap().unwrap();
                self.replica.apply(&step).unwrap();
            }
        })
        .await;
    }

    /// Both hear each other, and the viewer has each sync at once.
    async fn is_well(&mut self) {
        for host in [&self.a, &self.b] {
            until("a connection", || host.hub().hints().is_connected()).await;
        }
        for _ in 0..10 {
            let syncs = self.sync().await;
            self.has(syncs).await;
        }
    }

    fn failures(&self) -> u64 {
        self.b.hub().metrics().storage_failures.get()
    }
}

/// Cuts the viewer's host off from the one, the other or both, writes at the other host meanwhile, and ends the cut.
#[expect(clippy::print_stderr, reason = "the figures of a run by hand, shown with --no-capture")]
async fn cut_off(carrier: Carrier, from_news: bool, from_bucket: bool) {
    let mut scene = Scene::begin(carrier).await;
    let before = scene.replica.sync_count();
    scene.relay.lose_answers(from_news);
    scene.line.down.store(from_bucket, Ordering::Relaxed);
    let mut syncs = before;
    for _ in 0..10 {
        syncs = scene.share.sync(part("p", &syncs.to_string())).await.unwrap().sync_count;
    }
    if from_news {
        until("that the news do not come any more", || !scene.b.hub().hints().is_connected()).await;
    }
    if from_bucket {
        let failures = scene.failures();
        until("a look in vain", || scene.failures() > failures).await;
        // The viewer has what it had, and its watch goes on.
        assert!(scene.watch.next().now_or_never().is_none(), "it was told something");
        assert_eq!(scene.replica.sync_count(), before);
    } else {
        scene.has(syncs).await;
    }
    scene.line.down.store(false, Ordering::Relaxed);
    scene.relay.lose_answers(false);
    if from_news {
        // What was lost on the way would make no sense of what follows.
        scene.relay.cut();
    }
    let over = Instant::now();
    scene.has(syncs).await;
    let took = over.elapsed();
    eprintln!("{carrier:?}, news cut {from_news}, bucket cut {from_bucket}: seen {took:?} after the end of the cut");
    // What failed is looked for again each second.
    assert!(took < Duration::from_secs(5), "{took:?}");
    scene.is_well().await;
}

/// S100: with hosts that call each other.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_viewer_misses_nothing_when_its_host_is_cut_off_from_the_others() {
    cut_off(Carrier::Peers, true, false).await;
}

/// S100: as above.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_viewer_misses_nothing_when_its_host_is_cut_off_from_the_bucket() {
    cut_off(Carrier::Peers, false, true).await;
}

/// S100: as above.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_viewer_misses_nothing_when_its_host_is_cut_off_from_the_others_and_the_bucket() {
    cut_off(Carrier::Peers, true, true).await;
}

/// S100: with NATS between the hosts.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_viewer_misses_nothing_when_its_host_is_cut_off_from_nats() {
    cut_off(Carrier::Nats, true, false).await;
}

/// S100: with NATS between the hosts.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_viewer_misses_nothing_when_its_host_of_a_nats_deployment_is_cut_off_from_the_bucket() {
    cut_off(Carrier::Nats, false, true).await;
}

/// S100: with NATS between the hosts.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_viewer_misses_nothing_when_its_host_is_cut_off_from_nats_and_the_bucket() {
    cut_off(Carrier::Nats, true, true).await;
}
