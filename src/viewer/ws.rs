//! One viewer on a WebSocket: the state, then what changes, until either side has enough.
//!
//! Called by the HTTP upgrade with a share that is there and a connection that is to be admitted. The viewer pulls: the next
//! thing to tell is taken when the last one is in the socket, so a slow viewer is told less often and more at once, and one
//! that does not read at all is cut off. Its commands run beside that, each in a task of its own, and end with it.
//! Refuses binary frames, which are another door's protocol.
//!
//! A page cannot set headers, so it may come to a share that is not for everybody without a credential, and show it in its
//! first frame. Until then it is told nothing, and has no place in the audience.

use std::sync::Arc;

use async_tungstenite::WebSocketStream;
use async_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use async_tungstenite::tungstenite::protocol::{CloseFrame, WebSocketConfig};
use async_tungstenite::tungstenite::{Error as WsError, Message, Utf8Bytes};
use bytes::Bytes;
use futures::{AsyncRead, AsyncWrite, StreamExt as _};
use tokio::sync::OwnedSemaphorePermit;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until, timeout};

use crate::hub::Hub;
use crate::hub::feed::{Feed, Values};
use crate::hub::registry::{CloseReason, Connection, Entry, Pending};
use crate::hub::visibility::Viewing;
use crate::share::error::Refusal;
use crate::share::view::Revision;
use crate::viewer::ViewerSettings;
use crate::viewer::channel::{Channel, Down};
use crate::viewer::command::{AuthenticateInput, Caller, Command, introduce};
use crate::viewer::frame;
use crate::viewer::member::Members;
use crate::viewer::uplink::{Defaults, UPLINK_BYTES_MAX, Uplink};

/// What is read from a viewer at once: 1 KiB, kept for each viewer that waits. A pong takes 6 bytes of it and a command some
/// 200; the longest command, of 64 KiB, takes 64 reads.
const READ_BYTES: usize = 1 << 10;

/// The configuration of a viewer's socket: small frames in, few bytes kept, and what goes out is in no buffer first.
#[must_use]
pub fn socket_config() -> WebSocketConfig {
    WebSocketConfig::default()
        .read_buffer_size(READ_BYTES)
        // Each frame is sent at once, so to gather some would only keep them.
        .write_buffer_size(0)
        .max_message_size(Some(UPLINK_BYTES_MAX))
        .max_frame_size(Some(UPLINK_BYTES_MAX))
}

/// What a viewer came for.
#[derive(Debug)]
pub struct Asked {
    /// The id of the share.
    pub id: String,
    /// From where on.
    pub cursor: Revision,
    /// How it wants values told.
    pub values: Values,
    /// The share itself; `None`: it is to show a credential first.
    pub feed: Option<Feed>,
    /// What its commands' inputs begin with.
    pub defaults: Defaults,
}

/// Admits a viewer and serves it until it ends.
pub async fn serve<S>(
    hub: &Arc<Hub>,
    members: &Arc<Members>,
    pending: Pending,
    asked: Asked,
    mut socket: WebSocketStream<S>,
    settings: ViewerSettings,
) where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let farewell = match hub.admit(pending).await {
        Ok(connection) => follow(hub, members, &connection, asked, &mut socket, settings).await,
        Err(turned_away) => Some(farewell(&turned_away.reason)),
    };
    if let Some((code, reason)) = farewell {
        let close = socket.close(Some(CloseFrame { code, reason: Utf8Bytes::from_static(reason) }));
        // A viewer that does not take the farewell is gone all the same.
        let _ = timeout(settings.write_stall, close).await;
    }
}

