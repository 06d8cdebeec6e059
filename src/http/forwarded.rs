//! Where a request comes from when proxies stand in between.
//!
//! Each proxy adds the address that it was reached from to the end of `X-Forwarded-For`. Anybody may send that header, so it is
//! believed only from the end, and only as far as it was written by [proxies](ProxyNet) that the operator trusts: the last
//! address in it that is none of theirs is the client's. What limits by address then counts clients, and not the proxy.

use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

use axum::http::request::Parts;
use axum::http::uri::Authority;
use axum::http::{HeaderMap, Uri, header};
use ipnet::IpNet;

use crate::access::Way;

/// The address of a trusted proxy, or a network of them, such as `10.0.0.7`, `10.0.0.0/8` or `fd00::/8`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProxyNet(IpNet);

/// The text is not an IP address and not a network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an IP address or a network: write for example 10.0.0.7 or 10.0.0.0/8")]
pub struct BadProxyNet;

impl FromStr for ProxyNet {
    type Err = BadProxyNet;

    fn from_str(text: &str) -> Result<Self, BadProxyNet> {
        let one = text.parse::<IpAddr>().map(IpNet::from);
        one.or_else(|_| text.parse()).map(Self).map_err(|_| BadProxyNet)
    }
}

impl std::fmt::Display for ProxyNet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

/// The address that a request came from, behind whatever proxies are trusted: [`client`]'s answer, put into the extensions of
/// the request by what serves its socket. A request without one comes from within the process.
#[derive(Debug, Clone, Copy)]
pub struct Peer(pub SocketAddr);

/// Where a request came from; `None`: from within the process.
pub(super) fn address(request: &Parts) -> Option<IpAddr> {
    request.extensions.get::<Peer>().map(|Peer(address)| address.ip())
}

/// How a request came: straight from a program of this machine, or by way of others.
pub(super) fn way(request: &Parts) -> Way {
    way_of(address(request), &request.uri, &request.headers)
}

/// Whether an address is a trusted proxy's.
#[must_use]
pub fn is_trusted(address: IpAddr, trusted: &[ProxyNet]) -> bool {
    trusted.iter().any(|ProxyNet(net)| net.contains(&address.to_canonical()))
}

/// The address of the client behind a request: the peer's, or the one that trusted proxies name. The port of a client behind a
/// proxy is not known, and given as 0.
#[must_use]
pub fn client(peer: SocketAddr, headers: &HeaderMap, trusted: &[ProxyNet]) -> SocketAddr {
    if !is_trusted(peer.ip(), trusted) {
        return peer;
    }
    let mut client = peer;
    for header in headers.get_all("x-forwarded-for").iter().rev() {
        for hop in header.to_str().unwrap_or("?").rsplit(',') {
            // What is no address was not written by a proxy that we trust: whoever reached it is not known any closer.
            let Some(hop) = read_address(hop.trim()) else { return client };
            client = SocketAddr::new(hop, 0);
            if !is_trusted(hop, trusted) {
                return client;
            }
        }
    }
    client
}

