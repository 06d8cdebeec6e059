//! Hosts: the real hub, over a line to the bucket of its own, which crash and come back.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use capshare::__internal::access::SingleAccount;
use capshare::__internal::ambient::{Ambient, Clock, SeededEntropy};
use capshare::__internal::hub::{Hub, HubSettings};
use capshare::__internal::store::Mutation;
use capshare::share::time::Timestamp;
use capshare::testing::BEGINNING;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::bucket::{Link, SimBucket};
use super::carrier;
use super::dice::Dice;
use super::handing;
use super::world::World;
use crate::support::clock::{Standstills, Still};

/// How often a host that is followed looks for what others wrote.
pub(super) const POLL: Duration = Duration::from_millis(300);

/// How often one that is followed looks while a carrier brings hints.
pub(super) const FLOOR: Duration = Duration::from_secs(4);

/// Short, so that a history crosses them often: a lease of 2 s, requests of at most 6 s.
pub(super) fn settings(mutation: Option<Mutation>) -> HubSettings {
    let mut settings = HubSettings::default();
    settings.poll = Some(POLL);
    settings.poll_hinted = FLOOR;
    settings.store.lease = Duration::from_secs(2);
    settings.store.request_time = Duration::from_secs(6);
    settings.store.append_time = Duration::from_secs(3);
    settings.store.free_after = Duration::from_secs(9);
    settings.store.mutation = mutation;
    // Passes over what runs cover all the time, wherever the bucket's own pages end.
    settings.store.listing_page = 1;
    // Folds and frees all the time.
    settings.store.fold_segments = 3;
    // On the one thread, in the order of the history.
    settings.store.offload_bytes = usize::MAX;
    settings.fold_after = Duration::from_secs(2);
    settings
}

/// One host, in its incarnations.
#[derive(Debug)]
pub(super) struct SimHost {
    world: Arc<World>,
    seed: u64,
    number: u64,
    pub(super) clock: Arc<SimClock>,
    settings: HubSettings,
    incarnations: AtomicU64,
    up: Mutex<Option<Incarnation>>,
}

/// A host between a start and a crash.
#[derive(Debug, Clone)]
pub(super) struct Incarnation {
    pub(super) hub: Arc<Hub>,
    pub(super) link: Arc<Link>,
    pub(super) clock: Arc<SimClock>,
}

impl SimHost {
    pub(super) fn started(world: &Arc<World>, seed: u64, number: u64, mutation: Option<Mutation>) -> Self {
        Self::with_settings(world, seed, number, settings(mutation))
    }

    pub(super) fn with_settings(world: &Arc<World>, seed: u64, number: u64, settings: HubSettings) -> Self {
        let host = Self {
            world: Arc::clone(world),
            seed,
            number,
            clock: SimClock::of(&Dice::new(seed, 1_000 + number)),
            settings,
            incarnations: AtomicU64::new(0),
            up: Mutex::default(),
        };
        host.start();
        host
    }

    /// A fresh hub, which remembers nothing.
    pub(super) fn start(&self) {
        let incarnation = self.incarnations.fetch_add(1, Ordering::Relaxed);
        let now = Instant::now();
        let link = Arc::new(Link {
            world: Arc::clone(&self.world),
            name: format!("{}.{incarnation}", self.number),
            dead: CancellationToken::new(),
            stalled_until: Mutex::new(now),
            frozen_until: Mutex::new(now),
        });
        self.world.tell(format_args!("{} starts", link.name));
        let entropy = SeededEntropy::new((self.seed << 20) | (self.number << 10) | incarnation);
        let ambient = Ambient { clock: Arc::clone(&self.clock) as _, entropy: Arc::new(entropy) };
        let access = Arc::new(SingleAccount::of_this_machine("ann".parse().unwrap()));
        let objects = Arc::new(SimBucket(Arc::clone(&link)));
        let hub = Hub::new(objects, access, ambient, self.settings.clone()).unwrap();
        carrier::join(&link, hub.hints());
        handing::join(&link, &hub);
        *self.up.lock().unwrap() = Some(Incarnation { hub, link, clock: Arc::clone(&self.clock) });
    }

    /// Nothing of it goes on, but what it had sent.
    pub(super) fn crash(&self) {
        if let Some(Incarnation { link, .. }) = self.up.lock().unwrap().take() {
            self.world.tell(format_args!("{} crashes", link.name));
            link.dead.cancel();
        }
    }

    pub(super) fn stall(&self, time: Duration) {
        if let Some(Incarnation { link, .. }) = self.up() {
            self.world.tell(format_args!("{} stalls for {time:?}", link.name));
            *link.stalled_until.lock().unwrap() = Instant::now() + time;
        }
    }

    pub(super) fn freeze(&self, time: Duration) {
        if let Some(Incarnation { link, .. }) = self.up() {
            self.world.tell(format_args!("{} freezes for {time:?}", link.name));
            *link.frozen_until.lock().unwrap() = Instant::now() + time;
        }
    }

    /// As a machine that is suspended: it sends and hears nothing, and these of its clocks stand still.
    pub(super) fn sleep(&self, time: Duration, still: Still) {
        if let Some(Incarnation { link, .. }) = self.up() {
            self.world.tell(format_args!("{} sleeps for {time:?}, {still:?}", link.name));
            *link.frozen_until.lock().unwrap() = Instant::now() + time;
            self.clock.standstills.begin(still, Some(Instant::now() + time));
        }
    }

    pub(super) fn up(&self) -> Option<Incarnation> {
        self.up.lock().unwrap().clone()
    }
}

/// Any host that is up; waits for one if none is.
pub(super) async fn any(hosts: &[SimHost], dice: &Dice) -> Incarnation {
    loop {
        if let Some(incarnation) = dice.pick(hosts).up() {
            return incarnation;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// A machine's clocks: a time of day that drifts, and jumps by minutes both ways; and all of them may stand still.
#[derive(Debug)]
pub(super) struct SimClock {
    started: Instant,
    /// Milliseconds gained in a million.
    drift: i64,
    offset_ms: AtomicI64,
    standstills: Standstills,
}

impl SimClock {
    fn of(dice: &Dice) -> Arc<Self> {
        let drift = dice.below(100_001) as i64 - 50_000;
        let clock =
            Self { started: Instant::now(), drift, offset_ms: AtomicI64::new(0), standstills: Standstills::default() };
        clock.jump(dice);
        Arc::new(clock)
    }

    /// Since when what this host holds may be younger than so long, for all that it can know.
    pub(super) fn before(&self, time: Duration) -> Instant {
        self.standstills.before(time)
    }

    /// Up to ten minutes either way.
    pub(super) fn jump(&self, dice: &Dice) {
        self.offset_ms.fetch_add(dice.below(1_200_001) as i64 - 600_000, Ordering::Relaxed);
    }
}

impl Clock for SimClock {
    fn now(&self) -> Timestamp {
        let elapsed = (self.started.elapsed() - self.standstills.lost(|still| still.day)).as_millis() as i64;
        let gained = elapsed * self.drift / 1_000_000;
        Timestamp(BEGINNING.0 + elapsed + gained + self.offset_ms.load(Ordering::Relaxed))
    }

    fn monotonic(&self) -> Instant {
        Instant::now() - self.standstills.lost(|still| still.monotonic)
    }

    fn since_boot(&self) -> Option<Duration> {
        Some(self.started.elapsed() - self.standstills.lost(|still| still.since_boot))
    }
}
