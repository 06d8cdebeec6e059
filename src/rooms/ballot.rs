//! The ballot of a share: the questions that its owner asked those who watch it, the answers, and how the last questions ended.
//!
//! Plain data under the lock of the audience, which tells viewers of it; who may ask, and the time that a question has, are in
//! [`asks`](crate::rooms::asks).

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::task::AbortHandle;

use crate::share::error::Refusal;
use crate::share::id::AccountId;
use crate::share::limits::{
    ASK_ANSWERS_MAX, ASK_CHOICE_BYTES_MAX, ASK_CHOICES_MAX, ASK_QUESTION_BYTES_MAX, ASK_WITHIN_MS_MAX, ASKS_OPEN_MAX,
    Limit,
};
use crate::share::time::Timestamp;

/// Questions that are over and still remembered, so that a viewer who was told of them is told how they ended.
const SETTLED_MAX: usize = 32;

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
    pub outcome: Verdict,
    /// How it stood then.
    pub counts: Counts,
}

/// How a question ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// So many as were needed gave this choice.
    Agreed(String),
    /// Its time was over.
    Expired,
    /// The asker took it back; or this viewer was too slow to be told how it ended.
    Withdrawn,
    /// The host drains, and those who would answer go to other hosts.
    Drained,
}

impl Question {
    /// A question, if it can be asked.
    ///
    /// # Errors
    /// A text is empty or too long, there are no choices, too many, or two that are the same, or it needs none or more than
    /// [`ASK_ANSWERS_MAX`] answers, or has no time or more than a day.
    pub fn new(text: &str, choices: &[String], needed: usize, within_ms: u64) -> Result<Self, Refusal> {
        let checked = |text: &str, limit: Limit, max: usize| match text.len() {
            0 => Err(Refusal::invalid(0, "the question and its choices are not empty")),
            got if got > max => Err(Refusal::limit(limit, max, got)),
            _ => Ok(()),
        };
        checked(text, Limit::AskQuestionBytesMax, ASK_QUESTION_BYTES_MAX)?;
        if choices.is_empty() {
            return Err(Refusal::invalid(0, "a question has at least one choice"));
        }
        if choices.len() > ASK_CHOICES_MAX {
            return Err(Refusal::limit(Limit::AskChoicesMax, ASK_CHOICES_MAX, choices.len()));
        }
        for (at, choice) in choices.iter().enumerate() {
            checked(choice, Limit::AskChoiceBytesMax, ASK_CHOICE_BYTES_MAX)?;
            if choices[..at].contains(choice) {
                return Err(Refusal::invalid(at, "no two choices are the same"));
            }
        }
        if needed == 0 {
            return Err(Refusal::invalid(0, "a question needs at least one answer"));
        }
        if needed > ASK_ANSWERS_MAX {
            return Err(Refusal::limit(Limit::AskAnswersMax, ASK_ANSWERS_MAX, needed));
        }
        if within_ms == 0 {
            return Err(Refusal::invalid(0, "a question is open for at least a millisecond"));
        }
        if within_ms > ASK_WITHIN_MS_MAX {
            let max = usize::try_from(ASK_WITHIN_MS_MAX).unwrap_or(usize::MAX);
            return Err(Refusal::limit(Limit::AskWithinMsMax, max, usize::try_from(within_ms).unwrap_or(usize::MAX)));
        }
        let within = Duration::from_millis(within_ms);
        Ok(Self { text: text.to_owned(), choices: choices.to_vec(), needed, within })
    }

    /// How long the question is open.
    pub(super) fn within(&self) -> Duration {
        self.within
    }
}

impl Asked {
    /// A question that nobody has answered yet.
    pub(super) fn new(ask: Arc<str>, question: Question, deadline: Timestamp) -> Self {
        let Question { text: question, choices, needed, within: _ } = question;
        let counts = choices.iter().map(|choice| (choice.clone(), 0)).collect();
        Self { ask, question, choices, needed, deadline, counts }
    }
}

/// What a viewer is told of a question.
#[derive(Debug)]
pub(super) enum BallotNotice {
    /// The question is open, or stands differently than this viewer was told.
    Asked(Asked),
    /// The question, of which this viewer was told, is over.
    Settled(Settled),
}

/// Whose answer it is.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Voter {
    /// An account, however many connections it has.
    Account(AccountId),
    /// A viewer whose account is not known, by its number in the audience.
    Viewer(u64),
}

#[derive(Debug)]
struct Open {
    asked: Asked,
    answers: HashMap<Voter, usize>,
    /// Rises with each answer.
    version: u64,
    timer: Option<AbortHandle>,
    settled: Option<oneshot::Sender<Settled>>,
}

