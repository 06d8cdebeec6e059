//! The doors: what is asked before a WebSocket upgrade is answered 101, and where its socket goes then.
//!
//! In this order, each with its own answer: is it an upgrade (426), may its origin (403), does it come too often (429), is
//! this its door and its protocol (400), who is it (401), does its account come too often (429), for viewers: is the share
//! there (404) and may it be seen (401), and is there room (429). Nothing is registered and no byte of the body is looked at
//! before the last of them. The connection is then pending, and admitted by what serves it, on the socket: whoever may not come
//! in after all is closed with a code.

use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use async_tungstenite::tungstenite::handshake::derive_accept_key;
use axum::extract::{Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, StatusCode, Version, header};
use axum::response::{IntoResponse as _, Response};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};
use hyper::upgrade::OnUpgrade;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio_util::task::TaskTracker;

use crate::access::address::AddressKey;
use crate::access::{Principal, Way};
use crate::audit::{self, By};
use crate::connections::comer::{Comer, Door};
use crate::connections::registry::Pending;
use crate::connections::sockets::SocketPlace;
use crate::contract::{SUBPROTOCOL, SUBPROTOCOL_PREFIX};
use crate::http::body_in::Bodies;
use crate::http::body_out::Answers;
use crate::http::forwarded;
use crate::http::handover::Socket;
use crate::http::opencode::{OpenCode, OpenCodeSettings};
use crate::http::page::Pages;
use crate::http::reply;
use crate::hub::Hub;
use crate::metrics::ReasonLabel;
use crate::rpc::worker::Workers;
use crate::share::error::Refusal;
use crate::share::grant::GrantToken;
use crate::share::id::AccountId;
use crate::share::limits::Limit;
use crate::share::secret::Secret;
use crate::viewer::life::parked::Galleries;
use crate::viewer::member::Members;
use crate::viewer::streams::Streams;
use crate::viewer::{ViewerSettings, frame};

/// Who may knock.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct DoorSettings {
    /// Origins of web pages that may connect, such as `https://example.org`, besides the host's own. Requests without an
    /// `Origin` header come from no web page and pass. Default: none.
    pub origins: Vec<String>,
    /// Upgrades, and documents of shares, that one address may ask for in a minute, and at once. Default 6,000.
    pub upgrades_per_minute: NonZeroU32,
    /// The same for one account, from whatever addresses; those without a credential do not count. Default 6,000.
    pub account_upgrades_per_minute: NonZeroU32,
    /// How long the body of a request may take, from its beginning to its end; then the request is answered 408. Default 60 s:
    /// 64 MiB at 10 Mbit/s.
    pub body_within: Duration,
    /// Bytes of all bodies of requests that the host holds at once, or as many as two of the largest need. One address without a
    /// credential may have a half of it, all of them together three quarters, and one account a half. Default 256 MiB: four of the
    /// largest.
    pub bodies_bytes_max: usize,
    /// Whole documents of shares (JSON, Markdown and OpenCode's data) that are on their way at once, shared as above. Default 64: a
    /// list of 100,000 texts has 4 MB, so together they hold 256 MB, besides values that have since been replaced.
    pub documents_max: usize,
    /// OpenCode's own API.
    pub opencode: OpenCodeSettings,
}

impl Default for DoorSettings {
    fn default() -> Self {
        let often = NonZeroU32::new(6_000).unwrap_or(NonZeroU32::MIN);
        Self {
            origins: Vec::new(),
            upgrades_per_minute: often,
            account_upgrades_per_minute: often,
            body_within: Duration::from_secs(60),
            bodies_bytes_max: 256 << 20,
            documents_max: 64,
            opencode: OpenCodeSettings::default(),
        }
    }
}

/// Commands that are posted without a stream and not answered yet: a page of history of 256 KiB each is 16 MiB.
const POSTS_MAX: usize = 64;

