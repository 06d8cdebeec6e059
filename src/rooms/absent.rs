//! Shares that were found not to be there, remembered for a moment: viewers of a share that is gone, or was never here, come back many times
//! a second, and each time would cost a listing.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::ambient::{Clock, Moment};
use crate::share::id::ShareId;
use crate::share::limits::{ABSENT_MS_MAX, ABSENT_REMEMBERED_MAX};

/// The shares that are known not to be there.
#[derive(Debug)]
pub(super) struct Absent {
    clock: Arc<dyn Clock>,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    /// When the bucket was asked; at most [`ABSENT_REMEMBERED_MAX`], past which the oldest goes.
    asked: HashMap<ShareId, Moment>,
    /// In the order in which they came; some may have been forgotten since.
    order: VecDeque<ShareId>,
    /// The last question to the bucket for each share that is being asked for; a share that is forgotten meanwhile is taken out. Bound:
    /// the shares that are being loaded.
    questions: HashMap<ShareId, u64>,
    /// Number of the next question.
    next: u64,
}

/// A question to the bucket whether a share is there. If the share is forgotten before the answer comes, that is not remembered.
/// Dropping it ends it.
#[derive(Debug)]
pub(super) struct Question<'a> {
    absent: &'a Absent,
    id: ShareId,
    number: u64,
    asked: Moment,
}

impl Question<'_> {
    /// The answer: the share is not there.
    pub(super) fn found_none(self) {
        let mut inner = self.absent.lock();
        if inner.questions.get(&self.id) != Some(&self.number) {
            return;
        }
        if inner.asked.insert(self.id.clone(), self.asked).is_none() {
            inner.order.push_back(self.id.clone());
        }
        while inner.order.len() > ABSENT_REMEMBERED_MAX {
            if let Some(oldest) = inner.order.pop_front() {
                inner.asked.remove(&oldest);
            }
        }
    }
}

impl Drop for Question<'_> {
    fn drop(&mut self) {
        let mut inner = self.absent.lock();
        if inner.questions.get(&self.id) == Some(&self.number) {
            inner.questions.remove(&self.id);
        }
    }
}

impl Absent {
    pub(super) fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, inner: Mutex::default() }
    }

    /// Whether a share is known not to be there.
    pub(super) fn has(&self, id: &ShareId) -> bool {
        let inner = self.lock();
        inner.asked.get(id).is_some_and(|asked| asked.age(self.clock.as_ref()) < Duration::from_millis(ABSENT_MS_MAX))
    }

    /// The bucket is about to be asked for a share.
    pub(super) fn ask(&self, id: &ShareId) -> Question<'_> {
        let mut inner = self.lock();
        let number = inner.next;
        inner.next += 1;
        inner.questions.insert(id.clone(), number);
        Question { absent: self, id: id.clone(), number, asked: Moment::now(self.clock.as_ref()) }
    }

    /// A share may be there.
    pub(super) fn forget(&self, id: &ShareId) {
        let mut inner = self.lock();
        inner.asked.remove(id);
        inner.questions.remove(id);
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ambient::TokioClock;
    use crate::share::time::Timestamp;

    fn id(n: usize) -> ShareId {
        ShareId::from_bits(n as u128)
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_not_there_is_known_for_a_moment_and_no_longer() {
        let absent = Absent::new(Arc::new(TokioClock::from(Timestamp(0))));
        absent.ask(&id(1)).found_none();
        assert!(absent.has(&id(1)) && !absent.has(&id(2)));
        tokio::time::advance(Duration::from_millis(ABSENT_MS_MAX - 1)).await;
        assert!(absent.has(&id(1)));
        tokio::time::advance(Duration::from_millis(1)).await;
        assert!(!absent.has(&id(1)));
    }

    #[tokio::test(start_paused = true)]
    async fn what_may_be_there_is_forgotten_though_an_answer_is_on_its_way() {
        let absent = Absent::new(Arc::new(TokioClock::from(Timestamp(0))));
        absent.ask(&id(1)).found_none();
        let (question, other) = (absent.ask(&id(1)), absent.ask(&id(2)));
        absent.forget(&id(1));
        assert!(!absent.has(&id(1)));
        let later = absent.ask(&id(1));
        question.found_none();
        assert!(!absent.has(&id(1)), "it was asked for before it was created");
        other.found_none();
        assert!(absent.has(&id(2)), "nothing was heard of this one");
        later.found_none();
        assert!(absent.has(&id(1)));
        assert!(absent.lock().questions.is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn so_many_are_remembered_and_no_more() {
        let absent = Absent::new(Arc::new(TokioClock::from(Timestamp(0))));
        for n in 0..=ABSENT_REMEMBERED_MAX {
            absent.ask(&id(n)).found_none();
        }
        assert!(!absent.has(&id(0)) && absent.has(&id(1)) && absent.has(&id(ABSENT_REMEMBERED_MAX)));
        assert_eq!(absent.lock().asked.len(), ABSENT_REMEMBERED_MAX);
    }
}
