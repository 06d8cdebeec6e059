//! How soon a viewer at one host is told what another host wrote, in a world with good weather: within milliseconds if a carrier brings
//! everything, within the floor if it loses most of it, and within the poll without one.

use std::cell::{Cell, RefCell};
use std::sync::Arc;
use std::time::Duration;

use capshare::__internal::hub::HubSettings;
use capshare::__internal::rooms::Terms;
use capshare::__internal::store::Mutation;
use capshare::share::id::ShareId;
use capshare::share::revision::Revision;
use capshare::share::secret::Secret;
use futures::FutureExt as _;
use tokio::time::{Instant, sleep, sleep_until};

use super::carrier::Manners;
use super::clients::{ann, batch, session};
use super::dice::Dice;
use super::hosts::{self, FLOOR, POLL, SimHost};
use super::seeds::{found_by, shows_again};
use super::weather::Weather;
use super::world::World;

/// How many seeds are played with each carrier.
const SEEDS: u64 = 40;

/// Longer than a hint and the look that it makes take here: two ways of a request, and those of an append that is under way.
const SOON: Duration = Duration::from_millis(400);

/// How long a history lasts.
const LASTS: Duration = Duration::from_secs(30);

struct Stage {
    world: Arc<World>,
    hosts: Vec<SimHost>,
    dice: Dice,
    /// Each revision, and when it was acknowledged.
    acknowledged: RefCell<Vec<(u64, Instant)>>,
    viewers: [Watching; 2],
    ends: Instant,
}

/// Where a viewer stands.
#[derive(Debug, Default)]
struct Watching {
    /// Since when it follows where it is.
    since: Cell<Option<Instant>>,
    at: Cell<u64>,
}

/// A room that is about to be folded looks too; here none is, so that nothing else makes up for what is lost.
fn settings(mutation: Option<Mutation>) -> HubSettings {
    let mut settings = hosts::settings(mutation);
    settings.fold_after = Duration::from_secs(600);
    settings
}

/// How late a viewer may be.
fn bound(manners: Manners) -> Duration {
    match manners {
        Manners::GOOD => SOON,
        Manners::NONE => POLL + SOON,
        // What was missed meanwhile is read one after the other.
        _ => FLOOR + 4 * SOON,
    }
}

impl Stage {
    fn new(seed: u64, manners: Manners, mutation: Option<Mutation>) -> Self {
        let world = Arc::new(World::new(seed, Weather::CALM, manners, false));
        Self {
            hosts: (1..=2).map(|number| SimHost::with_settings(&world, seed, number, settings(mutation))).collect(),
            world,
            dice: Dice::new(seed, 5),
            acknowledged: RefCell::default(),
            viewers: Default::default(),
            ends: Instant::now() + LASTS,
        }
    }

    async fn play(&self, within: Duration) -> Result<u64, String> {
        let host = self.hosts[0].up().unwrap();
        let first = batch(&self.dice, 0, "precious", None);
        let created = host.hub.rooms().create(&ann(), &session(), Some(first), Terms::default()).await.unwrap();
        self.has(created.revision.0);
        let (id, secret) = (created.id, created.secret);
        drop(created.room);
        let producing = self.produce(&id, &secret).boxed_local();
        let viewing = [0, 1].map(|n| self.view(n, &id).boxed_local());
        let judging = self.judge(within).boxed_local();
        tokio::try_join!(producing, judging, futures::future::try_join_all(viewing))?;
        Ok(self.world.trace())
    }

    fn has(&self, revision: u64) {
        self.acknowledged.borrow_mut().push((revision, Instant::now()));
    }

    /// Writes at one host, with pauses between; seldom goes to the other.
    async fn produce(&self, id: &ShareId, secret: &Secret) -> Result<(), String> {
        let dice = &self.dice;
        let mut host = self.hosts[0].up().unwrap();
        for label in 1.. {
            let pause = match dice.below(20) {
                0 => dice.millis(3_000, 9_000),
                1..10 => dice.millis(600, 1_500),
                _ => dice.millis(1, 100),
            };
            sleep(pause).await;
            if Instant::now() >= self.ends {
                return Ok(());
            }
            if dice.chance(20) {
                host = dice.pick(&self.hosts).up().unwrap();
            }
            let batch = batch(dice, label, "precious", None);
            let synced = host.hub.rooms().sync(&ann(), id.as_str(), secret, batch).await;
            self.has(synced.map_err(|refusal| format!("sync: {refusal}"))?.revision.0);
        }
        Ok(())
    }

