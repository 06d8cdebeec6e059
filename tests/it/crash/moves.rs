//! Several hosts over one store. One of them is killed at random moments, and clients go from each to the others in the middle of
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

use super::carrier::Carrier;
use super::kills::{Dice, histories, holds_what_was_acknowledged, produce};
use super::way::Way;
use super::{Place, client, kill};
use crate::cli::program::{Running, free_ports};
use crate::support::http::ask;
use crate::support::patience::within;

/// Who is in a scene.
#[derive(Clone, Copy)]
struct Cast {
    hosts: usize,
    /// Producers with a share each.
    alone: usize,
    /// Producers of one share.
    together: usize,
    carrier: News,
}

/// What carries news between the hosts.
#[derive(Clone, Copy)]
enum News {
    Looks,
    Peers,
    Nats,
}

const TWO: Cast = Cast { hosts: 2, alone: 2, together: 4, carrier: News::Looks };

const THREE: Cast = Cast { hosts: 3, alone: 3, together: 5, carrier: News::Looks };

/// S21, S22: what was acknowledged by either host is there, once, wherever its producer went. S80: a follower goes on at the
/// other host with no gap.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_lost_or_doubled_when_clients_move_between_hosts_that_are_killed_over_a_directory() {
    run(Place::directory, TWO).await;
}

/// S21, S22, S80: as over a directory.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_lost_or_doubled_when_clients_move_between_hosts_that_are_killed_over_an_s3_server() {
    run(Place::s3, TWO).await;
}

/// S100: as without news, while three hosts tell each other what was written, and now and then nothing comes of it.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_lost_or_doubled_when_hosts_that_call_each_other_are_killed_and_their_links() {
    run(Place::directory, Cast { carrier: News::Peers, ..THREE }).await;
}

/// S100: as without news, while three hosts tell each other by NATS what was written, and its server is killed now and then.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_lost_or_doubled_when_hosts_that_use_nats_are_killed_and_its_server() {
    run(Place::directory, Cast { carrier: News::Nats, ..THREE }).await;
}

/// What a run came to, for its figures.
#[derive(Debug, Default)]
struct Figures {
    kills: u64,
    kills_of_the_carrier: u64,
    /// Times at which it was seen that news came again after all that.
    recoveries: u64,
    moves: u64,
    acknowledged: usize,
    /// Answers that say that the sync had been applied before.
    sent_again: usize,
    /// Steps that followers were told.
    steps: usize,
}

#[expect(clippy::print_stderr, reason = "the figures of a run by hand, shown with --no-capture")]
async fn run(a_place: fn() -> Place, cast: Cast) {
    let mut figures = Figures::default();
    for (seed, kills) in histories() {
        // Shown when the test fails.
        eprintln!("seed {seed}");
        let place = a_place();
        let mut scene = Scene::begin(&place, cast, Dice(SeededEntropy::new(seed))).await;
        for _ in 0..kills {
            scene.kill(&mut figures).await;
        }
        scene.end(&mut figures).await;
    }
    eprintln!("{figures:?}");
}

/// One of the hosts, on a port that stays its own.
struct Host {
    port: u16,
    url: String,
    /// `None` while it is dead.
    running: Option<Running>,
}

