//! The hub: what one host is made of, whatever doors it has.
//!
//! It puts together the shares of the host ([`Rooms`]), who is connected to it ([`Connections`]), who may come in
//! ([`Credentials`]), the other hosts of its deployment ([`Hosts`]), and what these stand on: clock and randomness, what is counted,
//! and the bucket's health. Doors call the verbs of these; the hub has none of its own. `Send + Sync`, and reached by `Arc` from every
//! worker.

use std::collections::HashSet;
use std::sync::{Arc, Weak};

use crate::access::{Access, Credentials};
use crate::ambient::{Ambient, NoEntropy};
use crate::connections::comer::Door;
use crate::connections::{Connections, Others};
use crate::deployment::{HostFacts, Hosts};
use crate::health::{Health, HostClock};
use crate::hints::Hints;
use crate::metrics::{DoorLabel, Metrics};
use crate::peers::Peers;
use crate::rooms::Rooms;
use crate::share::admin::HostStats;
use crate::share::error::Refusal;
use crate::share::host::{HostStanding, HostUrl};
use crate::share::id::HostId;
use crate::store::{Store, WriterId};

mod controls;
mod settings;

pub use settings::HubSettings;

/// The shares of one host, who is connected to it, and who may come in.
#[derive(Debug)]
pub struct Hub {
    settings: HubSettings,
    ambient: Ambient,
    metrics: Arc<Metrics>,
    health: Arc<Health>,
    hints: Arc<Hints>,
    access: Arc<Credentials>,
    rooms: Arc<Rooms>,
    connections: Arc<Connections>,
    hosts: Arc<Hosts>,
    peers: Arc<Peers>,
}

impl Hub {
    /// A hub over these objects.
    ///
    /// # Errors
    /// The machine has no randomness to give.
    pub fn new(
        objects: Arc<dyn object_store::ObjectStore>,
        access: Arc<dyn Access>,
        ambient: Ambient,
        settings: HubSettings,
    ) -> Result<Arc<Self>, NoEntropy> {
        let writer = ambient.bits()?;
        let store = Store::new(objects, settings.store.clone(), WriterId(writer), Arc::clone(&ambient.clock));
        let clock = Arc::new(HostClock { machine: Arc::clone(&ambient.clock), store: store.clone() });
        let ambient = Ambient { clock, ..ambient };
        let incarnation = ambient.bits()? as u32;
        let metrics = Arc::new(Metrics::new());
        let health = Health::new(store.clone(), Arc::clone(&metrics));
        let hints = Hints::new(HostId::from_bits(writer), Arc::clone(&ambient.clock), Arc::clone(&metrics));
        let access = Credentials::new(
            access,
            settings.stored_tokens,
            settings.failed_credentials_per_minute,
            store.clone(),
            ambient.clone(),
            Arc::clone(&health),
        );
        let hosts = Hosts::new(hints.host().clone(), store.clone(), &ambient, settings.hosts.clone())?;
        let rooms = Rooms::new(
            store,
            Arc::clone(&health),
            Arc::clone(&hints),
            Arc::clone(&metrics),
            ambient.clone(),
            Arc::clone(&access),
            settings.rooms(),
        );
        let known = Arc::clone(&hosts);
        let others = Others::of(move || known.urls());
        let connections = Connections::new(
            incarnation,
            ambient.clone(),
            Arc::clone(&access),
            Arc::clone(&hints),
            Arc::clone(&metrics),
            others,
            settings.connections(),
        );
        let peers = Peers::new(Arc::clone(&hosts), Arc::clone(&hints));
        let hub =
            Arc::new(Self { settings, ambient, metrics, health, hints, access, rooms, connections, hosts, peers });
        let listener: Weak<Self> = Arc::downgrade(&hub);
        hub.hints.listen_to_controls(listener);
        Ok(hub)
    }

    /// The shares of this host.
    #[must_use]
    pub fn rooms(&self) -> &Arc<Rooms> {
        &self.rooms
    }

    /// The connections of this host.
    #[must_use]
    pub fn connections(&self) -> &Arc<Connections> {
        &self.connections
    }

    /// The hosts of the deployment that this one belongs to.
    #[must_use]
    pub fn hosts(&self) -> &Arc<Hosts> {
        &self.hosts
    }

    /// The connections to the other hosts of the deployment.
    #[must_use]
    pub fn peers(&self) -> &Arc<Peers> {
        &self.peers
    }

    /// Says in the bucket that this host is there, and looks which others are, for as long as the host runs.
    pub async fn tend_hosts(&self) {
        let drains = async {
            loop {
                self.connections.drain_turns().await;
                self.hosts.stir();
            }
        };
        tokio::select! {
            // In a fixed order, so that a seed gives one history.
            biased;
            () = self.hosts.tend(|| self.facts()) => {}
            never = drains => never,
        }
    }

