//! Knocking: what every door asks of a request, in one order.
//!
//! | question | no |
//! |---|---|
//! | may pages of its origin do this? (documents and reads of OpenCode's API are for pages of any origin) | 403 |
//! | does its address come too often? | 429 |
//! | is there a credential in its URL, where none belongs? | 401 |
//! | who is it? | 401 |
//! | does its account come too often? | 429 |
//! | where it is about a share: is that there, and may it be seen? | 404, 401 |
//! | where it is to be a connection: is there a place for it? | 429 |
//!
//! [`knock`] asks the first three and gives a [`Knock`], by which alone the others can be asked: so no credential is looked at,
//! and no share, of a request that may not come in anyway. Between them a door asks its own: an upgrade is looked for before all
//! of this (426), and a protocol or a query that is wrong is refused before anybody is asked who they are (400). Until the
//! last question nothing is registered, and no byte of a body is looked at. A connection is then pending; what serves it admits
//! it, on its socket, and closes one that may not come in after all with a code.

use std::net::IpAddr;

use axum::http::request::Parts;
use axum::http::{HeaderMap, Version, header};

use crate::access::{Principal, Way};
use crate::connections::comer::{Comer, Door, Shown};
use crate::connections::registry::Pending;
use crate::connections::sockets::{SocketHold, SocketPlace};
use crate::http::bound::Holder;
use crate::http::doors::Doors;
use crate::http::forwarded::{address, way};
use crate::http::rates::Rate;
use crate::rooms::visibility::Viewing;
use crate::share::error::Refusal;
use crate::share::grant::GrantToken;
use crate::share::id::HostId;
use crate::share::secret::Secret;

/// What a door asks of a request at first.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asks {
    /// Whether a web page must be of an origin that may connect.
    origin: bool,
    /// Where the request is counted.
    rate: Rate,
}

impl Asks {
    /// A connection, or what belongs to one: RPC, the viewer channel, a stream of events and its commands.
    pub(super) const CONNECTION: Self = Self { origin: true, rate: Rate::Upgrades };

    /// A document of a share. Pages of any origin may have one, for a credential never comes by itself.
    pub(super) const DOCUMENT: Self = Self { origin: false, rate: Rate::Upgrades };

    /// A call of OpenCode's API that writes.
    pub(super) const API_WRITE: Self = Self { origin: true, rate: Rate::Api };

    /// A call of OpenCode's API that reads: for pages of any origin, as a document is.
    pub(super) const API_READ: Self = Self { origin: false, rate: Rate::Api };
}

/// A request that passed its door's first questions.
#[derive(Debug)]
pub(super) struct Knock<'a> {
    doors: &'a Doors,
    request: &'a Parts,
    address: Option<IpAddr>,
    way: Way,
    token: Option<Secret>,
}

/// Asks a request the first questions of a door.
///
/// # Errors
/// Pages of its origin may not do this, its address comes too often, or a credential stands in its URL.
pub(super) fn knock<'a>(doors: &'a Doors, request: &'a Parts, asks: Asks) -> Result<Knock<'a>, Refusal> {
    if asks.origin {
        doors.check_origin(&request.headers)?;
    }
    let address = address(request);
    if let Some(address) = address {
        doors.rates.check_address(asks.rate, address)?;
    }
    check_query(request.uri.query().unwrap_or_default())?;
    Ok(Knock { doors, request, address, way: way(request), token: token(&request.headers) })
}

