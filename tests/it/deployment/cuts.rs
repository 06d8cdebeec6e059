//! A viewer's host that is cut off: from what carries the news, from the bucket, or from both. What its viewers have stays, what was written
//! meanwhile comes in the end, and each step follows on the one before. Several mechanisms would make a viewer whole; each scene leaves one
//! of them, or sees by what the host counts that this one was at work.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use capshare::__internal::hints::Why;
use capshare::client::{Replica, Share, Watch};
use capshare::host::HostSettings;
use capshare::host::settings::NatsSettings;
use futures::FutureExt as _;
use object_store::ObjectStore;
use object_store::memory::InMemory;
use tokio::time::sleep;

use super::peers::{Member, free_port, until};
use crate::support::bucket::TestBucket;
use crate::support::items::part;
use crate::support::looks::looks;
use crate::support::nats::NatsServer;
use crate::support::patience::within;
use crate::support::relay::Relay;

/// A time that no scene lives to see.
const NEVER: Duration = Duration::from_secs(1 << 20);

/// How often the viewer's host looks by itself in a scene in which that is what makes its viewer whole.
const OFTEN: Duration = Duration::from_millis(200);

/// What carries the news.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Carrier {
    Peers,
    Nats,
}

/// A writer's host and a viewer's, each with a line of its own to one bucket, and a relay between them. While the viewer's host hears the
/// writer's it looks for nothing but what hints tell it of.
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
    /// `poll`: how often the viewer's host looks by itself while it does not hear the other.
    async fn begin(carrier: Carrier, poll: Duration) -> Self {
        let objects: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
        let (straight, line) = (TestBucket::over(Arc::clone(&objects)), TestBucket::over(objects));
        let (own, other) = (free_port().await, free_port().await);
        let server = if carrier == Carrier::Nats { Some(NatsServer::start().await) } else { None };
        let relay = match &server {
            Some(server) => Relay::to(([127, 0, 0, 1], server.port()).into()).await,
            None => Relay::to(own).await,
        };
        let by_nats = |port: Option<u16>| {
            move |settings: &mut HostSettings| {
                (settings.hub.poll, settings.hub.poll_hinted) = (Some(poll), NEVER);
                if let Some(port) = port {
                    let mut nats = NatsSettings::at(&format!("nats://127.0.0.1:{port}")).unwrap();
                    nats.ping_every = Duration::from_millis(150);
                    (settings.nats, settings.hub.hosts.peers) = (Some(nats), false);
                }
            }
        };
        let (to_server, to_relay) = match &server {
            Some(server) => (Some(server.port()), Some(relay.address.port())),
            None => (None, None),
        };
        // Without NATS the one calls the other by the relay, and cannot be called.
        let a = Member::at(&straight, own, server.is_none().then_some(relay.address), by_nats(to_server)).await;
        let b = Member::at(&line, other, None, by_nats(to_relay)).await;
        for host in [&a, &b] {
            until("a connection", || host.hub().hints().is_connected()).await;
        }
        let share = a.share("s").await;
        let watch = b.watch(share.id());
        let mut scene = Self { a, b, line, relay, share, watch, replica: Replica::new(), _server: server };
        scene.is_well().await;
        // The looks of a room that somebody begins to follow, of which the last comes after 5 s, are over.
        sleep(Duration::from_secs(6)).await;
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

    /// The viewer has each sync, one after the other, though its host looks for hints alone: the hosts hear each other.
    async fn is_well(&mut self) {
        for host in [&self.a, &self.b] {
            until("a connection", || host.hub().hints().is_connected()).await;
        }
        let hinted = self.looks(&[Why::Hint]);
        for _ in 0..10 {
            let syncs = self.sync().await;
            self.has(syncs).await;
        }
        assert!(self.looks(&[Why::Hint]) > hinted);
    }

    /// From here on the viewer's host is told nothing, and knows it when this returns. Gives the number of syncs, some of which were written
    /// before it knew.
    async fn cut_news(&self) -> u64 {
        self.relay.lose_answers(true);
        for n in 0..9 {
            self.share.sync(part("p", &format!("lost {n}"))).await.unwrap();
        }
        until("that the news do not come any more", || !self.b.hub().hints().is_connected()).await;
        self.share.sync(part("p", "lost")).await.unwrap().sync_count
    }

    /// The viewer's host hears the other again when this returns.
    async fn mend_news(&self) {
        self.relay.lose_answers(false);
        // What was lost on the way would make no sense of what follows.
        self.relay.cut();
        until("a new connection", || self.b.hub().hints().is_connected()).await;
    }

    fn cut_bucket(&self, is_cut: bool) {
        self.line.down.store(is_cut, Ordering::Relaxed);
    }

    /// Waits until the viewer's host has looked so often for one of these reasons.
    async fn until_looks(&self, reasons: &[Why], times: u64) {
        until("a look", || self.looks(reasons) >= times).await;
    }

    fn looks(&self, reasons: &[Why]) -> u64 {
        looks(self.b.hub(), reasons)
    }

    /// The viewer has what it had then, and its watch goes on.
    fn has_no_more_than(&mut self, before: u64) {
        assert!(self.watch.next().now_or_never().is_none(), "it was told something");
        assert_eq!(self.replica.sync_count(), before);
    }
}

