//! The hosts of a deployment: all that are over one bucket, as each of them knows the others.
//!
//! A host says under `host/<id>` in the bucket that it is there ([`Hosts::tend`]): it overwrites that object every ten seconds while
//! it lives and deletes it at its end, and lists all such objects as often. So hosts find each other without any further service. At
//! S3's list prices a host costs $1.30 a month for its writes, $1.30 for its listings, and at most $1.04 for reading what others wrote:
//! ten reads each time, which of three hosts are two.
//!
//! What is known here is never the ground for anything that must be right: it says where to send a client that has to go elsewhere, and
//! whom to tell that something was written. A host that is taken for gone, or for there, wrongly costs some time and nothing else.
//!
//! A host also finds here by what another is known to be a host of this bucket, when the one calls the other. Who may write to the
//! bucket may do everything with its shares already, so that is what is asked for, and nothing has to be set up: the caller
//! puts the hash of a ticket into its own object, made for the one host that it is going to call, and shows the ticket there
//! ([`Hosts::ticket_for`], [`Hosts::admit`]). Who can only read the bucket has no ticket by that, and a host that is shown one can
//! show it to no other.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::stream::{self, StreamExt as _};
use sha2::{Digest as _, Sha256};
use tokio::sync::{Notify, watch};
use tokio::time::sleep;

use crate::access::{hash, same};
use crate::ambient::{Ambient, Clock, NoEntropy};
use crate::share::error::{Refusal, chain};
use crate::share::host::{HostInfo, HostUrl};
use crate::share::id::HostId;
use crate::share::limits::hosts::{HOST_LINKS_MAX, HOST_URLS_TOLD_MAX};
use crate::share::secret::Secret;
use crate::share::time::Timestamp;
use crate::store::{HostRecord, Store, StoreError};

mod roll;

use roll::{Other, Roll};

/// What tickets begin with.
const TICKET_PREFIX: &str = "caphost_";

/// The shortest time between two writes of this host's object, whatever happens.
const PAUSE_MIN: Duration = Duration::from_secs(1);

/// How a host takes part in its deployment.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct HostsSettings {
    /// How often the host says in the bucket that it is there, and looks which others are; `None`: it does neither, because no other
    /// host uses the bucket. A host's builder sets that for a store in memory, and for a
    /// [`single_writer`](crate::store::StoreSettings::single_writer). Default 10 s.
    pub every: Option<Duration>,
    /// Where clients and other hosts reach this host, at most eight URLs; clients that have to go elsewhere are told the URLs of the
    /// other hosts. Default: none, so that nobody is sent here, and no host calls this one.
    pub urls: Vec<HostUrl>,
    /// Where other hosts reach this host and clients do not, such as an address of an inner network; other hosts try these first.
    /// Default: none.
    pub inside_urls: Vec<HostUrl>,
    /// Where clients reach further hosts, which the bucket does not tell. Default: none.
    pub others: Vec<HostUrl>,
    /// Whether this host calls others that say where they are reached, and answers those that call it, so that each hears at once
    /// what was written at another. Default true: it costs nothing where no host says where it is reached.
    pub peers: bool,
}

impl Default for HostsSettings {
    fn default() -> Self {
        Self {
            every: Some(Duration::from_secs(10)),
            urls: Vec::new(),
            inside_urls: Vec::new(),
            others: Vec::new(),
            peers: true,
        }
    }
}

/// What a host says of itself that changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct HostFacts {
    /// Whether it takes no new work.
    pub draining: bool,
    /// Number of shares in memory.
    pub shares: u64,
    /// Number of connections.
    pub connections: u64,
}

/// The hosts of a deployment, as one of them knows the others.
pub struct Hosts {
    id: HostId,
    /// What this host's tickets are made from.
    secret: [u8; 32],
    since: Timestamp,
    store: Store,
    clock: Arc<dyn Clock>,
    settings: HostsSettings,
    state: Mutex<State>,
    /// The others that are there; set after this host's object has tickets for all that it may call.
    others: watch::Sender<Arc<[Other]>>,
    has_looked: AtomicBool,
    stirred: Notify,
    /// Number of times that URLs were told, by which each time another host is the first.
    told: AtomicUsize,
}

/// Up to where somebody knows of changes of the others.
#[derive(Debug)]
pub struct Changes(watch::Receiver<Arc<[Other]>>);

#[derive(Debug, Default)]
struct State {
    roll: Roll,
    /// Number of writes of this host's object.
    beat: u64,
    /// The hosts for which the object has tickets.
    ticketed: BTreeSet<HostId>,
}

