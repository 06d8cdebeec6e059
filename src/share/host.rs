//! The hosts of a deployment as they are told: their ids, where they are reached, and what they say of themselves.

use std::fmt;
use std::sync::Arc;

use crate::share::id::HostId;
use crate::share::limits::hosts::HOST_URL_BYTES_MAX;
use crate::share::time::Timestamp;

/// The URL at which a host is reached, by clients and by other hosts: `http://` or `https://`, a name or an address, and perhaps a
/// port. It has no path, no query and no credential, and does not end in a slash.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct HostUrl(Arc<str>);

/// A text is no URL of a host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "invalid URL of a host: write http:// or https://, a name or an address, and perhaps a port, such as https://a.example.org:7420, \
     without a path"
)]
pub struct BadHostUrl;

impl HostUrl {
    /// The URL as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether what is sent there is encrypted: the URL begins with `https`.
    #[must_use]
    pub fn is_secure(&self) -> bool {
        self.0.starts_with("https://")
    }
}

impl std::str::FromStr for HostUrl {
    type Err = BadHostUrl;

    fn from_str(text: &str) -> Result<Self, BadHostUrl> {
        let text = text.strip_suffix('/').unwrap_or(text);
        let authority = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://")).ok_or(BadHostUrl)?;
        if text.len() <= HOST_URL_BYTES_MAX && is_authority(authority) {
            Ok(Self(text.into()))
        } else {
            Err(BadHostUrl)
        }
    }
}

impl fmt::Display for HostUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for HostUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HostUrl({})", self.0)
    }
}

/// Whether a text is a name or an address, with a port or without.
fn is_authority(text: &str) -> bool {
    let (host, port) = match text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, "")) => (address, None),
        Some((address, rest)) => (address, rest.strip_prefix(':').or(Some(""))),
        None => text.split_once(':').map_or((text, None), |(host, port)| (host, Some(port))),
    };
    let is_v6 = text.starts_with('[');
    let marks: &[u8] = if is_v6 { b":." } else { b".-_" };
    !host.is_empty()
        && host.bytes().all(|b| b.is_ascii_alphanumeric() || marks.contains(&b))
        && port.is_none_or(|port| port.bytes().all(|b| b.is_ascii_digit()) && port.parse::<u16>().is_ok_and(|n| n > 0))
}

/// What a host of a deployment says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct HostInfo {
    /// Its id, which each start makes anew.
    pub id: HostId,
    /// Where clients and other hosts reach it; empty if it did not say.
    pub urls: Vec<HostUrl>,
    /// The version of its program.
    pub version: String,
    /// When it was started, by its own clock.
    pub since: Timestamp,
    /// Whether it takes no new work, and sends its clients elsewhere.
    pub draining: bool,
    /// Number of shares that it has in memory.
    pub shares: u64,
    /// Number of connections that it has.
    pub connections: u64,
    /// Milliseconds by which its machine's clock is ahead of the bucket's, at least; negative if it is behind. `None` if that is
    /// not known.
    pub clock_ahead_ms: Option<i64>,
}

impl HostInfo {
    /// A host of this id, which says nothing else of itself.
    #[must_use]
    pub fn of(id: HostId) -> Self {
        Self {
            id,
            urls: Vec::new(),
            version: String::new(),
            since: Timestamp(0),
            draining: false,
            shares: 0,
            connections: 0,
            clock_ahead_ms: None,
        }
    }
}

/// A host of a deployment, as the host that was asked knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct HostStanding {
    /// What it says of itself.
    pub info: HostInfo,
    /// Whether it is the host that was asked.
    pub is_asked: bool,
    /// Whether there is a connection between it and the host that was asked.
    pub is_linked: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_of_a_host_is_a_scheme_a_name_and_perhaps_a_port() {
        for good in
            ["http://a", "https://a.example.org", "http://10.0.0.7:7420", "https://[fe80::1]:443", "http://[::1]"]
        {
            assert_eq!(good.parse::<HostUrl>().map(|url| url.to_string()).as_deref(), Ok(good));
        }
        assert_eq!("https://a.example.org/".parse::<HostUrl>().unwrap().as_str(), "https://a.example.org");
        let long = format!("http://{}", "a".repeat(HOST_URL_BYTES_MAX));
        for bad in [
            "",
            "a",
            "a:7420",
            "ws://a",
            "http://",
            "http:///",
            "http://a/b",
            "http://a?b",
            "http://a#b",
            "http://u:p@a",
            "http://a:",
            "http://a:0",
            "http://a:70000",
            "http://a:7x",
            "http://[::1",
            "http://[]:1",
            "http://[::1]x",
            "http://a b",
            &long,
        ] {
            assert!(bad.parse::<HostUrl>().is_err(), "{bad}");
        }
        let (plain, secure): (HostUrl, HostUrl) = ("http://a".parse().unwrap(), "https://a".parse().unwrap());
        assert!(secure.is_secure() && !plain.is_secure());
    }
}