/// The questions of one room.
#[derive(Debug, Default)]
pub(super) struct Asks {
    numbered: u64,
    /// By number. At most [`ASKS_OPEN_MAX`].
    open: BTreeMap<u64, Open>,
    /// At most [`SETTLED_MAX`]; past it the oldest go.
    settled: VecDeque<(u64, Settled)>,
}

impl Asks {
    pub(super) fn are_settled(&self) -> bool {
        self.open.is_empty()
    }

    pub(super) fn begin(&mut self, asked: Asked, settled: oneshot::Sender<Settled>) -> Result<u64, Refusal> {
        if self.open.len() >= ASKS_OPEN_MAX {
            return Err(Refusal::limit(Limit::AsksOpenMax, ASKS_OPEN_MAX, self.open.len() + 1));
        }
        self.numbered += 1;
        let open = Open { asked, answers: HashMap::new(), version: 0, timer: None, settled: Some(settled) };
        self.open.insert(self.numbered, open);
        Ok(self.numbered)
    }

    pub(super) fn set_timer(&mut self, number: u64, timer: AbortHandle) {
        match self.open.get_mut(&number) {
            Some(open) => open.timer = Some(timer),
            None => timer.abort(),
        }
    }

    /// The question's number, how it stands now, and whether this answer settles it.
    pub(super) fn count(&mut self, voter: Voter, ask: &str, choice: &str) -> Result<(u64, Counts, bool), Refusal> {
        let open = self.open.iter_mut().find(|(_, open)| *open.asked.ask == *ask);
        let Some((number, open)) = open else {
            return Err(Refusal::invalid(0, "there is no such question open: it was settled, or is another host's"));
        };
        let Some(choice) = open.asked.choices.iter().position(|one| one == choice) else {
            return Err(Refusal::invalid(
                0,
                format!("the question has no such choice: {}", open.asked.choices.join(", ")),
            ));
        };
        if open.answers.len() >= ASK_ANSWERS_MAX && !open.answers.contains_key(&voter) {
            return Err(Refusal::limit(Limit::AskAnswersMax, ASK_ANSWERS_MAX, open.answers.len() + 1));
        }
        open.answers.insert(voter, choice);
        open.recount();
        let agreed =
            open.asked.counts.get(&open.asked.choices[choice]).is_some_and(|count| *count >= open.asked.needed);
        Ok((*number, open.asked.counts.clone(), agreed))
    }

    /// Forgets what a viewer answered whom nobody knows.
    pub(super) fn take_back(&mut self, viewer: u64) {
        for open in self.open.values_mut() {
            if open.answers.remove(&Voter::Viewer(viewer)).is_some() {
                open.recount();
            }
        }
    }

    /// The numbers of the open questions.
    pub(super) fn open(&self) -> Vec<u64> {
        self.open.keys().copied().collect()
    }

    pub(super) fn settle(&mut self, number: u64, verdict: Verdict) -> bool {
        let Some(open) = self.open.remove(&number) else { return false };
        open.timer.iter().for_each(AbortHandle::abort);
        let settled = Settled { ask: open.asked.ask, outcome: verdict, counts: open.asked.counts };
        if let Some(tell) = open.settled {
            // The asker may not wait for it.
            let _gone = tell.send(settled.clone());
        }
        self.settled.push_back((number, settled));
        if self.settled.len() > SETTLED_MAX {
            self.settled.pop_front();
        }
        true
    }

    /// What somebody who was told of these, each as of a version, is to be told next.
    pub(super) fn look(&self, told: &mut BTreeMap<u64, (u64, Arc<str>)>) -> Option<BallotNotice> {
        let over = told.keys().find(|number| !self.open.contains_key(number)).copied();
        if let Some((number, (_, ask))) = over.and_then(|number| told.remove_entry(&number)) {
            let settled = self.settled.iter().find(|(settled, _)| *settled == number);
            let forgotten = || Settled { ask, outcome: Verdict::Withdrawn, counts: Counts::new() };
            return Some(BallotNotice::Settled(settled.map_or_else(forgotten, |(_, settled)| settled.clone())));
        }
        let is_told = |number, open: &Open| told.get(number).is_some_and(|(version, _)| *version == open.version);
        let (number, open) = self.open.iter().find(|(number, open)| !is_told(number, open))?;
        told.insert(*number, (open.version, Arc::clone(&open.asked.ask)));
        Some(BallotNotice::Asked(open.asked.clone()))
    }
}

impl Open {
    fn recount(&mut self) {
        self.asked.counts.values_mut().for_each(|count| *count = 0);
        for choice in self.answers.values() {
            if let Some(count) = self.asked.counts.get_mut(&self.asked.choices[*choice]) {
                *count += 1;
            }
        }
        self.version += 1;
    }
}
