//! The host: all parts put together, in front of a port or inside a process.
//!
//! An embedder (the binary, a service, a test) makes a [`Host`] from a store, an [`Access`], an [`Ambient`] and
//! [`HostSettings`]; then it [listens](Host::listen), or [connects](Host::connect) in process, or both.
//! [`Host::shutdown`] ends it: no new connections, a Close frame to those there are, and what was begun is committed.
//! Dropping the host without it cuts the connections; what was acknowledged is in the bucket all the same.

use std::future::poll_fn;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Once};
use std::task::Poll;
use std::time::Duration;

use axum::Router;
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::TokioTimer;
use hyper_util::service::TowerToHyperService;
use object_store::ObjectStore;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::http::forwarded;
use crate::http::handover::{self, Handover};
use crate::http::stall;
use crate::http::upgrade::{DoorSettings, Doors, Peer};
use crate::hub::access::{Access, Way};
use crate::hub::ambient::{Ambient, NoEntropy};
use crate::hub::audit;
use crate::hub::calls::Handler;
use crate::hub::push::{Action, Answer, PushError, PushOptions};
use crate::hub::registry::{CloseReason, ConnectionId, Door};
use crate::hub::{Hub, HubSettings};
use crate::rpc::RpcSettings;
use crate::rpc::worker::Workers;
use crate::share::error::Refusal;
use crate::share::secret::Secret;
use crate::viewer::ViewerSettings;
use crate::wire::duplex;

pub mod storage;

pub use crate::http::forwarded::{BadProxyNet, ProxyNet, is_loopback_name};

/// How a host behaves.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct HostSettings {
    /// What the URLs of shares begin with. Default: `http://` and the address it listens on.
    pub public_url: Option<String>,
    /// Threads that RPC connections live on. Default (0): one for each core.
    pub workers: usize,
    /// Shares.
    pub hub: HubSettings,
    /// RPC connections.
    pub rpc: RpcSettings,
    /// Viewers.
    pub viewer: ViewerSettings,
    /// Who may knock.
    pub doors: DoorSettings,
    /// Proxies whose `X-Forwarded-For` is believed, so that limits by address count the clients behind them. Default: none.
    pub trusted_proxies: Vec<ProxyNet>,
}

/// Sockets beyond the admitted connections: requests for pages and metrics, and upgrades that are under way.
const SOCKETS_BESIDES: usize = 1_024;

/// How long a socket may take to send a request's head, and how long it may idle between two requests.
const HEAD_WITHIN: Duration = Duration::from_secs(10);

/// What HTTP holds back for a peer that does not read, besides one piece of a body: of a connection of HTTP/1, and of each stream of
/// HTTP/2. Also the longest head of a request.
const HTTP_BUFFER_BYTES: usize = 64 << 10;

/// Requests at once on one connection of HTTP/2: a reverse proxy may bring all its viewers over a few.
const HTTP2_STREAMS_MAX: u32 = 200;

/// Between two pings on a connection of HTTP/2, which has no end of its own.
const HTTP2_PING_EVERY: Duration = Duration::from_secs(30);

/// How long shutdown waits for connections to close and for commits to be answered by the bucket: its retries end by then.
const SHUTDOWN_WITHIN: Duration = Duration::from_secs(15);

/// Bytes that wait in each direction of an in-process connection.
const PIPE_BYTES: usize = 64 << 10;

/// A host that is ready to serve.
#[derive(Debug)]
pub struct Host {
    hub: Arc<Hub>,
    settings: HostSettings,
    stopping: CancellationToken,
    tasks: TaskTracker,
    tending: Once,
}

impl Host {
    /// A host over these objects. Nothing is read or written yet.
    ///
    /// # Errors
    /// The machine has no randomness to give.
    pub fn new(
        objects: Arc<dyn ObjectStore>,
        access: Arc<dyn Access>,
        ambient: Ambient,
        settings: HostSettings,
    ) -> Result<Self, NoEntropy> {
        let hub = Hub::new(objects, access, ambient, settings.hub.clone())?;
        if let Some(url) = &settings.public_url {
            hub.set_public_url(url);
        }
        Ok(Self { hub, settings, stopping: CancellationToken::new(), tasks: TaskTracker::new(), tending: Once::new() })
    }

    /// Its shares, for services that embed it.
    #[must_use]
    pub fn hub(&self) -> &Arc<Hub> {
        &self.hub
    }

