//! Hints: what hosts over one bucket tell each other, so that news need not wait until somebody looks.
//!
//! **News is a hint; the bucket is asked.** A [`Hint`] says that a share's log has a segment of this number. Who hears it looks into the
//! bucket; it takes nothing from the hint itself. So whatever brings hints, a [`Carrier`], may lose, double, delay and reorder them, and may
//! lie: nothing wrong is shown, nothing acknowledged is lost, and no answer waits for it. Without a carrier rooms look by the clock.
//!
//! [`Hints`] stands between the rooms of a host and its carrier. Four parties meet there:
//! - a **carrier** is made with an `Arc<Hints>` (it keeps a `Weak`), and given to [`Hints::attach`] before anybody can come in. It tells
//!   [`Hints::connected`] whether it reaches other hosts, [`Hints::receive`] what came, and asks for a look where it may have lost
//!   something ([`Hints::look`], [`Hints::look_all`]);
//! - **rooms** say what they [attend](Hints::attend) to and what they [wrote](Hints::wrote), and are told by a [`Listener`];
//! - whoever has something else to tell all hosts, such as that connections are to be closed, sends a [`Control`] by
//!   [`Hints::tell`], and hears those of other hosts by a [`ControlListener`];
//! - the host runs [`Hints::tend`] in the background.
//!
//! **What it repairs.** A hint that is lost is made good by the next one of the share. The last one has no next one, so it is sent again 1, 5
//! and 25 s later while nothing newer was written. Whatever is lost beyond that the room's own looks find, each minute.
//!
//! **What it refuses.** It waits for nobody and reads no bucket. It decides nothing about a share.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

use crate::ambient::Clock;
use crate::metrics::Metrics;
use crate::share::id::{HostId, ShareId, TokenId};
use crate::share::limits::WRITTEN_FOLLOWED_MAX;

mod carrier;
mod message;
mod repeats;

pub use carrier::{Carrier, ControlListener, Heard, Listener, NotSent, Why};
pub use message::{BadMessage, Control, Hint, Message, REVOKED};

use repeats::Repeats;

/// How long after its last write a host follows a share that nobody follows there: who writes it at two hosts folds what the other wrote
/// before it writes on.
pub const WROTE_LATELY: Duration = Duration::from_secs(10);

/// The shares that were written lately are searched for those that are not any more, and then not again for this long: where thousands
/// are written to, one of them is over every millisecond.
const OVER_EVERY: Duration = Duration::from_secs(1);

/// The hints of one host.
#[derive(Debug)]
pub struct Hints {
    host: HostId,
    clock: Arc<dyn Clock>,
    metrics: Arc<Metrics>,
    carrier: OnceLock<Arc<dyn Carrier>>,
    rooms: OnceLock<Weak<dyn Listener>>,
    controls: OnceLock<Weak<dyn ControlListener>>,
    is_connected: AtomicBool,
    followed: Mutex<BTreeMap<ShareId, Following>>,
    repeats: Mutex<Repeats>,
    /// Something is to be done sooner than the task that tends knows of.
    sooner: Notify,
}

/// Why a share is followed.
#[derive(Debug, Default, Clone, Copy)]
struct Following {
    /// Somebody here wants to be told.
    attended: bool,
    /// Until when it counts as written lately.
    wrote: Option<Instant>,
}

impl Hints {
    /// The hints of the host of this name, which has no carrier yet.
    #[must_use]
    pub fn new(host: HostId, clock: Arc<dyn Clock>, metrics: Arc<Metrics>) -> Arc<Self> {
        Arc::new(Self {
            host,
            clock,
            metrics,
            carrier: OnceLock::new(),
            rooms: OnceLock::new(),
            controls: OnceLock::new(),
            is_connected: AtomicBool::new(false),
            followed: Mutex::default(),
            repeats: Mutex::default(),
            sooner: Notify::new(),
        })
    }

    /// The name of this host, which its messages bear.
    #[must_use]
    pub fn host(&self) -> &HostId {
        &self.host
    }

