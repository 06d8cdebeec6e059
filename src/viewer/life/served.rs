//! One viewer that something is to be done for: what it sent is answered, what it does not know is told, a frame that its
//! socket did not take is finished, or it is said goodbye to.
//!
//! Each is attended to by a task of its own, which ends when nothing is left to do: the viewer then waits in the
//! [gallery](crate::viewer::life::parked) of its share, where it costs no task, and is given a new one when there is. The viewer
//! pulls: the next thing to tell is taken when the last one is in the socket, so a slow viewer is told less often and more at
//! once, and one that does not read at all is cut off. Its commands run beside that, and end with it. Dropping a `Viewer`
//! gives back all of its places.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::FutureExt as _;
use tokio::task::{JoinSet, consume_budget};
use tokio::time::{Instant, sleep_until, timeout};

use crate::connections::close::CloseReason;
use crate::connections::registry::Connection;
use crate::share::error::Refusal;
use crate::viewer::channel::{Channel, Down};
use crate::viewer::command::Caller;
use crate::viewer::frame;
use crate::viewer::life::leaving::hang_up;
use crate::viewer::life::parked::Galleries;
use crate::viewer::member::Leave;
use crate::viewer::socket::{Form, Heard, Transport};
use crate::viewer::sse;
use crate::viewer::streams::Place;
use crate::viewer::uplink::{Defaults, Uplink};

/// A viewer, and all that it has. Boxed wherever it goes.
#[derive(Debug)]
pub(in crate::viewer) struct Viewer {
    pub(in crate::viewer) transport: Transport,
    pub(in crate::viewer) channel: Channel,
    pub(in crate::viewer) defaults: Defaults,
    pub(in crate::viewer) galleries: Arc<Galleries>,
    /// What is left of a frame that was begun.
    pub(in crate::viewer) torn: Bytes,
    /// A WebSocket must be heard until then.
    pub(in crate::viewer) pong_by: Option<Instant>,
    /// A stream's, among the streams of whoever it is.
    pub(in crate::viewer) place: Option<Place>,
    /// Last, so that its place is given back when all else is.
    pub(in crate::viewer) connection: Connection,
}

/// Why a viewer is not attended to any more.
#[derive(Debug)]
enum Ended {
    /// The host closed the connection, and the registry knows why.
    Closed,
    /// There is nothing more to tell.
    Refused(Refusal),
    /// It broke the rules of its transport.
    Broke(CloseReason),
    /// The socket is not there any more, or not worth it.
    Lost,
}

/// Answers that are not in the socket yet, and commands that run: at most
/// [`COMMANDS_IN_FLIGHT_MAX`](crate::viewer::member::COMMANDS_IN_FLIGHT_MAX), for each keeps its leave until then.
type Commands = JoinSet<(String, Leave)>;

/// What a binary frame is told.
pub(in crate::viewer) const BINARY: CloseReason =
    CloseReason { code: 1003, reason: "ProtocolMismatch: Cap'n Proto is spoken on /rpc/share" };
pub(in crate::viewer) const TOO_LONG: CloseReason =
    CloseReason { code: 1009, reason: "LimitExceeded: a frame of more than 64 KiB" };
pub(in crate::viewer) const GARBAGE: CloseReason = CloseReason { code: 1002, reason: "not the WebSocket protocol" };
pub(in crate::viewer) const NOT_UTF8: CloseReason =
    CloseReason { code: 1007, reason: "a text frame that is not UTF-8" };
const GONE: CloseReason = CloseReason { code: 1000, reason: "the share is gone" };

/// Attends to a viewer until there is nothing to do for it, or it ends.
pub(in crate::viewer) async fn attend(mut viewer: Box<Viewer>) {
    viewer.transport = viewer.transport.wake().await;
    let ended = {
        let (entry, galleries) = (Arc::clone(viewer.connection.entry()), Arc::clone(&viewer.galleries));
        tokio::select! {
            biased;
            () = entry.closing() => Some(Ended::Closed),
            () = galleries.hub().close_when_expired(&entry) => Some(Ended::Closed),
            worked = viewer.work() => worked.err(),
        }
    };
    match ended {
        None => {
            viewer.transport = viewer.transport.rest();
            Galleries::enter(viewer);
        }
        Some(ended) => viewer.leave(ended).await,
    }
}

