//! Viewers that cost little: thousands of sockets on one thread, the same for every system.
//!
//! A [`Pool`](pool::Pool) opens connections by a [script](script::Script), which says how a system's door is entered and what keeps
//! a connection alive; answers pings; and looks for [marks](mark) in what comes: the time at which an event was sent, so
//! that what it took can be told without asking the sender. It parses no more than that, so that on a machine with few cores
//! the viewers take little of what the servers could have.

pub(crate) mod connection;
pub(crate) mod frames;
pub(crate) mod mark;
pub(crate) mod pool;
pub(crate) mod script;