/// Headers that proxies write into a request which they pass on.
const WRITTEN_BY_PROXIES: [&str; 7] =
    ["forwarded", "via", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-forwarded-server", "x-real-ip"];

/// How a request came that this client sent; `None`: it was sent within the process. It came straight from this machine if its
/// client's address is a loopback one, no proxy wrote into its head, and the host was called by a loopback name. A page that
/// had its own name point to this machine calls the host by that name, and a proxy that writes nothing into the head as a rule
/// passes on by which name it was called; one that does neither cannot be told from a program of this machine.
#[must_use]
fn way_of(client: Option<IpAddr>, uri: &Uri, headers: &HeaderMap) -> Way {
    let is_near = client.is_none_or(|address| address.to_canonical().is_loopback());
    let is_passed_on = WRITTEN_BY_PROXIES.iter().any(|name| headers.contains_key(*name));
    let mut names = headers.get_all(header::HOST).iter().map(|name| name.as_bytes()).peekable();
    // HTTP/2 has the name in the URI.
    let is_named = names.peek().is_some() || uri.authority().is_some();
    let calls_this_machine = names.all(|name| Authority::try_from(name).is_ok_and(|name| is_loopback_name(&name)))
        && uri.authority().is_none_or(is_loopback_name);
    if is_near && !is_passed_on && is_named && calls_this_machine { Way::Direct } else { Way::Relayed }
}

/// Whether a host name means the machine itself: `localhost`, or a loopback address, with any port.
#[must_use]
pub fn is_loopback_name(name: &Authority) -> bool {
    let name = name.host();
    let bare = name.strip_prefix('[').and_then(|name| name.strip_suffix(']')).unwrap_or(name);
    name.eq_ignore_ascii_case("localhost") || bare.parse::<IpAddr>().is_ok_and(|it| it.to_canonical().is_loopback())
}

/// An address as some proxies write it, with a port or brackets.
fn read_address(text: &str) -> Option<IpAddr> {
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    bare.parse().ok().or_else(|| text.parse::<SocketAddr>().ok().map(|address| address.ip()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(peer: &str, forwarded: &[&str]) -> String {
        let trusted = ["10.0.0.0/8", "fd00::/8", "192.0.2.7"].map(|net| net.parse().unwrap());
        let mut headers = HeaderMap::new();
        for value in forwarded {
            headers.append("x-forwarded-for", value.parse().unwrap());
        }
        client(format!("{peer}:4000").parse().unwrap(), &headers, &trusted).ip().to_string()
    }

    #[test]
    fn the_last_address_that_is_no_trusted_proxy_is_the_clients() {
        for (peer, forwarded, client) in [
            ("198.51.100.1", &["203.0.113.9"][..], "198.51.100.1"),
            ("10.0.0.1", &[], "10.0.0.1"),
            ("10.0.0.1", &["203.0.113.9"], "203.0.113.9"),
            ("10.0.0.1", &["1.1.1.1, 203.0.113.9"], "203.0.113.9"),
            ("10.0.0.1", &["203.0.113.9, 192.0.2.7, 10.9.9.9"], "203.0.113.9"),
            ("10.0.0.1", &["1.1.1.1", "203.0.113.9,10.2.2.2"], "203.0.113.9"),
            ("10.0.0.1", &["10.3.3.3, 10.2.2.2"], "10.3.3.3"),
            ("10.0.0.1", &["203.0.113.9, unknown, 10.2.2.2"], "10.2.2.2"),
            ("10.0.0.1", &["203.0.113.9:5555"], "203.0.113.9"),
            ("[fd00::1]", &["[2001:db8::1]:443"], "2001:db8::1"),
            ("[fd00::1]", &["2001:db8::1"], "2001:db8::1"),
            ("[::ffff:10.0.0.1]", &["203.0.113.9"], "203.0.113.9"),
        ] {
            assert_eq!(seen(peer, forwarded), client, "{peer} {forwarded:?}");
        }
        for bad in ["", "10.0.0.0/33", "proxy.example", "10.0.0"] {
            assert_eq!(bad.parse::<ProxyNet>(), Err(BadProxyNet), "{bad}");
        }
    }

    /// S124: only what comes from a loopback address, under a loopback name and past no proxy comes straight from this machine.
    #[test]
    fn whatever_a_proxy_or_another_name_is_between_does_not_come_from_this_machine() {
        let came = |client: Option<&str>, uri: &str, headers: &[(&'static str, &str)]| {
            let mut head = HeaderMap::new();
            for (name, value) in headers {
                head.append(*name, value.parse().unwrap());
            }
            way_of(client.map(|client| client.parse().unwrap()), &uri.parse().unwrap(), &head)
        };
        let near = Some("127.0.0.1");
        for host in ["localhost", "LocalHost:7420", "127.0.0.1:7420", "127.8.9.1", "[::1]:7420", "[::ffff:127.0.0.1]:1"]
        {
            assert_eq!(came(near, "/", &[("host", host)]), Way::Direct, "{host}");
            assert_eq!(came(near, &format!("http://{host}/"), &[]), Way::Direct, "{host} by HTTP/2");
        }
        for client in [None, Some("::1"), Some("::ffff:127.0.0.1")] {
            assert_eq!(came(client, "/", &[("host", "localhost")]), Way::Direct, "{client:?}");
        }
        for client in ["192.0.2.7", "10.0.0.1", "::ffff:192.0.2.7", "2001:db8::1"] {
            assert_eq!(came(Some(client), "/", &[("host", "localhost")]), Way::Relayed, "{client}");
        }
        for host in
            ["share.example.org", "localhost.example.org", "127.0.0.1.example.org", "192.0.2.7", "0.0.0.0:7420", ""]
        {
            assert_eq!(came(near, "/", &[("host", host)]), Way::Relayed, "{host}");
        }
        assert_eq!(came(near, "/", &[]), Way::Relayed, "HTTP/1.0 without a name");
        assert_eq!(came(near, "/", &[("host", "localhost"), ("host", "share.example.org")]), Way::Relayed);
        assert_eq!(came(near, "http://share.example.org/", &[("host", "localhost")]), Way::Relayed);
        for name in WRITTEN_BY_PROXIES {
            assert_eq!(came(near, "/", &[("host", "localhost"), (name, "127.0.0.1")]), Way::Relayed, "{name}");
        }
    }
}