    /// Serves the calls of this name ([`Client::call`](crate::Client::call)) from now on; see
    /// [`calls`](crate::hub::calls).
    pub fn on_call(&self, name: impl Into<String>, handler: impl Handler + 'static) {
        self.hub.on_call(name, handler);
    }

    /// Pushes to one connection, and waits for the client's answer; as [`Hub::push`].
    ///
    /// # Errors
    /// See [`PushError`].
    pub async fn push(&self, to: &ConnectionId, action: Action, options: PushOptions) -> Result<Answer, PushError> {
        self.hub.push(to, action, options).await
    }

    /// Listens, and serves in the background until shutdown. Gives the address, which tells the port if 0 was asked for.
    ///
    /// # Errors
    /// The address cannot be had: it is in use, or not one of this machine's.
    pub async fn listen(&self, address: SocketAddr) -> std::io::Result<SocketAddr> {
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        self.hub.set_public_url(&format!("http://{address}"));
        let cores = || std::thread::available_parallelism().map_or(1, std::num::NonZeroUsize::get);
        let workers = if self.settings.workers == 0 { cores() } else { self.settings.workers };
        let workers = Workers::new(workers, self.settings.rpc);
        let (doors, viewer) = (self.settings.doors.clone(), self.settings.viewer);
        let doors = Doors::new(Arc::clone(&self.hub), workers, doors, viewer, self.tasks.clone());
        let sockets = Arc::new(Semaphore::new(self.settings.hub.connections_max + SOCKETS_BESIDES));
        self.tend();
        self.tasks.spawn(tend_doors(Arc::clone(&doors), self.stopping.clone()));
        let trusted = Arc::from(self.settings.trusted_proxies.as_slice());
        let routes = crate::http::routes(doors);
        let serving = Serving { routes, trusted, write_stall: viewer.write_stall };
        self.tasks.spawn(accept(listener, serving, sockets, self.stopping.clone()));
        Ok(address)
    }

    /// The client's end of a connection within the process, served on the caller's
    /// [`LocalSet`](tokio::task::LocalSet). As at the RPC door, it has the rights of its token; `in_band` lets one in without
    /// a token where one is needed, to call `authenticate`.
    ///
    /// # Errors
    /// A wrong token or none where one is needed, as many connections as there may be, or the host is shutting down.
    ///
    /// # Panics
    /// Outside a `LocalSet`.
    pub async fn connect(&self, token: Option<&Secret>, in_band: bool) -> Result<duplex::End, Refusal> {
        self.tend();
        let connection = async {
            let principal = self.hub.introduce(token, in_band, Way::Direct).await?;
            let pending = self.hub.register(Door::Rpc, principal)?;
            pending.comes_from(None, Way::Direct);
            Ok(pending)
        };
        let pending =
            connection.await.inspect_err(|refusal| audit::refused("in process", Door::Rpc.as_str(), refusal))?;
        let connection = self.hub.admit(pending).await.map_err(|turned_away| turned_away.into_refusal())?;
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
            let (hub, stopping) = (Arc::clone(&self.hub), self.stopping.clone());
            self.tasks.spawn(async move {
                tokio::select! {
                    () = stopping.cancelled() => {}
                    ((), (), ()) = async { tokio::join!(hub.tend_access(), hub.tend_store(), hub.tend_clock()) } => {}
                }
            });
        });
    }

    /// Shuts down: takes no more connections, closes those there are, and waits until what was begun is in the bucket, for
    /// at most 15 s. Says whether all of it ended in that time.
    pub async fn shutdown(&self) -> bool {
        self.stopping.cancel();
        self.tasks.close();
        let all = async {
            self.hub.registry().end(&CloseReason::GOING_AWAY).await;
            self.tasks.wait().await;
            self.hub.finish().await;
        };
        timeout(SHUTDOWN_WITHIN, all).await.is_ok()
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        self.stopping.cancel();
    }
}

/// What every connection is served with.
#[derive(Clone)]
struct Serving {
    routes: Router,
    trusted: Arc<[ProxyNet]>,
    /// How long a peer may take nothing of an answer.
    write_stall: Duration,
}

