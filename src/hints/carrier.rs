//! What a carrier of news is, and who is told what it brings.

use std::fmt;

use super::message::{Control, Hint, Message};
use crate::share::id::ShareId;

/// Brings messages from host to host. It is asked by many tasks at once, never waits, and must not call [`Hints`](super::Hints) from within
/// its methods. What it is handed and cannot send at once, because too much waits or nobody is reached, it drops.
pub trait Carrier: Send + Sync + fmt::Debug {
    /// From now on hints of this share are wanted here. Asked again, it changes nothing. Where this takes a while to come into effect, the
    /// carrier asks for a [look](super::Hints::look) when it has; besides that the room looks at once, and after 1 and 5 s.
    fn follow(&self, share: &ShareId);

    /// Hints of this share are not wanted any more. Some may come all the same.
    fn unfollow(&self, share: &ShareId);

    /// Sends a hint to the hosts that follow its share, or a control message to all other hosts or to the one that it names. It is called
    /// also while the carrier is not [connected](super::Hints::connected): those that it reaches hear it.
    ///
    /// # Errors
    /// The message was dropped.
    fn publish(&self, message: Message) -> Result<(), NotSent>;
}

/// A message was not sent, and will not be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the message was not sent to the other hosts: there is no connection to them, or too much waits for it")]
pub struct NotSent;

/// Why a room looks into the bucket for what other hosts wrote.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Why {
    /// Somebody began to follow the share here.
    Begin,
    /// A hint named a segment that the room does not have.
    Hint,
    /// The carrier is connected again, or may have lost something.
    Reconnect,
    /// Nothing was heard for as long as nothing is taken for granted.
    Floor,
    /// A caller asked for a state that is not old.
    Read,
    /// The share is to be folded.
    Fold,
}

impl Why {
    /// The reason's name in metrics.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Begin => "begin",
            Self::Hint => "hint",
            Self::Reconnect => "reconnect",
            Self::Floor => "floor",
            Self::Read => "read",
            Self::Fold => "fold",
        }
    }
}

/// What a hint was to those who heard it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Heard {
    /// A room looks because of it.
    Useful,
    /// Nobody here waits for the share, or its room has that segment already, or looks anyway.
    Useless,
}

/// Who has the rooms of a host. Nothing of this waits.
pub trait Listener: Send + Sync + fmt::Debug {
    /// A share has a segment of this number, if the hint is true.
    fn hinted(&self, hint: &Hint) -> Heard;

    /// The room of this share is to look, if anybody waits for its news.
    fn look(&self, share: &ShareId, why: Why);

    /// Every room for whose news anybody waits is to look.
    fn look_all(&self, why: Why);

    /// Hints come from now on, or come no more.
    fn connected(&self, connected: bool);
}

/// Who is told of control messages. It does not wait, and takes into account that anybody who may use the carrier may have sent them.
pub trait ControlListener: Send + Sync + fmt::Debug {
    /// Another host tells this one something.
    fn told(&self, control: &Control);
}
