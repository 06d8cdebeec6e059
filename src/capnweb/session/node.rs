//! Nodes, as they lie in their table: values that are there, or will be.

use super::super::value::{Import, PathPart, Stub, Value, Weight};

/// Bytes of a node beside what it holds: in its table, and some 88 in the table of exports and on lists; either table may be
/// half empty.
pub(super) const NODE_BYTES: usize = 2 * (size_of::<Node>() + 88);

/// A value that is there or will be.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) state: State,
    pub(super) origin: Origin,
    /// How many tables, values and calls name it. The side that is to settle it is not counted.
    pub(super) references: usize,
    /// What is to be done when it is settled, in this order.
    pub(super) waiters: Vec<Waiter>,
    /// The positive export whose result it is.
    pub(super) entry: Option<i64>,
    /// What its result weighs, or while it is not settled, the call or the value that it is to come of.
    pub(super) weight: Weight,
    /// Bytes that are counted for it.
    pub(super) cost: usize,
    /// It waits, itself or by what it waits for, for a promise that only the peer can keep.
    pub(super) needs_peer: bool,
}

#[derive(Debug)]
pub(super) enum State {
    /// For what it is made of.
    Waiting,
    /// The embedder has the call; these stubs are held for it.
    Running(Vec<Stub>),
    Done(Result<Value, Value>),
}

/// Who settles a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Origin {
    /// A call or a value of the peer: the session and the embedder.
    Peers,
    /// A promise of the peer, or a call of this side: the peer, under this id.
    Import(i64),
    /// The embedder.
    Local,
    /// What its value is made of: it was resolved to a value that has promises itself. Counted as a promise of the peer until
    /// it is settled, so that a chain of such promises is bounded.
    Resolving,
}

/// What waits for a node.
#[derive(Debug)]
pub(super) enum Waiter {
    /// A call of the node's value.
    Rooted(Box<Rooted>),
    /// A task that has the node in its value.
    Task(u64),
    /// The peer, which asked for this export.
    Peer(i64),
    /// The embedder, which asked for the result of this call.
    Embedder(Import),
}

/// A call of something that is not there yet.
#[derive(Debug)]
pub(super) struct Rooted {
    pub(super) answer: u64,
    pub(super) path: Vec<PathPart>,
    pub(super) args: Option<Value>,
}
