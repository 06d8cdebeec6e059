//! Creates that come twice: one answer for both.
//!
//! OpenCode sends its first create of a session twice, some hundred milliseconds apart, and keeps whichever answer comes last.
//! The log keeps only hashes of secrets, so the answer of the first is held here, in memory, for [`WINDOW`]: a create of the
//! same session by the same account that is in flight with it, or comes within that time, is given the same answer as long as
//! that still opens the share.
//!
//! To whoever shows a credential this gives no right: without it, such a caller would be given a secret of its own. Another
//! host does just that, and both work. Without a credential a caller has no right to a share that is there, so there the second
//! create is taken for the first one's twin only while nobody but the maker of the first can know the session's id:
//!
//! - it comes from the same address,
//! - the first was the first of its session that ever came without a credential, also before a deletion and at other hosts: so
//!   no share has shown that id, and no stranger has put a share of its own there to be found,
//! - and nothing was synced to the share yet, at any host: the index and the share's facts name the session otherwise.
//!
//! Anybody else gets a share of its own.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::access::Principal;
use crate::audit::By;
use crate::hub::Hub;
use crate::rooms::Terms;
use crate::rooms::room::Room;
use crate::share::error::Refusal;
use crate::share::id::{AccountId, SessionId, ShareId};
use crate::share::secret::Secret;

/// How long the answer to a create is given again: the two creates of a slow start are a second or two apart.
pub(in crate::http) const WINDOW: Duration = Duration::from_secs(10);

/// Sessions whose answers are remembered: at about 500 bytes each, 5 MB. Past it a create is answered as it comes, and two of
/// one session get two secrets, of which either opens the share.
const SESSIONS_MAX: usize = 10_000;

/// Recent answers to creates, by session.
#[derive(Debug, Default)]
pub(in crate::http) struct Creates {
    sessions: Mutex<HashMap<Key, Arc<Slot>>>,
}

/// Whose creates of which session meet: those of an account, or without a credential those of an address.
type Key = (AccountId, SessionId, Option<Option<IpAddr>>);

/// The last answer for a session and when it was given; locked while a share of that session is being created.
type Slot = tokio::sync::Mutex<Option<(Instant, Given)>>;

/// The answer to a create.
#[derive(Debug, Clone)]
pub(in crate::http) struct Given {
    pub(in crate::http) id: ShareId,
    pub(in crate::http) url: String,
    pub(in crate::http) secret: Secret,
    /// Whether a twin without a credential may be given this answer too.
    first_of_strangers: bool,
}

impl Creates {
    /// Creates the share of a session, or gives the recent answer for it. `from` is the caller's address; `None`: it is within
    /// the process.
    ///
    /// # Errors
    /// As [`Rooms::create`](crate::rooms::Rooms::create), and what was created just now cannot be looked at.
    pub(in crate::http) async fn create(
        &self,
        hub: &Hub,
        who: &Principal,
        from: Option<IpAddr>,
        session: &SessionId,
    ) -> Result<Given, Refusal> {
        who.may_write()?;
        let Some(slot) = self.slot(who, from, session) else { return fresh(hub, who, from, session).await };
        let mut slot = slot.lock().await;
        if let Some((_, given)) = slot.as_ref().filter(|(at, _)| at.elapsed() < WINDOW)
            && let Ok(room) = hub.rooms().open(given.id.as_str(), &given.secret).await
            && (who.owns_its_account() || (given.first_of_strangers && shows_nothing(&room).await?))
        {
            return Ok(given.clone());
        }
        let given = fresh(hub, who, from, session).await?;
        *slot = Some((Instant::now(), given.clone()));
        Ok(given)
    }

    /// Forgets answers that are not given again any more.
    pub(in crate::http) fn forget(&self) {
        forget(&mut self.lock());
    }

