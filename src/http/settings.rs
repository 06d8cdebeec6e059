//! What an operator sets of the HTTP side: doors, sockets, and OpenCode's API.

use std::num::NonZeroU32;
use std::time::Duration;

use crate::share::id::AccountId;

/// Who may come in by HTTP, how often, and how much the requests of a host hold together.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct DoorSettings {
    /// Origins of web pages that may connect, such as `https://example.org`, besides the host's own. A request without an
    /// `Origin` header comes from no web page and is not asked for one. Default: no further origins.
    pub origins: Vec<String>,
    /// WebSocket upgrades, streams of events, commands that are posted to `/events/{id}`, and documents of shares that one address
    /// may ask for in a minute; so many may also come at once. Default 6,000.
    pub upgrades_per_minute: NonZeroU32,
    /// Requests with a credential of one account that may come in a minute, from all its addresses together; so many may also come
    /// at once. They are WebSocket upgrades, streams of events, posted commands, documents of shares, and calls of OpenCode's API.
    /// Default 6,000.
    pub account_upgrades_per_minute: NonZeroU32,
    /// How long the body of a request may take, from its first byte to its last; a slower one is answered 408. Default 60 s:
    /// 64 MiB at 10 Mbit/s.
    pub body_within: Duration,
    /// Bytes that the bodies of all requests may hold at once; never less than two of the largest bodies need. One address without
    /// a credential may hold a half of it, all such addresses together three quarters, and one account a half. Default 256 MiB: four
    /// of the largest bodies.
    pub bodies_bytes_max: usize,
    /// Whole documents of shares (JSON, Markdown and OpenCode's data) that are being sent at once, shared among addresses and
    /// accounts as [`DoorSettings::bodies_bytes_max`] is. Default 64: a list of 100,000 texts has 4 MB, so together they hold 256 MB,
    /// besides values that have since been replaced.
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

/// How OpenCode's API behaves.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct OpenCodeSettings {
    /// The account that shares belong to which are created at `/api/share` without a credential, on a host that needs one:
    /// OpenCode sends none to its `enterprise.url`. Everybody who reaches the port may then create new shares of this account, and write
    /// to and delete those whose secret they have. Default `None`: such requests are answered 401.
    pub account: Option<AccountId>,
    /// Bytes that the body of one request may have, as sent and when unpacked. Default 64 MiB: OpenCode sends a whole session in
    /// one request, and of 248 whole sessions of one user the mean was 0.6 MB and the largest 263 MB, of attachments.
    pub request_bytes_max: usize,
    /// Requests that one address may make in a minute; so many may also come at once. Default 60,000: one client makes one a
    /// second, and behind a proxy a thousand clients have one address.
    pub requests_per_minute: NonZeroU32,
}

impl Default for OpenCodeSettings {
    fn default() -> Self {
        let often = NonZeroU32::new(60_000).unwrap_or(NonZeroU32::MIN);
        Self { account: None, request_bytes_max: 64 << 20, requests_per_minute: often }
    }
}

/// How many sockets the host keeps, and for how long those that ask for nothing.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct SocketSettings {
    /// How long a socket may take from its accept until its first request's head is complete, in HTTP/1.1 and in HTTP/2. On
    /// HTTP/1.1 also how long each later head may take, with the pause before it. Default 10 s.
    pub head_within: Duration,
    /// How long a connection of HTTP/2 may be without a request under way, after its first one; then it is asked to end, and closed
    /// `head_within` later at the latest. Default 60 s.
    pub idle_within: Duration,
    /// Sockets that may be open besides those of admitted connections: for requests of pages and metrics, and for upgrades that are
    /// under way. Default 1,024.
    pub besides_max: usize,
    /// Connections that may wait in the kernel to be accepted: after a proxy's restart all viewers come at once. The system may
    /// lower it (`net.core.somaxconn`, 4,096 on Linux). Default 4,096.
    pub backlog: u32,
    /// Files and sockets that the process may have open. If the connections that the hub's settings allow do not fit, fewer are
    /// admitted. Default `None`: what the system lets the process have when the host begins to listen.
    pub descriptors_max: Option<usize>,
}

impl Default for SocketSettings {
    fn default() -> Self {
        Self {
            head_within: Duration::from_secs(10),
            idle_within: Duration::from_secs(60),
            besides_max: 1_024,
            backlog: 4_096,
            descriptors_max: None,
        }
    }
}