    /// Gives the host a carrier, which is not connected yet, and has it follow what is followed. Only the first one counts; says whether
    /// this is it.
    pub fn attach(&self, carrier: Arc<dyn Carrier>) -> bool {
        let followed = self.followed();
        let is_first = self.carrier.set(Arc::clone(&carrier)).is_ok();
        if is_first {
            followed.keys().for_each(|share| carrier.follow(share));
        }
        is_first
    }

    /// Tells this listener what comes for rooms. Only the first one counts.
    pub fn listen(&self, rooms: Weak<dyn Listener>) {
        let _ = self.rooms.set(rooms);
    }

    /// Tells this listener of the control messages of other hosts. Only the first one counts.
    pub fn listen_to_controls(&self, listener: Weak<dyn ControlListener>) {
        let _ = self.controls.set(listener);
    }

    /// Whether a carrier reaches other hosts.
    #[must_use]
    pub fn is_connected(&self) -> bool {
        self.is_connected.load(Ordering::Acquire)
    }

    /// The carrier reaches every other host, as far as it knows, or does not any more. From the beginning it does not. What is to be sent
    /// it is handed all the same, for it may reach some of them.
    pub fn connected(&self, connected: bool) {
        if self.is_connected.swap(connected, Ordering::AcqRel) != connected {
            self.metrics.carrier_connected.set(i64::from(connected));
            tracing::info!(connected, "the carrier of news between hosts has changed");
            if let Some(rooms) = self.rooms() {
                rooms.connected(connected);
            }
        }
    }

    /// A message has come from another host, or from this one by a carrier that does not tell them apart. Never waits.
    pub fn receive(&self, message: &Message) {
        if *message.host() == self.host {
            return;
        }
        match message {
            Message::Share(hint) => {
                self.metrics.hints_received.inc();
                self.repeats().heard(hint);
                let heard = self.rooms().map_or(Heard::Useless, |rooms| rooms.hinted(hint));
                if heard == Heard::Useless {
                    self.metrics.hints_useless.inc();
                }
            }
            Message::Control(control) => {
                if control.to.as_ref().is_some_and(|to| *to != self.host) {
                    return;
                }
                if let Some(listener) = self.controls.get().and_then(Weak::upgrade) {
                    listener.told(control);
                }
            }
        }
    }

    /// The carrier may have lost hints of this share: its room looks, if it is attended to here.
    pub fn look(&self, share: &ShareId, why: Why) {
        if let Some(rooms) = self.rooms() {
            rooms.look(share, why);
        }
    }

    /// The carrier may have lost hints: every room that is attended to looks once, spread over a second.
    pub fn look_all(&self, why: Why) {
        if let Some(rooms) = self.rooms() {
            rooms.look_all(why);
        }
    }

    /// Somebody here wants to be told of a share: from when this returns the carrier follows it.
    pub fn attend(&self, share: &ShareId) {
        self.follow(&mut self.followed(), share).attended = true;
    }

    /// Nobody here wants to be told of a share any more.
    pub fn leave(&self, share: &ShareId) {
        let mut followed = self.followed();
        if let Some(following) = followed.get_mut(share) {
            following.attended = false;
            self.unfollow_if_over(&mut followed, share, Instant::now());
        }
    }

    /// This host wrote a share's segment of this number, which is in the bucket. Never waits.
    pub fn wrote(&self, share: &ShareId, seq: u64) {
        if self.carrier.get().is_none() {
            return;
        }
        let now = Instant::now();
        let mut followed = self.followed();
        if followed.len() < WRITTEN_FOLLOWED_MAX || followed.contains_key(share) {
            self.follow(&mut followed, share).wrote = Some(now + WROTE_LATELY);
        }
        drop(followed);
        let hint = Hint { share: share.clone(), seq, host: self.host.clone(), at: self.clock.now() };
        let mut repeats = self.repeats();
        if !repeats.wrote(&hint, now) {
            self.metrics.hints_dropped.inc();
        }
        let oversleeps = repeats.oversleeps(now);
        drop(repeats);
        self.publish(Message::Share(hint));
        if oversleeps {
            self.sooner.notify_one();
        }
    }

