//! The store and the hub in simulated histories: the real code, over a simulated bucket, in virtual time.
//!
//! A history has one bucket, two or three hosts, and clients that create a session's share, send batches, read, follow and
//! delete, while the [`weather`] is what it is. In three of four worlds a [`carrier`] brings hints from host to host, well or
//! badly; what holds is the same. Everything in it comes from one seed: the same seed gives the same history,
//! request by request. When it is over, its [`checks`] are made; while it goes on, every state that anybody sees is
//! [proved](order).
//!
//! A seed that fails is named; `CAPSHARE_TEST_SEED=n` runs that one alone and writes down what happened, and
//! `CAPSHARE_TEST_SEEDS=n` runs so many instead of 2,000. What the simulation can find is shown by planting bugs
//! ([`Mutation`]): each must be found within 2,000 seeds.

use std::cell::{Cell, RefCell};
use std::sync::Arc;
use std::time::Duration;

use capshare::__internal::store::{GcOptions, Mutation};
use capshare::share::id::ShareId;
use capshare::share::secret::Secret;
use futures::FutureExt as _;
use futures::future::{LocalBoxFuture, try_join_all};
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

mod bucket;
mod carrier;
mod checks;
mod clients;
mod dice;
mod handing;
mod history;
mod hosts;
mod linked;
mod news;
mod order;
mod seeds;
mod viewers;
mod weather;
mod world;

use carrier::Manners;
use dice::Dice;
use history::{History, Op, Ret};
use hosts::{Incarnation, SimHost};
use order::Order;
use weather::Weather;
use world::World;

/// How long the clients and the viewers may take: many times what they do.
const PATIENCE: Duration = Duration::from_secs(3_600);

/// What the actors of one history share.
struct Stage {
    seed: u64,
    world: Arc<World>,
    hosts: Vec<SimHost>,
    history: History,
    order: Order,
    share: watch::Sender<Option<(ShareId, Secret)>>,
    /// The share of the same session after the deletion.
    anew: RefCell<Option<ShareId>>,
    /// The creators are done.
    created: CancellationToken,
    /// Answers that said so.
    duplicates: Cell<u64>,
    /// When which number was acknowledged.
    acknowledgements: RefCell<Vec<(Instant, u64)>>,
}

/// What a history came to.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
struct Report {
    trace: u64,
    operations: u64,
    /// Histories that the other checker was not asked about.
    unshown: u64,
    /// Operations that nobody got an answer to and that were done.
    unknown_done: u64,
    duplicates: u64,
    deleted: u64,
    folds: u64,
}

impl Stage {
    fn new(seed: u64, mutation: Option<Mutation>, told: bool) -> Self {
        let world = Arc::new(World::new(seed, Weather::of(seed), Manners::of(seed / weather::KINDS), told));
        let hosts = 2 + Dice::new(seed, 3).below(2);
        Self {
            seed,
            hosts: (1..=hosts).map(|number| SimHost::started(&world, seed, number, mutation)).collect(),
            world,
            history: History::default(),
            order: Order::default(),
            share: watch::Sender::new(None),
            anew: RefCell::default(),
            created: CancellationToken::new(),
            duplicates: Cell::new(0),
            acknowledgements: RefCell::default(),
        }
    }

    /// The share, once somebody has created it.
    async fn share(&self) -> (ShareId, Secret) {
        let mut share = self.share.subscribe();
        let known = share.wait_for(Option::is_some).await.unwrap();
        known.clone().unwrap()
    }

    /// A creator was told this; all are told of the same share.
    fn has_share(&self, id: ShareId, secret: Secret) -> Result<(), String> {
        match &*self.share.borrow() {
            Some((other, _)) if *other != id => return Err(format!("one session is two shares, {other} and {id}")),
            _ => {}
        }
        self.share.send_replace(Some((id, secret)));
        Ok(())
    }

    fn acknowledged(&self, operation: usize, label: usize, count: u64) -> Result<(), String> {
        self.history.answered(operation, Ret::Count(count));
        self.acknowledgements.borrow_mut().push((Instant::now(), count));
        self.order.numbered(label, count)
    }

    /// The highest number that had been acknowledged by then.
    fn acknowledged_before(&self, then: Instant) -> u64 {
        let acknowledged = self.acknowledgements.borrow();
        acknowledged.iter().filter(|(at, _)| *at < then).map(|(_, count)| *count).max().unwrap_or(0)
    }

    /// An operation was answered that the share is not there.
    fn gone(&self, operation: usize, client: usize) -> Result<(), String> {
        self.world.tell(format_args!("client {client} is told that the share is gone"));
        self.history.answered(operation, Ret::Gone);
        if checks::deleted(&self.history) { Ok(()) } else { Err(format!("client {client} misses the share")) }
    }

    /// Rests, for longer where the weather lasts longer.
    async fn pace(&self, time: Duration) {
        let scale = (Weather::of(self.seed).lasts_ms / 15_000).max(1) as u32;
        tokio::time::sleep(time * scale).await;
    }

