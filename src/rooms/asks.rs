//! Asks: the owner of a share puts a question to those who watch it, and so many of them decide.
//!
//! A question is open until one of its choices has as many answers as it needs, its time is over, the asker takes
//! it back, or the right by which it was asked ends. Each viewer has one answer, and may give another as long as the
//! question is open. An account has one answer however many connections it has; of those that nobody knows, each
//! connection has one, and takes it along when it goes: so nobody is counted twice by coming again. A link that everybody
//! has lets everybody answer: what is asked there is an opinion, and no approval.
//!
//! Questions live on the host where they were asked, as its audience does. When the host drains they end, because those who would answer go to
//! other hosts one by one: whoever asked is told so and may ask again there. Until the drain is over or taken back the host takes no
//! new ones.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use tokio::sync::oneshot;
use tokio::time::sleep;

use crate::access::Principal;
use crate::rooms::Rooms;
use crate::rooms::ballot::{Asked, Counts, Question, Settled, Verdict, Voter};
use crate::rooms::grants::until_over;
use crate::rooms::pass::Pass;
use crate::rooms::presence::Presence;
use crate::rooms::room::Room;
use crate::share::error::Refusal;
use crate::share::grant::{GrantToken, Right};
use crate::share::secret::Secret;
use crate::share::time::Timestamp;

/// A question that waits for its end. Dropping it withdraws the question, unless it was [left](Asking::leave).
#[derive(Debug)]
pub struct Asking {
    room: Arc<Room>,
    number: u64,
    ask: Arc<str>,
    settled: Option<oneshot::Receiver<Settled>>,
}

impl Rooms {
    /// Gives the pass by which somebody may ask a share's audience: its owner's account, with a credential that may write; or a caller who shows
    /// a secret of the share, or the token of a grant on it that gives more than reading.
    ///
    /// # Errors
    /// [`Refusal::Unauthorized`], or the bucket failed.
    pub async fn may_ask(&self, room: &Arc<Room>, who: &[Principal], shown: Option<&Secret>) -> Result<Pass, Refusal> {
        if let Some(shown) = shown {
            if GrantToken::parse(shown.reveal()).is_none() {
                return self.open(room.id().as_str(), shown).await.map(|_| Pass::OWNER);
            }
            let restored = match who.first() {
                Some(who) => self.restore(who, shown.reveal()).await?,
                None => self.restore(&self.access.authenticate(None).await?, shown.reveal()).await?,
            };
            if restored.room.id() == room.id() && restored.pass.right() != Right::Read {
                return Ok(restored.pass);
            }
        }
        let owner = room.read(|state| state.opened().map(|opened| opened.account.clone()))?;
        let is_owner = |who: &Principal| {
            who.credential.is_shown() && Some(&who.account) == owner.as_ref() && who.may_write().is_ok()
        };
        if who.iter().any(is_owner) {
            return Ok(Pass::OWNER);
        }
        let reason = "only the owner of a share asks its viewers: show a token of its account, or the share's secret";
        Err(Refusal::Unauthorized { reason: reason.into() })
    }

    /// Puts a question to those who watch a share on this host. It is withdrawn when the pass of who asks is over.
    ///
    /// # Errors
    /// There are [`ASKS_OPEN_MAX`](crate::share::limits::ASKS_OPEN_MAX) open already, or the host drains, or the machine has no
    /// randomness to give.
    pub fn ask(&self, room: &Arc<Room>, question: Question, pass: &Pass) -> Result<Asking, Refusal> {
        let drained = Refusal::Unavailable { retry_after_ms: 1_000 };
        if self.drains.load(Ordering::SeqCst) {
            return Err(drained);
        }
        let within = question.within();
        let bits = self.ambient.bits().map_err(|error| {
            tracing::error!(%error, "no question can be asked");
            Refusal::Unavailable { retry_after_ms: 10_000 }
        })?;
        let ask: Arc<str> = format!("{bits:032x}").into();
        let within_ms = i64::try_from(within.as_millis()).unwrap_or(i64::MAX);
        let deadline = Timestamp(self.ambient.clock.now().0.saturating_add(within_ms));
        let asked = Asked::new(Arc::clone(&ask), question, deadline);
        let (tell, settled) = oneshot::channel();
        let number = room.audience().lock().asks.begin(asked, tell)?;
        let expiring = {
            let (room, pass) = (Arc::clone(room), pass.clone());
            async move {
                let verdict = tokio::select! {
                    // In a fixed order, so that a seed gives one history.
                    biased;
                    _ = until_over(&room, &pass) => Verdict::Withdrawn,
                    () = sleep(within) => Verdict::Expired,
                };
                settle(&room, number, verdict);
            }
        };
        // Ends with the question: settling it aborts it.
        let timer = tokio::spawn(expiring).abort_handle();
        room.audience().lock().asks.set_timer(number, timer);
        // Asked once more: a drain that begins after this finds the question.
        if self.drains.load(Ordering::SeqCst) {
            settle(room, number, Verdict::Drained);
            return Err(drained);
        }
        room.announce_now();
        Ok(Asking { room: Arc::clone(room), number, ask, settled: Some(settled) })
    }

    /// The host drains from now on, and ends all open questions; or it does so no more.
    pub(crate) fn drains(&self, drains: bool) {
        self.drains.store(drains, Ordering::SeqCst);
        if drains {
            for room in self.cache.all() {
                let open = room.audience().lock().asks.open();
                open.into_iter().for_each(|number| settle(&room, number, Verdict::Drained));
            }
        }
    }

    /// Counts a viewer's answer, in the place of the one that it gave before.
    ///
    /// # Errors
    /// There is no such question open, or it has no such choice, or it has as many answers as are counted.
    pub fn answer(&self, presence: &Presence, who: &[Principal], ask: &str, choice: &str) -> Result<Counts, Refusal> {
        let known = who.iter().find(|who| who.credential.is_shown());
        let voter = known.map_or(Voter::Viewer(presence.number()), |who| Voter::Account(who.account.clone()));
        let room = presence.room();
        let (number, counts, agreed) = room.audience().lock().asks.count(voter, ask, choice)?;
        if agreed {
            settle(room, number, Verdict::Agreed(choice.to_owned()));
        } else {
            room.announce();
        }
        Ok(counts)
    }
}

impl Asking {
    /// The question's name.
    #[must_use]
    pub fn name(&self) -> &Arc<str> {
        &self.ask
    }

    /// Leaves the question to its audience: it stays open when this is gone.
    pub fn leave(mut self) {
        self.settled = None;
    }

    /// Waits for its end.
    pub async fn settled(mut self) -> Settled {
        let settled = match &mut self.settled {
            Some(settled) => settled.await.ok(),
            None => None,
        };
        self.settled = None;
        let withdrawn = || Settled { ask: Arc::clone(&self.ask), outcome: Verdict::Withdrawn, counts: Counts::new() };
        settled.unwrap_or_else(withdrawn)
    }
}

impl Drop for Asking {
    fn drop(&mut self) {
        if self.settled.is_some() {
            settle(&self.room, self.number, Verdict::Withdrawn);
        }
    }
}

/// Ends a question, if it is open.
fn settle(room: &Room, number: u64, verdict: Verdict) {
    if room.audience().lock().asks.settle(number, verdict) {
        room.announce_now();
    }
}
