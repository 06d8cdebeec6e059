//! The linked client in simulated histories: over lines that are cut, delayed and ended in each way there is.
//!
//! A history has one bucket, two or three hosts and two clients, each of which knows two hosts by a [`Way`] of its own to each. Over each
//! client a producer queues, flushes and syncs; others follow the share, take snapshots of it, and make calls; and the service
//! around the hosts pushes. One host takes all that the contract allows, the others take smaller messages. When all is over, the
//! log is read as it came about, and all that anybody was told is [held against it](record): what was acknowledged is there,
//! everything at most once and in order, every state that anybody saw is one that the log came to, and a snapshot is as new
//! as it must be.
//!
//! Seeds are as in the histories [of the store and the hub](super): the same seed gives the same history. What these can find is
//! shown by planting bugs in the client ([`Mutation`](capshare::client::Mutation)).

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use capshare::__internal::ambient::TokioClock;
use capshare::__internal::hub::HubSettings;
use capshare::__internal::store::{Opened, Store, StoreSettings, WriterId};
use capshare::Client;
use capshare::client::{Answer, Builder, ConnectionState, Mutation, Push};
use capshare::share::id::ShareId;
use capshare::share::revision::Revision;
use capshare::share::secret::Secret;
use capshare::testing::BEGINNING;
use futures::FutureExt as _;
use futures::future::{LocalBoxFuture, try_join_all};
use object_store::ObjectStoreExt as _;
use object_store::memory::InMemory;
use tokio::sync::watch;
use tokio::task::LocalSet;

use super::carrier::Manners;
use super::dice::Dice;
use super::hosts::{self, SimHost};
use super::seeds::{found_by, number, say, shows_again};
use super::world::World;
use super::{PATIENCE, weather};

mod actors;
mod record;
mod way;

use record::Record;
use way::{Net, WEATHERS, Way, Weather};

/// How many seeds are played in all weathers.
const SEEDS: u64 = 100;

/// What all hosts but the first take in one message: more than a chunk with all the removals that a share remembers.
const LOW_BYTES: usize = 192 << 10;

/// How long a host sleeps at most.
const SLEEP: Duration = Duration::from_secs(180);

/// Clients of one history.
const CLIENTS: u64 = 2;

/// What the actors of one history share.
struct Stage {
    seed: u64,
    world: Arc<World>,
    net: Arc<Net>,
    record: Record,
    share: watch::Sender<Option<(ShareId, Secret)>>,
    writers: Cell<usize>,
}

/// One client after the other: the next when one has ended for good.
struct Desk {
    name: String,
    seed: Cell<u64>,
    net: Arc<Net>,
    dice: Arc<Dice>,
    mutation: Option<Mutation>,
    client: RefCell<Option<Client>>,
}

/// What a history came to.
#[derive(Debug, Default, PartialEq, Eq)]
struct Report {
    trace: u64,
    operations: usize,
    ends: BTreeMap<&'static str, u64>,
}

impl Desk {
    /// The client of the hour.
    fn client(&self) -> Client {
        let mut client = self.client.borrow_mut();
        if client.as_ref().is_none_or(|client| matches!(*client.state().borrow(), ConnectionState::Closed(_))) {
            *client = Some(self.build());
        }
        client.clone().unwrap()
    }

    fn build(&self) -> Client {
        self.seed.set(self.seed.get() + 1);
        let name = format!("{}.{}", self.name, self.seed.get() % 1_000);
        let way =
            |half| Arc::new(Way { net: Arc::clone(&self.net), dice: Arc::clone(&self.dice), name: name.clone(), half });
        let mut builder = Builder::over(way(0)).and_over(way(1)).seed(self.seed.get());
        if let Some(mutation) = self.mutation {
            builder = builder.mutation(mutation);
        }
        let client = builder.build_local().unwrap();
        // The handler stays, whether or not the host has been told of it.
        tokio::task::spawn_local({
            let client = client.clone();
            async move { drop(client.on_push(answer).await) }
        });
        client
    }
}

/// Answers pushes as their names ask for it.
async fn answer(push: Push) -> Result<Answer, String> {
    let Push::Custom { name, data } = push else { return Ok(Answer::Done) };
    match name.as_str() {
        "as it came" => Ok(Answer::Custom(data)),
        "too much" => Ok(Answer::custom(format!("\"{}\"", "x".repeat(5 << 20)))),
        _ => Err("x".repeat(5 << 20)),
    }
}