async fn follow<S>(
    hub: &Arc<Hub>,
    members: &Arc<Members>,
    connection: &Connection,
    asked: Asked,
    socket: &mut WebSocketStream<S>,
    settings: ViewerSettings,
) -> Farewell
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let entry = Arc::clone(connection.entry());
    let serving = async {
        let Asked { id, cursor, values, feed, defaults } = asked;
        let feed = match feed {
            Some(feed) => feed,
            None => {
                // Boxed, as it is for a moment and the viewer for hours.
                let shown = Box::pin(show(hub, &entry, &id, cursor, socket));
                let shown = timeout(settings.authenticate_within, shown).await;
                shown.unwrap_or(Err(Some(farewell(&UNSHOWN))))?
            }
        };
        let Ok(member) = members.enter(hub, Arc::clone(&entry), &feed) else {
            return Err(Some(farewell(&CloseReason::FAULT)));
        };
        let channel = Channel::new(Arc::clone(hub), member, feed.telling(values), settings.heartbeat);
        let (entry, commands) = (Arc::clone(&entry), JoinSet::new());
        let mut viewer = Viewer { entry, socket, channel, defaults, commands, settings, pong_by: None };
        Ok(viewer.run().await)
    };
    let ended = tokio::select! {
        biased;
        () = connection.closing.cancelled() => None,
        () = hub.close_when_expired(connection) => None,
        ended = serving => ended.unwrap_or_else(std::convert::identity),
    };
    connection.close_reason().map(farewell).or(ended)
}

/// A viewer that was to show a credential showed none that is good for this share.
const UNSHOWN: CloseReason =
    CloseReason { code: 4001, reason: "Unauthorized: share.authenticate is the first frame here, with a good token" };

/// Reads the first frame, which is to show a credential, and answers it; gives the share then.
async fn show<S>(
    hub: &Arc<Hub>,
    entry: &Entry,
    id: &str,
    cursor: Revision,
    socket: &mut WebSocketStream<S>,
) -> Result<Feed, Farewell>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let sent = loop {
        match socket.next().await {
            Some(Ok(Message::Text(sent))) => break sent,
            Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
            Some(Ok(Message::Binary(_))) => return Err(Some((CloseCode::Unsupported, BINARY))),
            Some(Ok(Message::Close(_) | Message::Frame(_)) | Err(_)) | None => return Err(None),
        }
    };
    entry.traffic.received(sent.len());
    let reason = "this share is not for everybody: share.authenticate comes first";
    let shown = match Uplink::read(sent.as_bytes(), &Defaults::new()) {
        Ok(Uplink { id: frame, command: Command::Authenticate(AuthenticateInput { token }), .. }) => {
            let introduced = async {
                let (Viewing { room, pass }, shown) = introduce(hub, entry, id, &token).await?;
                Ok((hub.follow(&room, cursor).await?.within(pass), shown))
            };
            introduced.await.map_err(|refusal| (frame.clone(), refusal)).map(|(feed, shown)| (frame, feed, shown))
        }
        Ok(Uplink { id: frame, .. }) => Err((frame, Refusal::Unauthorized { reason: reason.into() })),
        Err(refused) => Err(refused),
    };
    let (answer, feed) = match shown {
        Ok((frame, feed, shown)) => (frame::answered(&frame, &frame::json(&shown)), Ok(feed)),
        Err((frame, refusal)) => (frame::refused(&frame, &refusal), Err(Some(farewell(&UNSHOWN)))),
    };
    entry.traffic.sent(answer.len());
    socket.send(text(answer)).await.map_err(|_| None)?;
    feed
}

/// What a binary frame is told.
const BINARY: &str = "ProtocolMismatch: Cap'n Proto is spoken on /rpc/share";

fn farewell(CloseReason { code, reason }: &CloseReason) -> (CloseCode, &'static str) {
    ((*code).into(), reason)
}

struct Viewer<'a, S> {
    entry: Arc<Entry>,
    socket: &'a mut WebSocketStream<S>,
    channel: Channel,
    defaults: Defaults,
    /// Those that run, and the answers that are not in the socket yet: at most
    /// [`COMMANDS_IN_FLIGHT_MAX`](crate::viewer::member::COMMANDS_IN_FLIGHT_MAX), for each keeps its leave until then. Dropping
    /// this ends them.
    commands: JoinSet<(String, OwnedSemaphorePermit)>,
    settings: ViewerSettings,
    /// Something must be heard until then.
    pong_by: Option<Instant>,
}

