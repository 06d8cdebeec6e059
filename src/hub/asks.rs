//! Asks: the owner of a share puts a question to those who watch it, and so many of them decide.
//!
//! A question is open until one of its choices has as many answers as it needs, its time is over, or whoever asked takes
//! it back. Each viewer has one answer, and may give another as long as the question is open. An account has one answer
//! however many connections it has; of those that nobody knows, each connection has one, and takes it along when it goes:
//! so nobody is counted twice by coming again. A link that everybody has lets everybody answer: what is asked there is an
//! opinion, and no approval.
//!
//! Questions live on the host where they were asked, as its audience does, and end with it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::sleep;

use crate::hub::Hub;
use crate::hub::access::Principal;
use crate::hub::audience::Seat;
use crate::hub::room::Room;
use crate::share::error::Refusal;
use crate::share::grant::{GrantToken, Right};
use crate::share::limits::{
    ASK_ANSWERS_MAX, ASK_CHOICE_BYTES_MAX, ASK_CHOICES_MAX, ASK_QUESTION_BYTES_MAX, ASK_WITHIN_MS_MAX,
};
use crate::share::secret::Secret;
use crate::share::time::Timestamp;

mod open;

pub(super) use open::Asks;
use open::Voter;

/// What is asked, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    text: String,
    choices: Vec<String>,
    needed: usize,
    within: Duration,
}

/// Answers by choice; every choice is there.
pub type Counts = BTreeMap<String, usize>;

/// An open question, as a viewer is told of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// Its name: random, so that an answer meant for one never counts for another.
    pub ask: Arc<str>,
    /// The question.
    pub question: String,
    /// What may be answered.
    pub choices: Vec<String>,
    /// So many of one choice settle it.
    pub needed: usize,
    /// When it is over in any case.
    pub deadline: Timestamp,
    /// How it stands.
    pub counts: Counts,
}

/// A question that is over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settled {
    /// Its name.
    pub ask: Arc<str>,
    /// How it ended.
    pub outcome: Outcome,
    /// How it stood then.
    pub counts: Counts,
}

/// How a question ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// So many as were needed gave this choice.
    Agreed(String),
    /// Its time was over.
    Expired,
    /// Whoever asked took it back; or this viewer was too slow to be told how it ended.
    Withdrawn,
}

/// A question that waits for its end. Dropping it withdraws the question, unless it was [left](Asking::leave).
#[derive(Debug)]
pub struct Asking {
    room: Arc<Room>,
    number: u64,
    ask: Arc<str>,
    settled: Option<oneshot::Receiver<Settled>>,
}

impl Question {
    /// A question, if it can be asked.
    ///
    /// # Errors
    /// A text is empty or too long, there are no choices, too many, or two that are the same, or it needs none or more than
    /// [`ASK_ANSWERS_MAX`] answers, or has no time or more than a day.
    pub fn new(text: &str, choices: &[String], needed: usize, within_ms: u64) -> Result<Self, Refusal> {
        let checked = |text: &str, name: &'static str, max: usize| match text.len() {
            0 => Err(Refusal::invalid(0, "the question and its choices are not empty")),
            got if got > max => Err(Refusal::limit(name, max, got)),
            _ => Ok(()),
        };
        checked(text, "askQuestionBytesMax", ASK_QUESTION_BYTES_MAX)?;
        if choices.is_empty() {
            return Err(Refusal::invalid(0, "a question has at least one choice"));
        }
        if choices.len() > ASK_CHOICES_MAX {
            return Err(Refusal::limit("askChoicesMax", ASK_CHOICES_MAX, choices.len()));
        }
        for (at, choice) in choices.iter().enumerate() {
            checked(choice, "askChoiceBytesMax", ASK_CHOICE_BYTES_MAX)?;
            if choices[..at].contains(choice) {
                return Err(Refusal::invalid(at, "no two choices are the same"));
            }
        }
        if needed == 0 {
            return Err(Refusal::invalid(0, "a question needs at least one answer"));
        }
        if needed > ASK_ANSWERS_MAX {
            return Err(Refusal::limit("askAnswersMax", ASK_ANSWERS_MAX, needed));
        }
        if within_ms == 0 {
            return Err(Refusal::invalid(0, "a question is open for at least a millisecond"));
        }
        if within_ms > ASK_WITHIN_MS_MAX {
            let max = usize::try_from(ASK_WITHIN_MS_MAX).unwrap_or(usize::MAX);
            return Err(Refusal::limit("askWithinMsMax", max, usize::try_from(within_ms).unwrap_or(usize::MAX)));
        }
        let within = Duration::from_millis(within_ms);
        Ok(Self { text: text.to_owned(), choices: choices.to_vec(), needed, within })
    }
}