/// The doors of one host.
#[derive(Debug)]
pub struct Doors {
    /// Whose shares.
    pub hub: Arc<Hub>,
    /// The viewers that are being served.
    pub members: Arc<Members>,
    /// Those of them that take server-sent events.
    pub streams: Arc<Streams>,
    /// Where they wait.
    pub galleries: Arc<Galleries>,
    pub(super) viewer: ViewerSettings,
    /// Bound: [`POSTS_MAX`]; past it a command that is posted without a stream is answered 503.
    pub(super) posts: Arc<Semaphore>,
    workers: Workers,
    settings: DoorSettings,
    /// By address. Those not heard of lately are forgotten once a minute.
    upgrades: DefaultKeyedRateLimiter<AddressKey>,
    /// By account, likewise.
    account_upgrades: DefaultKeyedRateLimiter<AccountId>,
    /// Bodies that come in.
    pub(super) bodies: Bodies,
    /// Large bodies that go out.
    pub(super) answers: Answers,
    /// Pages and pictures of shares.
    pub(super) pages: Pages,
    pub(super) opencode: OpenCode,
    /// What goes on though nobody waits for its answer any more; a shutdown waits for it.
    pub(super) tasks: TaskTracker,
}

/// The address that a request came from, behind whatever [proxies](super::forwarded) are trusted; put into its extensions by
/// whoever accepted the socket.
#[derive(Debug, Clone, Copy)]
pub struct Peer(pub SocketAddr);

impl Doors {
    /// Doors to a hub. `tasks` is what its host waits for when it shuts down.
    #[must_use]
    pub fn new(
        hub: Arc<Hub>,
        workers: Workers,
        settings: DoorSettings,
        viewer: ViewerSettings,
        tasks: TaskTracker,
    ) -> Arc<Self> {
        let upgrades = RateLimiter::keyed(Quota::per_minute(settings.upgrades_per_minute));
        let account_upgrades = RateLimiter::keyed(Quota::per_minute(settings.account_upgrades_per_minute));
        let (opencode, pages) = (OpenCode::new(&settings.opencode), Pages::default());
        let (members, streams, posts) = (Arc::default(), Arc::default(), Arc::new(Semaphore::new(POSTS_MAX)));
        let (metrics, one_max) = (hub.metrics(), settings.opencode.request_bytes_max);
        let bodies = Bodies::new(settings.body_within, settings.bodies_bytes_max, one_max, metrics.body_bytes.clone());
        let answers = Answers::new(settings.documents_max, metrics.large_answers.clone());
        let galleries = Galleries::new(Arc::clone(&hub), viewer);
        Arc::new(Self {
            hub,
            members,
            streams,
            galleries,
            viewer,
            posts,
            workers,
            settings,
            upgrades,
            account_upgrades,
            bodies,
            answers,
            pages,
            opencode,
            tasks,
        })
    }

    /// Forgets addresses and accounts that have not been heard of lately: to be called about once a minute.
    pub fn forget_addresses(&self) {
        self.upgrades.retain_recent();
        self.upgrades.shrink_to_fit();
        self.account_upgrades.retain_recent();
        self.account_upgrades.shrink_to_fit();
        self.opencode.forget();
    }

    /// The settings of OpenCode's API.
    pub(super) fn opencode_settings(&self) -> &OpenCodeSettings {
        &self.settings.opencode
    }

    /// The first questions, the same at every door.
    pub(super) fn check_comer(&self, request: &Parts) -> Result<(), Refusal> {
        self.check_origin(&request.headers)?;
        self.knock_for_document(request)
    }

    /// The first questions to who asks for a document of a share: pages of any origin may, for a credential never comes by
    /// itself.
    pub(super) fn knock_for_document(&self, request: &Parts) -> Result<(), Refusal> {
        if let Some(address) = address(request) {
            self.check_rate(address)?;
        }
        check_query(request.uri.query().unwrap_or_default())
    }

    /// Origins that may connect besides the host's own.
    pub(super) fn origins(&self) -> &[String] {
        &self.settings.origins
    }

    fn check_rate(&self, address: IpAddr) -> Result<(), Refusal> {
        let max = self.settings.upgrades_per_minute.get() as usize;
        self.upgrades.check_key(&address.into()).map_err(|_| Refusal::limit(Limit::UpgradesPerMinute, max, max + 1))
    }

    /// To whoever has shown a right credential with this request: its socket is no stranger's from now on, and its account may
    /// come so often.
    pub(super) fn check_account(&self, request: &Parts, who: &Principal) -> Result<(), Refusal> {
        if who.is_somebody() {
            know_socket(request);
        }
        let max = self.settings.account_upgrades_per_minute.get() as usize;
        if !who.credential.is_shown() || self.account_upgrades.check_key(&who.account).is_ok() {
            return Ok(());
        }
        Err(Refusal::limit(Limit::AccountUpgradesPerMinute, max, max + 1))
    }

