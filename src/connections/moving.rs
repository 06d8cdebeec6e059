//! What the client of a connection is told when its host drains: that it is to go to another host, and by when.
//!
//! [`Connections::drain`](crate::connections::Connections::drain) gives each connection a [`Moving`] of its own, at a time of its
//! own; the connection's door finds it by [`Entry::moving`](crate::connections::entry::Entry::moving), is woken by
//! [`Entry::moves`](crate::connections::entry::Entry::moves), and tells the client in the words of its protocol. A client that
//! understands connects to one of the URLs, and leaves this connection when it is there. One that does not is closed with 1012
//! after [`Moving::within`], when its calls are answered, and comes back by itself.

use std::time::Duration;

use crate::share::host::HostUrl;

/// One telling of a connection that it is to move.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Moving {
    /// Which drain of the host it belongs to, from 1 on: a connection that stayed because a drain was taken back is told anew by
    /// the next one.
    pub drain: u64,
    /// URLs of other hosts, of which a random one is the first: at most
    /// [`HOST_URLS_TOLD_MAX`](crate::share::limits::hosts::HOST_URLS_TOLD_MAX). Empty if none is known; the URL that the client knows may
    /// lead to another host all the same, through what stands in front of them.
    pub urls: Vec<HostUrl>,
    /// After this time the connection is closed with 1012, once its calls are answered.
    pub within: Duration,
    /// After which time a client that can do nothing but wait and connect again, such as the `EventSource` of a browser, is to do
    /// that: 0.2 to 3 s, at random, so that not all come at once.
    pub retry: Duration,
}
