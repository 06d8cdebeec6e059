//! One viewer that takes server-sent events: the same as on a WebSocket, as the body of an HTTP answer.
//!
//! A [`Stream`] is what the answer's body is made of, and holds all that the viewer has: its place in the registry, in the
//! audience and among the [`streams`](crate::viewer::streams) of whoever it is. HTTP asks it for the next bytes when there is
//! room for them, and drops it when the request is gone. The first bytes are a comment, at once, so that whatever stands in
//! between lets the answer through. It ends with an `__error` event if the host ends it, and never because it is quiet.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use futures::future::BoxFuture;

use crate::hub::Hub;
use crate::hub::feed::Feed;
use crate::hub::registry::{CloseReason, Connection};
use crate::share::error::Refusal;
use crate::viewer::ViewerSettings;
use crate::viewer::channel::{Channel, Down};
use crate::viewer::frame;
use crate::viewer::member::Members;
use crate::viewer::streams::Place;

/// What a stream begins with: a comment, and how soon a browser comes back, in milliseconds.
const OPENING: &[u8] = b": capshare\nretry: 2000\n\n";

/// The connection lives.
const HEARTBEAT: &[u8] = b": heartbeat\n\n";

/// One viewer's stream.
pub struct Stream {
    channel: Channel,
    place: Place,
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

impl Stream {
    /// The stream of a viewer that was admitted.
    ///
    /// # Errors
    /// The machine has no randomness to give.
    pub fn new(
        hub: &Arc<Hub>,
        members: &Arc<Members>,
        connection: Connection,
        feed: Feed,
        place: Place,
        settings: ViewerSettings,
    ) -> Result<Self, Refusal> {
        let entry = Arc::clone(connection.entry());
        let member = members.enter(hub, Arc::clone(&entry), &feed)?;
        let channel = Channel::new(Arc::clone(hub), member, feed, settings.heartbeat);
        let may_expire = entry.principal.is_some();
        let hub = Arc::clone(hub);
        let expiry: BoxFuture<'static, ()> = Box::pin(async move { hub.close_when_expired(&entry).await });
        Ok(Self { channel, place, stage: Stage::Opening, expiry: may_expire.then_some(expiry), connection })
    }

    /// The next bytes; `None`: there are no more. Dropping the future loses nothing.
    pub async fn next(&mut self) -> Option<Bytes> {
        let _waiting = self.place.waits();
        let bytes = match self.stage {
            Stage::Ended => return None,
            Stage::Opening => {
                self.stage = Stage::Open;
                Bytes::from_static(OPENING)
            }
            Stage::Open => self.tell().await,
        };
        self.connection.traffic.sent(bytes.len());
        Some(bytes)
    }

    async fn tell(&mut self) -> Bytes {
        let down = tokio::select! {
            biased;
            () = self.connection.closing.cancelled() => Err(self.reason()),
            () = expired(&mut self.expiry) => Err(self.reason()),
            down = self.channel.next() => down,
        };
        match down {
            // Closed meanwhile: nothing more is told.
            Ok(_) if self.connection.is_closed() => self.end(&self.reason()),
            Ok(Down::Event(event)) => self.channel.framed(&event),
            Ok(Down::Frame(text, id)) => frame::server_sent(text.as_bytes(), id),
            Ok(Down::Heartbeat) => Bytes::from_static(HEARTBEAT),
            Err(refusal) => self.end(&refusal),
        }
    }

    fn end(&mut self, refusal: &Refusal) -> Bytes {
        self.stage = Stage::Ended;
        frame::server_sent(frame::ended(refusal).as_bytes(), None)
    }

    fn reason(&self) -> Refusal {
        refusal(self.connection.close_reason().unwrap_or(&CloseReason::FAULT))
    }
}

impl fmt::Debug for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stream").field("channel", &self.channel).field("stage", &self.stage).finish_non_exhaustive()
    }
}

/// What a WebSocket says by its close code, said in words: transient, if the viewer is to come back by itself.
fn refusal(reason: &CloseReason) -> Refusal {
    match reason.code {
        4001 => Refusal::Unauthorized { reason: reason.reason.into() },
        4004 => Refusal::Unspecified { message: reason.reason.into() },
        _ => Refusal::Unavailable { retry_after_ms: 1_000 },
    }
}

async fn expired(expiry: &mut Option<BoxFuture<'static, ()>>) {
    match expiry {
        Some(expiry) => expiry.await,
        None => std::future::pending().await,
    }
}