impl Hub {
    /// Passes if somebody may ask a share's audience: its owner's account, with a credential that may write; or whoever shows
    /// a secret of the share, or the token of a grant on it that gives more than reading.
    ///
    /// # Errors
    /// [`Refusal::Unauthorized`], or the bucket failed.
    pub async fn may_ask(&self, room: &Arc<Room>, who: &[Principal], shown: Option<&Secret>) -> Result<(), Refusal> {
        if let Some(shown) = shown {
            if GrantToken::parse(shown.reveal()).is_none() {
                return self.open(room.id().as_str(), shown).await.map(drop);
            }
            let restored = match who.first() {
                Some(who) => self.restore(who, shown.reveal()).await?,
                None => self.restore(&self.authenticate(None).await?, shown.reveal()).await?,
            };
            if restored.room.id() == room.id() && restored.pass.right() != Right::Read {
                return Ok(());
            }
        }
        let owner = room.read(|state| state.opened().map(|opened| opened.account.clone()))?;
        let is_owner = |who: &Principal| {
            who.credential.is_shown() && Some(&who.account) == owner.as_ref() && who.may_write().is_ok()
        };
        if who.iter().any(is_owner) {
            return Ok(());
        }
        let reason = "only the owner of a share asks its viewers: show a token of its account, or the share's secret";
        Err(Refusal::Unauthorized { reason: reason.into() })
    }

    /// Puts a question to those who watch a share on this host.
    ///
    /// # Errors
    /// There are [`ASKS_OPEN_MAX`](crate::share::limits::ASKS_OPEN_MAX) open already, or the machine has no randomness to give.
    pub fn ask(&self, room: &Arc<Room>, question: Question) -> Result<Asking, Refusal> {
        let Question { text: question, choices, needed, within } = question;
        let bits = self.ambient.bits().map_err(|error| {
            tracing::error!(%error, "no question can be asked");
            Refusal::Unavailable { retry_after_ms: 10_000 }
        })?;
        let ask: Arc<str> = format!("{bits:032x}").into();
        let within_ms = i64::try_from(within.as_millis()).unwrap_or(i64::MAX);
        let deadline = Timestamp(self.ambient.clock.now().0.saturating_add(within_ms));
        let counts = choices.iter().map(|choice| (choice.clone(), 0)).collect();
        let asked = Asked { ask: Arc::clone(&ask), question, choices, needed, deadline, counts };
        let (tell, settled) = oneshot::channel();
        let number = room.audience().lock().asks.begin(asked, tell)?;
        let expiring = {
            let room = Arc::downgrade(room);
            async move {
                sleep(within).await;
                if let Some(room) = room.upgrade() {
                    room.settle(number, Outcome::Expired);
                }
            }
        };
        // Ends with the question: whoever settles it aborts it.
        let timer = tokio::spawn(expiring).abort_handle();
        room.audience().lock().asks.set_timer(number, timer);
        room.announce_now();
        Ok(Asking { room: Arc::clone(room), number, ask, settled: Some(settled) })
    }

    /// Counts a viewer's answer, in the place of the one that it gave before.
    ///
    /// # Errors
    /// There is no such question open, or it has no such choice, or it has as many answers as are counted.
    pub fn answer(&self, seat: &Seat, who: &[Principal], ask: &str, choice: &str) -> Result<Counts, Refusal> {
        let known = who.iter().find(|who| who.credential.is_shown());
        let voter = known.map_or(Voter::Seat(seat.number()), |who| Voter::Account(who.account.clone()));
        let room = seat.room();
        let (number, counts, agreed) = room.audience().lock().asks.count(voter, ask, choice)?;
        if agreed {
            room.settle(number, Outcome::Agreed(choice.to_owned()));
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
        let withdrawn = || Settled { ask: Arc::clone(&self.ask), outcome: Outcome::Withdrawn, counts: Counts::new() };
        settled.unwrap_or_else(withdrawn)
    }
}

impl Drop for Asking {
    fn drop(&mut self) {
        if self.settled.is_some() {
            self.room.settle(self.number, Outcome::Withdrawn);
        }
    }
}

impl Room {
    /// Ends a question, if it is open.
    fn settle(&self, number: u64, outcome: Outcome) {
        if self.audience().lock().asks.settle(number, outcome) {
            self.announce_now();
        }
    }
}
