//! What a session tells its embedder.

use super::value::{Import, PathPart, Target, Value};

/// A call of the peer that is to be answered by [`Session::respond`](super::Session::respond).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CallId(pub(super) u64);

/// A call of the peer, or the reading of a member, all of whose promises are resolved.
#[derive(Debug, Clone, PartialEq)]
pub struct Call {
    /// What to answer to.
    pub id: CallId,
    /// The object of this side that is called.
    pub target: Target,
    /// From the object to the method: `["sync"]` in `share.sync()`; empty if the object itself is called as a function.
    pub path: Vec<PathPart>,
    /// The arguments; `None` if the member is only read. Stubs in them are kept until the call is answered; to keep one for
    /// longer, [retain](super::Session::retain) it before.
    pub args: Option<Vec<Value>>,
}

/// What happened at a session, to be taken by [`Session::poll_event`](super::Session::poll_event).
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Event {
    /// The peer calls.
    Call(Call),
    /// The peer gave the answer of this call up, whether or not it had asked for it. The call may run on, and may be answered
    /// still; a method with effects should. Capnweb's own server never stops one.
    Unwanted(CallId),
    /// A call of this side that was [pulled](super::Session::pull) has its result, or its error. The call is released. Each
    /// object of the peer in the result belongs to the embedder, who [releases](super::Session::release) it.
    Settled(Import, Result<Value, Value>),
    /// Nothing that the peer holds, and no call in progress, reaches this object any more. Told once, and again if the object
    /// was given again and dropped again. Told of every object when the session ends.
    Dropped(Target),
}
