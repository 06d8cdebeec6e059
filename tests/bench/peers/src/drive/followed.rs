//! The systems that have viewers: how each is entered, published to, and started.

use std::net::SocketAddr;

use anyhow::Context as _;

use crate::context::Context;
use crate::figure::Figure;
use crate::publish::http::Http;
use crate::publish::shares::Shares;
use crate::publish::{Publisher, names, nats};
use crate::running::Running;
use crate::scene::Contender;
use crate::systems::capshare::Capshare;
use crate::systems::durable_streams::DurableStreams;
use crate::systems::nats::Nats;
use crate::systems::nchan::Nchan;
use crate::systems::socketio::SocketIo;
use crate::viewers::frames;
use crate::viewers::script::Script;

/// A system and one of its doors for viewers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Followed {
    Capshare,
    CapshareEvents,
    Nchan,
    NchanEvents,
    Nats,
    SocketIo,
    DurableStreams,
}

/// All of them, ours first.
pub(crate) const ALL: [Followed; 7] = [
    Followed::Capshare,
    Followed::CapshareEvents,
    Followed::Nchan,
    Followed::NchanEvents,
    Followed::Nats,
    Followed::SocketIo,
    Followed::DurableStreams,
];

impl Followed {
    /// Its name in tables.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Capshare => "capshare WebSocket",
            Self::CapshareEvents => "capshare SSE",
            Self::Nchan => "nchan WebSocket",
            Self::NchanEvents => "nchan SSE",
            Self::Nats => "NATS WebSocket",
            Self::SocketIo => "socket.io",
            Self::DurableStreams => "durable-streams SSE",
        }
    }

    /// It in a scene.
    pub(crate) fn contender(
        self,
        drive: impl Fn(&Context, &Running, Self) -> anyhow::Result<Vec<Figure>> + 'static,
    ) -> Contender {
        let drive = move |context: &Context, running: &Running| drive(context, running, self);
        match self {
            Self::Capshare | Self::CapshareEvents => Contender::new(host(self.name()), drive),
            Self::Nchan | Self::NchanEvents => Contender::new(Nchan(self.name()), drive),
            Self::Nats => Contender::new(Nats(self.name()), drive),
            Self::SocketIo => Contender::new(SocketIo(self.name()), drive),
            Self::DurableStreams => Contender::new(DurableStreams(self.name()), drive),
        }
    }

    /// Where its viewers go.
    pub(crate) fn address(self, running: &Running) -> SocketAddr {
        running.doors.get("viewers").copied().unwrap_or(running.address)
    }

    /// How a topic of it is followed.
    pub(crate) fn script(self, topic: &str) -> Script {
        match self {
            Self::Capshare => Script::web_socket(&format!("/ws/{topic}"), "").then(br#""event":"ready""#, Vec::new()),
            Self::CapshareEvents => Script::events(&format!("/events/{topic}")).then(b"event: ready", Vec::new()),
            Self::Nchan => Script::web_socket(&format!("/sub/{topic}"), ""),
            Self::NchanEvents => Script::events(&format!("/sub/{topic}")).then(b": hi", Vec::new()),
            Self::Nats => {
                let subscribe = format!("CONNECT {{\"verbose\":false}}\r\nSUB {topic} 1\r\nPING\r\n");
                Script::web_socket("/", "")
                    .then(b"INFO ", frames::binary(subscribe.as_bytes()))
                    .then(b"PONG", Vec::new())
                    .answering(b"PING\r\n", frames::binary(b"PONG\r\n"))
            }
            Self::SocketIo => Script::web_socket(&format!("/socket.io/?EIO=4&transport=websocket&room={topic}"), "")
                .then(b"0{", frames::text(b"40"))
                .then(b"40{", Vec::new())
                .answering(b"2", frames::text(b"3")),
            Self::DurableStreams => {
                let script = Script::events(&format!("/{topic}?offset=now&live=sse"));
                Script { comes_back: true, ..script.then(b"event: control", Vec::new()) }
            }
        }
    }

    /// A way in, with so many topics whose names begin with `prefix`; on a `LocalSet`.
    pub(crate) async fn publisher(
        self,
        running: &Running,
        prefix: &str,
        count: usize,
    ) -> anyhow::Result<Box<dyn Publisher>> {
        let (to, topics) = (running.address, names(prefix, count));
        let publisher: Box<dyn Publisher> = match self {
            Self::Capshare | Self::CapshareEvents => Box::new(Shares::create(running, prefix, count).await?),
            Self::Nchan | Self::NchanEvents => Box::new(Http::connect(to, topics, "/pub/", "application/json").await?),
            Self::Nats => Box::new(nats::Nats::connect(to, topics).await?),
            Self::SocketIo => Box::new(Http::connect(to, topics, "/pub/", "text/plain").await?),
            Self::DurableStreams => {
                let streams = Http::connect(to, topics, "/", "text/plain").await?;
                streams.put_all().await.context("the streams could not be made")?;
                Box::new(streams)
            }
        };
        Ok(publisher)
    }
}

/// A host that may have more viewers than by default, as whoever expects so many would start it, and that believes who
/// many clients of one address say that they are. Behind a proxy nobody is of the host's own machine, so it has to be open.
pub(crate) fn host(name: &str) -> Capshare {
    Capshare::new(name).flags(["--connections-max", "20000", "--trusted-proxy", "127.0.0.1", "--open"])
}
