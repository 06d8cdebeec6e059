//! The host: all parts put together, in front of a port or inside a process.
//!
//! An embedder (the binary, a service, a test) makes a [`Host`] by its [builder](Host::builder), from where shares are kept, who may
//! come in, and settings; then it [listens](Host::listen), or [connects](Host::connect) in process, or both.
//! [`Host::shutdown`] ends it: no new connections, a Close frame to those there are, and what was begun is committed.
//! Dropping the host without it cuts the connections; what was acknowledged is in the bucket all the same.
//!
//! All that an embedder names is in this module, in [`share`](crate::share) and, for the other end, in `client`: who may come in
//! ([`access`]), who is connected ([`connections`]), where shares are kept ([`storage`]), how the host behaves ([`settings`]), and
//! clock and randomness ([`ambient`]).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::{Arc, Once};
use std::time::Duration;

use http::Uri;
use object_store::ObjectStore;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::access::{Access, Way};
use crate::ambient::{Ambient, NoEntropy};
use crate::audit::{self, By};
use crate::connections::calls::Handler;
use crate::connections::close::CloseReason;
use crate::connections::comer::{Comer, Door};
use crate::connections::entry::{ConnectionId, Entry};
use crate::connections::outlet::PushError;
use crate::connections::push::{Action, Answer, PushOptions};
use crate::connections::sockets::Sockets;
use crate::host::storage::OpenStoreError;
use crate::http::accept;
use crate::http::doors::Doors;
use crate::http::serve::Serving;
use crate::hub::Hub;
#[cfg(feature = "nats")]
use crate::nats::{BadNats, Nats};
use crate::rpc::handing::ByPeers;
use crate::rpc::worker::Workers;
use crate::share::error::Refusal;
use crate::share::id::AccountId;
use crate::share::limits::BadLimit;
use crate::share::secret::Secret;
use crate::store::StoreError;
use crate::wire::duplex;

pub mod access;
pub mod ambient;
mod builder;
pub mod connections;
pub mod descriptors;
#[cfg(feature = "nats")]
mod nats;
pub mod settings;
pub mod storage;

#[doc(hidden)]
pub use crate::http::forwarded::is_loopback_name;

pub use self::builder::HostBuilder;
pub use self::settings::HostSettings;

/// How long shutdown waits for connections to close and for commits to be answered by the bucket: its retries end by then.
const SHUTDOWN_WITHIN: Duration = Duration::from_secs(15);

/// Bytes that wait in each direction of an in-process connection.
const PIPE_BYTES: usize = 64 << 10;