impl Viewer {
    /// A viewer that has been told nothing yet.
    pub(in crate::viewer) fn new(
        transport: Transport,
        channel: Channel,
        defaults: Defaults,
        galleries: Arc<Galleries>,
        connection: Connection,
    ) -> Box<Self> {
        let (torn, pong_by, place) = (Bytes::new(), None, None);
        Box::new(Self { transport, channel, defaults, galleries, torn, pong_by, place, connection })
    }

    /// Does what there is to do; `Ok`: nothing is left.
    async fn work(&mut self) -> Result<(), Ended> {
        let mut commands = Commands::new();
        self.finish().await?;
        loop {
            // The one point at which a viewer that always has something to do lets others, and its own end, in.
            consume_budget().await;
            if self.connection.is_closed() {
                return Err(Ended::Closed);
            }
            // What the viewer sends comes first: a Close or a pong must not wait for events. Then answers: there are few
            // of them, and somebody waits.
            if let Some(heard) = self.transport.hear().now_or_never() {
                self.take_in(heard, &mut commands).await?;
                continue;
            }
            if let Some(answer) = commands.try_join_next() {
                self.answer(answer).await?;
                continue;
            }
            if self.pong_by.is_some_and(|by| by <= Instant::now()) {
                return Err(Ended::Broke(CloseReason::SILENT));
            }
            if let Some(down) = self.channel.take(Instant::now()).map_err(Ended::Refused)? {
                self.tell(&down).await?;
                continue;
            }
            if commands.is_empty() {
                // What the library answered by itself is whole before somebody else writes.
                return self.finish().await;
            }
            tokio::select! {
                biased;
                heard = self.transport.hear() => self.take_in(heard, &mut commands).await?,
                Some(answer) = commands.join_next() => self.answer(answer).await?,
                () = silence(self.pong_by) => {}
                () = self.channel.news() => {}
            }
        }
    }

    /// What it is told next, begun: what its socket does not take at once is left in `torn`.
    pub(in crate::viewer) fn begin(&mut self, down: &Down) {
        self.begin_bytes(self.channel.written(down, self.transport.form()));
        if matches!((down, self.transport.form()), (Down::Heartbeat, Form::Message)) {
            let limit = self.galleries.settings().pong_within;
            self.pong_by.get_or_insert_with(|| Instant::now() + limit);
        }
    }

    fn begin_bytes(&mut self, bytes: Bytes) {
        self.connection.traffic.sent(bytes.len());
        self.torn = bytes;
    }

    async fn tell(&mut self, down: &Down) -> Result<(), Ended> {
        self.begin(down);
        self.finish().await
    }

    async fn send(&mut self, frame: &str) -> Result<(), Ended> {
        self.begin_bytes(self.transport.form().of(frame, None));
        self.finish().await
    }

    /// Writes what was begun. A socket that takes no bytes for long enough is lost.
    async fn finish(&mut self) -> Result<(), Ended> {
        let stall = self.galleries.settings().write_stall;
        if !matches!(timeout(stall, self.transport.flush()).await, Ok(true)) {
            return Err(Ended::Lost);
        }
        loop {
            match self.transport.try_write(&mut self.torn) {
                Ok(true) => return Ok(()),
                Ok(false) => {}
                Err(_) => return Err(Ended::Lost),
            }
            if !matches!(timeout(stall, self.transport.writable()).await, Ok(Ok(()))) {
                return Err(Ended::Lost);
            }
        }
    }

    async fn answer(&mut self, answer: Result<(String, Leave), tokio::task::JoinError>) -> Result<(), Ended> {
        match answer {
            Ok((answer, _leave)) => self.send(&answer).await,
            // It was aborted, and then so is all of this.
            Err(_) => Ok(()),
        }
    }

