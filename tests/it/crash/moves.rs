//! Two hosts over one store. One of them is killed at random moments, and clients go from either to the other in the middle of
//! their calls. `CAPSHARE_TEST_KILLS` and `CAPSHARE_TEST_SEED` are as for [`kills`](super::kills).

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use capshare::__internal::ambient::SeededEntropy;
use capshare::client::{Replica, Share, Watch, WatchFrom};
use capshare::share::id::ShareId;
use capshare::share::view::Synced;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::kills::{Dice, histories, holds_what_was_acknowledged, produce};
use super::way::Way;
use super::{Place, client, kill};
use crate::cli::program::{Running, free_port};

/// Producers with a share each, and producers of one share.
const ALONE: usize = 2;
const TOGETHER: usize = 4;

/// S21, S22: what was acknowledged by either host is there, once, wherever its producer went. S80: a follower goes on at the
/// other host with no gap.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_lost_or_doubled_when_clients_move_between_hosts_that_are_killed_over_a_directory() {
    run(Place::directory).await;
}

/// S21, S22, S80: as over a directory.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_lost_or_doubled_when_clients_move_between_hosts_that_are_killed_over_an_s3_server() {
    run(Place::s3).await;
}

/// What a run came to, for its figures.
#[derive(Debug, Default)]
struct Figures {
    kills: u64,
    moves: u64,
    acknowledged: usize,
    /// Answers that say that the sync had been applied before.
    sent_again: usize,
    /// Steps that followers were told.
    steps: usize,
}

#[expect(clippy::print_stderr, reason = "the figures of a run by hand, shown with --no-capture")]
async fn run(a_place: fn() -> Place) {
    let mut figures = Figures::default();
    for (seed, kills) in histories() {
        // Shown when the test fails.
        eprintln!("seed {seed}");
        let place = a_place();
        let mut scene = Scene::begin(&place, Dice(SeededEntropy::new(seed))).await;
        for _ in 0..kills {
            scene.kill(&mut figures).await;
        }
        scene.end(&mut figures).await;
    }
    eprintln!("{figures:?}");
}

/// One of the two hosts, on a port that stays its own.
struct Host {
    port: u16,
    url: String,
    /// `None` while it is dead.
    running: Option<Running>,
}

impl Host {
    fn start(place: &Place) -> Self {
        let port = free_port();
        let (running, url) = place.serve(port);
        Self { port, url, running: Some(running) }
    }
}

/// A client's way, and the host that it leads to.
struct Route {
    way: Way,
    to: usize,
}

struct Producer {
    name: String,
    share: Share,
    answers: JoinHandle<Vec<Synced>>,
}

struct Follower {
    id: ShareId,
    /// Ends once it has seen as many syncs as it is told that there are.
    replica: JoinHandle<(Replica, usize)>,
}

/// One history.
struct Scene<'a> {
    place: &'a Place,
    dice: Dice,
    hosts: [Host; 2],
    /// Of the producers, then of the followers.
    routes: Vec<Route>,
    producers: Vec<Producer>,
    followers: Vec<Follower>,
    stop: watch::Sender<bool>,
    acknowledged: Arc<watch::Sender<u64>>,
    /// How many syncs each share has in the end.
    expected: watch::Sender<Option<BTreeMap<ShareId, u64>>>,
}

impl<'a> Scene<'a> {
    async fn begin(place: &'a Place, dice: Dice) -> Self {
        let hosts = [Host::start(place), Host::start(place)];
        let (stop, acknowledged) = (watch::Sender::new(false), Arc::new(watch::Sender::new(0)));
        let expected = watch::Sender::new(None);
        let (mut routes, mut producers) = (Vec::new(), Vec::new());
        let mut shares = BTreeMap::new();
        for n in 0..ALONE + TOGETHER {
            let name = format!("producer-{n}");
            let session = if n < ALONE { format!("alone-{n}") } else { "together".to_owned() };
            let route = Route { way: Way::to(&hosts[n % 2].url).await, to: n % 2 };
            // A server that has only just started may leave its first writes without an answer: such a failure says that it passes.
            let mut attempts = 0;
            let share = loop {
                attempts += 1;
                match client(&route.way.url).create(&session.parse().unwrap(), None).await {
                    Ok(share) => break share,
                    Err(error) if error.is_transient() && attempts < 4 => {}
                    Err(error) => panic!("{error}"),
                }
            };
            shares.insert(share.id().clone(), route.to);
            let answers = tokio::spawn(produce(name.clone(), share.clone(), stop.subscribe(), acknowledged.clone()));
            producers.push(Producer { name, share, answers });
            routes.push(route);
        }
        let mut followers = Vec::new();
        for (id, producer_at) in shares {
            // At the host where the producer is not.
            let to = 1 - producer_at;
            let route = Route { way: Way::to(&hosts[to].url).await, to };
            let watch = client(&route.way.url).watch(&id, WatchFrom::WholeState);
            let replica = tokio::spawn(follow(id.clone(), watch, expected.subscribe()));
            followers.push(Follower { id, replica });
            routes.push(route);
        }
        Self { place, dice, hosts, routes, producers, followers, stop, acknowledged, expected }
    }