/// Why there is no host. `Display` says what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HostError {
    /// The builder was not told where shares are kept.
    #[error("a host needs a storage: give the builder a location by storage(), or an object store by objects()")]
    NoStorage,
    /// The storage could not be opened.
    #[error(transparent)]
    Open(#[from] OpenStoreError),
    /// The storage was opened, and does not work as a host needs it.
    #[error(transparent)]
    Storage(#[from] StoreError),
    /// A limit is higher than the contract's, or 0.
    #[error(transparent)]
    BadLimit(#[from] BadLimit),
    /// Shares' URLs could not begin with this.
    #[error(
        "invalid public URL {url:?}: write http:// or https://, a host, and perhaps a port and a path, such as \
         https://share.example.org"
    )]
    BadPublicUrl {
        /// What was set.
        url: String,
    },
    /// The machine has no randomness to give.
    #[error(transparent)]
    NoEntropy(#[from] NoEntropy),
    /// NATS cannot be used as the settings say.
    #[cfg(feature = "nats")]
    #[error(transparent)]
    BadNats(#[from] BadNats),
}

/// Whether a text is a URL that the URLs of shares may begin with: of the web, and without user, query or fragment.
#[must_use]
pub fn is_public_url(text: &str) -> bool {
    // A fragment is dropped by the parser without a word.
    let Some(url) = text.parse::<Uri>().ok().filter(|_| !text.contains('#')) else { return false };
    let is_plain = url.authority().is_some_and(|authority| !authority.as_str().contains('@')) && !text.contains('?');
    matches!(url.scheme_str(), Some("http" | "https")) && is_plain
}

/// A host that is ready to serve.
#[derive(Debug)]
pub struct Host {
    hub: Arc<Hub>,
    settings: HostSettings,
    stopping: CancellationToken,
    tasks: TaskTracker,
    tending: Once,
    #[cfg(feature = "nats")]
    nats: Option<Arc<Nats>>,
}

impl Host {
    /// A host over these objects, as the builder makes it in the end. Nothing is read or written yet.
    ///
    /// # Errors
    /// A setting that cannot be right, or the machine has no randomness to give.
    #[doc(hidden)]
    pub fn new(
        objects: Arc<dyn ObjectStore>,
        access: Arc<dyn Access>,
        ambient: Ambient,
        settings: HostSettings,
    ) -> Result<Self, HostError> {
        settings.hub.limits.check()?;
        if let Some(url) = settings.public_url.as_ref().filter(|url| !is_public_url(url)) {
            return Err(HostError::BadPublicUrl { url: url.clone() });
        }
        let hub = Hub::new(objects, access, ambient, settings.hub.clone())?;
        if let Some(url) = &settings.public_url {
            hub.rooms().set_public_url(url);
        }
        Ok(Self {
            #[cfg(feature = "nats")]
            nats: nats::attach(&hub, settings.nats.as_ref())?,
            hub,
            settings,
            stopping: CancellationToken::new(),
            tasks: TaskTracker::new(),
            tending: Once::new(),
        })
    }

    /// What the host is made of.
    #[doc(hidden)]
    #[must_use]
    pub fn hub(&self) -> &Arc<Hub> {
        &self.hub
    }

    /// What the URLs of shares begin with. Until the host listens or its URL was set, it is `http://localhost`.
    #[must_use]
    pub fn public_url(&self) -> String {
        self.hub.rooms().public_url().to_owned()
    }

    /// How the host lets people in, in words for an operator: the mode, never a credential.
    #[must_use]
    pub fn access(&self) -> String {
        self.hub.access().describe()
    }

    /// Who is connected to this host now, the oldest first.
    #[must_use]
    pub fn connections(&self) -> Vec<Arc<Entry>> {
        self.hub.connections().registry().connections()
    }

    /// Serves the calls of this name (the client's `Client::call`) from now on; a second handler of a name takes the place of the
    /// first. See [`Handler`].
    pub fn on_call(&self, name: impl Into<String>, handler: impl Handler + 'static) {
        self.hub.connections().on_call(name, handler);
    }

    /// Pushes to one connection, and waits for the client's answer, for as long as the options say; where they say nothing, for
    /// [`HubSettings::push_within`](settings::HubSettings::push_within).
    ///
    /// # Errors
    /// See [`PushError`].
    pub async fn push(&self, to: &ConnectionId, action: Action, options: PushOptions) -> Result<Answer, PushError> {
        self.hub.connections().push(to, action, options).await
    }

    /// Sends to every connection that the filter lets through, and waits for none. Gives the number of connections whose queue took it;
    /// a connection without a way to its client, or whose queue is full, is left out.
    pub fn broadcast(&self, action: &Action, filter: impl Fn(&Entry) -> bool) -> usize {
        self.hub.connections().broadcast(action, &[], filter)
    }

    /// Sends to every connection of an account on this host, as [`broadcast`](Self::broadcast).
    pub fn send_to_account(&self, account: &AccountId, action: &Action) -> usize {
        self.hub.connections().send_to_account(account, action)
    }

    /// Listens, and serves in the background until shutdown. Gives the address, which tells the port if 0 was asked for.
    ///
    /// # Errors
    /// The address cannot be had: it is in use, or not one of this machine's.
    pub async fn listen(&self, address: SocketAddr) -> std::io::Result<SocketAddr> {
        let listener = accept::listen(address, &self.settings.sockets)?;
        let address = listener.local_addr()?;
        self.hub.rooms().set_public_url(&format!("http://{}", reachable(address)));
        let fit = descriptors::fit(self.settings.hub.connections_max, &self.settings.sockets);
        if fit.connections < self.settings.hub.connections_max {
            tracing::warn!(
                wanted = self.settings.hub.connections_max,
                fit = fit.connections,
                "the system lets this process have too few files and sockets open for all connections that are to be admitted: \
                 raise the limit (ulimit -n, LimitNOFILE), or lower --connections-max"
            );
            self.hub.connections().registry().lower_max(fit.connections);
        }
        let cores = || std::thread::available_parallelism().map_or(1, std::num::NonZeroUsize::get);
        let workers = if self.settings.workers == 0 { cores() } else { self.settings.workers };
        let workers = Workers::new(workers, self.settings.rpc);
        let (doors, viewer) = (self.settings.doors.clone(), self.settings.viewer);
        let doors = Doors::new(Arc::clone(&self.hub), workers, doors, viewer, self.settings.web, self.tasks.clone());
        self.tend();
        #[cfg(feature = "client")]
        self.tasks.spawn(crate::outbound::call_others(Arc::clone(&self.hub), self.stopping.clone()));
        self.tasks.spawn(tend_doors(Arc::clone(&doors), self.stopping.clone()));
        let serving = Serving {
            routes: crate::http::routes(doors),
            trusted: Arc::from(self.settings.trusted_proxies.as_slice()),
            settings: self.settings.sockets.clone(),
            write_stall: viewer.write_stall,
            connections: Arc::clone(self.hub.connections()),
        };
        let sockets = Sockets::new(fit.sockets);
        self.tasks.spawn(accept::accept(listener, serving, sockets, self.stopping.clone()));
        Ok(address)
    }

    /// The client's end of a connection within the process, served on the caller's
    /// [`LocalSet`](tokio::task::LocalSet). As at the RPC door, it has the rights of its token; `in_band` lets one in without
    /// a token where one is needed, to call `authenticate`.
    ///
    /// # Errors
    /// A wrong token, or no token where one is needed, as many connections as there may be, or the host is shutting down.
    ///
    /// # Panics
    /// Outside a `LocalSet`.
    pub async fn connect(&self, token: Option<&Secret>, in_band: bool) -> Result<duplex::End, Refusal> {
        self.tend();
        let connection = async {
            let principal = self.hub.access().introduce(token, in_band, Way::Direct).await?;
            self.hub.connections().register(Comer::new(Door::Rpc, principal, None, Way::Direct))
        };
        let refused = |refusal: &Refusal| audit::refused(By::Request(None, None), Door::Rpc.as_str(), refusal);
        let pending = connection.await.inspect_err(refused)?;
        let connection =
            self.hub.connections().admit(pending).await.map_err(|turned_away| turned_away.into_refusal())?;
        let (near, far) = duplex::pair(PIPE_BYTES);
        let (reader, writer) = near.split();
        let (hub, settings) = (Arc::clone(&self.hub), self.settings.rpc);
        tokio::task::spawn_local(
            async move { crate::rpc::serve(hub, &connection, reader, writer, settings, |_| {}).await },
        );
        Ok(far)
    }

    /// Begins what goes on in the background, once somebody can come in.
    fn tend(&self) {
        self.tending.call_once(|| {
            self.hub.peers().carry();
            self.hub.rooms().hand_over_by(Box::new(ByPeers::new(Arc::clone(self.hub.peers()))));
            let (hub, stopping) = (Arc::clone(&self.hub), self.stopping.clone());
            self.tasks.spawn(async move {
                let tending = async {
                    tokio::join!(
                        hub.access().tend(),
                        hub.connections().tend_tokens(),
                        hub.health().tend_store(hub.settings().probe_every),
                        hub.health().tend_clock(),
                        hub.hints().tend(),
                        hub.tend_hosts(),
                        hub.peers().tend(),
                        hub.tend_rooms(),
                    )
                };
                tokio::select! {
                    () = stopping.cancelled() => {}
                    ((), (), (), (), (), (), (), ()) = tending => {}
                }
            });
            #[cfg(feature = "nats")]
            if let Some(nats) = &self.nats {
                let (nats, hub, stopping) = (Arc::clone(nats), Arc::clone(&self.hub), self.stopping.clone());
                self.tasks.spawn(async move { stopping.run_until_cancelled(nats::tend(nats, hub)).await });
            }
        });
    }

    /// Begins to drain, as before an upgrade: takes no more connections but administrators', and lets those go that there are, evenly
    /// over this time (at most a day; 0: at once). Each client is told to go to another host, and closed with 1012 when its calls are
    /// answered. Gives the number of connections that are to go. Administrators may drain a host too, by the linked client's
    /// `Admin::drain`; so a service that embeds a host waits for [`drained`](Self::drained) in any case, and
    /// [shuts it down](Self::shutdown) then.
    ///
    /// # Errors
    /// The time is longer than a day.
    pub fn drain(&self, within: Duration) -> Result<usize, Refusal> {
        self.hub.connections().drain(within)
    }

    /// Takes a drain back: takes connections again, and keeps those that were not closed yet. Gives their number.
    pub fn undrain(&self) -> usize {
        self.hub.connections().undrain()
    }

    /// Resolves when a drain has come to its end: nobody is connected any more but administrators, or its time is over. While
    /// nobody drains the host it waits. Dropping the future loses nothing.
    ///
    /// ```no_run
    /// # async fn scene(host: capshare::host::Host, asked_to_stop: impl Future<Output = ()>) {
    /// tokio::select! {
    ///     () = host.drained() => {}
    ///     () = asked_to_stop => {}
    /// }
    /// host.shutdown().await;
    /// # }
    /// ```
    pub async fn drained(&self) {
        self.hub.connections().drained().await;
    }

    /// Shuts down: takes no more connections, closes those there are, and waits until what was begun is in the bucket, for
    /// at most 15 s. Says whether all of it ended in that time.
    pub async fn shutdown(&self) -> bool {
        self.stopping.cancel();
        self.hub.peers().end();
        self.tasks.close();
        let all = async {
            self.hub.connections().registry().end(&CloseReason::GOING_AWAY).await;
            self.tasks.wait().await;
            self.hub.finish().await;
        };
        timeout(SHUTDOWN_WITHIN, all).await.is_ok()
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        self.stopping.cancel();
        self.hub.peers().end();
    }
}

/// An address by which this machine reaches what listens on another: on every address it reaches it on its own.
fn reachable(listens: SocketAddr) -> SocketAddr {
    let here = match listens.ip() {
        address if !address.is_unspecified() => address,
        IpAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
    };
    SocketAddr::new(here, listens.port())
}

async fn tend_doors(doors: Arc<Doors>, stopping: CancellationToken) {
    let mut minute = tokio::time::interval(Duration::from_secs(60));
    loop {
        tokio::select! {
            () = stopping.cancelled() => return,
            _ = minute.tick() => doors.forget(),
        }
    }
}
