//! What a viewer at one host sees of what is written at another, with NATS between the hosts.

use capshare::__internal::access::SingleAccount;
use capshare::client::Share;
use object_store::ObjectStore;
use object_store::memory::InMemory;
use serde_json::json;
use tokio::time::Instant;

use super::*;
use crate::support::bucket::TestBucket;
use crate::support::door::Served;
use crate::support::items::part;
use crate::support::looks::looks;
use crate::support::nats::NatsServer;
use crate::support::sse::Sse;

/// An empty bucket.
pub(super) fn memory() -> Arc<dyn ObjectStore> {
    Arc::new(InMemory::new())
}

/// A host over these objects, which looks by itself so often while there is no NATS.
pub(super) async fn host(objects: &Arc<dyn ObjectStore>, settings: &NatsSettings, poll: Duration) -> Served {
    host_with_floor(objects, settings, poll, Duration::from_secs(60)).await
}

/// A host that also looks by itself so often while there is NATS.
pub(super) async fn host_with_floor(
    objects: &Arc<dyn ObjectStore>,
    settings: &NatsSettings,
    poll: Duration,
    floor: Duration,
) -> Served {
    let access = Arc::new(SingleAccount::new("local".parse().unwrap()));
    Served::over(Arc::clone(objects), access, |host| {
        (host.hub.poll, host.hub.poll_hinted) = (Some(poll), floor);
        (host.hub.probe_every, host.nats) = (None, Some(settings.clone()));
        // Its record and those of the others cost 18 requests a minute, whatever is followed.
        host.hub.hosts.every = None;
    })
    .await
}

