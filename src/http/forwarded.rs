//! Where a request comes from when proxies stand in between.
//!
//! Each proxy adds the address that it was reached from to the end of `X-Forwarded-For`. Anybody may send that header, so it is
//! believed only from the end, and only as far as it was written by [proxies](ProxyNet) that the operator trusts: the last
//! address in it that is none of theirs is the client's. What limits by address then counts clients, and not the proxy.

use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

use axum::http::HeaderMap;
use ipnet::IpNet;

/// The address of a trusted proxy, or a network of them, such as `10.0.0.7`, `10.0.0.0/8` or `fd00::/8`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProxyNet(IpNet);

/// A text that is no address and no network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("write an IP address or a network, such as 10.0.0.7 or 10.0.0.0/8")]
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

/// The client's address: the peer's, or what the trusted proxies say. The port of a client behind one is not known: 0.
#[must_use]
pub fn client(peer: SocketAddr, headers: &HeaderMap, trusted: &[ProxyNet]) -> SocketAddr {
    let is_trusted = |address: IpAddr| trusted.iter().any(|ProxyNet(net)| net.contains(&address.to_canonical()));
    if !is_trusted(peer.ip()) {
        return peer;
    }
    let mut client = peer;
    for header in headers.get_all("x-forwarded-for").iter().rev() {
        for hop in header.to_str().unwrap_or("?").rsplit(',') {
            // What is no address was not written by a proxy that we trust: whoever reached it is not known any closer.
            let Some(hop) = address(hop.trim()) else { return client };
            client = SocketAddr::new(hop, 0);
            if !is_trusted(hop) {
                return client;
            }
        }
    }
    client
}

/// With a port or brackets, as some proxies write them.
fn address(text: &str) -> Option<IpAddr> {
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
}