/// Small chunks, so that states are read in several (a call costs as much as all else that a history does in its time); and all but
/// the first host take smaller messages than the contract allows.
fn settings(host: u64) -> HubSettings {
    let mut settings = hosts::settings(None);
    settings.limits.chunk_bytes_max = 16 << 10;
    if host > 1 {
        settings.limits.message_bytes_max = LOW_BYTES;
    }
    settings
}

impl Stage {
    fn new(seed: u64, told: bool) -> Self {
        let weather = Weather::of(seed);
        // What befalls the bucket and the hosts: little but in the last.
        let below = super::weather::Weather::of(match weather {
            Weather::Cuts | Weather::Ends => 0,
            Weather::Sizes => 4,
            Weather::All => 7,
        });
        let world = Arc::new(World::new(seed, below, Manners::of(seed / WEATHERS), told));
        let hosts = 2 + Dice::new(seed, 3).below(2);
        let hosts = (1..=hosts).map(|number| SimHost::with_settings(&world, seed, number, settings(number)));
        let net = Net {
            world: Arc::clone(&world),
            hosts: hosts.collect(),
            weather,
            calm: AtomicBool::new(false),
            executed: Default::default(),
            ends: Default::default(),
            faults: Default::default(),
        };
        Self {
            seed,
            world,
            net: Arc::new(net),
            record: Record::default(),
            share: watch::Sender::new(None),
            writers: Cell::new(0),
        }
    }

    fn next_writer(&self) -> usize {
        self.writers.set(self.writers.get() + 1);
        self.writers.get()
    }

    /// A producer was told of this share; all are told of the same.
    fn has_share(&self, id: &ShareId, secret: &Secret) -> Result<(), String> {
        let known = self.share.borrow().clone();
        match known {
            Some((other, _)) if other != *id => Err(format!("one session is two shares, {other} and {id}")),
            Some(_) => Ok(()),
            None => {
                self.share.send_replace(Some((id.clone(), secret.clone())));
                Ok(())
            }
        }
    }

    /// The share, once somebody has it.
    async fn known_share(&self) -> (ShareId, Secret) {
        let mut share = self.share.subscribe();
        let known = share.wait_for(Option::is_some).await.unwrap();
        known.clone().unwrap()
    }

    async fn play(&self, mutation: Option<Mutation>) -> Result<Report, String> {
        let desks: Vec<_> = (0..CLIENTS)
            .map(|number| Desk {
                name: format!("client {number}"),
                // Two clients of one seed would take each other's batches for their own.
                seed: Cell::new((self.seed << 20) | (number << 10)),
                net: Arc::clone(&self.net),
                dice: Arc::new(Dice::new(self.seed, 700 + number)),
                mutation,
                client: RefCell::default(),
            })
            .collect();
        let goal = watch::Sender::new(None);
        let followers = try_join_all(
            desks
                .iter()
                .zip(0..)
                .map(|(desk, number)| actors::follower(self, desk, number, goal.subscribe()).boxed_local()),
        );
        let acting = async {
            self.act(&desks).boxed_local().await?;
            // Whatever is still on its way lands.
            tokio::time::sleep(Duration::from_secs(15)).await;
            goal.send_replace(Some(self.audit().boxed_local().await?));
            Ok(())
        };
        let played = async { tokio::try_join!(acting, followers).map(drop) };
        let late = |_| Err(format!("after {PATIENCE:?} somebody still waits"));
        tokio::time::timeout(PATIENCE, played).await.unwrap_or_else(late)?;
        // What followers saw on the way.
        self.audit().boxed_local().await?;
        if let Some(fault) = self.net.faults.lock().unwrap().first() {
            return Err(fault.clone());
        }
        let ends = self.net.ends.lock().unwrap().clone();
        Ok(Report { trace: self.world.trace(), operations: self.record.next(), ends })
    }