    /// Takes what the viewer sent.
    async fn take_in(&mut self, heard: Heard, commands: &mut Commands) -> Result<(), Ended> {
        self.pong_by = None;
        let received = &self.connection.traffic;
        match heard {
            Heard::Text(text) => {
                received.received(text.len());
                match self.begin_command(text.as_bytes(), commands) {
                    Ok(()) => Ok(()),
                    Err(refused) => self.send(&refused).await,
                }
            }
            // Pings are answered by the library, and a Close as well, while it reads.
            Heard::Life(count) => {
                received.received(count);
                Ok(())
            }
            Heard::Binary(count) => {
                received.received(count);
                let (expected, got) = ("JSON in text frames".into(), "a binary frame".into());
                self.send(&frame::ended(&Refusal::ProtocolMismatch { expected, got })).await?;
                Err(Ended::Broke(BINARY))
            }
            Heard::TooLong => Err(Ended::Broke(TOO_LONG)),
            Heard::Garbage => Err(Ended::Broke(GARBAGE)),
            Heard::NotUtf8 => Err(Ended::Broke(NOT_UTF8)),
            Heard::Gone => Err(Ended::Lost),
        }
    }

    /// Begins a command, or gives the frame that refuses it.
    fn begin_command(&self, sent: &[u8], commands: &mut Commands) -> Result<(), String> {
        let uplink = Uplink::read(sent, &self.defaults).map_err(|(id, refusal)| frame::refused(&id, &refusal))?;
        let member = self.channel.member();
        let leave = member.begin_command().map_err(|refusal| frame::refused(&uplink.id, &refusal))?;
        let caller = Caller {
            hub: Arc::clone(self.galleries.hub()),
            room: Arc::clone(member.presence.room()),
            pass: member.pass.clone(),
            member: Some(Arc::clone(member)),
            principal: None,
            is_on_socket: true,
        };
        let within = self.galleries.settings().command_within;
        commands.spawn(async move { (uplink.answer(&caller, within).await, leave) });
        Ok(())
    }

    /// Says goodbye.
    async fn leave(mut self: Box<Self>, ended: Ended) {
        let closed = self.connection.close_reason().cloned();
        let (refusal, reason) = match (closed, ended) {
            (Some(reason), _) => (None, reason),
            (None, Ended::Closed) => (None, CloseReason::FAULT),
            (None, Ended::Broke(reason)) => (None, reason),
            (None, Ended::Refused(refusal)) => {
                let may_not = matches!(refusal, Refusal::Unauthorized { .. });
                (Some(refusal), if may_not { CloseReason::HIDDEN } else { GONE })
            }
            (None, Ended::Lost) => return,
        };
        // A stream has no close codes, and is told in words.
        let refusal = match self.transport {
            Transport::Socket(_) | Transport::Quiet(_) => refusal,
            Transport::Events { .. } => refusal.or_else(|| Some(sse::refusal(&reason))),
        };
        let goodbye = async move {
            self.finish().await?;
            if let Some(refusal) = refusal {
                self.send(&frame::ended(&refusal)).await?;
            }
            self.transport.close(&reason).await;
            // It watches no more, and is a connection until it is closed.
            let Self { connection: _connection, transport, channel, place, .. } = *self;
            drop((channel, place));
            hang_up(transport.into_tcp()).await;
            Ok::<_, Ended>(())
        };
        // A viewer that does not take it is gone all the same.
        let _ = timeout(GOODBYE_WITHIN, goodbye).await;
    }
}

/// How long a viewer may take to take its farewell, and to close its side. Its connection keeps its place in the registry so
/// long, and a shutdown waits for it.
pub(in crate::viewer) const GOODBYE_WITHIN: Duration = Duration::from_secs(1);

async fn silence(until: Option<Instant>) {
    match until {
        Some(until) => sleep_until(until).await,
        None => std::future::pending().await,
    }
}
