//! The questions of one room: those that are open, with their answers, and how the last ones ended.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;

use tokio::sync::oneshot;
use tokio::task::AbortHandle;

use super::{Asked, Counts, Outcome, Settled};
use crate::hub::audience::Notice;
use crate::share::error::Refusal;
use crate::share::id::AccountId;
use crate::share::limits::{ASK_ANSWERS_MAX, ASKS_OPEN_MAX};

/// Questions that are over and still remembered, so that whoever was told of them is told how they ended.
const SETTLED_MAX: usize = 32;

/// Whose answer it is.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Voter {
    Account(AccountId),
    Seat(u64),
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
pub(in crate::hub) struct Asks {
    numbered: u64,
    /// By number. At most [`ASKS_OPEN_MAX`].
    open: BTreeMap<u64, Open>,
    /// At most [`SETTLED_MAX`]; past it the oldest go.
    settled: VecDeque<(u64, Settled)>,
}

impl Asks {
    pub(in crate::hub) fn are_settled(&self) -> bool {
        self.open.is_empty()
    }

    pub(super) fn begin(&mut self, asked: Asked, settled: oneshot::Sender<Settled>) -> Result<u64, Refusal> {
        if self.open.len() >= ASKS_OPEN_MAX {
            return Err(Refusal::limit("asksOpenMax", ASKS_OPEN_MAX, self.open.len() + 1));
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
            return Err(Refusal::limit("askAnswersMax", ASK_ANSWERS_MAX, open.answers.len() + 1));
        }
        open.answers.insert(voter, choice);
        open.recount();
        let agreed =
            open.asked.counts.get(&open.asked.choices[choice]).is_some_and(|count| *count >= open.asked.needed);
        Ok((*number, open.asked.counts.clone(), agreed))
    }

    /// Forgets what a viewer answered whom nobody knows.
    pub(in crate::hub) fn take_back(&mut self, seat: u64) {
        for open in self.open.values_mut() {
            if open.answers.remove(&Voter::Seat(seat)).is_some() {
                open.recount();
            }
        }
    }

    pub(super) fn settle(&mut self, number: u64, outcome: Outcome) -> bool {
        let Some(open) = self.open.remove(&number) else { return false };
        open.timer.iter().for_each(AbortHandle::abort);
        let settled = Settled { ask: open.asked.ask, outcome, counts: open.asked.counts };
        if let Some(tell) = open.settled {
            // Whoever asked may not wait for it.
            let _gone = tell.send(settled.clone());
        }
        self.settled.push_back((number, settled));
        if self.settled.len() > SETTLED_MAX {
            self.settled.pop_front();
        }
        true
    }

    /// What somebody who was told of these, each as of a version, is to be told next.
    pub(in crate::hub) fn look(&self, told: &mut BTreeMap<u64, (u64, Arc<str>)>) -> Option<Notice> {
        let over = told.keys().find(|number| !self.open.contains_key(number)).copied();
        if let Some((number, (_, ask))) = over.and_then(|number| told.remove_entry(&number)) {
            let settled = self.settled.iter().find(|(settled, _)| *settled == number);
            let forgotten = || Settled { ask, outcome: Outcome::Withdrawn, counts: Counts::new() };
            return Some(Notice::Settled(settled.map_or_else(forgotten, |(_, settled)| settled.clone())));
        }
        let is_told = |number, open: &Open| told.get(number).is_some_and(|(version, _)| *version == open.version);
        let (number, open) = self.open.iter().find(|(number, open)| !is_told(number, open))?;
        told.insert(*number, (open.version, Arc::clone(&open.asked.ask)));
        Some(Notice::Asked(open.asked.clone()))
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
