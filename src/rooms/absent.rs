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
    /// How often one was forgotten because it may be there.
    forgotten: u64,
}

/// A question to the bucket that is under way: what is forgotten meanwhile is not remembered by its answer.
#[derive(Debug, Clone, Copy)]
pub(super) struct Question(u64);

impl Absent {
    pub(super) fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, inner: Mutex::default() }
    }

    /// Whether a share is known not to be there.
    pub(super) fn has(&self, id: &ShareId) -> bool {
        let inner = self.lock();
        inner.asked.get(id).is_some_and(|asked| asked.age(self.clock.as_ref()) < Duration::from_millis(ABSENT_MS_MAX))
    }

    /// The bucket is about to be asked.
    pub(super) fn ask(&self) -> Question {
        Question(self.lock().forgotten)
    }

    /// The bucket was asked at this moment, and a share is not there.
    pub(super) fn note(&self, id: &ShareId, asked: Moment, question: Question) {
        let mut inner = self.lock();
        if inner.forgotten != question.0 {
            return;
        }
        if inner.asked.insert(id.clone(), asked).is_none() {
            inner.order.push_back(id.clone());
        }
        while inner.order.len() > ABSENT_REMEMBERED_MAX {
            if let Some(oldest) = inner.order.pop_front() {
                inner.asked.remove(&oldest);
            }
        }
    }

    /// A share may be there.
    pub(super) fn forget(&self, id: &ShareId) {
        let mut inner = self.lock();
        inner.forgotten += 1;
        inner.asked.remove(id);
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
        let clock = Arc::new(TokioClock::from(Timestamp(0)));
        let absent = Absent::new(Arc::clone(&clock) as _);
        let (asked, question) = (Moment::now(clock.as_ref()), absent.ask());
        absent.note(&id(1), asked, question);
        assert!(absent.has(&id(1)) && !absent.has(&id(2)));
        tokio::time::advance(Duration::from_millis(ABSENT_MS_MAX - 1)).await;
        assert!(absent.has(&id(1)));
        tokio::time::advance(Duration::from_millis(1)).await;
        assert!(!absent.has(&id(1)));
    }

    #[tokio::test(start_paused = true)]
    async fn what_may_be_there_is_forgotten_though_an_answer_is_on_its_way() {
        let clock = Arc::new(TokioClock::from(Timestamp(0)));
        let absent = Absent::new(Arc::clone(&clock) as _);
        let asked = || Moment::now(clock.as_ref());
        let question = absent.ask();
        absent.note(&id(1), asked(), question);
        absent.forget(&id(1));
        assert!(!absent.has(&id(1)));
        absent.note(&id(1), asked(), question);
        assert!(!absent.has(&id(1)), "it was asked for before it was created");
        absent.note(&id(1), asked(), absent.ask());
        assert!(absent.has(&id(1)));
    }

    #[tokio::test(start_paused = true)]
    async fn so_many_are_remembered_and_no_more() {
        let clock = Arc::new(TokioClock::from(Timestamp(0)));
        let absent = Absent::new(Arc::clone(&clock) as _);
        for n in 0..=ABSENT_REMEMBERED_MAX {
            absent.note(&id(n), Moment::now(clock.as_ref()), absent.ask());
        }
        assert!(!absent.has(&id(0)) && absent.has(&id(1)) && absent.has(&id(ABSENT_REMEMBERED_MAX)));
        assert_eq!(absent.lock().asked.len(), ABSENT_REMEMBERED_MAX);
    }
}