    /// Gives a connection a place, with which its socket keeps its own.
    pub(super) fn register(&self, comer: Comer, request: &Parts) -> Result<Pending, Refusal> {
        let pending = self.hub.register(comer)?;
        let is_shared = request.version == Version::HTTP_2;
        Ok(pending.holding(request.extensions.get::<SocketPlace>().map(|place| place.hold(is_shared))))
    }

    pub(super) fn refuse(&self, door: Door, request: &Parts, refusal: &Refusal) -> Response {
        self.refuse_with(door.as_str(), request, refusal, json!({}))
    }

    /// The same of a door by its name, with further facts.
    pub(super) fn refuse_with(&self, door: &str, request: &Parts, refusal: &Refusal, facts: Value) -> Response {
        audit::refused(By::Request(address(request), None), door, refusal);
        let reason = frame::code(refusal);
        self.hub.metrics().requests_refused.get_or_create(&ReasonLabel { reason }).inc();
        let mut response = reply::refused_with(refusal, facts);
        if response.status() == StatusCode::TOO_MANY_REQUESTS {
            // After this long there is a place for one more.
            let settings = &self.settings;
            let limit =
                if let Refusal::LimitExceeded { limit, max, .. } = refusal { Some((limit, *max)) } else { None };
            let per_minute = if let Some((Limit::FailedCredentialsPerMinute | Limit::ApiRequestsPerMinute, max)) = limit
            {
                max
            } else if let Some((Limit::AccountUpgradesPerMinute, _)) = limit {
                u64::from(settings.account_upgrades_per_minute.get())
            } else {
                u64::from(settings.upgrades_per_minute.get())
            };
            let wait = 60_u64.div_ceil(per_minute.max(1));
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(wait));
        }
        response
    }
}

/// `/rpc/share`.
pub async fn rpc(State(doors): State<Arc<Doors>>, request: Request) -> Response {
    let (mut request, _) = request.into_parts();
    match rpc_admission(&doors, &request).await {
        Ok((key, pending)) => {
            let answer = switching(&key, offered(&request.headers).contains(&SUBPROTOCOL));
            let upgrade = request.extensions.remove::<OnUpgrade>();
            tokio::spawn(async move {
                if let Some((socket, received)) = upgraded(upgrade).await {
                    match socket.into_std() {
                        Ok(socket) => doors.workers.serve(Arc::clone(&doors.hub), pending, socket, received),
                        Err(error) => tracing::error!(%error, "a socket could not be handed over"),
                    }
                }
            });
            answer
        }
        Err(refusal) => doors.refuse(Door::Rpc, &request, &refusal),
    }
}

async fn rpc_admission(doors: &Doors, request: &Parts) -> Result<(String, Pending), Refusal> {
    let key = upgrade_key(request)?;
    doors.check_comer(request)?;
    let offered = offered(&request.headers);
    let versions: Vec<_> = offered.iter().filter(|name| name.starts_with(SUBPROTOCOL_PREFIX)).copied().collect();
    if !versions.is_empty() && !versions.contains(&SUBPROTOCOL) {
        let got: String = versions.join(", ").chars().take(64).collect();
        return Err(Refusal::ProtocolMismatch { expected: SUBPROTOCOL.into(), got: got.into() });
    }
    let query = request.uri.query().unwrap_or_default();
    let token = token(&request.headers);
    // Clients that cannot set headers ask to come in without a credential, and call `authenticate` inside.
    let in_band = query.split('&').any(|pair| pair == "auth=inband");
    let (address, way) = (address(request), way(request));
    let introducing = doors.hub.introduce(token.as_ref(), in_band, way);
    let principal = doors.hub.failures().guard(address, token.is_some(), introducing).await?;
    principal.iter().try_for_each(|who| doors.check_account(request, who))?;
    let pending = doors.register(Comer::new(Door::Rpc, principal, address, way), request)?;
    Ok((key, pending))
}

