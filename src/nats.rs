//! NATS as the carrier of news between hosts, for deployments in which not every host can have a connection to every other.
//!
//! Plain publishing and subscribing are all that is used of it ("core NATS"): nothing is stored there, since the bucket has everything.
//!
//! | subject | who subscribes | what comes |
//! |---|---|---|
//! | `capshare.<store>.share.<share>` | the hosts that [follow](Carrier::follow) the share | hints |
//! | `capshare.<store>.hosts` | every host | control messages for all |
//! | `capshare.<store>.host.<host>` | that host | control messages for it |
//! | `capshare.<store>.host.<host>.<number>` | that host, for a moment | the server's answer that ends a wait |
//!
//! Store, host and share are ids of the letters and digits `a-z2-7`, so nothing in a subject has to be escaped. Who may publish there can make hosts look into
//! the bucket and close connections, and who may subscribe learns the ids of shares that are written.
//!
//! **What it promises.** [`Nats::publish`] waits for nothing. [`Nats::tend`] keeps the one connection, as long as it is polled: it
//! subscribes to what is followed and tells the [`Hints`] whether hints come. It says so only after the server has answered a request that
//! was sent after all subscriptions, for only then are they in effect; the client's own flush waits for no answer. Whenever hints may have
//! been lost, because the connection was made anew or too many came at once, it asks for a look.
//!
//! **What it refuses.** It never keeps a host from starting or serving. Without a server, or with one that refuses the credential or the
//! subjects, the host looks into the bucket as if there were no carrier, the reason is logged once, and the client goes on trying.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use async_nats::Client;
use async_nats::connection::State;
use futures::FutureExt as _;
use tokio::task::unconstrained;
use tokio::time::timeout;

use crate::hints::{Carrier, Hints, Message, NotSent};
use crate::share::error::chain;
use crate::share::id::{ShareId, StoreId};

mod heard;
mod interest;
mod options;
mod session;
mod settings;
mod subjects;
mod tell;
mod wanted;

pub use settings::{BadNats, NatsLogin, NatsServer, NatsSettings};
pub use tell::{NotTold, tell_of_revocation};

use heard::Heard;
use session::{Session, TICK};
use subjects::Subjects;
use wanted::Wanted;

/// The carrier.
pub struct Nats {
    settings: NatsSettings,
    hints: Weak<Hints>,
    heard: Arc<Heard>,
    wanted: Mutex<Wanted>,
    /// There while the carrier is tended.
    link: Mutex<Option<Link>>,
    /// The server answers and takes what this host sends: whoever goes on sending to one that refuses it is refused again each time.
    serves: AtomicBool,
}

/// The way to the server.
#[derive(Clone)]
struct Link {
    client: Client,
    subjects: Arc<Subjects>,
}

impl Nats {
    /// A carrier for these hints, which reaches nobody until it is [tended](Self::tend).
    ///
    /// # Errors
    /// A setting cannot be right, or a file that it names cannot be read.
    pub fn new(settings: NatsSettings, hints: &Arc<Hints>) -> Result<Arc<Self>, BadNats> {
        settings.check()?;
        let (hints, heard, wanted, link) = (Arc::downgrade(hints), Arc::default(), Mutex::default(), Mutex::default());
        Ok(Arc::new(Self { settings, hints, heard, wanted, link, serves: AtomicBool::new(false) }))
    }

    /// Keeps a connection to NATS, and tells the hints what comes, for as long as this is polled. The subjects bear the store's id,
    /// so that hosts over different buckets never hear each other.
    pub async fn tend(&self, store: &StoreId) {
        let Some(hints) = self.hints.upgrade() else { return };
        let subjects = Arc::new(Subjects::new(store, hints.host()));
        let client = match options::connect(&self.settings, hints.host(), &self.heard).await {
            Ok(client) => client,
            Err(error) => {
                tracing::error!(error = %chain(&error), "NATS cannot be used with these settings: hosts see each other's writes later");
                return;
            }
        };
        let link = Link { client, subjects };
        // From here on, whenever this ends.
        let _gone = Gone(self);
        *self.link() = Some(link.clone());
        let mut session = Session::new(self, link, hints);
        session.begin().await;
        loop {
            session.round().await;
            drop(timeout(TICK, self.heard.stirred.notified()).await);
        }
    }

    /// What is to change since this was last asked.
    fn take_changes(&self) -> BTreeMap<ShareId, bool> {
        self.wanted().take()
    }

    fn change(&self, share: &ShareId, followed: bool) {
        self.wanted().change(share, followed);
        self.heard.stirred.notify_one();
    }

    fn wanted(&self) -> MutexGuard<'_, Wanted> {
        self.wanted.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn link(&self) -> MutexGuard<'_, Option<Link>> {
        self.link.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Carrier for Nats {
    fn follow(&self, share: &ShareId) {
        self.change(share, true);
    }

    fn unfollow(&self, share: &ShareId) {
        self.change(share, false);
    }

    fn publish(&self, message: Message) -> Result<(), NotSent> {
        let link = self.link();
        let is_served =
            |link: &&Link| self.serves.load(Ordering::Acquire) && link.client.connection_state() == State::Connected;
        let Link { client, subjects } = link.as_ref().filter(is_served).ok_or(NotSent)?;
        // It waits for a place in the client's queue and for nothing else: polled once, it has one at once or is dropped.
        match unconstrained(client.publish(subjects.of(&message), message.encode())).now_or_never() {
            Some(Ok(())) => Ok(()),
            Some(Err(_)) | None => Err(NotSent),
        }
    }
}

impl fmt::Debug for Nats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Nats").field("settings", &self.settings).finish_non_exhaustive()
    }
}

/// Lets the client go when nobody tends the carrier any more.
struct Gone<'a>(&'a Nats);

impl Drop for Gone<'_> {
    fn drop(&mut self) {
        self.0.heard.end();
        *self.0.link() = None;
    }
}