    /// Follows at one host or the other, for some time.
    async fn view(&self, n: usize, id: &ShareId) -> Result<(), String> {
        let (watching, dice) = (&self.viewers[n], &self.dice);
        while Instant::now() < self.ends {
            let host = dice.pick(&self.hosts).up().unwrap();
            let rooms = host.hub.rooms();
            let failed = |refusal| format!("follow: {refusal}");
            let room = rooms.view(id.as_str()).await.map_err(failed)?;
            let mut feed = rooms.follow(&room, Revision(watching.at.get())).await.map_err(failed)?;
            watching.since.set(Some(Instant::now()));
            let moves = sleep(dice.millis(500, if dice.chance(300) { 15_000 } else { 2_000 }));
            tokio::pin!(moves);
            loop {
                tokio::select! {
                    biased;
                    () = &mut moves => break,
                    event = feed.next() => watching.at.set(event.map_err(failed)?.step().revision.0),
                }
            }
            watching.since.set(None);
            drop(feed);
            sleep(dice.millis(0, 2_000)).await;
        }
        Ok(())
    }

    /// Whoever follows holds what was acknowledged so long ago.
    async fn judge(&self, within: Duration) -> Result<(), String> {
        while Instant::now() < self.ends {
            sleep_until(Instant::now() + Duration::from_millis(10)).await;
            let now = Instant::now();
            let due =
                self.acknowledged.borrow().iter().filter(|(_, at)| *at + within <= now).map(|(due, _)| *due).max();
            for (n, Watching { since, at }) in self.viewers.iter().enumerate() {
                let (Some(since), Some(due)) = (since.get(), due) else { continue };
                if since + within <= now && at.get() < due {
                    let at = at.get();
                    return Err(format!(
                        "viewer {n} stands at {at}, and {due} was acknowledged more than {within:?} ago"
                    ));
                }
            }
        }
        Ok(())
    }
}

fn history_of(seed: u64, manners: Manners, mutation: Option<Mutation>) -> Result<u64, String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    runtime.block_on(async {
        let stage = Stage::new(seed, manners, mutation);
        stage.play(bound(manners)).boxed_local().await
    })
}

fn play_all(manners: Manners) {
    for seed in 1..=SEEDS {
        if let Err(error) = history_of(seed, manners, None) {
            panic!("seed {seed}: {error}");
        }
    }
}

#[test]
fn without_a_carrier_viewers_are_told_within_the_poll() {
    play_all(Manners::NONE);
}

#[test]
fn with_a_carrier_viewers_are_told_at_once() {
    play_all(Manners::GOOD);
}

/// S100: what was lost to the end is repaired within the floor.
#[test]
fn with_a_carrier_that_loses_most_viewers_are_told_within_the_floor() {
    play_all(Manners::LOSSY);
    play_all(Manners::DEAF);
}

/// S100: late, doubled and false hints make nobody later than the floor does.
#[test]
fn with_a_carrier_that_lies_viewers_are_told_within_the_floor() {
    play_all(Manners::LYING);
}

#[test]
fn a_seed_gives_the_same_history_twice_with_a_carrier_in_it() {
    shows_again(12, |seed| history_of(seed, Manners::of(seed), None));
}

#[test]
fn a_lost_last_hint_without_a_floor_is_found() {
    found_by(Mutation::NoFloor, SEEDS, |seed, mutation| history_of(seed, Manners::DEAF, Some(mutation)));
}

#[test]
fn a_share_that_is_followed_after_the_look_is_found() {
    found_by(Mutation::LookBeforeFollow, 20 * SEEDS, |seed, mutation| history_of(seed, Manners::GOOD, Some(mutation)));
}
