//! The server-sent streams of one host: how many each viewer may have, and which of them nobody reads.
//!
//! HTTP asks a stream for bytes only when there is room for them, so one that nobody reads cannot notice that itself. It
//! has a [`Place`] here, which knows since when it was not asked; [`Streams::sweep`], called about once a second, cuts off
//! those that have waited too long, and those that were closed and do not take their farewell.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::hub::access::Credential;
use crate::hub::audit;
use crate::hub::registry::{CloseReason, Entry, Registry};
use crate::viewer::ViewerSettings;

/// Whose streams are counted together.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Scope {
    /// Of a login session, a token or an account.
    Login(String),
    /// Of everybody without a credential at an address; `None`: within the process.
    Address(Option<IpAddr>),
}

/// How a connection is ended from outside of it. HTTP/2 has none, as others may use the same connection.
#[derive(Debug, Clone, Default)]
pub struct Cut(pub CancellationToken);

#[derive(Debug)]
struct Live {
    entry: Arc<Entry>,
    /// When it was last asked for bytes and gave some, in milliseconds since the host began; 0: it is being asked.
    gave_at: AtomicU64,
    cut: Option<Cut>,
}

/// The streams of one host.
#[derive(Debug)]
pub struct Streams {
    /// Oldest first. As many as the registry admits.
    live: Mutex<HashMap<Scope, Vec<Arc<Live>>>>,
    began: Instant,
}

/// A stream's place. Dropping it gives it back.
#[derive(Debug)]
pub struct Place {
    streams: Arc<Streams>,
    scope: Scope,
    live: Arc<Live>,
}

/// A stream is being asked for bytes. Dropping it says that it gave some.
#[derive(Debug)]
pub(super) struct Waiting {
    streams: Arc<Streams>,
    live: Arc<Live>,
}

impl Streams {
    /// None yet.
    #[must_use]
    pub fn new() -> Arc<Self> {
        Arc::new(Self { live: Mutex::default(), began: Instant::now() })
    }

    /// Gives a stream that was admitted its place. If its scope has more than it may now, the oldest are closed with 4004.
    #[must_use]
    pub fn enter(
        self: &Arc<Self>,
        registry: &Registry,
        entry: &Arc<Entry>,
        cut: Option<Cut>,
        settings: &ViewerSettings,
    ) -> Place {
        let scope = scope(entry);
        let max = match scope {
            Scope::Login(_) => settings.streams_max,
            Scope::Address(_) => settings.address_streams_max,
        };
        let live = Arc::new(Live { entry: Arc::clone(entry), gave_at: AtomicU64::new(0), cut });
        let surplus: Vec<_> = {
            let mut all = self.live();
            let streams = all.entry(scope.clone()).or_default();
            streams.push(Arc::clone(&live));
            // Those that were closed are on their way out.
            let open: Vec<_> = streams.iter().filter(|live| !live.entry.is_closed()).collect();
            let surplus = open.len().saturating_sub(max.max(1));
            open[..surplus].iter().map(|live| Arc::clone(&live.entry)).collect()
        };
        for oldest in surplus {
            if registry.close_matching(CloseReason::TOO_MANY, |other| other.id == oldest.id) > 0 {
                audit::over_cap(&oldest);
            }
        }
        Place { streams: Arc::clone(self), scope, live }
    }

    /// Cuts off the streams that took no bytes for so long, and those that were closed a second ago and are still there.
    pub fn sweep(&self, write_stall: Duration) {
        let now = self.now();
        let stalled = |live: &Live| {
            let gave_at = live.gave_at.load(Ordering::Relaxed);
            let limit = if live.entry.is_closed() { Duration::from_secs(1) } else { write_stall };
            gave_at != 0 && u128::from(now.saturating_sub(gave_at)) >= limit.as_millis()
        };
        let cut: Vec<_> =
            self.live().values().flatten().filter(|live| stalled(live)).filter_map(|live| live.cut.clone()).collect();
        for Cut(connection) in cut {
            connection.cancel();
        }
    }

    fn now(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX).max(1)
    }

    fn live(&self) -> MutexGuard<'_, HashMap<Scope, Vec<Arc<Live>>>> {
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Place {
    pub(super) fn waits(&self) -> Waiting {
        self.live.gave_at.store(0, Ordering::Relaxed);
        Waiting { streams: Arc::clone(&self.streams), live: Arc::clone(&self.live) }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut all = self.streams.live();
        if let Some(streams) = all.get_mut(&self.scope) {
            streams.retain(|live| !Arc::ptr_eq(live, &self.live));
            if streams.is_empty() {
                all.remove(&self.scope);
            }
        }
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.live.gave_at.store(self.streams.now(), Ordering::Relaxed);
    }
}

fn scope(entry: &Entry) -> Scope {
    match &entry.principal {
        Some(who) => match &who.credential {
            Credential::Session(id) => Scope::Login(format!("session {id}")),
            Credential::Token(id) => Scope::Login(format!("token {id}")),
            Credential::Key => Scope::Login(format!("account {}", who.account)),
            Credential::None => Scope::Address(entry.address.get().copied()),
        },
        None => Scope::Address(entry.address.get().copied()),
    }
}
