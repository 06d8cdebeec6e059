//! Who is connected to one host: from the place that a newcomer is given until the guard of its connection is dropped.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use crate::access::Credentials;
use crate::ambient::Ambient;
use crate::hints::Hints;
use crate::metrics::Metrics;

mod admin;
mod admission;
pub mod calls;
pub mod close;
pub mod comer;
mod drain;
mod elsewhere;
pub mod entry;
pub mod hooks;
pub mod moving;
mod others;
pub mod outlet;
pub mod push;
pub mod registry;
pub mod sockets;
pub mod states;
mod tokens;
pub mod traffic;

use tokio::sync::Semaphore;

use self::calls::Calls;
use self::drain::Drains;
use self::elsewhere::TOLD_LOOKS_MAX;
use self::hooks::ConnectionHooks;
pub(crate) use self::others::Others;
use self::registry::{Caps, Registry};

/// The connections of one host.
#[derive(Debug)]
pub struct Connections {
    settings: ConnectionsSettings,
    ambient: Ambient,
    access: Arc<Credentials>,
    hints: Arc<Hints>,
    metrics: Arc<Metrics>,
    registry: Arc<Registry>,
    calls: Calls,
    /// Bound: [`TOLD_LOOKS_MAX`].
    told_looks: Arc<Semaphore>,
    hooks: OnceLock<Arc<dyn ConnectionHooks>>,
    drains: Drains,
    others: Others,
}

/// How the connections of a host behave; each field is that of [`HubSettings`](crate::hub::HubSettings).
#[derive(Debug, Clone, Copy)]
pub(crate) struct ConnectionsSettings {
    pub(crate) connections_max: usize,
    pub(crate) caps: Caps,
    pub(crate) push_within: Duration,
    pub(crate) call_within: Duration,
}

impl Connections {
    /// No connections yet. `incarnation` are random bits that tell this run of the host from others in connection names; `others`
    /// knows the other hosts.
    pub(crate) fn new(
        incarnation: u32,
        ambient: Ambient,
        access: Arc<Credentials>,
        hints: Arc<Hints>,
        metrics: Arc<Metrics>,
        others: Others,
        settings: ConnectionsSettings,
    ) -> Arc<Self> {
        let registry = Registry::new(incarnation, settings.connections_max, settings.caps);
        let (calls, told_looks, hooks) = (Calls::default(), Arc::new(Semaphore::new(TOLD_LOOKS_MAX)), OnceLock::new());
        let drains = Drains::default();
        Arc::new(Self { settings, ambient, access, hints, metrics, registry, calls, told_looks, hooks, drains, others })
    }

    /// The registry of all connections of the host.
    #[must_use]
    pub fn registry(&self) -> &Arc<Registry> {
        &self.registry
    }
}
