//! The viewers that are being served, each by the name of its channel: how a command that is posted finds its stream.
//!
//! A [`Member`] is made when a viewer is admitted and lives as long as its stream; dropping it gives back its place in the
//! audience and its name. There are as many as the registry admits.

use std::collections::HashMap;
use std::fmt;
use std::str::FromStr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use crate::connections::entry::Entry;
use crate::hub::Hub;
use crate::rooms::feed::Feed;
use crate::rooms::pass::Pass;
use crate::rooms::presence::Presence;
use crate::rooms::room::Room;
use crate::share::error::Refusal;
use crate::share::limits::Limit;

/// Commands of one viewer that may be unanswered at a time: a page asks for a few pages of history at once.
pub const COMMANDS_IN_FLIGHT_MAX: usize = 16;

/// The name of a channel: 128 random bits, written as 32 digits of `0-9a-f`. Who knows it may command the viewer's stream.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct ChannelName([u8; 16]);

impl fmt::Display for ChannelName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", u128::from_be_bytes(self.0))
    }
}

impl fmt::Debug for ChannelName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ChannelName(..)")
    }
}

/// The text is not the name of a channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not the name of a channel: it has 32 digits of 0-9 and a-f")]
pub struct BadChannelName;

impl FromStr for ChannelName {
    type Err = BadChannelName;

    fn from_str(text: &str) -> Result<Self, BadChannelName> {
        let is_name = text.len() == 32 && text.bytes().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f'));
        let bits = u128::from_str_radix(text, 16).ok().filter(|_| is_name).ok_or(BadChannelName)?;
        Ok(Self(bits.to_be_bytes()))
    }
}

/// A viewer that is being served.
#[derive(Debug)]
pub struct Member {
    /// The entry of its connection.
    pub entry: Arc<Entry>,
    /// Its place in the audience.
    pub presence: Presence,
    /// What lets it see the share.
    pub pass: Pass,
    /// The name of its channel.
    pub channel: ChannelName,
    /// Number of commands that run. Bound: [`COMMANDS_IN_FLIGHT_MAX`]; one more is refused.
    commands: AtomicUsize,
    members: Weak<Members>,
}

/// The leave of a command to run. Dropping it gives it back.
#[derive(Debug)]
#[must_use = "dropping it gives it back"]
pub struct Leave(Arc<Member>);

/// The viewers of one host, by the names of their channels.
#[derive(Debug, Default)]
pub struct Members {
    by_channel: Mutex<HashMap<ChannelName, Weak<Member>>>,
}

impl Members {
    /// Enters a viewer that was admitted, and gives its channel a name.
    ///
    /// # Errors
    /// The machine has no randomness to give.
    pub fn enter(self: &Arc<Self>, hub: &Hub, entry: Arc<Entry>, feed: &Feed) -> Result<Arc<Member>, Refusal> {
        let bits = hub.ambient().bits().map_err(|error| {
            tracing::error!(%error, "a channel could not be named: the machine gives no random numbers");
            Refusal::Unavailable { retry_after_ms: 10_000 }
        })?;
        let member = Arc::new(Member {
            entry,
            presence: feed.room().join_audience(),
            pass: feed.pass().cloned().unwrap_or(Pass::VIEWER),
            channel: ChannelName(bits.to_be_bytes()),
            commands: AtomicUsize::new(0),
            members: Arc::downgrade(self),
        });
        self.by_channel().insert(member.channel, Arc::downgrade(&member));
        Ok(member)
    }

    /// The viewer of this channel, if it watches this share.
    #[must_use]
    pub fn get(&self, channel: &str, room: &Room) -> Option<Arc<Member>> {
        let member = self.by_channel().get(&channel.parse().ok()?)?.upgrade()?;
        (member.presence.room().id() == room.id()).then_some(member)
    }

    fn by_channel(&self) -> MutexGuard<'_, HashMap<ChannelName, Weak<Member>>> {
        self.by_channel.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Member {
    /// Gives leave to run one more command.
    ///
    /// # Errors
    /// [`COMMANDS_IN_FLIGHT_MAX`] commands are running.
    pub fn begin_command(self: &Arc<Self>) -> Result<Leave, Refusal> {
        let max = COMMANDS_IN_FLIGHT_MAX;
        let one_more = |running: usize| (running < max).then_some(running + 1);
        match self.commands.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more) {
            Ok(_) => Ok(Leave(Arc::clone(self))),
            Err(_) => Err(Refusal::limit(Limit::CommandsInFlightMax, max, max + 1)),
        }
    }
}

impl Drop for Leave {
    fn drop(&mut self) {
        self.0.commands.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        if let Some(members) = self.members.upgrade() {
            members.by_channel().remove(&self.channel);
        }
    }
}
