//! Turns: of those who come with the same key, one at a time, in the order in which they came.
//!
//! A key is known for as long as somebody has its turn or waits for it: dropping a [`Turn`] gives it to the next, and forgets the
//! key after the last. So there are as many keys as there are requests under way.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// How long [`Turns::soon`] waits. A client's own request that is slower than this is overtaken.
pub(in crate::http) const SOON: Duration = Duration::from_secs(10);

/// Gives turns: one at a time for each key, in the order in which they were asked for.
#[derive(Debug)]
pub(in crate::http) struct Turns<K> {
    keys: Arc<Mutex<HashMap<K, Arc<Semaphore>>>>,
}

/// The turn of one caller for a key. Dropping it gives the turn to the next caller.
#[derive(Debug)]
pub(in crate::http) struct Turn<K: Eq + Hash> {
    permit: Option<OwnedSemaphorePermit>,
    _waiter: Waiter<K>,
}

/// A caller who has a turn or waits for it.
#[derive(Debug)]
struct Waiter<K: Eq + Hash> {
    key: K,
    semaphore: Option<Arc<Semaphore>>,
    keys: Arc<Mutex<HashMap<K, Arc<Semaphore>>>>,
}

impl<K> Default for Turns<K> {
    fn default() -> Self {
        Self { keys: Arc::default() }
    }
}

impl<K: Eq + Hash + Clone> Turns<K> {
    /// Waits for the turn of `key`.
    pub(in crate::http) async fn wait(&self, key: K) -> Turn<K> {
        let waiter = self.waiter(key);
        // It is never closed.
        let permit = match waiter.semaphore.clone() {
            Some(semaphore) => semaphore.acquire_owned().await.ok(),
            None => None,
        };
        Turn { permit, _waiter: waiter }
    }

    /// As [`Turns::wait`], for [`SOON`] at most; `None` if the turn did not come by then, and the caller goes on without it.
    pub(in crate::http) async fn soon(&self, key: K) -> Option<Turn<K>> {
        tokio::time::timeout(SOON, self.wait(key)).await.ok()
    }

    fn waiter(&self, key: K) -> Waiter<K> {
        let semaphore = Arc::clone(lock(&self.keys).entry(key.clone()).or_insert_with(|| Arc::new(Semaphore::new(1))));
        Waiter { key, semaphore: Some(semaphore), keys: Arc::clone(&self.keys) }
    }
}

impl<K: Eq + Hash> Drop for Turn<K> {
    fn drop(&mut self) {
        // Before the place, which looks whether anybody is left.
        self.permit = None;
    }
}

impl<K: Eq + Hash> Drop for Waiter<K> {
    fn drop(&mut self) {
        let mut keys = lock(&self.keys);
        self.semaphore = None;
        // Under the lock nobody else can come to it.
        if keys.get(&self.key).is_some_and(|semaphore| Arc::strong_count(semaphore) == 1) {
            keys.remove(&self.key);
        }
    }
}

fn lock<K>(keys: &Mutex<HashMap<K, Arc<Semaphore>>>) -> MutexGuard<'_, HashMap<K, Arc<Semaphore>>> {
    keys.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn turns_come_in_order_and_a_key_is_forgotten_after_the_last() {
        let turns = Turns::default();
        let (first, other) = (turns.wait("a").await, turns.wait("b").await);
        let (mut second, mut third) = (Box::pin(turns.wait("a")), Box::pin(turns.wait("a")));
        assert!(futures::poll!(&mut second).is_pending() && futures::poll!(&mut third).is_pending());
        assert!(turns.soon("a").await.is_none());
        drop(first);
        assert!(futures::poll!(&mut third).is_pending());
        drop(second.await);
        drop((third.await, other));
        assert!(lock(&turns.keys).is_empty());
    }
}