/// What to close with; `None`: the socket is not there any more, or not worth it.
type Farewell = Option<(CloseCode, &'static str)>;

impl<S: AsyncRead + AsyncWrite + Unpin> Viewer<'_, S> {
    async fn run(&mut self) -> Farewell {
        while !self.entry.is_closed() {
            let sent = tokio::select! {
                // What the viewer sends comes first: a Close or a pong must not wait for events.
                biased;
                message = self.socket.next() => match self.hear(message).await {
                    Ok(sent) => sent,
                    Err(farewell) => return farewell,
                },
                () = silence(self.pong_by) => return Some(farewell(&CloseReason::SILENT)),
                // Answers before events: there are few of them, and somebody waits.
                Some(answer) = self.commands.join_next(), if !self.commands.is_empty() => match answer {
                    Ok((answer, _leave)) => self.send(text(answer)).await,
                    // It was aborted, and then so is all of this.
                    Err(_) => true,
                },
                down = self.channel.next() => match down {
                    Ok(down) => self.tell(down).await,
                    Err(refusal) => {
                        self.send(text(frame::ended(&refusal))).await;
                        let may_not = matches!(refusal, Refusal::Unauthorized { .. });
                        let gone = (CloseCode::Normal, "the share is gone");
                        return Some(if may_not { farewell(&CloseReason::HIDDEN) } else { gone });
                    }
                },
            };
            if !sent {
                return None;
            }
        }
        None
    }

    async fn tell(&mut self, down: Down) -> bool {
        match down {
            Down::Event(event) => {
                // It is UTF-8: it is made of texts.
                let Ok(encoded) = Utf8Bytes::try_from(self.channel.encoded(&event)) else { return false };
                self.send(Message::Text(encoded)).await
            }
            Down::Frame(frame, _) => self.send(text(frame)).await,
            Down::Heartbeat => {
                let beat = self.send(Message::Text(Utf8Bytes::from_static(frame::HEARTBEAT))).await;
                let limit = self.settings.pong_within;
                self.pong_by.get_or_insert_with(|| Instant::now() + limit);
                beat && self.send(Message::Ping(Bytes::new())).await
            }
        }
    }

    /// Takes what the viewer sent; `Err` ends the channel.
    async fn hear(&mut self, message: Option<Result<Message, WsError>>) -> Result<bool, Farewell> {
        self.pong_by = None;
        if let Some(Ok(message)) = &message {
            self.entry.traffic.received(message.len());
        }
        match message {
            Some(Ok(Message::Text(sent))) => match self.begin(sent.as_bytes()) {
                Ok(()) => Ok(true),
                Err(refused) => Ok(self.send(text(refused)).await),
            },
            Some(Ok(Message::Binary(_))) => {
                let (expected, got) = ("JSON in text frames".into(), "a binary frame".into());
                self.send(text(frame::ended(&Refusal::ProtocolMismatch { expected, got }))).await;
                Err(Some((CloseCode::Unsupported, BINARY)))
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

    /// Begins a command, or gives the frame that refuses it.
    fn begin(&mut self, sent: &[u8]) -> Result<(), String> {
        let uplink = Uplink::read(sent, &self.defaults).map_err(|(id, refusal)| frame::refused(&id, &refusal))?;
        let member = self.channel.member();
        let leave = member.begin_command().map_err(|refusal| frame::refused(&uplink.id, &refusal))?;
        let caller = Caller {
            hub: Arc::clone(self.channel.hub()),
            room: Arc::clone(member.seat.room()),
            pass: member.pass.clone(),
            member: Some(Arc::clone(member)),
            principal: None,
            is_on_socket: true,
        };
        let within = self.settings.command_within;
        self.commands.spawn(async move { (uplink.answer(&caller, within).await, leave) });
        Ok(())
    }

    /// Whether it is in the socket.
    async fn send(&mut self, message: Message) -> bool {
        self.entry.traffic.sent(message.len());
        matches!(timeout(self.settings.write_stall, self.socket.send(message)).await, Ok(Ok(())))
    }
}

async fn silence(until: Option<Instant>) {
    match until {
        Some(until) => sleep_until(until).await,
        None => std::future::pending().await,
    }
}

fn text(frame: String) -> Message {
    Message::Text(frame.into())
}