    async fn play(&self, mutation: Option<Mutation>) -> Result<Report, String> {
        let goal = watch::Sender::new(None);
        let viewers = try_join_all([8, 9].map(|client| viewers::viewer(self, client, goal.subscribe()).boxed_local()));
        let acting = async {
            self.act().boxed_local().await?;
            // Whatever is still on its way lands.
            tokio::time::sleep(Duration::from_secs(15)).await;
            let syncs = self.audit(mutation).boxed_local().await?;
            goal.send_replace(Some(syncs));
            Ok(())
        };
        let played = async { tokio::try_join!(acting, viewers).map(drop) };
        let late = |_| Err(format!("after {PATIENCE:?} somebody still waits"));
        tokio::time::timeout(PATIENCE, played).await.unwrap_or_else(late)?;
        checks::in_real_time(&self.history, &self.order)?;
        let is_shown = checks::linearizable(&self.history, &self.order)?;
        tokio::time::sleep(Duration::from_secs(60)).await;
        self.look_at_what_is_left(mutation).boxed_local().await?;
        let operations = self.history.operations();
        let unknown_done = operations.iter().filter(|operation| match operation.op {
            Op::Sync(label) => operation.returned.is_none() && self.order.count_of(label).is_some(),
            Op::Read | Op::Delete => false,
        });
        Ok(Report {
            trace: 0,
            unshown: u64::from(!is_shown),
            operations: operations.len() as u64,
            unknown_done: unknown_done.count() as u64,
            duplicates: self.duplicates.get(),
            deleted: u64::from(checks::deleted(&self.history)),
            folds: self.world.folds.load(std::sync::atomic::Ordering::Relaxed),
        })
    }

    /// All that clients do, and the weather meanwhile.
    async fn act(&self) -> Result<(), String> {
        let dice = Dice::new(self.seed, 2);
        let deletes = dice.chance(350);
        let creators = async {
            try_join_all([0, 1].map(|client| clients::creator(self, client).boxed_local())).await?;
            self.created.cancel();
            Ok(())
        };
        let deleter = async { if deletes { clients::deleter(self, 7).await } else { Ok(()) } };
        let rage = async {
            weather::rage(&self.world, &self.hosts, &dice).await;
            Ok(())
        };
        // On the heap: unoptimized, they are too much for a test's stack.
        let actors: Vec<LocalBoxFuture<'_, Result<(), String>>> = vec![
            creators.boxed_local(),
            clients::stamping_producer(self, 2).boxed_local(),
            clients::stamping_producer(self, 3).boxed_local(),
            clients::plain_producer(self, 4).boxed_local(),
            clients::reader(self, 5).boxed_local(),
            clients::reader(self, 6).boxed_local(),
            deleter.boxed_local(),
            rage.boxed_local(),
        ];
        try_join_all(actors).await.map(drop)
    }

    /// A fresh host sees what was acknowledged, and every other host the same. Gives the number of syncs.
    async fn audit(&self, mutation: Option<Mutation>) -> Result<u64, String> {
        let fresh = SimHost::started(&self.world, self.seed, 99, mutation);
        for host in std::iter::once(&fresh).chain(&self.hosts) {
            let incarnation = hosts::any(std::slice::from_ref(host), &self.world.dice).await;
            self.read_in_calm(&incarnation).await?;
        }
        let operations = self.history.operations();
        let last = operations.last().and_then(|operation| operation.returned);
        match last {
            Some((_, Ret::State(syncs))) => Ok(syncs),
            _ => Ok(0),
        }
    }

    /// A read of a bucket that answers. A host that stalled may take its time.
    async fn read_in_calm(&self, incarnation: &Incarnation) -> Result<(), String> {
        for _ in 0..60 {
            if clients::read(self, 10, incarnation, Duration::from_secs(300)).await? {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_secs(5)).await;
        }
        Err(format!("{} cannot read the share, though the bucket answers", incarnation.link.name))
    }

    /// What is in the bucket when all is done.
    async fn look_at_what_is_left(&self, mutation: Option<Mutation>) -> Result<(), String> {
        let (id, secret) = self.share().await;
        let of_share = format!("share/{id}/");
        let deleted = checks::deleted(&self.history);
        let fresh = SimHost::started(&self.world, self.seed, 100, mutation);
        let incarnation = hosts::any(std::slice::from_ref(&fresh), &self.world.dice).await;
        self.read_in_calm(&incarnation).await?;
        if deleted {
            let sync = incarnation.hub.rooms().sync(&clients::ann(), id.as_str(), &secret, Default::default()).await;
            if !matches!(sync, Err(capshare::share::error::Refusal::NotFound { .. })) {
                return Err(format!("a sync to the deleted share was answered {sync:?}"));
            }
            let again = incarnation.hub.rooms().delete(&clients::ann(), id.as_str(), &secret).await;
            if !matches!(again, Err(capshare::share::error::Refusal::NotFound { .. })) {
                return Err(format!("a second deletion was answered {again:?}"));
            }
        }
        // What a frozen host or a lost connection held back lands too; nobody but the collection looks for that.
        // What came late it empties, and the next time deletes.
        for nonce in 1..=2 {
            tokio::time::sleep(Duration::from_secs(300)).await;
            let now = incarnation.hub.ambient().clock.now();
            let collected = incarnation.hub.rooms().store().gc(&GcOptions::at(now, nonce), &|_| {}).await;
            collected.map_err(|error| format!("the collection failed, though the bucket answers: {error}"))?;
        }
        let objects = self.world.everything();
        let anew = self.anew.borrow().as_ref().map(|anew| format!("share/{anew}/"));
        let mut kept = 0;
        for (key, bytes) in &objects {
            if key.starts_with(&of_share) {
                kept += 1;
                if deleted {
                    return Err(format!("{key} is left of the deleted share, with {} bytes", bytes.len()));
                }
            } else if !(key.starts_with("index/ann/ses_1/")
                || *key == format!("tomb/{id}")
                || anew.as_ref().is_some_and(|anew| key.starts_with(anew)))
            {
                return Err(format!("nobody knows what {key} is for"));
            }
        }
        // One run, and the newest segment that it covers.
        if !deleted && kept > 2 {
            return Err(format!("{kept} objects are left of the share: {:?}", objects.iter().map(|(key, _)| key)));
        }
        Ok(())
    }
}
