//! What carries news between the hosts of a scene, and is killed as they are.

use super::way::Way;
use crate::support::nats::NatsServer;

/// By what the hosts of a scene hear of each other's writes.
pub(super) enum Carrier {
    /// By nothing: each looks into the bucket.
    Looks,
    /// They call each other, each by a way of its own, which nobody else goes.
    Peers(Vec<Link>),
    /// A NATS server.
    Nats(NatsServer),
}

/// The way on which the other hosts call one.
pub(super) struct Link {
    way: Way,
    host: String,
}

impl Carrier {
    pub(super) async fn peers(ports: &[u16]) -> Self {
        let mut links = Vec::new();
        for port in ports {
            let host = format!("http://127.0.0.1:{port}");
            links.push(Link { way: Way::to(&host).await, host });
        }
        Self::Peers(links)
    }

    pub(super) async fn nats() -> Self {
        Self::Nats(NatsServer::start().await)
    }

    /// The arguments of a host with this number.
    pub(super) fn arguments(&self, host: usize) -> Vec<String> {
        match self {
            Self::Looks => vec![],
            Self::Peers(links) => vec!["--advertise-inside".to_owned(), links[host].way.url.clone()],
            Self::Nats(server) => ["--peers", "false", "--nats", &server.url()].map(str::to_owned).to_vec(),
        }
    }

    /// Nothing comes from now on: every connection is cut, and nobody is there for new ones.
    pub(super) fn kill(&mut self) {
        match self {
            Self::Looks => {}
            Self::Peers(links) => {
                // A port that is nobody's.
                links.iter().for_each(|link| link.way.lead_to("http://127.0.0.1:1"));
            }
            Self::Nats(server) => server.kill(),
        }
    }

    /// It is back.
    pub(super) async fn begin(&mut self) {
        match self {
            Self::Looks => {}
            Self::Peers(links) => links.iter().for_each(|link| link.way.lead_to(&link.host)),
            Self::Nats(server) => server.begin().await,
        }
    }

    /// Whether there is one.
    pub(super) fn is_there(&self) -> bool {
        !matches!(self, Self::Looks)
    }
}
