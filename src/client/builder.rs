//! Building a client: the settings that a service gives, and what they are checked for.

use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue};
use tokio::sync::{mpsc, watch};
use tokio::task::LocalSet;
use tokio_rustls::rustls::ClientConfig;
use tokio_util::sync::CancellationToken;

use crate::client::defaults;
use crate::client::dial::Dial;
use crate::client::driver::handle::Client;
use crate::client::driver::link::Link;
use crate::client::driver::{Command, Driver};
use crate::client::hosts::{Naming, Way};
#[cfg(feature = "__mutations")]
use crate::client::mutation::Mutation;
use crate::client::mutation::Planted;
use crate::client::queue::QueueBounds;
use crate::client::random::Backoff;
use crate::client::redact::{Redact, Redaction};
use crate::client::settings::Settings;
use crate::client::state::ConnectionState;
use crate::client::token::Token;
use crate::client::websocket::{Url, WebSocketWay, platform_config};

/// Why a client could not be built. Trying again with the same settings fails again.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// The URL of a host cannot be read; the text says why, and leaves the URL out, which may hold a credential.
    #[error("invalid host URL: {0}")]
    Url(&'static str),
    /// The client was given more hosts than [`HOSTS_GIVEN_MAX`](crate::client::defaults::HOSTS_GIVEN_MAX).
    #[error("{count} hosts are too many: give at most {max}")]
    TooManyHosts {
        /// Number of hosts that the client was given.
        count: usize,
        /// Number of hosts that a client may be given.
        max: usize,
    },
    /// A header that was given by [`Builder::header`] holds characters that a header may not. The text is its name.
    #[error("invalid header {0:?}: neither its name nor its value may hold control characters, and its name no spaces")]
    Header(String),
    /// [`Builder::in_band`] was asked for, and there is no token to show.
    #[error("authentication in-band needs a token: give one, or leave in_band out")]
    NoToken,
    /// TLS cannot be set up with the certificates that the platform trusts. [`Builder::tls_config`] takes other settings.
    #[error("TLS cannot be set up with this platform's certificates: {0}")]
    Tls(#[from] tokio_rustls::rustls::Error),
    /// The thread or the runtime of the client's driver could not be started.
    #[error("the client's thread could not be started: {0}")]
    Thread(#[from] std::io::Error),
}

/// A source of a client's connections.
#[derive(Debug, Clone)]
enum Host {
    Url(String),
    Dialer(Arc<dyn Dial>),
}

/// Settings of a [`Client`] to be built. Every setting has a default; only a host, or a dialer, must be named.
#[derive(Debug, Clone)]
#[must_use]
pub struct Builder {
    hosts: Vec<Host>,
    ignores_named: bool,
    headers: Vec<(String, Token)>,
    tls: Option<Arc<ClientConfig>>,
    token: Option<Token>,
    in_band: bool,
    agent: String,
    connect_timeout: Duration,
    call_timeout: Duration,
    backoff: Backoff,
    sync_window: Duration,
    queue_bounds: QueueBounds,
    seed: Option<u64>,
    redaction: Redaction,
    planted: Planted,
}

impl Client {
    /// Begins the settings of a client of the host at this URL; see [`Builder::new`]. Further hosts of the same shares are added by
    /// [`Builder::and_at`].
    pub fn builder(url: impl Into<String>) -> Builder {
        Builder::new(url)
    }
}

impl Builder {
    /// Settings of a client of the host at this URL, such as `wss://share.example.org`. Its scheme is `ws`, `wss`, `http` or
    /// `https`; a URL without a path gets `/rpc/share`, where hosts serve RPC.
    pub fn new(url: impl Into<String>) -> Self {
        Self::of(Host::Url(url.into()))
    }

    /// Settings of a client whose connections come from this dialer, and from no URL.
    pub fn over(dialer: Arc<dyn Dial>) -> Self {
        Self::of(Host::Dialer(dialer))
    }

    fn of(host: Host) -> Self {
        Self {
            hosts: vec![host],
            ignores_named: false,
            headers: Vec::new(),
            tls: None,
            token: None,
            in_band: false,
            agent: crate::contract::AGENT.to_owned(),
            connect_timeout: defaults::CONNECT_TIMEOUT,
            call_timeout: defaults::CALL_TIMEOUT,
            backoff: Backoff::default(),
            sync_window: defaults::SYNC_WINDOW,
            queue_bounds: QueueBounds { items: defaults::QUEUE_ITEMS_MAX, bytes: defaults::QUEUE_BYTES_MAX },
            seed: None,
            redaction: None,
            planted: Planted::default(),
        }
    }

    /// Adds a host of the same shares, by its URL. The client begins at a random one of its hosts and stays there; when its connection
    /// is lost, or an attempt fails, it goes to the next at once, and waits only when all have failed. What was queued and what is on its
    /// way goes to the next host and counts once; handles and watches go on there. A client has at most
    /// [`HOSTS_GIVEN_MAX`](crate::client::defaults::HOSTS_GIVEN_MAX) hosts.
    ///
    /// ```no_run
    /// # fn scene() -> Result<(), capshare::client::BuildError> {
    /// let client = capshare::Client::builder("wss://a.example.org").and_at("wss://b.example.org").build()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn and_at(mut self, url: impl Into<String>) -> Self {
        self.hosts.push(Host::Url(url.into()));
        self
    }

    /// Adds a host of the same shares, as [`and_at`](Self::and_at) does, whose connections come from this dialer.
    pub fn and_over(mut self, dialer: Arc<dyn Dial>) -> Self {
        self.hosts.push(Host::Dialer(dialer));
        self
    }

    /// Goes to no other hosts than those that this builder was given. Default: hosts that a host names are used as well, for as long as
    /// the client lives, and if it shows a credential, only those that were named over TLS and are reached over TLS.
    pub fn ignore_named_hosts(mut self) -> Self {
        self.ignores_named = true;
        self
    }

    /// Gets connections from this dialer, in place of every URL. Headers and TLS settings of this builder have no effect then.
    pub fn dialer(mut self, dialer: Arc<dyn Dial>) -> Self {
        self.hosts = vec![Host::Dialer(dialer)];
        self
    }

    /// The credential that the client shows to the host, such as a key or a token of `capshare token create`. Default: none.
    pub fn token(mut self, token: impl Into<Token>) -> Self {
        self.token = Some(token.into());
        self
    }

    /// Shows the credential by the call `authenticate` on the open connection. Default: in the header `Authorization` of the
    /// WebSocket's upgrade request.
    pub fn in_band(mut self) -> Self {
        self.in_band = true;
        self
    }

    /// Adds a header to the WebSocket's upgrade request, for a proxy that asks for one. Its value is treated as a secret.
    /// Default: no further headers.
    pub fn header(mut self, name: impl Into<String>, value: impl Into<Token>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// TLS settings for `wss` and `https`. Default: TLS 1.2 and 1.3 by ring, with the certificates that the platform trusts.
    pub fn tls_config(mut self, config: Arc<ClientConfig>) -> Self {
        self.tls = Some(config);
        self
    }

    /// Name and version of the program, which the host writes into its log. Default: `capshare/VERSION`.
    pub fn agent(mut self, agent: impl Into<String>) -> Self {
        self.agent = agent.into();
        self
    }

    /// Longest time that one attempt at a connection may take, up to the host's answer to `hello`. Default: 10 s.
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.connect_timeout = timeout;
        self
    }

    /// Longest time that a call may take, with its wait for a connection. Default: 30 s.
    pub fn call_timeout(mut self, timeout: Duration) -> Self {
        self.call_timeout = timeout;
        self
    }

    /// Delays between attempts at a connection. Default: from 200 ms, doubling, to 10 s.
    pub fn backoff(mut self, backoff: Backoff) -> Self {
        self.backoff = backoff;
        self
    }

    /// Time from the first queued item of a share until the queue is sent. Newer values of a key replace older ones meanwhile.
    /// Default: 1 s.
    pub fn sync_window(mut self, window: Duration) -> Self {
        self.sync_window = window;
        self
    }

    /// Items and bytes that the queue of one share may hold, with the batch that is on its way. At least 1 of each. A queue that has no
    /// room for what comes next is sent before its sync window is over. Default: 10,000 items and 32 MiB.
    pub fn queue_bounds(mut self, items: usize, bytes: usize) -> Self {
        self.queue_bounds = QueueBounds { items: items.max(1), bytes: bytes.max(1) };
        self
    }

    /// Masks secrets in every value that is queued or synced, before it leaves this program. Default: values are sent as they are.
    pub fn redact(mut self, redact: impl Redact + 'static) -> Self {
        self.redaction = Some(Arc::new(redact));
        self
    }

    /// Seed of the client's random numbers, for tests only: it makes delays and producer ids repeatable, and two clients with one
    /// seed take each other's batches for their own. Default: random numbers of the system.
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = Some(seed);
        self
    }

    /// Plants a bug, for tests that show that the simulation finds it. Default: no bug.
    #[cfg(feature = "__mutations")]
    #[doc(hidden)]
    pub fn mutation(mut self, mutation: Mutation) -> Self {
        self.planted.mutation = Some(mutation);
        self
    }

    /// Builds a client whose driver has a thread of its own, named "capshare-client". The client may be used from any runtime,
    /// and from several. It connects when the first call is made.
    ///
    /// # Errors
    /// [`BuildError`]: a setting is invalid, or the thread could not be started.
    pub fn build(self) -> Result<Client, BuildError> {
        let (client, driver) = self.into_parts()?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        std::thread::Builder::new()
            .name("capshare-client".into())
            .spawn(move || LocalSet::new().block_on(&runtime, driver.into_driver().run()))?;
        Ok(client)
    }

    /// Builds a client whose driver is a local task of the caller's `LocalSet`.
    ///
    /// # Errors
    /// [`BuildError`]: a setting is invalid.
    ///
    /// # Panics
    /// If it is called outside a `LocalSet`.
    pub fn build_local(self) -> Result<Client, BuildError> {
        let (client, driver) = self.into_parts()?;
        tokio::task::spawn_local(driver.into_driver().run());
        Ok(client)
    }

    fn into_parts(self) -> Result<(Client, DriverParts), BuildError> {
        let redaction = self.redaction.clone();
        let settings = Arc::new(self.into_settings()?);
        let (commands, incoming) = mpsc::channel(defaults::COMMANDS_MAX);
        let (state, watched) = watch::channel(ConnectionState::Idle);
        let close = CancellationToken::new();
        let client = Client::new(commands, watched, close.clone(), &settings, redaction);
        Ok((client, DriverParts { settings, commands: incoming, state, close }))
    }

    fn into_settings(self) -> Result<Settings, BuildError> {
        if self.in_band && self.token.is_none() {
            return Err(BuildError::NoToken);
        }
        let (count, max) = (self.hosts.len(), defaults::HOSTS_GIVEN_MAX);
        if count > max {
            return Err(BuildError::TooManyHosts { count, max });
        }
        let has_credential = self.token.is_some() || !self.headers.is_empty();
        let (ways, by_url) = read_hosts(self.hosts, self.headers, self.tls)?;
        Ok(Settings {
            ways,
            naming: by_url.filter(|_| !self.ignores_named),
            has_credential,
            token: self.token,
            in_band: self.in_band,
            agent: self.agent,
            connect_timeout: self.connect_timeout,
            call_timeout: self.call_timeout,
            backoff: self.backoff,
            sync_window: self.sync_window,
            queue_bounds: self.queue_bounds,
            seed: self.seed,
            planted: self.planted,
        })
    }
}