    /// Moves some clients while both hosts live, and kills one of them somewhere in the next syncs; its clients go on at the other.
    async fn kill(&mut self, figures: &mut Figures) {
        self.some_syncs().await;
        for n in 0..self.routes.len() {
            if self.dice.below(3) == 0 {
                self.move_to(n, 1 - self.routes[n].to, figures);
            }
        }
        self.some_syncs().await;
        let doomed = self.dice.below(2) as usize;
        // How far the calls get, only the dice know.
        tokio::time::sleep(Duration::from_micros(self.dice.below(20_000))).await;
        kill(self.hosts[doomed].running.take().unwrap());
        figures.kills += 1;
        for n in 0..self.routes.len() {
            if self.routes[n].to == doomed {
                self.move_to(n, 1 - doomed, figures);
            }
        }
        // All that is acknowledged now is by the one that lives.
        self.some_syncs().await;
        self.hosts[doomed].running = Some(self.place.serve(self.hosts[doomed].port).0);
    }

    /// Waits for up to 60 acknowledged syncs.
    async fn some_syncs(&mut self) {
        let enough = *self.acknowledged.borrow() + self.dice.below(60);
        self.acknowledged.subscribe().wait_for(|count| *count >= enough).await.unwrap();
    }

    fn move_to(&mut self, n: usize, to: usize, figures: &mut Figures) {
        let route = &mut self.routes[n];
        route.to = to;
        route.way.lead_to(&self.hosts[to].url);
        figures.moves += 1;
    }

    /// Lets the producers finish, waits until the followers have all of it, kills both hosts, and looks at what a new one finds.
    async fn end(mut self, figures: &mut Figures) {
        self.stop.send_replace(true);
        let mut told = BTreeMap::<ShareId, Vec<(String, Vec<Synced>)>>::new();
        for producer in self.producers {
            let answers = producer.answers.await.unwrap();
            figures.acknowledged += answers.len();
            figures.sent_again += answers.iter().filter(|answer| answer.duplicate).count();
            told.entry(producer.share.id().clone()).or_default().push((producer.name, answers));
        }
        let counts = told.iter().map(|(id, of)| (id.clone(), of.iter().map(|(_, answers)| answers.len() as u64).sum()));
        self.expected.send_replace(Some(counts.collect()));
        for follower in self.followers {
            let (replica, steps) = follower.replica.await.unwrap();
            figures.steps += steps;
            holds_what_was_acknowledged(&replica, &told[&follower.id]);
        }
        for host in &mut self.hosts {
            kill(host.running.take().unwrap());
        }
        let (_host, url) = self.place.serve(0);
        let client = client(&url);
        for (id, of_producers) in told {
            holds_what_was_acknowledged(&client.snapshot(&id).await.unwrap(), &of_producers);
        }
    }
}

/// Follows a share to the end, and gives what it came to. A step that does not follow on the one before, or that goes back, fails.
async fn follow(
    id: ShareId,
    mut watch: Watch,
    mut expected: watch::Receiver<Option<BTreeMap<ShareId, u64>>>,
) -> (Replica, usize) {
    let (mut replica, mut steps) = (Replica::new(), 0);
    loop {
        let count = expected.borrow_and_update().as_ref().map(|counts| counts[&id]);
        if count.is_some_and(|count| replica.sync_count() >= count) {
            return (replica, steps);
        }
        tokio::select! {
            changed = expected.changed() => changed.unwrap(),
            step = watch.next() => {
                let before = replica.revision();
                replica.apply(&step.unwrap().unwrap()).unwrap();
                assert!(replica.revision() >= before, "{id}: a follower went back to {}", replica.revision());
                steps += 1;
            }
        }
    }
}
