//! What one viewer is told, in order, whatever it travels on: the state, that it is ready, what changes, who watches and what
//! they are asked, and that the connection lives.
//!
//! A [`Channel`] is asked for the next of these when the last one was taken. It has no queue, so a viewer that is slow costs
//! what its transport holds, and is told less often and more at once. It waits for one thing only, the room's news, with
//! one timer beside it: a thousand viewers of a share wake up once each for an event.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;

use crate::hub::Hub;
use crate::hub::audience::Told;
use crate::hub::feed::{Event, Feed};
use crate::share::error::Refusal;
use crate::share::view::Revision;
use crate::viewer::frame;
use crate::viewer::member::Member;

/// One viewer's.
#[derive(Debug)]
pub(super) struct Channel {
    hub: Arc<Hub>,
    member: Arc<Member>,
    feed: Feed,
    told: Told,
    stage: Stage,
    heartbeat: Duration,
    heartbeat_at: Instant,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// The first step is being told.
    Catching,
    /// It was told, or there was none.
    Caught,
    /// The viewer knows that.
    Ready,
}

/// Something to tell.
#[derive(Debug)]
pub(super) enum Down {
    /// A piece of the state, or a change.
    Event(Arc<Event>),
    /// A frame, and the revision that the viewer stands at with it, if it says.
    Frame(String, Option<Revision>),
    /// The connection lives.
    Heartbeat,
}

impl Channel {
    pub(super) fn new(hub: Arc<Hub>, member: Arc<Member>, feed: Feed, heartbeat: Duration) -> Self {
        let heartbeat_at = Instant::now() + heartbeat;
        Self { hub, member, feed, told: Told::default(), stage: Stage::Catching, heartbeat, heartbeat_at }
    }

    pub(super) fn member(&self) -> &Arc<Member> {
        &self.member
    }

    pub(super) fn hub(&self) -> &Arc<Hub> {
        &self.hub
    }

    /// The next thing to tell, when there is one. Dropping the future loses nothing.
    ///
    /// # Errors
    /// The share is gone, or may not be seen any more.
    pub(super) async fn next(&mut self) -> Result<Down, Refusal> {
        loop {
            let now = Instant::now();
            if now >= self.heartbeat_at {
                self.heartbeat_at = now + self.heartbeat;
                return Ok(Down::Heartbeat);
            }
            if self.stage == Stage::Caught {
                self.stage = Stage::Ready;
                let revision = self.feed.cursor();
                return Ok(Down::Frame(frame::ready(revision, Some(&self.member.channel)), Some(revision)));
            }
            if self.stage == Stage::Ready
                && let Some(notice) = self.member.seat.look(&mut self.told)
            {
                self.feed.check()?;
                return Ok(Down::Frame(frame::notice(notice), None));
            }
            if let Some(event) = self.feed.take()? {
                if self.stage == Stage::Catching && !event.step().more {
                    self.stage = Stage::Caught;
                }
                return Ok(Down::Event(event));
            }
            if self.stage == Stage::Catching {
                // It has missed nothing.
                self.stage = Stage::Caught;
            } else {
                self.feed.news(Some(self.heartbeat_at)).await;
            }
        }
    }

    /// The frame of an event: written once, for all who follow.
    pub(super) fn encoded(&self, event: &Event) -> Bytes {
        let values = self.feed.values();
        event.encoded(values, |event| {
            self.hub.metrics().frames_encoded.inc();
            frame::step(event.step(), event.resync(), event.replaced(values))
        })
    }

    /// The same as a server-sent event.
    pub(super) fn framed(&self, event: &Event) -> Bytes {
        event.framed(self.feed.values(), |event| frame::server_sent(&self.encoded(event), stands_at(event)))
    }
}

/// Where a viewer may go on after this piece: at the step's end; and from nothing while it is being told a state anew, for
/// then it holds neither what it had nor what it is to have.
fn stands_at(event: &Event) -> Option<Revision> {
    let step = event.step();
    match step.more {
        false => Some(step.revision),
        true => step.reset.then_some(0),
    }
}
