//! The viewers that are being served, each by the name of its channel: how a command that is posted finds its stream.
//!
//! A [`Member`] is made when a viewer is admitted and lives as long as its stream; dropping it gives back its seat in the
//! audience and its name. There are as many as the registry admits.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::hub::Hub;
use crate::hub::audience::Seat;
use crate::hub::feed::Feed;
use crate::hub::grants::Pass;
use crate::hub::registry::Entry;
use crate::hub::room::Room;
use crate::share::error::Refusal;

/// Commands of one viewer that are not answered yet: a page asks for a few pages of history at once.
pub const COMMANDS_IN_FLIGHT_MAX: usize = 16;

/// A viewer that is being served.
#[derive(Debug)]
pub struct Member {
    /// Its connection.
    pub entry: Arc<Entry>,
    /// Its place in the audience.
    pub seat: Seat,
    /// What lets it see the share.
    pub pass: Pass,
    /// The name of its channel: 128 random bits.
    pub channel: String,
    /// Bound: [`COMMANDS_IN_FLIGHT_MAX`]; past it a command is refused.
    commands: Arc<Semaphore>,
    members: Weak<Members>,
}

/// The viewers of one host.
#[derive(Debug, Default)]
pub struct Members {
    by_channel: Mutex<HashMap<String, Weak<Member>>>,
}

impl Members {
    /// Enters a viewer that was admitted.
    ///
    /// # Errors
    /// The machine has no randomness to give.
    pub fn enter(self: &Arc<Self>, hub: &Hub, entry: Arc<Entry>, feed: &Feed) -> Result<Arc<Member>, Refusal> {
        let bits = hub.ambient().bits().map_err(|error| {
            tracing::error!(%error, "a channel has no name");
            Refusal::Unavailable { retry_after_ms: 10_000 }
        })?;
        let member = Arc::new(Member {
            entry,
            seat: feed.room().take_seat(),
            pass: feed.pass().cloned().unwrap_or(Pass::VIEWER),
            channel: format!("{bits:032x}"),
            commands: Arc::new(Semaphore::new(COMMANDS_IN_FLIGHT_MAX)),
            members: Arc::downgrade(self),
        });
        self.by_channel().insert(member.channel.clone(), Arc::downgrade(&member));
        Ok(member)
    }

    /// The viewer of this channel, which must watch this share.
    #[must_use]
    pub fn get(&self, channel: &str, room: &Room) -> Option<Arc<Member>> {
        let member = self.by_channel().get(channel)?.upgrade()?;
        (member.seat.room().id() == room.id()).then_some(member)
    }

    fn by_channel(&self) -> MutexGuard<'_, HashMap<String, Weak<Member>>> {
        self.by_channel.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Member {
    /// Leave to run one more command.
    ///
    /// # Errors
    /// [`COMMANDS_IN_FLIGHT_MAX`] are running.
    pub fn begin_command(&self) -> Result<OwnedSemaphorePermit, Refusal> {
        let max = COMMANDS_IN_FLIGHT_MAX;
        let permit = Arc::clone(&self.commands).try_acquire_owned();
        permit.map_err(|_| Refusal::limit("commandsInFlightMax", max, max + 1))
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        if let Some(members) = self.members.upgrade() {
            members.by_channel().remove(&self.channel);
        }
    }
}
