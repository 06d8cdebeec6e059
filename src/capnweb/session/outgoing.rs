//! Calls of this side to the peer, and what this side keeps of the peer's.

use std::fmt::Write as _;

use super::super::value::{Fault, Future, Import, PathPart, Promise, Stub, Value};
use super::Session;
use super::holds::{Imported, stubs};
use super::node::{Origin, State, Waiter};

/// Why a call of this side was not sent. Nothing has changed.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum NotSent {
    /// The session has ended.
    #[error("the session has ended: make a new one")]
    Ended,
    /// The callee, or something in the arguments, was released or has settled; or an argument is nested too deeply.
    #[error("the call names an object, a promise or a call that was released or has settled, or is nested too deeply")]
    Gone,
    /// The call would pass a bound of [`Limits`](super::super::Limits).
    #[error("the call would pass the bound {0}: release what is no longer needed, or send less")]
    Limit(&'static str),
}

impl Session {
    /// Calls the peer, or reads a member if there are no arguments. `callee` is an object of the peer, or a call of this side
    /// that has not settled: then the peer calls its result. Objects and promises of this side in the arguments are given to
    /// the peer.
    ///
    /// The call runs whether or not its result is asked for. [Pull](Self::pull) it to be told the result;
    /// [release](Self::release) it if it is not wanted (any more).
    ///
    /// # Errors
    /// Why nothing was sent.
    pub fn call(&mut self, callee: Import, path: &[PathPart], args: Option<&[Value]>) -> Result<Import, NotSent> {
        if self.ended.is_some() {
            return Err(NotSent::Ended);
        }
        let values = args.unwrap_or_default();
        if values.iter().any(|value| self.unsendable(value).is_some()) || !self.imports.contains_key(&callee.0) {
            return Err(NotSent::Gone);
        }
        if self.counts.calls_out >= self.limits.calls_out {
            return Err(NotSent::Limit("calls_out"));
        }
        let head = Self::call_head(callee.0, path, args.is_some());
        let tail = if args.is_some() { "]]]" } else { "]]" };
        if self.send_values(&head, values, tail).is_err() {
            self.finish_step();
            return Err(NotSent::Limit("frame_bytes or exports"));
        }
        let id = self.next_import;
        self.next_import += 1;
        self.counts.calls_out += 1;
        let node = self.new_node(Origin::Import(id), true);
        self.imports.insert(id, Imported { introduced: 1, holds: 0, retained: 1, node: Some(node) });
        self.finish_step();
        Ok(Import(id))
    }

    /// Asks for the result of a call of this side, which [`Event::Settled`](super::super::Event::Settled) tells. Gives false,
    /// and does nothing, if the call was asked for, released or settled before.
    pub fn pull(&mut self, call: Import) -> bool {
        let node = self.imports.get(&call.0).filter(|_| call.0 > 0).and_then(|imported| imported.node);
        let Some(node) = node.and_then(|node| self.nodes.get_mut(&node)) else { return false };
        if node.waiters.iter().any(|waiter| matches!(waiter, Waiter::Embedder(_))) {
            return false;
        }
        node.waiters.push(Waiter::Embedder(call));
        let mut frame = String::with_capacity(16);
        let _ = write!(frame, r#"["pull",{}]"#, call.0);
        self.send(frame);
        self.finish_step();
        true
    }

    /// Keeps an object of the peer for the embedder, until it is [released](Self::release) as often as it was retained. Gives
    /// false, and does nothing, if this side does not have the object: retain it before its call is answered.
    pub fn retain(&mut self, object: Import) -> bool {
        let Some(imported) = self.imports.get_mut(&object.0).filter(|imported| imported.node.is_none()) else {
            return false;
        };
        imported.holds += 1;
        imported.retained += 1;
        true
    }

    /// Lets go of what the embedder holds: an object that it retained or was given in a result, or a call of this side, whose
    /// result is then not told. A call that runs goes on at the peer. Gives false, and does nothing, if the embedder holds
    /// nothing of that id.
    pub fn release(&mut self, import: Import) -> bool {
        let Some(imported) = self.imports.get_mut(&import.0).filter(|imported| imported.retained > 0) else {
            return false;
        };
        imported.retained -= 1;
        match imported.node {
            Some(node) => self.unreference(node),
            None => self.let_go(Stub::Remote(import)),
        }
        self.finish_step();
        true
    }

    /// Releases every object of the peer in a result that [`Event::Settled`](super::super::Event::Settled) gave.
    pub fn release_all(&mut self, result: &Value) {
        for stub in stubs(result).collect::<Vec<_>>() {
            if let Stub::Remote(import) = stub {
                self.release(import);
            }
        }
    }

    /// Makes a promise of this side, to stand in results and arguments until it is [resolved](Self::resolve).
    ///
    /// # Errors
    /// There are as many unresolved ones as there may be, or the session has ended.
    pub fn promise(&mut self) -> Result<Promise, NotSent> {
        if self.ended.is_some() {
            return Err(NotSent::Ended);
        }
        if self.counts.own_promises >= self.limits.promises {
            return Err(NotSent::Limit("promises"));
        }
        self.counts.own_promises += 1;
        Ok(Promise(Future::Node(self.new_node(Origin::Local, false))))
    }

    /// Resolves a promise of this side, or rejects it. Afterwards it can be put into no further value. Gives false, and does
    /// nothing, if it was resolved before or is not one of this side's.
    pub fn resolve(&mut self, promise: &Promise, result: Result<Value, Fault>) -> bool {
        let Future::Node(key) = promise.0 else { return false };
        let is_open = self
            .nodes
            .get(&key)
            .is_some_and(|node| node.origin == Origin::Local && matches!(node.state, State::Waiting));
        let result = self.admit(result);
        if is_open {
            self.counts.own_promises -= 1;
            self.counts.peer_promises += 1;
            if let Some(node) = self.nodes.get_mut(&key) {
                node.origin = Origin::Resolving;
            }
            self.conclude(key, result);
            self.unreference(key);
        } else {
            self.discard(result);
        }
        self.finish_step();
        is_open
    }

    /// The calls of this side whose results the embedder waits for, in their order.
    pub(super) fn awaited(&self) -> Vec<Import> {
        let waiters = self.nodes.values().flat_map(|node| &node.waiters);
        let mut calls: Vec<Import> =
            waiters.filter_map(|waiter| if let Waiter::Embedder(call) = waiter { Some(*call) } else { None }).collect();
        calls.sort_unstable();
        calls
    }
}