    /// Sends a control message to the other hosts, or to one of them. It may be lost, as every message. Never waits.
    ///
    /// # Errors
    /// No carrier took the message: the host has no carrier, or the carrier reaches nobody, or too much waits for it.
    pub fn tell(&self, name: &str, to: Option<HostId>, body: &str) -> Result<(), NotSent> {
        let control = Control::new(name, self.host.clone(), to, body).map_err(|_| NotSent)?;
        self.send(Message::Control(control))
    }

    /// Tells all other hosts that a token was revoked. The message may be lost, as every one. Never waits.
    ///
    /// # Errors
    /// As [`Self::tell`].
    pub fn tell_of_revocation(&self, token: &TokenId) -> Result<(), NotSent> {
        self.send(Message::Control(Control::revoked(self.host.clone(), token)))
    }

    /// Does what is due, for ever: hints are sent again, and shares that were written lately are not followed any more.
    pub async fn tend(&self) {
        let mut over_at = None;
        loop {
            // From here on no notice is missed.
            let sooner = self.sooner.notified();
            match self.do_what_is_due(&mut over_at, Instant::now()) {
                // Whichever comes first.
                Some(until) => drop(tokio::time::timeout_at(until, sooner).await),
                None => sooner.await,
            }
        }
    }

    /// Says when something is due next. `over_at`: when the first of the shares that were written lately is not any more, which none can
    /// be sooner than, for those written since come later; `None`: at the last look there were none.
    fn do_what_is_due(&self, over_at: &mut Option<Instant>, now: Instant) -> Option<Instant> {
        if over_at.is_none_or(|at| at <= now) {
            *over_at = self.expire(now).map(|at| at.max(now + OVER_EVERY));
        }
        let mut repeats = self.repeats();
        let (due, next) = repeats.due(now);
        let until = over_at.iter().copied().chain(next).min();
        repeats.sleeps(until);
        drop(repeats);
        due.into_iter().for_each(|hint| self.publish(Message::Share(hint)));
        until
    }

    fn publish(&self, message: Message) {
        match self.send(message) {
            Ok(()) => self.metrics.hints_sent.inc(),
            Err(NotSent) => self.metrics.hints_dropped.inc(),
        };
    }

    fn send(&self, message: Message) -> Result<(), NotSent> {
        self.carrier.get().ok_or(NotSent)?.publish(message)
    }

    /// Has the carrier follow a share, under the lock, so that it is told in the order in which things happen.
    fn follow<'a>(&self, followed: &'a mut BTreeMap<ShareId, Following>, share: &ShareId) -> &'a mut Following {
        if let Some(carrier) = self.carrier.get().filter(|_| !followed.contains_key(share)) {
            carrier.follow(share);
        }
        followed.entry(share.clone()).or_default()
    }

    /// Lets go of what was written lately and is not any more. Says when the next of them is over.
    fn expire(&self, now: Instant) -> Option<Instant> {
        let mut followed = self.followed();
        let over: Vec<_> = followed
            .iter()
            .filter(|(_, following)| !following.attended && following.wrote.is_some_and(|until| until <= now))
            .map(|(share, _)| share.clone())
            .collect();
        over.iter().for_each(|share| self.unfollow_if_over(&mut followed, share, now));
        followed.values().filter(|following| !following.attended).filter_map(|following| following.wrote).min()
    }

    fn unfollow_if_over(&self, followed: &mut BTreeMap<ShareId, Following>, share: &ShareId, now: Instant) {
        let is_over = |following: &Following| !following.attended && following.wrote.is_none_or(|until| until <= now);
        if followed.get(share).is_some_and(is_over) {
            followed.remove(share);
            if let Some(carrier) = self.carrier.get() {
                carrier.unfollow(share);
            }
        }
    }

    fn rooms(&self) -> Option<Arc<dyn Listener>> {
        self.rooms.get().and_then(Weak::upgrade)
    }

    fn followed(&self) -> MutexGuard<'_, BTreeMap<ShareId, Following>> {
        self.followed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn repeats(&self) -> MutexGuard<'_, Repeats> {
        self.repeats.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