pub(super) async fn until_connected(served: &Served, connected: bool) {
    within("a change of the connection", async {
        while served.host.hub().hints().is_connected() != connected {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
}

/// A producer at one host, and a viewer at another.
pub(super) struct Scene {
    share: Share,
    stream: Sse,
    /// The last revision that was acknowledged, which the viewer has.
    revision: u64,
}

impl Scene {
    pub(super) async fn begin(a: &Served, b: &Served) -> Self {
        let share = a.client(None).create(&"ses_1".parse().unwrap(), Some(part("p", "0"))).await.unwrap();
        let mut stream = Sse::open(b, share.id().as_str(), &[]).await;
        assert_eq!(stream.until("ready").await.data["revision"], json!(1));
        Self { share, stream, revision: 1 }
    }

    /// Syncs, and gives the time from the acknowledgement until the viewer has it. It sees each revision once, in order, with what
    /// was written then.
    pub(super) async fn sync(&mut self) -> Duration {
        self.revision += 1;
        let synced = self.share.sync(part("p", &self.revision.to_string())).await.unwrap();
        let acknowledged = Instant::now();
        assert_eq!(synced.revision.0, self.revision);
        let changes = self.stream.until("changes").await;
        let took = acknowledged.elapsed();
        assert_eq!(changes.id, Some(self.revision.to_string()));
        assert_eq!(changes.data["changes"][0]["value"]["text"], json!(self.revision.to_string()));
        took
    }

    pub(super) async fn syncs(&mut self, number: usize) -> Vec<Duration> {
        let mut took = Vec::new();
        for _ in 0..number {
            took.push(self.sync().await);
        }
        took.sort_unstable();
        took
    }
}

/// S99: a viewer at B has what was acknowledged at A at once, though B would look by itself only after ten minutes.
#[tokio::test(flavor = "multi_thread")]
#[expect(clippy::print_stderr, reason = "the figures of a run by hand, shown with --no-capture")]
async fn a_viewer_at_one_host_has_what_was_written_at_another_at_once() {
    let server = NatsServer::start().await;
    let objects = memory();
    let settings = quick(&server.url());
    let poll = Duration::from_secs(600);
    let (a, b) = (host(&objects, &settings, poll).await, host(&objects, &settings, poll).await);
    until_connected(&a, true).await;
    until_connected(&b, true).await;
    let mut scene = Scene::begin(&a, &b).await;
    let took = scene.syncs(500).await;
    let (p50, p99) = (took[took.len() / 2], took[took.len() * 99 / 100]);
    eprintln!("acknowledged at A until the frame at B: p50 {p50:?}, p99 {p99:?}, most {:?}", took[took.len() - 1]);
    // A debug build on a machine that is busy with other tests; without NATS it would be minutes.
    assert!(p50 <= Duration::from_millis(100) && p99 <= Duration::from_millis(1_000), "p50 {p50:?}, p99 {p99:?}");
    let (sent, received) = (a.host.hub().metrics().hints_sent.get(), b.host.hub().metrics().hints_received.get());
    assert!(sent >= 500 && received >= 400, "{sent} sent, {received} received");
}

/// S100: whatever becomes of NATS, a viewer sees each revision once and in order, and at the latest when its host looks by itself; no sync
/// waits for NATS.
#[tokio::test(flavor = "multi_thread")]
#[expect(clippy::print_stderr, reason = "the figures of a run by hand, shown with --no-capture")]
async fn a_viewer_misses_nothing_whatever_becomes_of_nats() {
    let mut server = NatsServer::start().await;
    server.kill();
    let objects = memory();
    let settings = quick(&server.url());
    let poll = Duration::from_millis(50);
    let (a, b) = (host(&objects, &settings, poll).await, host(&objects, &settings, poll).await);
    let mut scene = Scene::begin(&a, &b).await;
    let mut told = Vec::new();
    let mut phase = async |scene: &mut Scene, what: &'static str| {
        let took = scene.syncs(10).await;
        told.push((what, took[5], took[9]));
    };
    phase(&mut scene, "absent at start").await;
    server.begin().await;
    for host in [&a, &b] {
        until_connected(host, true).await;
    }
    phase(&mut scene, "there").await;
    server.kill();
    phase(&mut scene, "killed").await;
    for host in [&a, &b] {
        until_connected(host, false).await;
    }
    phase(&mut scene, "away").await;
    server.begin().await;
    for host in [&a, &b] {
        until_connected(host, true).await;
    }
    phase(&mut scene, "back").await;
    // It hangs: nobody is told, until it was asked three times. What was written meanwhile is seen then.
    server.stop().await;
    phase(&mut scene, "hung").await;
    for host in [&a, &b] {
        until_connected(host, false).await;
    }
    phase(&mut scene, "left").await;
    server.signal("-CONT");
    for host in [&a, &b] {
        until_connected(host, true).await;
    }
    phase(&mut scene, "goes on").await;
    for (what, p50, most) in told {
        eprintln!("NATS {what}: acknowledged at A until the frame at B: p50 {p50:?}, most {most:?}");
    }
}

/// Requests of a host in a time in which so many shares rest that are followed there.
async fn requests_of_resting_shares(number: usize, time: Duration) -> u64 {
    let server = NatsServer::start().await;
    let objects = memory();
    let line = TestBucket::over(Arc::clone(&objects));
    let (settings, poll) = (quick(&server.url()), Duration::from_secs(1));
    let a = host(&objects, &settings, poll).await;
    let b = host(&(Arc::clone(&line) as _), &settings, poll).await;
    for host in [&a, &b] {
        until_connected(host, true).await;
    }
    let client = a.client(None);
    let (mut shares, mut streams) = (Vec::new(), Vec::new());
    for n in 0..number {
        let share = client.create(&format!("ses_{n}").parse().unwrap(), Some(part("p", "0"))).await.unwrap();
        let mut stream = Sse::open(&b, share.id().as_str(), &[]).await;
        stream.until("ready").await;
        shares.push(share);
        streams.push(stream);
    }
    let (looks, three_of_each) = (|| looks(b.host.hub(), &[Why::Begin]), 3 * number as u64);
    // Each looks three times at least, the last time after five seconds; it is over when there are no more of them.
    within("the looks of the beginning", async {
        let mut before = 0;
        while looks() < three_of_each || looks() > before {
            before = looks();
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    })
    .await;
    line.counts.reset();
    tokio::time::sleep(time).await;
    line.counts.all().iter().sum()
}

/// S101: while NATS is there, shares that rest and are followed are not asked for each second.
#[tokio::test(flavor = "multi_thread")]
async fn resting_shares_that_are_followed_cost_next_to_nothing() {
    let requests = requests_of_resting_shares(50, Duration::from_secs(2)).await;
    // In turns, one a minute; without NATS 100.
    assert!(requests <= 20, "{requests} requests");
}

/// S101: at most one request a minute for each.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "it takes more than a minute"]
#[expect(clippy::print_stderr, reason = "the figure of a run by hand")]
async fn a_hundred_resting_shares_for_a_minute() {
    let requests = requests_of_resting_shares(100, Duration::from_secs(60)).await;
    eprintln!("100 resting shares that are followed: {requests} requests in a minute");
    assert!(requests <= 110, "{requests} requests");
}
