//! A viewer that is served: what it sent is answered, what it does not know is told, and a frame that its socket did not take
//! is finished.
//!
//! It is served on a task of its own, until nothing is left to do. The viewer pulls: the next thing to tell is taken when the
//! last one is in the socket, so a slow viewer is told less often and more at once, and one that does not read at all is cut
//! off. Its commands run beside that, and end with it.

use std::sync::Arc;

use futures::FutureExt as _;
use tokio::task::{JoinSet, consume_budget};
use tokio::time::{Instant, sleep_until};

use crate::connections::close::CloseReason;
use crate::share::error::Refusal;
use crate::viewer::channel::Down;
use crate::viewer::command::Caller;
use crate::viewer::frame;
use crate::viewer::life::viewer::{BINARY, Ended, GARBAGE, NOT_UTF8, TOO_LONG, Viewer};
use crate::viewer::member::Leave;
use crate::viewer::socket::Heard;
use crate::viewer::uplink::Uplink;

/// Answers that are not in the socket yet, and commands that run: at most
/// [`COMMANDS_IN_FLIGHT_MAX`](crate::viewer::member::COMMANDS_IN_FLIGHT_MAX), for each keeps its leave until then.
type Commands = JoinSet<(String, Leave)>;

/// Serves a viewer until there is nothing to do for it, or until it ends, and says which.
pub(super) async fn serve(mut viewer: Box<Viewer>) -> (Box<Viewer>, Result<(), Ended>) {
    viewer.transport = viewer.transport.wake().await;
    let served = {
        let (entry, hub) = (Arc::clone(viewer.connection.entry()), Arc::clone(viewer.channel.hub()));
        tokio::select! {
            biased;
            () = entry.closing() => Err(Ended::Closed),
            () = hub.connections().close_when_expired(&entry) => Err(Ended::Closed),
            worked = viewer.work() => worked,
        }
    };
    if served.is_ok() {
        viewer.transport = viewer.transport.rest();
    }
    (viewer, served)
}

impl Viewer {
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

    async fn tell(&mut self, down: &Down) -> Result<(), Ended> {
        self.begin(down);
        self.finish().await
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
            hub: Arc::clone(self.channel.hub()),
            room: Arc::clone(member.presence.room()),
            pass: member.pass.clone(),
            member: Some(Arc::clone(member)),
            principal: None,
            is_on_socket: true,
        };
        let within = self.settings.command_within;
        commands.spawn(async move { (uplink.answer(&caller, within).await, leave) });
        Ok(())
    }
}

async fn silence(until: Option<Instant>) {
    match until {
        Some(until) => sleep_until(until).await,
        None => std::future::pending().await,
    }
}