impl Host {
    /// How many hints it has had from others so far.
    async fn hints(&self) -> u64 {
        let address = self.url.strip_prefix("http://").unwrap().parse().unwrap();
        let metrics = ask(address, "GET", "/metrics", &[]).await;
        let line = |text: &str| text.strip_prefix("capshare_hints_received_total ").map(|count| count.parse().unwrap());
        metrics.text().lines().find_map(line).expect("a count of hints")
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
    cast: Cast,
    dice: Dice,
    hosts: Vec<Host>,
    carrier: Carrier,
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
    async fn begin(place: &'a Place, cast: Cast, dice: Dice) -> Self {
        let ports = free_ports(cast.hosts as u32);
        let carrier = match cast.carrier {
            News::Looks => Carrier::Looks,
            News::Peers => Carrier::peers(&ports).await,
            News::Nats => Carrier::nats().await,
        };
        let start = |(number, port): (usize, &u16)| {
            let (running, url) = place.serve_with(*port, &carrier.arguments(number));
            Host { port: *port, url, running: Some(running) }
        };
        let hosts: Vec<_> = ports.iter().enumerate().map(start).collect();
        let (stop, acknowledged) = (watch::Sender::new(false), Arc::new(watch::Sender::new(0)));
        let expected = watch::Sender::new(None);
        let (mut routes, mut producers) = (Vec::new(), Vec::new());
        let mut shares = BTreeMap::new();
        for n in 0..cast.alone + cast.together {
            let name = format!("producer-{n}");
            let session = if n < cast.alone { format!("alone-{n}") } else { "together".to_owned() };
            let route = Route { way: Way::to(&hosts[n % cast.hosts].url).await, to: n % cast.hosts };
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
            // At a host where the producer is not.
            let to = (producer_at + 1) % cast.hosts;
            let route = Route { way: Way::to(&hosts[to].url).await, to };
            let watch = client(&route.way.url).watch(&id, WatchFrom::WholeState);
            let replica = tokio::spawn(follow(id.clone(), watch, expected.subscribe()));
            followers.push(Follower { id, replica });
            routes.push(route);
        }
        Self { place, cast, dice, hosts, carrier, routes, producers, followers, stop, acknowledged, expected }
    }

    /// Moves some clients while all hosts live, and kills one of them somewhere in the next syncs; its clients go on at the others.
    /// Now and then what carries the news is killed as well, and is back after the host.
    async fn kill(&mut self, figures: &mut Figures) {
        self.some_syncs().await;
        for n in 0..self.routes.len() {
            if self.dice.below(3) == 0 {
                self.move_from(n, self.routes[n].to, figures);
            }
        }
        self.some_syncs().await;
        let doomed = self.dice.below(self.hosts.len() as u64) as usize;
        let and_its_carrier = self.carrier.is_there() && self.dice.below(3) == 0;
        // How far the calls get, only the dice know.
        tokio::time::sleep(Duration::from_micros(self.dice.below(20_000))).await;
        if and_its_carrier {
            self.carrier.kill();
            figures.kills_of_the_carrier += 1;
            self.some_syncs().await;
        }
        kill(self.hosts[doomed].running.take().unwrap());
        figures.kills += 1;
        for n in 0..self.routes.len() {
            if self.routes[n].to == doomed {
                self.move_from(n, doomed, figures);
            }
        }
        // All that is acknowledged now is by those that live.
        self.some_syncs().await;
        let (running, _) = self.place.serve_with(self.hosts[doomed].port, &self.carrier.arguments(doomed));
        self.hosts[doomed].running = Some(running);
        if and_its_carrier {
            self.carrier.begin().await;
        }
        if self.carrier.is_there() && self.dice.below(2) == 0 {
            self.until_news_come(figures).await;
            figures.recoveries += 1;
        }
    }

    /// Spreads the producers of one share over the hosts, and waits until each of these has heard of what was written at another since.
    async fn until_news_come(&mut self, figures: &mut Figures) {
        for (n, to) in (self.cast.alone..self.producers.len()).zip((0..self.hosts.len()).cycle()) {
            self.move_to(n, to, figures);
        }
        for host in &self.hosts {
            let before = host.hints().await;
            within("news of another host", async {
                while host.hints().await <= before {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
            })
            .await;
        }
    }

    /// Waits for up to 60 acknowledged syncs.
    async fn some_syncs(&mut self) {
        let enough = *self.acknowledged.borrow() + self.dice.below(60);
        self.acknowledged.subscribe().wait_for(|count| *count >= enough).await.unwrap();
    }

    /// Leads a client to another host than this one.
    fn move_from(&mut self, n: usize, from: usize, figures: &mut Figures) {
        let others = self.hosts.len() as u64 - 1;
        let to = (from + 1 + self.dice.below(others) as usize) % self.hosts.len();
        self.move_to(n, to, figures);
    }

    fn move_to(&mut self, n: usize, to: usize, figures: &mut Figures) {
        let route = &mut self.routes[n];
        route.to = to;
        route.way.lead_to(&self.hosts[to].url);
        figures.moves += 1;
    }

    /// Lets the producers finish, waits until the followers have all of it, kills all hosts, and looks at what a new one finds.
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