    /// All that the clients do, and the weather meanwhile.
    async fn act(&self, desks: &[Desk]) -> Result<(), String> {
        let dice = Dice::new(self.seed, 2);
        let mut actors: Vec<LocalBoxFuture<'_, Result<(), String>>> = vec![
            async {
                weather::rage(&self.world, &self.net.hosts, &dice).await;
                Ok(())
            }
            .boxed_local(),
            actors::pusher(self).boxed_local(),
            actors::drainer(self).boxed_local(),
        ];
        let calming = async {
            // Lines fare badly for some time beyond that of the bucket.
            tokio::time::sleep(dice.millis(20_000, 60_000)).await;
            self.net.calm.store(true, Ordering::Relaxed);
            self.world.tell(format_args!("the lines are calm"));
            Ok(())
        };
        actors.push(calming.boxed_local());
        for (desk, number) in desks.iter().zip(0..) {
            actors.push(actors::producer(self, desk, number).boxed_local());
            actors.push(actors::reader(self, desk, number).boxed_local());
            actors.push(actors::caller(self, desk, number).boxed_local());
        }
        try_join_all(actors).await.map(drop)
    }

    /// Holds everything against the log as it came about: all segments that were ever written, and none of what they were folded
    /// into. Gives the last revision.
    async fn audit(&self) -> Result<Revision, String> {
        let (id, _) = self.known_share().await;
        let log = Arc::new(InMemory::new());
        for (key, payload) in self.world.first_written(&format!("share/{id}/log/")) {
            log.put(&key, payload).await.unwrap();
        }
        let store = Store::new(log, StoreSettings::default(), WriterId(1), Arc::new(TokioClock::from(BEGINNING)));
        let Ok(Opened::Open(_, news)) = store.open_log(&id).await else { return Err("there is no log".into()) };
        // A host that slept answers with what it had.
        let slept = if self.net.weather == Weather::All { SLEEP } else { Duration::ZERO };
        self.record.check(&news.entries, hosts::POLL + slept)
    }
}

/// The history of a seed; `told`: what happens is written down.
fn history_of(seed: u64, mutation: Option<Mutation>, told: bool) -> Result<Report, String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    LocalSet::new().block_on(&runtime, async {
        let stage = Stage::new(seed, told);
        stage.play(mutation).boxed_local().await
    })
}

/// Plays the seeds of one weather, or the one that was asked for, if it has this weather.
fn play_all(weather: u64) -> Report {
    let only = number("CAPSHARE_TEST_SEED");
    let seeds = only.map_or(1..=number("CAPSHARE_TEST_SEEDS").unwrap_or(SEEDS), |seed| seed..=seed);
    let (mut sum, mut played) = (Report::default(), 0);
    for seed in seeds.filter(|seed| seed % WEATHERS == weather) {
        let report = history_of(seed, None, only.is_some()).unwrap_or_else(|error| {
            panic!("seed {seed}: {error}\nto see it: CAPSHARE_TEST_SEED={seed} cargo nextest run --no-capture linked")
        });
        played += 1;
        sum.operations += report.operations;
        report.ends.into_iter().for_each(|(end, times)| *sum.ends.entry(end).or_default() += times);
    }
    say(&format!("{played} seeds: {sum:?}"));
    sum
}

macro_rules! weathers {
    ($($(#[$doc:meta])* $kind:literal $name:ident $ends:expr;)*) => {
        $(
            $(#[$doc])*
            #[test]
            fn $name() {
                let sum = play_all($kind);
                // Few seeds show nothing of what they meet.
                if sum.operations > 1_000 {
                    for end in $ends {
                        assert!(sum.ends.get(end).is_some_and(|times| *times > 0), "no line ended so: {end}; {sum:?}");
                    }
                }
            }
        )*
    };
}

weathers! {
    /// S89: cuts, within requests and within answers, and delays.
    0 clients_whose_lines_are_cut_lose_and_double_nothing ["cut"];
    /// S89: every way in which a connection can end.
    1 clients_whose_lines_end_in_every_way_lose_and_double_nothing
        ["cut", "closed by the peer", "text", "too large for the client", "violation", "idle"];
    /// S89: messages that are too large for a host or a proxy, beside others that are on their way.
    2 clients_that_send_too_much_at_once_harm_nobody ["cut", "too large for the peer"];
    /// S89: all of it, over a bucket and hosts that have a weather of their own.
    3 clients_in_every_weather_lose_and_double_nothing ["cut", "closed by the peer", "too large for the peer"];
}

/// The simulation can be relied on, with clients in it as well.
#[test]
fn a_seed_gives_the_same_history_twice_with_clients_in_it() {
    shows_again(2 * WEATHERS, |seed| history_of(seed, None, false));
}

fn finds(mutation: Mutation) {
    found_by(mutation, SEEDS, |seed, mutation| history_of(seed, Some(mutation), false));
}

#[test]
fn a_message_too_large_that_is_held_against_all_is_found() {
    finds(Mutation::BlameEveryCall);
}

#[test]
fn a_batch_sent_again_in_parts_is_found() {
    finds(Mutation::SendAgainInParts);
}

#[test]
fn a_batch_that_goes_to_the_next_host_under_a_new_stamp_is_found() {
    finds(Mutation::NewStampElsewhere);
}

#[test]
fn an_unchecked_answer_to_a_push_is_found() {
    finds(Mutation::UncheckedAnswer);
}

#[test]
fn a_snapshot_that_forgets_to_begin_again_is_found() {
    finds(Mutation::ForgetReset);
}
