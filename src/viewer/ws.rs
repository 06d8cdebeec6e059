//! One viewer on a WebSocket: the state, then what changes, until either side has enough.
//!
//! Called by the HTTP upgrade with a share that is there and a connection that is to be admitted. The viewer pulls: the next
//! event is taken from its feed when the last one is in the socket, so a slow viewer is told less often and more at once,
//! and one that does not read at all is cut off. Refuses binary frames, which are another door's protocol.

use std::sync::Arc;
use std::time::Duration;

use async_tungstenite::WebSocketStream;
use async_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use async_tungstenite::tungstenite::protocol::{CloseFrame, WebSocketConfig};
use async_tungstenite::tungstenite::{Error as WsError, Message, Utf8Bytes};
use futures::{AsyncRead, AsyncWrite, StreamExt as _};
use tokio::time::{Instant, MissedTickBehavior, interval_at, timeout};

use crate::hub::Hub;
use crate::hub::feed::{Event, Feed};
use crate::hub::registry::{CloseReason, Connection, Entry, Pending};
use crate::share::error::Refusal;
use crate::viewer::frame;

/// How viewers are kept.
#[derive(Debug, Clone, Copy)]
pub struct ViewerSettings {
    /// Between heartbeats. A viewer that is silent for two of them, though each comes with a ping, is gone. Default 30 s.
    pub heartbeat: Duration,
    /// How long a viewer may take no bytes before it is cut off. Default 30 s.
    pub write_stall: Duration,
}

impl Default for ViewerSettings {
    fn default() -> Self {
        Self { heartbeat: Duration::from_secs(30), write_stall: Duration::from_secs(30) }
    }
}

/// A frame that a viewer may send: commands are small.
const FRAME_BYTES_MAX: usize = 64 << 10;

/// The configuration of a viewer's socket: small frames in, and buffers of 4 KiB.
#[must_use]
pub fn socket_config() -> WebSocketConfig {
    WebSocketConfig::default()
        .read_buffer_size(4 << 10)
        .write_buffer_size(4 << 10)
        .max_message_size(Some(FRAME_BYTES_MAX))
        .max_frame_size(Some(FRAME_BYTES_MAX))
}

/// Admits a viewer and serves it until it ends.
pub async fn serve<S>(hub: &Hub, pending: Pending, feed: Feed, socket: WebSocketStream<S>, settings: ViewerSettings)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let entry = Arc::clone(&pending);
    let mut viewer = Viewer { entry, socket, feed, settings, ready: false, heard: Instant::now() };
    let admitted = hub.admit(pending).await;
    let farewell = match &admitted {
        Ok(connection) => follow(hub, connection, &mut viewer).await,
        Err(turned_away) => Some(farewell(&turned_away.reason)),
    };
    if let Some((code, reason)) = farewell {
        let close = viewer.socket.close(Some(CloseFrame { code, reason: Utf8Bytes::from_static(reason) }));
        // A viewer that does not take the farewell is gone all the same.
        let _ = timeout(settings.write_stall, close).await;
    }
}

async fn follow<S>(hub: &Hub, connection: &Connection, viewer: &mut Viewer<S>) -> Farewell
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let ended = tokio::select! {
        biased;
        () = connection.closing.cancelled() => None,
        () = hub.close_when_expired(connection) => None,
        ended = viewer.run() => ended,
    };
    connection.close_reason().map(farewell).or(ended)
}

fn farewell(CloseReason { code, reason }: &CloseReason) -> (CloseCode, &'static str) {
    ((*code).into(), reason)
}

struct Viewer<S> {
    entry: Arc<Entry>,
    socket: WebSocketStream<S>,
    feed: Feed,
    settings: ViewerSettings,
    /// The first state was told to its end.
    ready: bool,
    heard: Instant,
}