impl Hosts {
    /// A host of this id that knows no others yet, and has said nothing of itself.
    ///
    /// # Errors
    /// The machine has no randomness to give.
    pub fn new(id: HostId, store: Store, ambient: &Ambient, settings: HostsSettings) -> Result<Arc<Self>, NoEntropy> {
        let mut secret = [0; 32];
        ambient.entropy.fill(&mut secret)?;
        Ok(Arc::new(Self {
            id,
            secret,
            since: ambient.clock.now(),
            store,
            clock: Arc::clone(&ambient.clock),
            settings,
            state: Mutex::default(),
            others: watch::Sender::new(Arc::from([])),
            has_looked: AtomicBool::new(false),
            stirred: Notify::new(),
            told: AtomicUsize::new(0),
        }))
    }

    /// This host's id.
    #[must_use]
    pub fn id(&self) -> &HostId {
        &self.id
    }

    /// How this host takes part.
    #[must_use]
    pub fn settings(&self) -> &HostsSettings {
        &self.settings
    }

    /// What this host says of itself.
    #[must_use]
    pub fn own(&self, facts: HostFacts) -> HostInfo {
        HostInfo {
            id: self.id.clone(),
            urls: self.settings.urls.clone(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            since: self.since,
            draining: facts.draining,
            shares: facts.shares,
            connections: facts.connections,
            clock_ahead_ms: self.store.clock_ahead_ms(),
        }
    }

    /// Whether it is known which others are there: this host has looked since it was started.
    #[must_use]
    pub fn has_looked(&self) -> bool {
        self.has_looked.load(Ordering::Acquire)
    }

    /// The other hosts that are there, in the order of their ids; empty where nothing is known.
    #[must_use]
    pub fn others(&self) -> Vec<HostInfo> {
        self.others.borrow().iter().map(|other| other.info.clone()).collect()
    }

    /// Where clients reach other hosts: at most [`HOST_URLS_TOLD_MAX`] URLs, of hosts that are not draining, and of the
    /// settings. Each call begins with another host, so that clients which all take the first go to different ones.
    #[must_use]
    pub fn urls(&self) -> Vec<HostUrl> {
        let others = Arc::clone(&self.others.borrow());
        let others: Vec<_> = others.iter().filter(|other| !other.info.draining).map(|other| &other.info.urls).collect();
        let first = self.told.fetch_add(1, Ordering::Relaxed) % others.len().max(1);
        let (before, after) = others.split_at(first.min(others.len()));
        let of_bucket = after.iter().chain(before).flat_map(|urls| urls.iter());
        let mut urls: Vec<HostUrl> = Vec::new();
        for url in of_bucket.chain(&self.settings.others) {
            if urls.len() < HOST_URLS_TOLD_MAX && !urls.contains(url) && !self.settings.urls.contains(url) {
                urls.push(url.clone());
            }
        }
        urls
    }

    /// The hosts that this one may call, for each of which its object has a ticket, with the URLs to try, the first first: at most
    /// [`HOST_LINKS_MAX`].
    #[must_use]
    pub fn callable(&self) -> Vec<(HostId, Vec<HostUrl>)> {
        let others = Arc::clone(&self.others.borrow());
        others
            .iter()
            .map(|other| (other.info.id.clone(), other.callable_urls()))
            .filter(|(_, urls)| !urls.is_empty())
            .take(HOST_LINKS_MAX)
            .collect()
    }

    /// Resolves when the others have changed since `changes` was last asked, or made by [`Hosts::changes`].
    pub async fn changed(&self, changes: &mut Changes) {
        // The sender is here.
        let _never_closed = changes.0.changed().await;
    }

    /// What [`Hosts::changed`] tells changes by, from now on.
    #[must_use]
    pub fn changes(&self) -> Changes {
        Changes(self.others.subscribe())
    }

    /// The ticket that this host shows when it calls another.
    #[must_use]
    pub fn ticket_for(&self, other: &HostId) -> Secret {
        let (secret, own, other) = (&self.secret, self.id.as_str(), other.as_str());
        let bytes =
            Sha256::new().chain_update(secret).chain_update(own).chain_update(other).chain_update(secret).finalize();
        Secret::with_prefix(&format!("{TICKET_PREFIX}{own}_"), bytes.into())
    }

    /// The host that a ticket proves its bearer to be.
    ///
    /// # Errors
    /// [`Refusal::Unauthorized`] for any other text, and if this host talks to no others; [`Refusal::Unavailable`] if the bucket
    /// cannot be asked.
    pub async fn admit(&self, ticket: &Secret) -> Result<HostId, Refusal> {
        let unknown = || Refusal::Unauthorized { reason: "this is no ticket of a host of this deployment".into() };
        if self.settings.every.is_none() || !self.settings.peers {
            return Err(Refusal::Unauthorized { reason: "this host talks to no other hosts".into() });
        }
        let named = ticket.reveal().strip_prefix(TICKET_PREFIX).and_then(|rest| rest.split_once('_'));
        let id: HostId = named.and_then(|(id, _)| id.parse().ok()).filter(|id| *id != self.id).ok_or_else(unknown)?;
        let record = match self.store.host(&id).await {
            Ok(record) => record.ok_or_else(unknown)?,
            Err(error) => {
                tracing::warn!(host = %id, error = %chain(&error), "the record of a host that calls could not be read");
                return Err(Refusal::Unavailable { retry_after_ms: 1_000 });
            }
        };
        let expected = record.tickets.get(&self.id).ok_or_else(unknown)?;
        if same(expected, &hash(ticket)) { Ok(id) } else { Err(unknown()) }
    }

    /// Says that this host is there, and looks which others are, for as long as the host runs. `facts` says what changed.
    pub async fn tend(&self, facts: impl Fn() -> HostFacts) {
        let Some(every) = self.settings.every else { return };
        let mut is_failing = false;
        loop {
            match self.round(facts()).await {
                Ok(()) => is_failing = false,
                // It goes on with what it knew.
                Err(error) if !is_failing => {
                    tracing::warn!(error = %chain(&error), "the hosts of the deployment could not be looked up in the bucket");
                    is_failing = true;
                }
                Err(_) => {}
            }
            sleep(PAUSE_MIN.min(every)).await;
            tokio::select! {
                () = self.stirred.notified() => {}
                () = sleep(every.saturating_sub(PAUSE_MIN)) => {}
            }
        }
    }

    /// Has this host say anew what it says of itself, because that has changed: within a second or so.
    pub fn stir(&self) {
        self.stirred.notify_one();
    }

    /// Says that this host is there no more.
    pub async fn leave(&self) {
        let was_there = self.state().beat > 0;
        if was_there && let Err(error) = self.store.remove_host(&self.id).await {
            tracing::warn!(error = %chain(&error), "this host's object could not be deleted: others take it for gone in half a minute");
        }
    }

    async fn round(&self, facts: HostFacts) -> Result<(), StoreError> {
        self.write(facts).await?;
        let listed = self.store.hosts().await?;
        let (to_read, left) = {
            let mut state = self.state();
            let left = state.roll.list(&self.id, &listed, self.clock.as_ref());
            (state.roll.to_read(), left)
        };
        let mut reading = stream::iter(to_read.into_iter().map(|id| async move { (self.store.host(&id).await, id) }))
            .buffer_unordered(roll::READS_MAX);
        while let Some((read, id)) = reading.next().await {
            match read {
                Ok(record) => self.state().roll.read(&id, record),
                Err(error @ StoreError::Corrupt { .. }) => {
                    tracing::warn!(host = %id, error = %chain(&error), "the record of a host cannot be read");
                    self.state().roll.read(&id, None);
                }
                Err(error) => return Err(error),
            }
        }
        drop(reading);
        for id in left {
            self.store.remove_host(&id).await?;
        }
        if self.lacks_tickets() {
            self.write(facts).await?;
        }
        let others = self.state().roll.others();
        let is_first = !self.has_looked.swap(true, Ordering::AcqRel);
        self.others.send_if_modified(|known| {
            let is_new = is_first || **known != *others;
            *known = others;
            is_new
        });
        Ok(())
    }

    async fn write(&self, facts: HostFacts) -> Result<(), StoreError> {
        let (beat, called) = {
            let mut state = self.state();
            state.beat += 1;
            (state.beat, if self.settings.peers { state.roll.callable() } else { BTreeSet::new() })
        };
        let tickets = called.iter().map(|id| (id.clone(), hash(&self.ticket_for(id)))).collect();
        let inside_urls = self.settings.inside_urls.clone();
        self.store.write_host(&HostRecord { info: self.own(facts), inside_urls, beat, tickets }).await?;
        self.state().ticketed = called;
        Ok(())
    }

    fn lacks_tickets(&self) -> bool {
        let state = self.state();
        self.settings.peers && !state.roll.callable().is_subset(&state.ticketed)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for Hosts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Hosts").field("id", &self.id).field("settings", &self.settings).finish_non_exhaustive()
    }
}
