//! The doors: what is asked before a WebSocket upgrade is answered 101, and where its socket goes then.
//!
//! In this order, each with its own answer: is it an upgrade (426), may its origin (403), does it come too often (429), is
//! this its door and its protocol (400), who is it (401), does its account come too often (429), for viewers: is the share
//! there (404) and may it be seen (401), and is there room (429). Nothing is registered and no byte of the body is looked at before the last of them.
//! The connection is then pending, and admitted by what serves it, on the socket: whoever may not come in after all is
//! closed with a code.

use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU32;
use std::sync::Arc;

use async_tungstenite::WebSocketStream;
use async_tungstenite::tungstenite::handshake::derive_accept_key;
use async_tungstenite::tungstenite::protocol::Role;
use axum::extract::{Path, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_util::compat::TokioAsyncReadCompatExt as _;
use tokio_util::task::TaskTracker;

use crate::contract::{SUBPROTOCOL, SUBPROTOCOL_PREFIX};
use crate::http::opencode::{self, OpenCode, OpenCodeSettings};
use crate::http::reply;
use crate::hub::Hub;
use crate::hub::access::{Credential, Principal, failures};
use crate::hub::audit;
use crate::hub::metrics::ReasonLabel;
use crate::hub::registry::{Door, Pending};
use crate::hub::visibility::Viewing;
use crate::rpc::worker::Workers;
use crate::share::error::Refusal;
use crate::share::grant::GrantToken;
use crate::share::id::AccountId;
use crate::share::secret::Secret;
use crate::viewer::frame;
use crate::viewer::ws::{self, ViewerSettings};

/// Who may knock.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct DoorSettings {
    /// Origins of web pages that may connect, such as `https://example.org`, besides the host's own. Requests without an
    /// `Origin` header come from no web page and pass. Default: none.
    pub origins: Vec<String>,
    /// Upgrades that one address may ask for in a minute, and at once. Default 6,000.
    pub upgrades_per_minute: NonZeroU32,
    /// The same for one account, from whatever addresses; those without a credential do not count. Default 6,000.
    pub account_upgrades_per_minute: NonZeroU32,
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
            opencode: OpenCodeSettings::default(),
        }
    }
}

/// The doors of one host.
#[derive(Debug)]
pub struct Doors {
    /// Whose shares.
    pub hub: Arc<Hub>,
    workers: Workers,
    settings: DoorSettings,
    viewer: ViewerSettings,
    /// By address. Those not heard of lately are forgotten once a minute.
    upgrades: DefaultKeyedRateLimiter<IpAddr>,
    /// By account, likewise.
    account_upgrades: DefaultKeyedRateLimiter<AccountId>,
    pub(super) opencode: OpenCode,
    /// What goes on though nobody waits for its answer any more; a shutdown waits for it.
    pub(super) tasks: TaskTracker,
}

