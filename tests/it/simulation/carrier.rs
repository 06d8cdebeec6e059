//! The carrier of news between the hosts of a world. It has the [manners](Manners) of its world: it loses messages, doubles them, brings
//! them late and in another order, is cut off from hosts, and lies.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use capshare::__internal::hints::{Carrier, Hint, Hints, Message, NotSent};
use capshare::share::id::{HostId, ShareId};
use capshare::share::time::Timestamp;

use super::bucket::Link;
use super::dice::Dice;

/// How the carrier of a world behaves. Frequencies are in a thousand messages to one host, or turns of a second.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Manners {
    /// There is one.
    is_there: bool,
    pub(super) lost: u64,
    pub(super) doubled: u64,
    /// A message takes so many milliseconds at most, ...
    pub(super) slow_ms_max: u64,
    /// ... and some of them so many.
    pub(super) late: u64,
    pub(super) late_ms_max: u64,
    /// A host is cut off for up to so long.
    pub(super) cut: u64,
    pub(super) cut_ms_max: u64,
    /// A host is told of a segment that may be there or not.
    pub(super) lies: u64,
}

impl Manners {
    /// No carrier.
    pub(super) const NONE: Self = Self {
        is_there: false,
        lost: 0,
        doubled: 0,
        slow_ms_max: 20,
        late: 0,
        late_ms_max: 0,
        cut: 0,
        cut_ms_max: 0,
        lies: 0,
    };

    pub(super) fn is_there(self) -> bool {
        self.is_there
    }

    /// Brings everything at once.
    pub(super) const GOOD: Self = Self { is_there: true, ..Self::NONE };

    /// Loses most of it, and all of what a host is told while it is cut off.
    pub(super) const LOSSY: Self = Self { lost: 600, cut: 30, cut_ms_max: 3_000, ..Self::GOOD };

    /// Says that it is connected, and brings nothing.
    pub(super) const DEAF: Self = Self { lost: 1_000, ..Self::GOOD };

    /// Brings it late, twice, in any order, and lies.
    pub(super) const LYING: Self = Self {
        lost: 100,
        doubled: 300,
        late: 300,
        late_ms_max: 20_000,
        cut: 50,
        cut_ms_max: 8_000,
        lies: 600,
        ..Self::GOOD
    };

    /// One of them for each seed.
    pub(super) fn of(seed: u64) -> Self {
        [Self::NONE, Self::GOOD, Self::LOSSY, Self::LYING][(seed % 4) as usize]
    }
}

/// Who wants what.
#[derive(Debug)]
pub(super) struct Post {
    manners: Manners,
    dice: Dice,
    boxes: Mutex<BTreeMap<String, Letterbox>>,
}

/// The wishes of one incarnation of a host.
#[derive(Debug)]
struct Letterbox {
    link: Arc<Link>,
    hints: Weak<Hints>,
    follows: BTreeSet<ShareId>,
}

impl Post {
    pub(super) fn new(seed: u64, manners: Manners) -> Self {
        Self { manners, dice: Dice::new(seed, 4), boxes: Mutex::default() }
    }

    fn boxes(&self) -> MutexGuard<'_, BTreeMap<String, Letterbox>> {
        self.boxes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a message to one host, as it comes.
    fn bring(&self, link: &Arc<Link>, to: &Weak<Hints>, message: &Message) {
        let Manners { lost, doubled, slow_ms_max, late, late_ms_max, .. } = self.manners;
        for _ in 0..1 + u64::from(self.dice.chance(doubled)) {
            if self.dice.chance(lost) {
                continue;
            }
            let takes = self.dice.millis(1, if self.dice.chance(late) { late_ms_max } else { slow_ms_max });
            let (link, to, message) = (Arc::clone(link), Weak::clone(to), message.clone());
            drop(tokio::spawn(async move {
                tokio::time::sleep(takes).await;
                link.until(&link.frozen_until).await;
                if let Some(hints) = to.upgrade().filter(|hints| hints.is_connected() && !link.dead.is_cancelled()) {
                    link.world.tell(format_args!("{} hears {message:?}", link.name));
                    hints.receive(&message);
                }
            }));
        }
    }
}

/// One host's end of it.
#[derive(Debug)]
struct SimCarrier(Arc<Link>);

impl Carrier for SimCarrier {
    fn follow(&self, share: &ShareId) {
        if let Some(letterbox) = self.0.world.post.boxes().get_mut(&self.0.name) {
            letterbox.follows.insert(share.clone());
        }
    }

    fn unfollow(&self, share: &ShareId) {
        if let Some(letterbox) = self.0.world.post.boxes().get_mut(&self.0.name) {
            letterbox.follows.remove(share);
        }
    }

    fn publish(&self, message: Message) -> Result<(), NotSent> {
        let post = &self.0.world.post;
        let own = post.boxes().get(&self.0.name).and_then(|letterbox| letterbox.hints.upgrade());
        if self.0.dead.is_cancelled() || !own.is_some_and(|own| own.is_connected()) {
            return Err(NotSent);
        }
        let wants = |letterbox: &&Letterbox| match &message {
            Message::Share(hint) => letterbox.follows.contains(&hint.share),
            Message::Control(_) => true,
        };
        for letterbox in post.boxes().values().filter(wants) {
            post.bring(&letterbox.link, &letterbox.hints, &message);
        }
        Ok(())
    }
}

/// Gives a host that starts its end of the carrier, if its world has one.
pub(super) fn join(link: &Arc<Link>, hints: &Arc<Hints>) {
    let post = &link.world.post;
    if !post.manners.is_there {
        return;
    }
    let letterbox = Letterbox { link: Arc::clone(link), hints: Arc::downgrade(hints), follows: BTreeSet::new() };
    post.boxes().insert(link.name.clone(), letterbox);
    assert!(hints.attach(Arc::new(SimCarrier(Arc::clone(link)))));
    hints.connected(true);
    let (link, hints) = (Arc::clone(link), Arc::clone(hints));
    drop(tokio::spawn(async move {
        tokio::select! {
            biased;
            () = link.dead.cancelled() => {}
            () = hints.tend() => {}
            () = fares(&link, &hints) => {}
        }
        link.world.post.boxes().remove(&link.name);
    }));
}

/// What befalls a host's end of it, second by second.
async fn fares(link: &Arc<Link>, hints: &Arc<Hints>) {
    let post = &link.world.post;
    let Manners { cut, cut_ms_max, lies, .. } = post.manners;
    loop {
        tokio::time::sleep(Duration::from_secs(1)).await;
        if post.dice.chance(cut) {
            link.world.tell(format_args!("{} is cut off", link.name));
            hints.connected(false);
            tokio::time::sleep(post.dice.millis(100, cut_ms_max)).await;
            hints.connected(true);
        }
        if post.dice.chance(lies) {
            let shares: Vec<_> = post.boxes().values().flat_map(|letterbox| letterbox.follows.clone()).collect();
            if !shares.is_empty() {
                let share = post.dice.pick(&shares).clone();
                let seq = *post.dice.pick(&[1, 2, 3, 5, 8, 13, 21, 34, 1 << 40]);
                let hint = Hint { share, seq, host: HostId::from_bits(0), at: Timestamp(0) };
                post.bring(link, &Arc::downgrade(hints), &Message::Share(hint));
            }
        }
    }
}
