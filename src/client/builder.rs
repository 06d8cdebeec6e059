//! What a client is built from: settings as data, the dialer as an object.

use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue};
use tokio::sync::{mpsc, watch};
use tokio::task::LocalSet;
use tokio_rustls::rustls::ClientConfig;
use tokio_util::sync::CancellationToken;

use crate::client::defaults;
use crate::client::dial::Dial;
use crate::client::driver::link::Link;
use crate::client::driver::{Command, Driver};
use crate::client::handles::client::Client;
#[cfg(feature = "__mutations")]
use crate::client::mutation::Mutation;
use crate::client::mutation::Planted;
use crate::client::queue::QueueBounds;
use crate::client::random::Backoff;
use crate::client::redact::{Redact, Redaction};
use crate::client::settings::Settings;
use crate::client::state::ConnectionState;
use crate::client::token::Token;
use crate::client::websocket::{Url, WebSocketDialer, platform_config};

/// Why no client came about. None of these is worth a second try.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// The URL is none, or names no host.
    #[error("the host's URL: {0}")]
    Url(&'static str),
    /// A header's name or value holds what a header may not.
    #[error("the header {0} is none, or its value is none")]
    Header(String),
    /// Authentication in-band without a token.
    #[error("authentication in-band needs a token")]
    NoToken,
    /// The platform's certificates could not be had.
    #[error("TLS: {0}")]
    Tls(#[from] tokio_rustls::rustls::Error),
    /// The driver's thread or runtime could not be made.
    #[error("the client's thread: {0}")]
    Thread(#[from] std::io::Error),
}

/// Where the client gets its connections.
#[derive(Debug, Clone)]
enum Host {
    Url(String),
    Dialer(Arc<dyn Dial>),
}

/// Builds a [`Client`]. Every setting has a default.
#[derive(Debug, Clone)]
#[must_use]
pub struct Builder {
    host: Host,
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
    /// Builds a client of the host at this URL.
    pub fn builder(url: impl Into<String>) -> Builder {
        Builder::new(url)
    }
}

impl Builder {
    /// A client of the host at this URL: `ws`, `wss`, `http` or `https`; without a path, the RPC door's.
    pub fn new(url: impl Into<String>) -> Self {
        Self::of(Host::Url(url.into()))
    }

    /// A client that gets its connections from this dialer.
    pub fn over(dialer: Arc<dyn Dial>) -> Self {
        Self::of(Host::Dialer(dialer))
    }

    fn of(host: Host) -> Self {
        Self {
            host,
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

    /// Gets connections from this dialer instead of the URL. Headers and TLS settings are then the dialer's own affair.
    pub fn dialer(mut self, dialer: Arc<dyn Dial>) -> Self {
        self.host = Host::Dialer(dialer);
        self
    }

    /// The credential. Default: none.
    pub fn token(mut self, token: impl Into<Token>) -> Self {
        self.token = Some(token.into());
        self
    }

    /// Shows the credential by the call `authenticate` instead of a header.
    pub fn in_band(mut self) -> Self {
        self.in_band = true;
        self
    }

    /// A further header of the upgrade request. Its value is treated as a secret.
    pub fn header(mut self, name: impl Into<String>, value: impl Into<Token>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// TLS settings for `wss`. Default: TLS 1.2 and 1.3 by ring, with the certificates that the platform trusts.
    pub fn tls_config(mut self, config: Arc<ClientConfig>) -> Self {
        self.tls = Some(config);
        self
    }

    /// How the client names itself to the host. Default: `capshare/VERSION`.
    pub fn agent(mut self, agent: impl Into<String>) -> Self {
        self.agent = agent.into();
        self
    }

    /// How long one attempt at a connection may take, up to the answer to `hello`. Default 10 s.
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.connect_timeout = timeout;
        self
    }

    /// How long a call may take, the wait for a connection included. Default 30 s.
    pub fn call_timeout(mut self, timeout: Duration) -> Self {
        self.call_timeout = timeout;
        self
    }

    /// Delays between attempts. Default 200 ms to 10 s.
    pub fn backoff(mut self, backoff: Backoff) -> Self {
        self.backoff = backoff;
        self
    }

    /// From the first queued item of a share until it is sent, in which newer values replace older ones. Default 1 s.
    pub fn sync_window(mut self, window: Duration) -> Self {
        self.sync_window = window;
        self
    }

    /// How much waits in one share's queue, what is on its way included. Default 10,000 items and 32 MiB.
    pub fn queue_bounds(mut self, items: usize, bytes: usize) -> Self {
        self.queue_bounds = QueueBounds { items: items.max(1), bytes: bytes.max(1) };
        self
    }

    /// Takes out of every value that is queued or synced what this finds, before anything leaves. Default: nothing is taken out.
    pub fn redact(mut self, redact: impl Redact + 'static) -> Self {
        self.redaction = Some(Arc::new(redact));
        self
    }

    /// Makes delays and producer ids repeatable, for tests only: two clients of one seed would take each other's batches
    /// for their own. Default: randomness of the system.
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = Some(seed);
        self
    }

    /// Builds a bug in, for the tests that show that the simulation finds it. Default: none.
    #[cfg(feature = "__mutations")]
    #[doc(hidden)]
    pub fn mutation(mut self, mutation: Mutation) -> Self {
        self.planted.mutation = Some(mutation);
        self
    }

    /// A client with a thread of its own, "capshare-client". It may be used from any runtime, or several. Nothing is
    /// dialled before the first call.
    ///
    /// # Errors
    /// A setting that cannot be right, or no thread.
    pub fn build(self) -> Result<Client, BuildError> {
        let (client, driver) = self.into_parts()?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        std::thread::Builder::new()
            .name("capshare-client".into())
            .spawn(move || LocalSet::new().block_on(&runtime, driver.into_driver().run()))?;
        Ok(client)
    }

    /// A client whose driver runs on the `LocalSet` of the caller, as a local task of it.
    ///
    /// # Errors
    /// A setting that cannot be right.
    ///
    /// # Panics
    /// Outside a `LocalSet`.
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
        let dialer = match self.host {
            Host::Dialer(dialer) => dialer,
            Host::Url(url) => {
                let url = Url::parse(&url).map_err(BuildError::Url)?;
                let tls = match self.tls {
                    None if url.secure => Some(platform_config()?),
                    tls => tls,
                };
                Arc::new(WebSocketDialer { url, headers: read_headers(self.headers)?, tls })
            }
        };
        Ok(Settings {
            dialer,
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

/// A driver on its way to its thread.
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