    fn slot(&self, who: &Principal, from: Option<IpAddr>, session: &SessionId) -> Option<Arc<Slot>> {
        let from = (!who.owns_its_account()).then_some(from);
        let key = (who.account.clone(), session.clone(), from);
        let mut sessions = self.lock();
        if sessions.len() >= SESSIONS_MAX && !sessions.contains_key(&key) {
            forget(&mut sessions);
            if sessions.len() >= SESSIONS_MAX {
                return None;
            }
        }
        Some(Arc::clone(sessions.entry(key).or_default()))
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Key, Arc<Slot>>> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Keeps the sessions whose answer is recent, or whose share is being created.
fn forget(sessions: &mut HashMap<Key, Arc<Slot>>) {
    let is_new = |slot: &Arc<Slot>| match slot.try_lock() {
        Ok(given) => given.as_ref().is_some_and(|(at, _)| at.elapsed() < WINDOW),
        Err(_) => true,
    };
    sessions.retain(|_, slot| Arc::strong_count(slot) > 1 || is_new(slot));
}

/// Whether nothing was ever synced to a share, as the bucket says now.
async fn shows_nothing(room: &Arc<Room>) -> Result<bool, Refusal> {
    room.catch_up(Duration::ZERO).await?;
    room.read(|state| state.sync_count() == 0)
}

async fn fresh(hub: &Hub, who: &Principal, from: Option<IpAddr>, session: &SessionId) -> Result<Given, Refusal> {
    let by = By::Request(from, Some(who));
    let created = hub.rooms().create_by(by, who, session, None, Terms::default()).await?;
    let first_of_strangers = created.first_of_strangers;
    Ok(Given { id: created.id, url: created.url, secret: created.secret, first_of_strangers })
}

#[cfg(test)]
mod tests {
    use object_store::memory::InMemory;

    use super::*;
    use crate::access::{Access as _, Credential, SingleAccount};
    use crate::ambient::{Ambient, SeededEntropy, TokioClock};
    use crate::hub::HubSettings;
    use crate::share::time::Timestamp;

    fn hub() -> Arc<Hub> {
        let clock = Arc::new(TokioClock::from(Timestamp(0)));
        let ambient = Ambient { clock, entropy: Arc::new(SeededEntropy::new(1)) };
        Hub::new(Arc::new(InMemory::new()), Arc::new(everybody()), ambient, HubSettings::default()).unwrap()
    }

    fn everybody() -> SingleAccount {
        SingleAccount::new("local".parse().unwrap())
    }

    fn stranger() -> Principal {
        everybody().anonymous().unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_is_given_again_for_as_long_as_the_window_and_then_forgotten() {
        let (hub, owner) = (hub(), Principal { credential: Credential::Key, ..stranger() });
        let (creates, session) = (Creates::default(), "ses_1".parse().unwrap());
        let create = async || creates.create(&hub, &owner, None, &session).await.unwrap();
        let first = create().await;
        tokio::time::advance(WINDOW - Duration::from_millis(1)).await;
        creates.forget();
        assert_eq!(create().await.secret, first.secret);
        tokio::time::advance(Duration::from_millis(1)).await;
        let later = create().await;
        assert!(later.id == first.id && later.secret != first.secret);
        tokio::time::advance(WINDOW).await;
        creates.forget();
        assert!(creates.lock().is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn without_a_credential_an_answer_is_given_again_within_the_window_and_to_its_own_address() {
        let (hub, stranger, session) = (hub(), stranger(), "ses_1".parse().unwrap());
        let creates = Creates::default();
        let create = async |from: &str| creates.create(&hub, &stranger, from.parse().ok(), &session).await.unwrap();
        let first = create("192.0.2.1").await;
        tokio::time::advance(WINDOW - Duration::from_millis(1)).await;
        assert_eq!(create("192.0.2.1").await.secret, first.secret);
        assert_ne!(create("192.0.2.2").await.id, first.id);
        tokio::time::advance(Duration::from_millis(1)).await;
        assert_ne!(create("192.0.2.1").await.id, first.id);
    }

    #[tokio::test(start_paused = true)]
    async fn as_many_sessions_are_remembered_as_may_be() {
        let creates = Creates::default();
        let (who, from) = (stranger(), None);
        let slots: Vec<_> = (0..SESSIONS_MAX)
            .map(|n| creates.slot(&who, from, &format!("ses_{n}").parse().unwrap()).unwrap())
            .collect();
        assert!(creates.slot(&who, from, &"another".parse().unwrap()).is_none());
        assert!(creates.slot(&who, from, &"ses_7".parse().unwrap()).is_some());
        drop(slots);
        assert!(creates.slot(&who, from, &"another".parse().unwrap()).is_some());
    }
}