/// The parts of a driver. They are `Send`, so that they can be moved to the driver's thread.
struct DriverParts {
    settings: Arc<Settings>,
    commands: mpsc::Receiver<Command>,
    state: watch::Sender<ConnectionState>,
    close: CancellationToken,
}

impl DriverParts {
    fn into_driver(self) -> Driver {
        Driver { link: Link::new(self.settings), commands: self.commands, state: self.state, close: self.close }
    }
}

/// The ways to hosts, and how further ones are reached by their URLs; `None` if no URL was given.
fn read_hosts(
    hosts: Vec<Host>,
    headers: Vec<(String, Token)>,
    tls: Option<Arc<ClientConfig>>,
) -> Result<(Vec<Way>, Naming), BuildError> {
    let read = |host| match host {
        Host::Url(text) => Url::parse(&text).map(Ok).map_err(BuildError::Url),
        Host::Dialer(dialer) => Ok(Err(dialer)),
    };
    let hosts = hosts.into_iter().map(read).collect::<Result<Vec<_>, _>>()?;
    let urls = || hosts.iter().filter_map(|host| host.as_ref().ok());
    if urls().next().is_none() {
        return Ok((hosts.into_iter().filter_map(Result::err).map(|dialer| Way { url: None, dialer }).collect(), None));
    }
    let tls = match tls {
        None if urls().any(|url| url.secure) => Some(platform_config()?),
        tls => tls,
    };
    let by_url = Arc::new(WebSocketWay { headers: read_headers(headers)?, tls });
    let way = |host: Result<Url, Arc<dyn Dial>>| match host {
        Ok(url) => Way { dialer: Arc::new(by_url.to(url.clone())), url: Some(url) },
        Err(dialer) => Way { url: None, dialer },
    };
    Ok((hosts.into_iter().map(way).collect(), Some(by_url)))
}

fn read_headers(headers: Vec<(String, Token)>) -> Result<HeaderMap, BuildError> {
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        let parsed = name.parse::<HeaderName>().ok().zip(HeaderValue::try_from(value.reveal()).ok());
        let Some((key, mut value)) = parsed else { return Err(BuildError::Header(name)) };
        value.set_sensitive(true);
        map.append(key, value);
    }
    Ok(map)
}