    /// Has the rooms know when the host drains, for as long as it runs.
    pub async fn tend_rooms(&self) {
        self.connections.follow_drains(|drains| self.rooms.drains(drains)).await;
    }

    /// Whether there are other hosts to which clients can go.
    #[must_use]
    pub fn knows_others(&self) -> bool {
        !self.hosts.others().is_empty() || !self.hosts.settings().others.is_empty()
    }

    /// Where the hosts of the deployment say that they are reached, this one and those that drain included: the origins of their pages.
    #[must_use]
    pub fn origins(&self) -> Vec<HostUrl> {
        let settings = self.hosts.settings();
        let others = self.hosts.others().into_iter().flat_map(|other| other.urls);
        others.chain(settings.urls.iter().chain(&settings.others).cloned()).collect()
    }

    /// The hosts of the deployment, this one the first.
    #[must_use]
    pub fn standings(&self) -> Vec<HostStanding> {
        let linked = self.peers.linked();
        let own = HostStanding { info: self.hosts.own(self.facts()), is_asked: true, is_linked: false };
        let others = self.hosts.others().into_iter().map(|info| {
            let is_linked = linked.contains(&info.id);
            HostStanding { info, is_asked: false, is_linked }
        });
        std::iter::once(own).chain(others).collect()
    }

    /// What this host says of itself to the other hosts.
    #[must_use]
    pub fn facts(&self) -> HostFacts {
        let registry = self.connections.registry();
        let shares = u64::try_from(self.metrics.rooms.get()).unwrap_or_default();
        HostFacts { draining: registry.is_shut(), shares, connections: registry.count() as u64 }
    }

    /// Who may come in.
    #[must_use]
    pub fn access(&self) -> &Arc<Credentials> {
        &self.access
    }

    /// The settings of this hub.
    #[must_use]
    pub fn settings(&self) -> &HubSettings {
        &self.settings
    }

    /// The clock that the host goes by, which is its machine's or, if that is wrong by more than a minute, the store's; and its
    /// randomness.
    #[must_use]
    pub fn ambient(&self) -> &Ambient {
        &self.ambient
    }

    /// What the host counts.
    #[must_use]
    pub fn metrics(&self) -> &Arc<Metrics> {
        &self.metrics
    }

    /// Whether the bucket and the clock of the host are as they should be.
    #[must_use]
    pub fn health(&self) -> &Arc<Health> {
        &self.health
    }

    /// The news between this host and others. A carrier of them is given to [`Hints::attach`] before anybody comes in.
    #[must_use]
    pub fn hints(&self) -> &Arc<Hints> {
        &self.hints
    }

    /// Succeeds if the host takes connections and its bucket does what the host needs of it; see [`Health::ready`].
    ///
    /// # Errors
    /// One of these is not so.
    pub async fn ready(&self) -> Result<(), Refusal> {
        if self.connections.registry().is_shut() {
            return Err(Refusal::Unavailable { retry_after_ms: 1_000 });
        }
        self.health.ready().await
    }

    /// Brings the metrics up to date that are read and not counted.
    pub fn measure(&self) {
        for door in Door::ALL {
            let open = i64::try_from(self.connections.registry().count_of(door)).unwrap_or(i64::MAX);
            self.metrics.connections_open.get_or_create(&DoorLabel { door: door.as_str() }).set(open);
        }
        let ahead_ms = self.rooms.store().clock_ahead_ms().unwrap_or_default();
        self.metrics.clock_ahead_seconds.set(ahead_ms as f64 / 1_000.0);
    }

    /// Figures of the host as they are now, for administrators.
    #[must_use]
    pub fn stats(&self) -> HostStats {
        let (metrics, registry) = (&self.metrics, self.connections.registry());
        let gauge = |value: i64| u64::try_from(value).unwrap_or_default();
        let accounts: HashSet<_> =
            registry.connections().iter().filter_map(|e| e.identity()).map(|w| w.account).collect();
        HostStats {
            rpc_connections: (registry.count_of(Door::Rpc) + registry.count_of(Door::Web)) as u64,
            viewers: (registry.count_of(Door::Viewer) + registry.count_of(Door::Sse)) as u64,
            pending: registry.count_pending() as u64,
            accounts: accounts.len() as u64,
            calls_in_flight: gauge(metrics.calls_in_flight.get()),
            capabilities_held: gauge(metrics.capabilities_held.get()),
            rooms: gauge(metrics.rooms.get()),
            followers: gauge(metrics.followers.get()),
            syncs: metrics.syncs.get(),
            shares_created: metrics.shares_created.get(),
            shares_deleted: metrics.shares_deleted.get(),
            storage_failures: metrics.storage_failures.get(),
            draining: registry.is_shut(),
        }
    }

    /// Waits until what was begun is in the log, and says that this host is there no more: for shutdown, once no door brings more.
    pub async fn finish(&self) {
        tokio::join!(self.rooms.finish(), self.hosts.leave());
    }
}