impl Knock<'_> {
    /// Whether the request shows a credential in its header, right or wrong.
    pub(super) fn shows_credential(&self) -> bool {
        self.token.is_some()
    }

    /// The [`Holder`] of what this request takes of a bound: the account of its credential, or its address.
    pub(super) fn holder(&self, who: Option<&Principal>) -> Holder {
        Holder::of(who, self.address)
    }

    /// The principal of a connection of RPC. `in_band`: it may come in without a credential, to show one inside; then there is no
    /// principal yet.
    ///
    /// # Errors
    /// Its credential is wrong, or missing where one is needed; or its account comes too often.
    pub(super) async fn introduce(&self, in_band: bool) -> Result<Option<Principal>, Refusal> {
        let hub = &self.doors.hub;
        let introducing = hub.access().introduce(self.token.as_ref(), in_band, self.way);
        let who = hub.access().failures().guard(self.address, self.shows_credential(), introducing).await?;
        who.iter().try_for_each(|who| self.check_account(who))?;
        Ok(who)
    }

    /// The host of the deployment that calls, by the ticket that it shows.
    ///
    /// # Errors
    /// It shows no ticket, or a wrong one; or the bucket cannot be asked.
    pub(super) async fn admit_host(&self) -> Result<HostId, Refusal> {
        let hub = &self.doors.hub;
        let nothing = Secret::from("");
        let asking = hub.hosts().admit(self.token.as_ref().unwrap_or(&nothing));
        let host = hub.access().failures().guard(self.address, true, asking).await?;
        self.know_socket();
        Ok(host)
    }

    /// Holds the socket of a connection that is in no registry.
    pub(super) fn hold_socket(&self) -> Option<SocketHold> {
        self.socket().map(|place| place.hold(false))
    }

    /// The principal of a request.
    ///
    /// # Errors
    /// Its credential is wrong, or missing where one is needed; or its account comes too often.
    pub(super) async fn authenticate(&self) -> Result<Principal, Refusal> {
        let hub = &self.doors.hub;
        let asking = hub.access().authenticate_from(self.way, self.token.as_ref());
        let who = hub.access().failures().guard(self.address, self.shows_credential(), asking).await?;
        self.check_account(&who)?;
        Ok(who)
    }

    /// The share of this id, if the request may see it, and the principal of its credential. The share's visibility says whether a
    /// credential is needed; a viewer that shows one is closed when it is revoked. A share's token makes nobody a principal.
    ///
    /// # Errors
    /// The credential is wrong, its account comes too often, the share is not there, or it may not be seen.
    pub(super) async fn enter(&self, id: &str) -> Result<(Viewing, Option<Principal>), Refusal> {
        let hub = &self.doors.hub;
        let Some(token) = &self.token else { return Ok((hub.rooms().enter(id, None, None).await?, None)) };
        if token.reveal().starts_with(GrantToken::PREFIX) {
            let entering = hub.rooms().enter(id, None, Some(token));
            let viewing = hub.access().failures().guard(self.address, true, entering).await?;
            self.know_socket();
            return Ok((viewing, None));
        }
        let who = self.authenticate().await?;
        // A credential that is right was not guessed, though it does not let its account see this share.
        Ok((hub.rooms().enter(id, Some(&who), None).await?, Some(who)))
    }

    /// Gives a connection a place, with which its socket keeps its own. `in_band`: it is to show a credential first.
    ///
    /// # Errors
    /// The host has no place for it, or takes no connections any more.
    pub(super) fn register(&self, door: Door, principal: Option<Principal>, in_band: bool) -> Result<Pending, Refusal> {
        // Without a principal, a credential that let a viewer come this far is a share's token.
        let is_granted = principal.is_none() && self.shows_credential();
        let comer = Comer::new(door, principal, self.address, self.way);
        let comer = if in_band {
            comer.showing(Shown::Later)
        } else if is_granted {
            comer.showing(Shown::Credential)
        } else {
            comer
        };
        let pending = self.doors.hub.connections().register(comer)?;
        let is_shared = self.request.version == Version::HTTP_2;
        Ok(pending.holding(self.socket().map(|place| place.hold(is_shared))))
    }

    /// Asks after a right credential: the socket is no stranger's from now on, and the account may come so often.
    fn check_account(&self, who: &Principal) -> Result<(), Refusal> {
        if who.is_somebody() {
            self.know_socket();
        }
        if who.credential.is_shown() { self.doors.rates.check_account(&who.account) } else { Ok(()) }
    }

    fn know_socket(&self) {
        if let Some(place) = self.socket() {
            place.know();
        }
    }

    fn socket(&self) -> Option<&SocketPlace> {
        self.request.extensions.get::<SocketPlace>()
    }
}

/// Refuses a credential in the query of a URL, though it be right: URLs end up in logs.
pub(super) fn check_query(query: &str) -> Result<(), Refusal> {
    let is_named = |name: &str| ["token", "access_token", "jwt", "key"].contains(&name);
    // Ours by their beginning, and JSON Web Tokens by theirs.
    let is_credential = |value: &str| {
        ["captok_", "capsec_", "caphost_", GrantToken::PREFIX, "eyJ"]
            .iter()
            .any(|beginning| value.starts_with(beginning))
    };
    let mut pairs = query.split('&').map(|pair| pair.split_once('=').unwrap_or((pair, "")));
    if pairs.any(|(name, value)| (is_named(name) && !value.is_empty()) || is_credential(value) || is_credential(name)) {
        let reason = "this URL has a token in it, and a URL ends up in logs: send the token as Authorization: Bearer TOKEN, or call authenticate";
        return Err(Refusal::Unauthorized { reason: reason.into() });
    }
    Ok(())
}

/// The credential that the headers of a request show.
fn token(headers: &HeaderMap) -> Option<Secret> {
    let value = headers.get(header::AUTHORIZATION)?;
    // Another scheme, or one that is not text, is a credential all the same: a wrong one.
    let token = value
        .to_str()
        .ok()
        .and_then(|value| value.split_once(' '))
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
    Some(Secret::from(token.map_or("", |(_, token)| token.trim())))
}
