//! What one viewer is told, in order, whatever it travels on: the state, that it is ready, what changes, who watches and what
//! they are asked, that it is to go to another host, and that the connection lives.
//!
//! A [`Channel`] is asked for the next of these when the last one was taken. It has no queue, so a viewer that is slow costs
//! what its transport holds, and is told less often and more at once. It has no timer either: whoever asks says what time it
//! is, and one that waits with a thousand of them needs one.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;

use crate::connections::moving::Moving;
use crate::hub::Hub;
use crate::rooms::audience::Told;
use crate::rooms::event::Event;
use crate::rooms::feed::Feed;
use crate::share::error::Refusal;
use crate::share::revision::Revision;
use crate::viewer::form::{self, Form};
use crate::viewer::frame;
use crate::viewer::member::Member;
use crate::viewer::packing::Packed;

/// What one viewer is to be told next.
#[derive(Debug)]
pub(super) struct Channel {
    hub: Arc<Hub>,
    member: Arc<Member>,
    feed: Feed,
    told: Told,
    stage: Stage,
    /// The drain of which the viewer was told last; 0: of none.
    moved: u64,
    heartbeat: Duration,
    heartbeat_at: Instant,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// The viewer is being told the first step.
    Catching,
    /// The first step was told, or nothing was missed.
    Caught,
    /// The viewer was told that it is ready.
    Ready,
}

/// Something to tell a viewer.
#[derive(Debug)]
pub(super) enum Down {
    /// A piece of the state, or a change.
    Event(Arc<Event>),
    /// A frame, and the revision that the viewer stands at with it, if it says.
    Frame(String, Option<Revision>),
    /// The viewer is to go to another host.
    Moving(Arc<Moving>),
    /// A sign that the connection lives.
    Heartbeat,
}

impl Channel {
    pub(super) fn new(hub: Arc<Hub>, member: Arc<Member>, feed: Feed, heartbeat: Duration) -> Self {
        let heartbeat_at = Instant::now() + heartbeat;
        Self { hub, member, feed, told: Told::default(), stage: Stage::Catching, moved: 0, heartbeat, heartbeat_at }
    }

    pub(super) fn hub(&self) -> &Arc<Hub> {
        &self.hub
    }

    pub(super) fn member(&self) -> &Arc<Member> {
        &self.member
    }

    /// When the channel is to be looked at though there are no news: for its heartbeat, or because its pass may be over.
    pub(super) fn due_at(&self) -> Instant {
        self.feed.over_at().map_or(self.heartbeat_at, |over_at| over_at.min(self.heartbeat_at))
    }

    /// The next thing to tell, when there is one. Dropping the future loses nothing.
    ///
    /// # Errors
    /// The share is gone, or may not be seen any more.
    pub(super) async fn next(&mut self) -> Result<Down, Refusal> {
        loop {
            if let Some(down) = self.take(Instant::now())? {
                return Ok(down);
            }
            self.news().await;
        }
    }

    /// Whether the viewer is to be told that it is to go to another host.
    pub(super) fn is_to_move(&self) -> bool {
        self.member.entry.moving_after(self.moved).is_some()
    }

    /// Waits until there may be something to tell.
    pub(super) async fn news(&mut self) {
        let Self { feed, member, moved, heartbeat_at, .. } = self;
        tokio::select! {
            // In a fixed order, so that a seed gives one history.
            biased;
            _ = member.entry.moves(*moved) => {}
            () = feed.news(Some(*heartbeat_at)) => {}
        }
    }

    /// The next thing to tell, if there is one now.
    ///
    /// # Errors
    /// As [`Channel::next`].
    pub(super) fn take(&mut self, now: Instant) -> Result<Option<Down>, Refusal> {
        self.feed.see();
        if let Some(moving) = self.member.entry.moving_after(self.moved) {
            self.moved = moving.drain;
            return Ok(Some(Down::Moving(moving)));
        }
        if now >= self.heartbeat_at {
            self.heartbeat_at = now + self.heartbeat;
            return Ok(Some(Down::Heartbeat));
        }
        if self.stage == Stage::Catching {
            if let Some(event) = self.feed.look()? {
                if !event.step().more {
                    self.stage = Stage::Caught;
                }
                return Ok(Some(Down::Event(event)));
            }
            // It has missed nothing.
            self.stage = Stage::Caught;
        }
        if self.stage == Stage::Caught {
            self.stage = Stage::Ready;
            let revision = self.feed.cursor();
            let stream = (self.member.channel.to_string(), self.hub.connections().other_urls());
            return Ok(Some(Down::Frame(frame::ready(revision, Some(stream)), Some(revision))));
        }
        if let Some(notice) = self.member.presence.look(&mut self.told) {
            self.feed.check()?;
            return Ok(Some(Down::Frame(frame::notice(notice), None)));
        }
        Ok(self.feed.look()?.map(Down::Event))
    }

    /// Something to tell, in the form of a transport. The bytes of an event are made once, for all who follow.
    pub(super) fn written(&self, down: &Down, form: Form) -> Bytes {
        match (down, form) {
            (Down::Event(event), Form::Message) => self.message(event),
            (Down::Event(event), Form::Chunk) => self.chunk(event),
            (Down::Event(event), Form::Event) => form::content_of(&self.chunk(event)),
            (Down::Frame(text, id), form) => form.of(text, *id),
            (Down::Moving(moving), form) => form.moving(moving),
            (Down::Heartbeat, form) => form.heartbeat(),
        }
    }

    /// As [`written`](Self::written), in a chunk and packed with gzip: a stretch of a stream, whose checksum comes with it.
    pub(super) fn packed(&self, down: &Down) -> Packed {
        let pack = |event: &Bytes| {
            let Packed { bytes, crc } = Packed::event(event);
            (form::chunk(&bytes), crc)
        };
        let (bytes, crc) = match down {
            Down::Event(event) => event.packed(self.feed.values(), |event| {
                pack(&frame::server_sent(&form::text_of(&self.message(event)), stands_at(event)))
            }),
            Down::Frame(..) | Down::Moving(_) | Down::Heartbeat => pack(&self.written(down, Form::Event)),
        };
        Packed { bytes, crc }
    }

    fn message(&self, event: &Event) -> Bytes {
        let values = self.feed.values();
        event.encoded(values, |event| {
            self.hub.metrics().frames_encoded.inc();
            form::message(&frame::step(event.step(), event.resync(), event.replaced(values)))
        })
    }

    fn chunk(&self, event: &Event) -> Bytes {
        event.framed(self.feed.values(), |event| {
            let text = form::text_of(&self.message(event));
            form::chunk(&frame::server_sent(&text, stands_at(event)))
        })
    }
}

/// The revision from which a viewer may go on after this piece: the step's, at its end; 0 while a state is being told anew, for
/// then the viewer holds neither the old nor the new one; and `None` within any other step.
fn stands_at(event: &Event) -> Option<Revision> {
    let step = event.step();
    match step.more {
        false => Some(step.revision),
        true => step.reset.then_some(Revision::EMPTY),
    }
}