/// What to close with; `None`: the socket is not there any more, or not worth it.
type Farewell = Option<(CloseCode, &'static str)>;

impl<S: AsyncRead + AsyncWrite + Unpin> Viewer<S> {
    async fn run(&mut self) -> Farewell {
        let mut heartbeat = interval_at(Instant::now() + self.settings.heartbeat, self.settings.heartbeat);
        heartbeat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while !self.entry.is_closed() {
            let sent = tokio::select! {
                // What the viewer sends comes first: a Close or a pong must not wait for events.
                biased;
                message = self.socket.next() => match self.hear(message).await {
                    Ok(sent) => sent,
                    Err(farewell) => return farewell,
                },
                _ = heartbeat.tick() => {
                    if self.heard.elapsed() > 2 * self.settings.heartbeat {
                        return Some(farewell(&CloseReason::SILENT));
                    }
                    let beat = self.send(Message::Text(Utf8Bytes::from_static(frame::HEARTBEAT))).await;
                    if beat { self.send(Message::Ping(bytes::Bytes::new())).await } else { false }
                }
                event = self.feed.next() => match event {
                    Ok(event) => self.tell(&event).await,
                    Err(refusal) => {
                        self.send(text(frame::ended(&refusal))).await;
                        let may_not = matches!(refusal, Refusal::Unauthorized { .. });
                        return Some(if may_not { farewell(&CloseReason::HIDDEN) } else { (CloseCode::Normal, "the share is gone") });
                    }
                },
            };
            if !sent {
                return None;
            }
        }
        None
    }

    async fn tell(&mut self, event: &Arc<Event>) -> bool {
        let step = event.step();
        let encoded = event.encoded(frame::step);
        // It is UTF-8: it is made of texts.
        let Ok(encoded) = Utf8Bytes::try_from(encoded) else { return false };
        if !self.send(Message::Text(encoded)).await {
            return false;
        }
        if !self.ready && !step.more {
            self.ready = true;
            return self.send(text(frame::ready(step.revision))).await;
        }
        true
    }

    /// Answers what the viewer sent; `Err` ends the channel.
    async fn hear(&mut self, message: Option<Result<Message, WsError>>) -> Result<bool, Farewell> {
        self.heard = Instant::now();
        if let Some(Ok(message)) = &message {
            self.entry.traffic.received(message.len());
        }
        match message {
            Some(Ok(Message::Text(sent))) => {
                let id = serde_json::from_str::<serde_json::Value>(&sent)
                    .ok()
                    .and_then(|mut frame| frame.get_mut("id").map(serde_json::Value::take))
                    .unwrap_or_default();
                let refusal = Refusal::NotYet { feature: "commands of viewers".into() };
                Ok(self.send(text(frame::refused(&id, &refusal))).await)
            }
            Some(Ok(Message::Binary(_))) => {
                let (expected, got) = ("JSON in text frames".into(), "a binary frame".into());
                self.send(text(frame::ended(&Refusal::ProtocolMismatch { expected, got }))).await;
                Err(Some((CloseCode::Unsupported, "ProtocolMismatch: Cap'n Proto is spoken on /rpc/share")))
            }
            // Pings are answered by the socket itself, and a Close as well, while it is read.
            Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Close(_) | Message::Frame(_))) => Ok(true),
            Some(Err(WsError::Capacity(_))) => {
                Err(Some((CloseCode::Size, "LimitExceeded: a frame of more than 64 KiB")))
            }
            Some(Err(WsError::Protocol(_) | WsError::Utf8(_))) => {
                Err(Some((CloseCode::Protocol, "not the WebSocket protocol")))
            }
            Some(Err(_)) | None => Err(None),
        }
    }

    /// Whether it is in the socket.
    async fn send(&mut self, message: Message) -> bool {
        self.entry.traffic.sent(message.len());
        matches!(timeout(self.settings.write_stall, self.socket.send(message)).await, Ok(Ok(())))
    }
}

fn text(frame: String) -> Message {
    Message::Text(frame.into())
}
