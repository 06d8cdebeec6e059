//! One viewer that takes server-sent events where HTTP keeps the socket, as HTTP/2 does, whose connections have other requests
//! too: its events are the body of an answer. On HTTP/1 a stream has a socket of its own, as a WebSocket has (see [`life`](super::life)).
//!
//! A [`Stream`] is what the answer's body is made of, and holds all that the viewer has: its place in the registry, in the
//! audience and among the [`streams`](crate::viewer::streams) of whoever it is. HTTP asks it for the next bytes when there is
//! room for them, and drops it when the request is gone. The first bytes are a comment, at once, so that whatever stands in
//! between lets the answer through. It ends with an `__error` event if the host ends it, and never because it is quiet.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use futures::future::BoxFuture;
use tokio::net::TcpStream;

use crate::connections::close::CloseReason;
use crate::connections::registry::Connection;
use crate::rooms::feed::Feed;
use crate::share::error::Refusal;
use crate::viewer::channel::Channel;
use crate::viewer::form::{Form, chunk, content_of};
use crate::viewer::frame;
use crate::viewer::life::Viewers;
use crate::viewer::life::leaving::in_words;
use crate::viewer::life::viewer::Viewer;
use crate::viewer::member::Members;
use crate::viewer::packing::{BEGIN, Joined, Packed};
use crate::viewer::socket::Transport;
use crate::viewer::streams::Place;
use crate::viewer::uplink::Defaults;

/// The first bytes of a stream of events: a comment, and after how many milliseconds a browser comes back.
const OPENING: &[u8] = b": capshare\nretry: 2000\n\n";

/// A viewer that was admitted to a stream of events, before it is clear whether that has a socket of its own.
#[derive(Debug)]
pub struct Admitted {
    channel: Channel,
    place: Option<Place>,
    connection: Connection,
}

/// A stream of events as the body of an answer.
pub struct Stream {
    channel: Channel,
    _place: Option<Place>,
    /// What was sent, if it goes out packed.
    packed: Option<Joined>,
    stage: Stage,
    expiry: Option<BoxFuture<'static, ()>>,
    /// Last, so that its place is given back when all else is.
    connection: Connection,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Opening,
    Open,
    Ended,
}

impl Admitted {
    /// Enters a viewer that was admitted among the members.
    ///
    /// # Errors
    /// The machine has no randomness to give.
    pub fn new(
        viewers: &Viewers,
        members: &Arc<Members>,
        connection: Connection,
        feed: Feed,
        place: Option<Place>,
    ) -> Result<Self, Refusal> {
        let member = members.enter(viewers.hub(), Arc::clone(connection.entry()), &feed)?;
        let channel = Channel::new(Arc::clone(viewers.hub()), member, feed, viewers.settings().heartbeat);
        Ok(Self { channel, place, connection })
    }

    /// Serves the viewer on a socket of its own, after the head of an HTTP/1 answer. `in_chunks`: whether its body is in chunks;
    /// `is_packed`: whether it is packed with gzip.
    pub async fn serve(self, viewers: Arc<Viewers>, tcp: TcpStream, in_chunks: bool, is_packed: bool) {
        let Self { channel, place, connection } = self;
        let mut packed = is_packed.then(Box::<Joined>::default);
        let opening = opening(packed.as_deref_mut());
        let transport = Transport::Events { tcp, in_chunks, packed };
        let mut viewer = Viewer::new(transport, channel, Defaults::new(), Arc::clone(viewers.settings()), connection);
        viewer.torn = if in_chunks { chunk(&opening) } else { opening };
        viewer.place = place;
        viewers.serve(viewer).await;
    }
}

impl Stream {
    /// Makes the stream the body of an answer.
    #[must_use]
    pub fn new(viewers: &Viewers, Admitted { channel, place, connection }: Admitted, is_packed: bool) -> Self {
        let (entry, hub) = (Arc::clone(connection.entry()), Arc::clone(viewers.hub()));
        let may_expire = entry.principal.is_some();
        let expiry: BoxFuture<'static, ()> =
            Box::pin(async move { hub.connections().close_when_expired(&entry).await });
        let packed = is_packed.then(Joined::default);
        Self { channel, _place: place, packed, stage: Stage::Opening, expiry: may_expire.then_some(expiry), connection }
    }

    /// The next bytes; `None` after the last. Dropping the future loses nothing.
    pub async fn next(&mut self) -> Option<Bytes> {
        let bytes = match self.stage {
            Stage::Ended => return None,
            Stage::Opening => {
                self.stage = Stage::Open;
                opening(self.packed.as_mut())
            }
            Stage::Open => self.tell().await,
        };
        self.connection.traffic.sent(bytes.len());
        Some(bytes)
    }

    async fn tell(&mut self) -> Bytes {
        let down = tokio::select! {
            biased;
            () = self.connection.closing() => Err(self.reason()),
            () = expired(&mut self.expiry) => Err(self.reason()),
            down = self.channel.next() => down,
        };
        match down {
            // Closed meanwhile: nothing more is told.
            Ok(_) if self.connection.is_closed() => self.end(&self.reason()),
            Ok(down) => match &mut self.packed {
                Some(sent) => {
                    let Packed { bytes, crc } = self.channel.packed(&down);
                    sent.add(&crc);
                    content_of(&bytes)
                }
                None => self.channel.written(&down, Form::Event),
            },
            Err(refusal) => self.end(&refusal),
        }
    }

    fn end(&mut self, refusal: &Refusal) -> Bytes {
        self.stage = Stage::Ended;
        let last = frame::server_sent(frame::ended(refusal).as_bytes(), None);
        match &mut self.packed {
            Some(sent) => [sent.own(&last), sent.end()].concat().into(),
            None => last,
        }
    }

    fn reason(&self) -> Refusal {
        in_words(self.connection.close_reason().unwrap_or(&CloseReason::FAULT))
    }
}

/// The first bytes of a body.
fn opening(packed: Option<&mut Joined>) -> Bytes {
    match packed {
        Some(sent) => [BEGIN, &sent.own(OPENING)].concat().into(),
        None => Bytes::from_static(OPENING),
    }
}

impl fmt::Debug for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stream").field("channel", &self.channel).field("stage", &self.stage).finish_non_exhaustive()
    }
}

async fn expired(expiry: &mut Option<BoxFuture<'static, ()>>) {
    match expiry {
        Some(expiry) => expiry.await,
        None => std::future::pending().await,
    }
}