/// URLs end up in logs, so no credential is taken from one, and who sends one is told, though it be right.
pub(super) fn check_query(query: &str) -> Result<(), Refusal> {
    let is_named = |name: &str| ["token", "access_token", "jwt", "key"].contains(&name);
    // Ours by their beginning, and JSON Web Tokens by theirs.
    let is_one = |value: &str| {
        ["captok_", "capsec_", GrantToken::PREFIX, "eyJ"].iter().any(|beginning| value.starts_with(beginning))
    };
    let pairs = query.split('&').map(|pair| pair.split_once('=').unwrap_or((pair, "")));
    if pairs.into_iter().any(|(name, value)| (is_named(name) && !value.is_empty()) || is_one(value) || is_one(name)) {
        let reason = "a token in a URL ends up in logs: send it as Authorization: Bearer TOKEN, or call authenticate";
        return Err(Refusal::Unauthorized { reason: reason.into() });
    }
    Ok(())
}

/// The key of a WebSocket upgrade.
pub(super) fn upgrade_key(request: &Parts) -> Result<String, Refusal> {
    let headers = &request.headers;
    let names = |header, name: &str| words(headers, header).any(|word| word.eq_ignore_ascii_case(name));
    let key = headers.get(header::SEC_WEBSOCKET_KEY).and_then(|key| key.to_str().ok()).unwrap_or_default();
    if request.method == axum::http::Method::GET
        && names(header::CONNECTION, "upgrade")
        && names(header::UPGRADE, "websocket")
        && headers.get(header::SEC_WEBSOCKET_VERSION).is_some_and(|version| version == "13")
        && key.len() == 24
        && request.extensions.get::<OnUpgrade>().is_some()
    {
        Ok(key.to_owned())
    } else {
        let reason =
            "this path is a WebSocket: send GET with Connection: Upgrade, Upgrade: websocket, version 13 and a key";
        Err(Refusal::UpgradeFailed { status: 426, reason: reason.into() })
    }
}

/// The subprotocols that a client offers.
pub(super) fn offered(headers: &HeaderMap) -> Vec<&str> {
    words(headers, header::SEC_WEBSOCKET_PROTOCOL).collect()
}

fn words(headers: &HeaderMap, name: header::HeaderName) -> impl Iterator<Item = &str> {
    headers
        .get_all(name)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(str::trim)
}

/// Where a request came from; `None`: from within the process.
pub(super) fn address(request: &Parts) -> Option<IpAddr> {
    request.extensions.get::<Peer>().map(|Peer(address)| address.ip())
}

/// How a request came.
pub(super) fn way(request: &Parts) -> Way {
    forwarded::way(address(request), &request.uri, &request.headers)
}

/// A right credential was shown with this request.
pub(super) fn know_socket(request: &Parts) {
    if let Some(place) = request.extensions.get::<SocketPlace>() {
        place.know();
    }
}

/// The credential that a request shows.
pub(super) fn token(headers: &HeaderMap) -> Option<Secret> {
    let value = headers.get(header::AUTHORIZATION)?;
    // Another scheme, or one that is not text, is a credential all the same: a wrong one.
    let token = value
        .to_str()
        .ok()
        .and_then(|value| value.split_once(' '))
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
    Some(Secret::from(token.map_or("", |(_, token)| token.trim())))
}

pub(super) fn switching(key: &str, subprotocol: bool) -> Response {
    let mut response = StatusCode::SWITCHING_PROTOCOLS.into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
    headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    if let Ok(accept) = HeaderValue::from_str(&derive_accept_key(key.as_bytes())) {
        headers.insert(header::SEC_WEBSOCKET_ACCEPT, accept);
    }
    if subprotocol {
        headers.insert(header::SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(SUBPROTOCOL));
    }
    response
}

/// The socket itself, and what was read from it beyond the request.
pub(super) async fn upgraded(upgrade: Option<OnUpgrade>) -> Option<(TcpStream, Vec<u8>)> {
    let upgraded = match upgrade?.await {
        Ok(upgraded) => upgraded,
        Err(error) => {
            tracing::debug!(%error, "the peer left during its upgrade");
            return None;
        }
    };
    match upgraded.downcast::<Socket>() {
        Ok(parts) => Some((parts.io.into_inner(), parts.read_buf.to_vec())),
        Err(_) => {
            tracing::error!("an upgrade on something that is not a TCP socket");
            None
        }
    }
}