async fn accept(listener: TcpListener, serving: Serving, sockets: Arc<Semaphore>, stopping: CancellationToken) {
    loop {
        let socket = tokio::select! {
            () = stopping.cancelled() => return,
            socket = accept_one(&listener, &sockets) => socket,
        };
        if let Some((socket, peer, place)) = socket {
            let serving = serving.clone();
            tokio::spawn(async move {
                serve_http(socket, peer, serving).await;
                drop(place);
            });
        }
    }
}

async fn accept_one(
    listener: &TcpListener,
    sockets: &Arc<Semaphore>,
) -> Option<(TcpStream, SocketAddr, tokio::sync::OwnedSemaphorePermit)> {
    // With no place free nothing is accepted: what comes waits in the kernel's queue, which has its own bound.
    let place = Arc::clone(sockets).acquire_owned().await.ok()?;
    match listener.accept().await {
        Ok((socket, peer)) => Some((socket, peer, place)),
        Err(error) => {
            // Out of descriptors, most likely: the next try would fail at once as well.
            tracing::warn!(%error, "a connection could not be accepted");
            tokio::time::sleep(Duration::from_millis(100)).await;
            None
        }
    }
}

async fn serve_http(socket: TcpStream, peer: SocketAddr, serving: Serving) {
    let Serving { routes, trusted, write_stall } = serving;
    // Small messages go out at once: waiting for the peer's acknowledgement costs 40 ms for each.
    let _ = socket.set_nodelay(true);
    let is_http2 = match timeout(HEAD_WITHIN, begins_like_http2(&socket)).await {
        Ok(Ok(is_http2)) => is_http2,
        Ok(Err(_)) | Err(_) => return,
    };
    let handover = (!is_http2).then(Handover::default);
    let (routes, offered) = (TowerToHyperService::new(routes), handover.clone());
    let service = service_fn(move |mut request: hyper::Request<Incoming>| {
        // Asked anew at each: a proxy sends the requests of many over one connection.
        let client = forwarded::client(peer, request.headers(), &trusted);
        request.extensions_mut().insert(Peer(client));
        if let Some(handover) = &offered {
            request.extensions_mut().insert(handover.clone());
        }
        let answer = routes.call(request);
        async move { answer.await.map(|answer| answer.map(stall::watched)) }
    });
    let served = match handover {
        None => {
            let mut builder = http2::Builder::new(stall::Streams::new(write_stall));
            builder.timer(TokioTimer::new()).keep_alive_interval(HTTP2_PING_EVERY).keep_alive_timeout(HEAD_WITHIN);
            builder.max_concurrent_streams(HTTP2_STREAMS_MAX).max_send_buf_size(HTTP_BUFFER_BYTES);
            let socket = handover::Socket::new(socket, Handover::default(), write_stall);
            // Boxed: a proxy has a few of these, and each viewer by itself would take their room.
            Box::pin(builder.serve_connection(socket, service)).await
        }
        Some(handover) => {
            let mut builder = http1::Builder::new();
            builder.timer(TokioTimer::new()).header_read_timeout(HEAD_WITHIN).max_buf_size(HTTP_BUFFER_BYTES);
            let socket = handover::Socket::new(socket, handover.clone(), write_stall);
            let mut connection = builder.serve_connection(socket, service).with_upgrades();
            let served = poll_fn(|cx| match Pin::new(&mut connection).poll(cx) {
                Poll::Pending if handover.is_due() => Poll::Ready(Ok(())),
                polled @ (Poll::Ready(_) | Poll::Pending) => polled,
            });
            let served = served.await;
            if handover.is_due()
                && let Some(parts) = connection.into_parts()
            {
                handover.complete(parts.io);
            }
            served
        }
    };
    if let Err(error) = served {
        tracing::debug!(%peer, %error, "an HTTP connection ended");
    }
}

/// Whether a connection begins as HTTP/2 does with prior knowledge, told from what comes first: `PRI`, which is no method of
/// HTTP/1. Nothing is taken out of the socket.
async fn begins_like_http2(socket: &TcpStream) -> std::io::Result<bool> {
    let mut first = [0; 3];
    let count = socket.peek(&mut first).await?;
    Ok(first[..count] == *b"PRI")
}

async fn tend_doors(doors: Arc<Doors>, stopping: CancellationToken) {
    let mut minute = tokio::time::interval(Duration::from_secs(60));
    loop {
        tokio::select! {
            () = stopping.cancelled() => return,
            _ = minute.tick() => doors.forget_addresses(),
        }
    }
}
