//! Whose web pages may connect, and by which names this host is called.
//!
//! A page of another host of the deployment may connect, as it does when that host is away. A page's origin is the host's own if it is
//! the public URL's, or the name by which the page's browser called this host for
//! this very request. The latter is believed of an IP address and of `localhost`, and of any other name only where everybody
//! needs a credential: whoever owns a name can let it lead to another's machine after its page was loaded (DNS rebinding), and
//! would then speak to a host that needs none with all rights of whoever may reach it.

use std::net::IpAddr;

use axum::extract::Request;
use axum::http::uri::{Authority, Uri};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::Response;

use crate::http::doors::Doors;
use crate::http::forwarded::{Peer, is_loopback_name};
use crate::http::head::called;
use crate::http::reply;
use crate::share::error::Refusal;

impl Doors {
    /// Lets a request pass if it comes from no web page, or from one whose origin may connect.
    ///
    /// # Errors
    /// It comes from a web page whose origin may not connect.
    pub(super) fn check_origin(&self, headers: &HeaderMap) -> Result<(), Refusal> {
        let Some(origin) = headers.get(header::ORIGIN) else { return Ok(()) };
        let origin = origin.to_str().unwrap_or_default();
        let public = self.hub.rooms().public_url();
        let public = public.splitn(4, '/').take(3).collect::<Vec<_>>().join("/");
        let may = origin == public
            || self.settings.origins.iter().any(|allowed| allowed == origin)
            || called(headers).is_some_and(|called| is_of_caller(origin, &called, self.needs_credentials()))
            || self.hub.origins().iter().any(|host| host.as_str().eq_ignore_ascii_case(origin));
        if may {
            return Ok(());
        }
        let reason = "web pages of this origin may not connect: open the page under the host's public URL, or start the host \
                      with --origin and this origin";
        Err(Refusal::UpgradeFailed { status: 403, reason: reason.into() })
    }

    /// Guards what a host without credentials tells everybody who reaches it: lets a request pass unless a browser on this machine was
    /// led here by a name that does not belong to this host.
    ///
    /// # Errors
    /// The answer, 421.
    pub(super) fn check_called(&self, request: &Request) -> Result<(), Box<Response>> {
        let is_here =
            request.extensions().get::<Peer>().is_some_and(|Peer(peer)| peer.ip().to_canonical().is_loopback());
        if !is_here || self.needs_credentials() {
            return Ok(());
        }
        let Some(called) = called(request.headers()) else { return Ok(()) };
        let name = called.host();
        let is_named = |url: &String| url.parse::<Uri>().is_ok_and(|url| url.host() == Some(name));
        let is_ours = is_address(name)
            || is_loopback_name(&called)
            || is_named(&self.hub.rooms().public_url().to_owned())
            || self.settings.origins.iter().any(is_named);
        if is_ours {
            return Ok(());
        }
        let reason = format!(
            "this host does not know itself by the name {name:?}: use its IP address, or start it with --public-url or --origin and \
             that name"
        );
        let mut response = reply::refused(&Refusal::invalid(0, reason));
        *response.status_mut() = StatusCode::MISDIRECTED_REQUEST;
        Err(Box::new(response))
    }

    /// Whether everything but looking at shares needs a credential on this host.
    fn needs_credentials(&self) -> bool {
        !self.hub.access().lets_anybody_in() && self.opencode_settings().account.is_none()
    }
}

/// Whether an origin is the name by which the request called this host. `any_name`: names are believed, not only addresses.
fn is_of_caller(origin: &str, called: &Authority, any_name: bool) -> bool {
    let Ok(origin) = origin.parse::<Uri>() else { return false };
    let default_port = match origin.scheme_str() {
        Some("http") => 80,
        Some("https") => 443,
        _ => return false,
    };
    let Some(from) = origin.authority() else { return false };
    let port = |authority: &Authority| authority.port_u16().unwrap_or(default_port);
    if port(from) != port(called) {
        return false;
    }
    // What a browser of this machine calls its own host.
    let are_here = is_loopback_name(from) && is_loopback_name(called);
    are_here || (from.host().eq_ignore_ascii_case(called.host()) && (any_name || is_address(called.host())))
}

fn is_address(host: &str) -> bool {
    address(host).is_some()
}

fn address(host: &str) -> Option<IpAddr> {
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    match bare {
        Some(bare) => bare.parse().ok().filter(IpAddr::is_ipv6),
        None => host.parse().ok().filter(IpAddr::is_ipv4),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_names_of_one_machine_are_one_origin_and_a_foreign_name_is_none() {
        let here = ["localhost:7420", "127.0.0.1:7420", "[::1]:7420"];
        for from in here {
            for called in here {
                assert!(is_of_caller(&format!("http://{from}"), &called.parse().unwrap(), false), "{from} {called}");
            }
        }
        for (origin, called, with_credentials, without) in [
            ("http://192.0.2.7:7420", "192.0.2.7:7420", true, true),
            ("http://[2001:db8::1]:7420", "[2001:db8::1]:7420", true, true),
            ("https://192.0.2.7", "192.0.2.7", true, true),
            ("http://192.0.2.7", "192.0.2.7:80", true, true),
            ("http://192.0.2.7:1", "192.0.2.7:7420", false, false),
            ("http://192.0.2.8:7420", "192.0.2.7:7420", false, false),
            ("http://localhost:3000", "localhost:7420", false, false),
            // Its owner may let it lead here.
            ("http://evil.example:7420", "evil.example:7420", true, false),
            ("http://127.0.0.1.evil.example:7420", "127.0.0.1:7420", false, false),
            ("http://localhost.evil.example:7420", "localhost:7420", false, false),
            ("http://evil.example:7420", "127.0.0.1:7420", false, false),
            ("http://localhost:7420", "evil.example:7420", false, false),
            ("null", "127.0.0.1:7420", false, false),
            ("", "127.0.0.1:7420", false, false),
            ("file://127.0.0.1:7420", "127.0.0.1:7420", false, false),
        ] {
            let called = called.parse().unwrap();
            let is = [is_of_caller(origin, &called, true), is_of_caller(origin, &called, false)];
            assert_eq!(is, [with_credentials, without], "{origin} {called}");
        }
    }
}
