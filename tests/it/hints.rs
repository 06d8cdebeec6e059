//! News between hosts, through real hosts over one bucket, with a carrier that brings everything at once.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use capshare::__internal::hints::{Carrier, Hint, Hints, Message, NotSent};
use capshare::__internal::rooms::feed::Feed;
use capshare::__internal::rooms::room::Room;
use capshare::share::id::ShareId;
use capshare::share::limits::WRITTEN_FOLLOWED_MAX;
use capshare::share::revision::Revision;
use capshare::testing::{Scene, run};
use object_store::memory::InMemory;
use tokio::time::{Instant, sleep};

use crate::support::bucket::TestBucket;
use crate::support::items::part;

mod absent;
mod costs;

/// Hosts that hear each other.
#[derive(Debug, Default)]
struct Neighbours {
    hosts: Mutex<Vec<Weak<Hints>>>,
    follows: Mutex<Vec<(usize, ShareId)>>,
    sent: Mutex<Vec<Hint>>,
    is_full: AtomicBool,
}

/// One host's end.
#[derive(Debug)]
struct End(usize, Arc<Neighbours>);

impl Carrier for End {
    fn follow(&self, share: &ShareId) {
        self.1.follows.lock().unwrap().push((self.0, share.clone()));
    }

    fn unfollow(&self, share: &ShareId) {
        self.1.follows.lock().unwrap().retain(|followed| *followed != (self.0, share.clone()));
    }

    fn publish(&self, message: Message) -> Result<(), NotSent> {
        if self.1.is_full.load(Ordering::Relaxed) {
            return Err(NotSent);
        }
        let Message::Share(hint) = &message else { return Err(NotSent) };
        self.1.sent.lock().unwrap().push(hint.clone());
        let follows = self.1.follows.lock().unwrap().clone();
        for (at, host) in self.1.hosts.lock().unwrap().iter().enumerate() {
            if let Some(host) = host.upgrade().filter(|_| follows.contains(&(at, hint.share.clone()))) {
                let message = message.clone();
                drop(tokio::spawn(async move { host.receive(&message) }));
            }
        }
        Ok(())
    }
}

impl Neighbours {
    fn join(self: &Arc<Self>, scene: &Scene) {
        let hints = scene.host().hub().hints();
        let number = self.hosts.lock().unwrap().len();
        self.hosts.lock().unwrap().push(Arc::downgrade(hints));
        assert!(hints.attach(Arc::new(End(number, Arc::clone(self)))));
        assert!(!hints.attach(Arc::new(End(number, Arc::clone(self)))), "only the first counts");
        hints.connected(true);
    }

    fn follows(&self) -> usize {
        self.follows.lock().unwrap().len()
    }
}

/// Two hosts over one bucket that hear each other; the second has a line of its own to the bucket.
struct Pair {
    news: Arc<Neighbours>,
    line: Arc<TestBucket>,
    one: Scene,
    two: Scene,
}

impl Pair {
    fn new() -> Self {
        let objects = Arc::new(InMemory::new());
        let line = TestBucket::over(Arc::clone(&objects) as _);
        let news = Arc::<Neighbours>::default();
        let one = Scene::builder().store(objects).build();
        let unasked = |settings: &mut capshare::host::HostSettings| {
            (settings.hub.probe_every, settings.hub.hosts.every) = (None, None);
        };
        let two = Scene::builder().store(Arc::clone(&line) as _).settings(unasked).seed(2).build();
        news.join(&one);
        news.join(&two);
        Self { news, line, one, two }
    }

    /// A follower at the second host, who was told all there is.
    async fn follow(&self, id: &ShareId) -> Feed {
        let rooms = self.two.host().hub().rooms();
        let room: Arc<Room> = rooms.view(id.as_str()).await.unwrap();
        let mut feed = rooms.follow(&room, Revision::EMPTY).await.unwrap();
        feed.next().await.unwrap();
        feed
    }

    fn looks(&self, why: &str) -> u64 {
        let text = self.two.host().hub().metrics().render();
        let line = format!("capshare_looks_total{{reason=\"{why}\"}} ");
        text.lines().find_map(|found| found.strip_prefix(&line)).map_or(0, |count| count.parse().unwrap())
    }
}

/// S99: a follower is told at once, and each sync costs one read.
#[test]
fn a_hint_brings_news_at_once_and_costs_one_read() {
    run(async {
        let pair = Pair::new();
        let share = pair.one.client().create(&"ses_1".parse().unwrap(), Some(part("p", "0"))).await.unwrap();
        let mut feed = pair.follow(share.id()).await;
        sleep(Duration::from_secs(10)).await;
        for n in 1..=20_u64 {
            share.sync(part("p", &n.to_string())).await.unwrap();
            let acknowledged = Instant::now();
            pair.line.counts.reset();
            assert_eq!(feed.next().await.unwrap().step().revision.0, n + 1);
            assert!(acknowledged.elapsed() <= Duration::from_millis(5), "{:?}", acknowledged.elapsed());
            // After ten seconds the lease is to be made young again, by one more.
            let reads = pair.line.counts.all()[1];
            assert!(reads == 1 || (n == 1 && reads == 2), "{reads} for {n}");
        }
        assert_eq!(pair.looks("hint"), 20);
        let metrics = pair.two.host().hub().metrics();
        // What was sent again told nothing new.
        let useful = metrics.hints_received.get() - metrics.hints_useless.get();
        assert_eq!((useful, metrics.hints_holes.get()), (20, 0));
    });
}