/// The address that a request came from, put into its extensions by whoever accepted the socket.
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
        let opencode = OpenCode::new(&settings.opencode);
        Arc::new(Self { hub, workers, settings, viewer, upgrades, account_upgrades, opencode, tasks })
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
    fn knock(&self, request: &Parts) -> Result<String, Refusal> {
        let key = upgrade_key(request)?;
        self.check_origin(&request.headers)?;
        if let Some(Peer(address)) = request.extensions.get::<Peer>() {
            self.check_rate(address.ip())?;
        }
        check_query(request.uri.query().unwrap_or_default())?;
        Ok(key)
    }

    pub(super) fn check_origin(&self, headers: &HeaderMap) -> Result<(), Refusal> {
        let Some(origin) = headers.get(header::ORIGIN) else { return Ok(()) };
        let origin = origin.to_str().unwrap_or_default();
        let own = self.hub.public_url();
        let own = own.splitn(4, '/').take(3).collect::<Vec<_>>().join("/");
        if origin == own || self.settings.origins.iter().any(|allowed| allowed == origin) {
            return Ok(());
        }
        let reason = "web pages of this origin may not connect: allow it with --origin";
        Err(Refusal::UpgradeFailed { status: 403, reason: reason.into() })
    }

    fn check_rate(&self, address: IpAddr) -> Result<(), Refusal> {
        let max = self.settings.upgrades_per_minute.get() as usize;
        self.upgrades.check_key(&address).map_err(|_| Refusal::limit("upgradesPerMinute", max, max + 1))
    }

    pub(super) fn check_account(&self, who: &Principal) -> Result<(), Refusal> {
        let max = self.settings.account_upgrades_per_minute.get() as usize;
        if who.credential == Credential::None || self.account_upgrades.check_key(&who.account).is_ok() {
            return Ok(());
        }
        Err(Refusal::limit("accountUpgradesPerMinute", max, max + 1))
    }

    /// Lets somebody in who comes to look at a share: by the id, with what the request shows. Whether that needs to be
    /// anything, the share says.
    pub(super) async fn enter(&self, id: &str, request: &Parts) -> Result<(Viewing, Option<Principal>), Refusal> {
        // One that shows a credential is known by it, and goes when it is revoked.
        let shown = token(&request.headers);
        let (grant, credential) = match shown {
            Some(token) if token.reveal().starts_with(GrantToken::PREFIX) => (Some(token), None),
            shown => (None, shown),
        };
        let principal = match credential {
            Some(token) => {
                let authenticating = self.hub.authenticate(Some(&token));
                Some(self.hub.failures().guard(address(request), true, authenticating).await?)
            }
            None => None,
        };
        principal.iter().try_for_each(|who| self.check_account(who))?;
        let viewing = self.hub.enter(id, principal.as_ref(), grant.as_ref()).await?;
        Ok((viewing, principal))
    }

    pub(super) fn refuse(&self, door: &str, request: &Parts, refusal: &Refusal) -> Response {
        self.refuse_with(door, request, refusal, json!({}))
    }

    /// The same, with further facts.
    pub(super) fn refuse_with(&self, door: &str, request: &Parts, refusal: &Refusal, facts: Value) -> Response {
        let from = request.extensions.get::<Peer>().map_or_else(String::new, |Peer(address)| address.to_string());
        audit::refused(from, door, refusal);
        let reason = frame::code(refusal);
        self.hub.metrics().requests_refused.get_or_create(&ReasonLabel { reason }).inc();
        let mut response = reply::refused_with(refusal, facts);
        if response.status() == StatusCode::TOO_MANY_REQUESTS {
            // After this long there is a place for one more.
            let settings = &self.settings;
            let per_minute = if let Refusal::LimitExceeded { limit, max, .. } = refusal {
                match limit.as_ref() {
                    failures::LIMIT | opencode::RATE_LIMIT => *max,
                    "accountUpgradesPerMinute" => u64::from(settings.account_upgrades_per_minute.get()),
                    _ => u64::from(settings.upgrades_per_minute.get()),
                }
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
        Err(refusal) => doors.refuse(Door::Rpc.as_str(), &request, &refusal),
    }
}

async fn rpc_admission(doors: &Doors, request: &Parts) -> Result<(String, Pending), Refusal> {
    let key = doors.knock(request)?;
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
    let address = address(request);
    let introducing = doors.hub.introduce(token.as_ref(), in_band);
    let principal = doors.hub.failures().guard(address, token.is_some(), introducing).await?;
    principal.iter().try_for_each(|who| doors.check_account(who))?;
    let pending = doors.hub.register(Door::Rpc, principal)?;
    address.map(|address| pending.address.set(address));
    Ok((key, pending))
}

/// `/ws/{id}`.
pub async fn viewer(State(doors): State<Arc<Doors>>, Path(id): Path<String>, request: Request) -> Response {
    let (mut request, _) = request.into_parts();
    match viewer_admission(&doors, &id, &request).await {
        Ok((key, pending, feed)) => {
            let upgrade = request.extensions.remove::<OnUpgrade>();
            tokio::spawn(async move {
                if let Some((socket, received)) = upgraded(upgrade).await {
                    let config = Some(ws::socket_config());
                    let socket =
                        WebSocketStream::from_partially_read(socket.compat(), received, Role::Server, config).await;
                    ws::serve(&doors.hub, pending, feed, socket, doors.viewer).await;
                }
            });
            switching(&key, false)
        }
        Err(refusal) => doors.refuse(Door::Viewer.as_str(), &request, &refusal),
    }
}

async fn viewer_admission(
    doors: &Doors,
    id: &str,
    request: &Parts,
) -> Result<(String, Pending, crate::hub::feed::Feed), Refusal> {
    let key = doors.knock(request)?;
    if offered(&request.headers).iter().any(|name| name.starts_with(SUBPROTOCOL_PREFIX)) {
        return Err(Refusal::RouteMismatch { route: "/ws/{id}".into() });
    }
    let (Viewing { room, pass }, principal) = doors.enter(id, request).await?;
    let feed = doors.hub.follow(&room, 0).await?.within(pass);
    Ok((key, doors.hub.register(Door::Viewer, principal)?, feed))
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
fn upgrade_key(request: &Parts) -> Result<String, Refusal> {
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
fn offered(headers: &HeaderMap) -> Vec<&str> {
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

fn switching(key: &str, subprotocol: bool) -> Response {
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
async fn upgraded(upgrade: Option<OnUpgrade>) -> Option<(TcpStream, Vec<u8>)> {
    let upgraded = match upgrade?.await {
        Ok(upgraded) => upgraded,
        Err(error) => {
            tracing::debug!(%error, "the peer left during its upgrade");
            return None;
        }
    };
    match upgraded.downcast::<TokioIo<TcpStream>>() {
        Ok(parts) => Some((parts.io.into_inner(), parts.read_buf.to_vec())),
        Err(_) => {
            tracing::error!("an upgrade on something that is not a TCP socket");
            None
        }
    }
}