/// The viewer's host hears nothing, and looks by itself as soon as it knows that.
async fn cut_off_from_news(carrier: Carrier) {
    let mut scene = Scene::begin(carrier, OFTEN).await;
    let by_clock = scene.looks(&[Why::Floor]);
    let syncs = scene.cut_news().await;
    scene.has(syncs).await;
    assert!(scene.looks(&[Why::Floor]) > by_clock);
    scene.mend_news().await;
    scene.is_well().await;
}

/// The viewer's host hears nothing and does not look by itself. It looks when it hears again: nobody tells it a second time of what was
/// written before.
async fn hears_again(carrier: Carrier) {
    let mut scene = Scene::begin(carrier, NEVER).await;
    let before = scene.replica.sync_count();
    let syncs = scene.cut_news().await;
    scene.has_no_more_than(before);
    // Which of them comes first depends on when the connection is there and when the share is followed over it.
    let reasons = [Why::Reconnect, Why::Begin];
    let looks = scene.looks(&reasons);
    scene.mend_news().await;
    scene.until_looks(&reasons, looks + 1).await;
    scene.has(syncs).await;
    scene.is_well().await;
}

/// The viewer's host is told of a sync and cannot read it. It looks for it again and again: more often than it is told of it, and without
/// any other reason.
async fn cut_off_from_the_bucket(carrier: Carrier) {
    let mut scene = Scene::begin(carrier, NEVER).await;
    let before = scene.replica.sync_count();
    let told = || scene.b.hub().metrics().hints_received.get();
    let (looks, hints) = (scene.looks(&[Why::Hint]), told());
    scene.cut_bucket(true);
    let syncs = scene.sync().await;
    until("more looks in vain than hints", || scene.looks(&[Why::Hint]) - looks > told() - hints + 1).await;
    scene.has_no_more_than(before);
    scene.cut_bucket(false);
    scene.has(syncs).await;
    scene.is_well().await;
}

/// The viewer's host hears nothing and cannot read the bucket. When it hears again, what it looks for then fails, and is looked for again
/// as often as if it heard nothing.
async fn cut_off_from_both(carrier: Carrier) {
    let mut scene = Scene::begin(carrier, OFTEN).await;
    let before = scene.replica.sync_count();
    scene.cut_bucket(true);
    let syncs = scene.cut_news().await;
    let failures = scene.b.hub().metrics().storage_failures.get();
    until("a look in vain", || scene.b.hub().metrics().storage_failures.get() > failures).await;
    scene.mend_news().await;
    // One was due already, and one may have been under way.
    let by_clock = scene.looks(&[Why::Floor]) + 3;
    scene.until_looks(&[Why::Floor], by_clock).await;
    scene.has_no_more_than(before);
    scene.cut_bucket(false);
    scene.has(syncs).await;
    scene.is_well().await;
}

/// S100: with hosts that call each other.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_viewer_misses_nothing_while_its_host_is_cut_off_from_the_others() {
    cut_off_from_news(Carrier::Peers).await;
}

/// S100: as above.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_viewer_misses_nothing_when_its_host_hears_the_others_again() {
    hears_again(Carrier::Peers).await;
}

/// S100: as above.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_viewer_misses_nothing_when_its_host_is_cut_off_from_the_bucket() {
    cut_off_from_the_bucket(Carrier::Peers).await;
}

/// S100: as above.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_viewer_misses_nothing_when_its_host_is_cut_off_from_the_others_and_the_bucket() {
    cut_off_from_both(Carrier::Peers).await;
}

/// S100: with NATS between the hosts.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_viewer_misses_nothing_while_its_host_is_cut_off_from_nats() {
    cut_off_from_news(Carrier::Nats).await;
}

/// S100: with NATS between the hosts.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_viewer_misses_nothing_when_its_host_reaches_nats_again() {
    hears_again(Carrier::Nats).await;
}

/// S100: with NATS between the hosts.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_viewer_misses_nothing_when_its_host_of_a_nats_deployment_is_cut_off_from_the_bucket() {
    cut_off_from_the_bucket(Carrier::Nats).await;
}

/// S100: with NATS between the hosts.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_viewer_misses_nothing_when_its_host_is_cut_off_from_nats_and_the_bucket() {
    cut_off_from_both(Carrier::Nats).await;
}