/// S100: forged hints change nothing; each costs one look at most, and at most one a second.
#[test]
fn forged_hints_cost_a_look_a_second_and_change_nothing() {
    run(async {
        let pair = Pair::new();
        let share = pair.one.client().create(&"ses_1".parse().unwrap(), Some(part("p", "0"))).await.unwrap();
        let mut feed = pair.follow(share.id()).await;
        sleep(Duration::from_secs(6)).await;
        pair.line.counts.reset();
        let hints = pair.two.host().hub().hints();
        for n in 0..1_000 {
            let host = capshare::share::id::HostId::from_bits(7);
            let at = capshare::share::time::Timestamp(i64::MAX);
            hints.receive(&Message::Share(Hint { share: share.id().clone(), seq: 2 + n, host, at }));
            sleep(Duration::from_millis(10)).await;
        }
        let [puts, gets, lists, _] = pair.line.counts.all();
        assert!(puts + lists == 0 && gets <= 11, "{gets} reads, {lists} listings");
        assert!(feed.take().unwrap().is_none());
        share.sync(part("p", "1")).await.unwrap();
        assert_eq!(feed.next().await.unwrap().step().revision.0, 2);
    });
}

/// A carrier that takes nothing holds up nobody, and is counted.
#[test]
fn what_the_carrier_does_not_take_is_dropped_and_counted() {
    run(async {
        let pair = Pair::new();
        let share = pair.one.client().create(&"ses_1".parse().unwrap(), Some(part("p", "0"))).await.unwrap();
        let mut feed = pair.follow(share.id()).await;
        sleep(Duration::from_secs(10)).await;
        pair.news.is_full.store(true, Ordering::Relaxed);
        let dropped = || pair.one.host().hub().metrics().hints_dropped.get();
        let before = dropped();
        share.sync(part("p", "1")).await.unwrap();
        assert!(dropped() > before);
        // It is sent again, after a second and after five.
        sleep(Duration::from_secs(2)).await;
        pair.news.is_full.store(false, Ordering::Relaxed);
        let begun = Instant::now();
        assert_eq!(feed.next().await.unwrap().step().revision.0, 2);
        assert!(begun.elapsed() <= Duration::from_secs(4), "{:?}", begun.elapsed());
    });
}

#[test]
fn a_share_is_followed_while_somebody_waits_and_for_ten_seconds_after_a_write() {
    run(async {
        let pair = Pair::new();
        let share = pair.one.client().create(&"ses_1".parse().unwrap(), Some(part("p", "0"))).await.unwrap();
        assert_eq!(pair.news.follows(), 1, "who wrote it");
        let (feed, other) = (pair.follow(share.id()).await, pair.follow(share.id()).await);
        assert_eq!(pair.news.follows(), 2);
        sleep(Duration::from_secs(11)).await;
        assert_eq!(pair.news.follows(), 1, "who follows it");
        drop(feed);
        assert_eq!(pair.news.follows(), 1);
        drop(other);
        assert_eq!(pair.news.follows(), 0);
    });
}

#[test]
fn so_many_shares_are_followed_because_they_were_written_and_no_more() {
    run(async {
        let pair = Pair::new();
        pair.news.is_full.store(true, Ordering::Relaxed);
        let hints = pair.one.host().hub().hints();
        for n in 0..=WRITTEN_FOLLOWED_MAX {
            hints.wrote(&ShareId::from_bits(n as u128), 1);
        }
        assert_eq!(pair.news.follows(), WRITTEN_FOLLOWED_MAX);
    });
}

/// Whoever works for a room lives on the runtime of somebody who brought work: when that ends, those who wait take over.
#[test]
fn a_room_whose_runtime_ended_goes_on_looking() {
    let objects = Arc::new(InMemory::new());
    let main = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let scenes = main.block_on(async {
        let build = |seed| {
            let quick = |settings: &mut capshare::host::HostSettings| {
                settings.hub.poll = Some(Duration::from_millis(20));
            };
            Scene::builder().store(Arc::clone(&objects) as _).seed(seed).settings(quick).build()
        };
        [build(1), build(2)]
    });
    let local = tokio::task::LocalSet::new();
    let share = local.block_on(&main, async {
        scenes[0].client().create(&"ses_1".parse().unwrap(), Some(part("p", "0"))).await.unwrap()
    });
    let rooms = scenes[1].host().hub().rooms();
    let other = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    // The room's alarm is set there.
    let mut feed = other.block_on(async {
        let room = rooms.view(share.id().as_str()).await.unwrap();
        rooms.follow(&room, Revision::EMPTY).await.unwrap()
    });
    let told = main.block_on(async { feed.next().await.unwrap().step().revision.0 });
    assert_eq!(told, 1);
    other.shutdown_timeout(Duration::from_secs(10));
    local.block_on(&main, async {
        share.sync(part("p", "1")).await.unwrap();
        let told = tokio::time::timeout(Duration::from_secs(10), feed.next()).await.unwrap();
        assert_eq!(told.unwrap().step().revision.0, 2);
    });
}
