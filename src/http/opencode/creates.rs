//! Creates that come twice: one answer for both.
//!
//! OpenCode sends its first create of a session twice, some hundred milliseconds apart, and keeps whichever answer comes last.
//! The log keeps only hashes of secrets, so the answer of the first is held here, in memory, for [`WINDOW`]: a create of the
//! same session by the same account that is in flight with it, or comes within that time, is given the same answer as long as
//! that still opens the share. It gives nobody a right: without it, they would be given a secret of their own. Another host
//! does just that, and both work.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::hub::access::Principal;
use crate::hub::{Hub, Terms};
use crate::share::error::Refusal;
use crate::share::id::{AccountId, SessionId, ShareId};
use crate::share::secret::Secret;

/// How long an answer is given again: the two creates of a slow start are a second or two apart.
pub(super) const WINDOW: Duration = Duration::from_secs(10);

/// Sessions whose answers are remembered: at about 500 bytes each, 5 MB. Past it a create is answered as it comes, and two of
/// one session get two secrets, of which either opens the share.
const SESSIONS_MAX: usize = 10_000;

/// The answers of lately.
#[derive(Debug, Default)]
pub(super) struct Creates {
    sessions: Mutex<HashMap<(AccountId, SessionId), Arc<Slot>>>,
}

/// Held by whoever is creating the share of this session; what it came to, and when.
type Slot = tokio::sync::Mutex<Option<(Instant, Given)>>;

/// The answer to a create.
#[derive(Debug, Clone)]
pub(super) struct Given {
    pub(super) id: ShareId,
    pub(super) url: String,
    pub(super) secret: Secret,
}

impl Creates {
    /// Creates the share of a session, or gives what that came to just now.
    ///
    /// # Errors
    /// As [`Hub::create`].
    pub(super) async fn create(&self, hub: &Hub, who: &Principal, session: &SessionId) -> Result<Given, Refusal> {
        who.may_write()?;
        let Some(slot) = self.slot(who, session) else { return fresh(hub, who, session).await };
        let mut slot = slot.lock().await;
        if let Some((_, given)) = slot.as_ref().filter(|(at, _)| at.elapsed() < WINDOW)
            && hub.open(given.id.as_str(), &given.secret).await.is_ok()
        {
            return Ok(given.clone());
        }
        let given = fresh(hub, who, session).await?;
        *slot = Some((Instant::now(), given.clone()));
        Ok(given)
    }

    /// Forgets what is not given again any more.
    pub(super) fn forget(&self) {
        forget(&mut self.lock());
    }

    fn slot(&self, who: &Principal, session: &SessionId) -> Option<Arc<Slot>> {
        let key = (who.account.clone(), session.clone());
        let mut sessions = self.lock();
        if sessions.len() >= SESSIONS_MAX && !sessions.contains_key(&key) {
            forget(&mut sessions);
            if sessions.len() >= SESSIONS_MAX {
                return None;
            }
        }
        Some(Arc::clone(sessions.entry(key).or_default()))
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<(AccountId, SessionId), Arc<Slot>>> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Leaves those whose answer is new, or that somebody is at.
fn forget(sessions: &mut HashMap<(AccountId, SessionId), Arc<Slot>>) {
    let is_new = |slot: &Arc<Slot>| match slot.try_lock() {
        Ok(given) => given.as_ref().is_some_and(|(at, _)| at.elapsed() < WINDOW),
        Err(_) => true,
    };
    sessions.retain(|_, slot| Arc::strong_count(slot) > 1 || is_new(slot));
}

async fn fresh(hub: &Hub, who: &Principal, session: &SessionId) -> Result<Given, Refusal> {
    let created = hub.create(who, session, None, Terms::default()).await?;
    Ok(Given { id: created.id, url: created.url, secret: created.secret })
}

#[cfg(test)]
mod tests {
    use object_store::memory::InMemory;

    use super::*;
    use crate::hub::HubSettings;
    use crate::hub::access::{Access as _, SingleAccount};
    use crate::hub::ambient::{Ambient, SeededEntropy, TokioClock};
    use crate::share::time::Timestamp;

    #[tokio::test(start_paused = true)]
    async fn an_answer_is_given_again_for_as_long_as_the_window_and_then_forgotten() {
        let access = Arc::new(SingleAccount::new("local".parse().unwrap()));
        let who = access.anonymous().unwrap();
        let clock = Arc::new(TokioClock::from(Timestamp(0)));
        let ambient = Ambient { clock, entropy: Arc::new(SeededEntropy::new(1)) };
        let hub = Hub::new(Arc::new(InMemory::new()), access, ambient, HubSettings::default()).unwrap();
        let (creates, session) = (Creates::default(), "ses_1".parse().unwrap());
        let first = creates.create(&hub, &who, &session).await.unwrap();
        tokio::time::advance(WINDOW - Duration::from_millis(1)).await;
        creates.forget();
        assert_eq!(creates.create(&hub, &who, &session).await.unwrap().secret, first.secret);
        tokio::time::advance(Duration::from_millis(1)).await;
        let later = creates.create(&hub, &who, &session).await.unwrap();
        assert!(later.id == first.id && later.secret != first.secret);
        tokio::time::advance(WINDOW).await;
        creates.forget();
        assert!(creates.lock().is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn as_many_sessions_are_remembered_as_may_be() {
        let creates = Creates::default();
        let who = SingleAccount::new("local".parse().unwrap()).anonymous().unwrap();
        let slots: Vec<_> =
            (0..SESSIONS_MAX).map(|n| creates.slot(&who, &format!("ses_{n}").parse().unwrap()).unwrap()).collect();
        assert!(creates.slot(&who, &"another".parse().unwrap()).is_none());
        assert!(creates.slot(&who, &"ses_7".parse().unwrap()).is_some());
        drop(slots);
        assert!(creates.slot(&who, &"another".parse().unwrap()).is_some());
    }
}
