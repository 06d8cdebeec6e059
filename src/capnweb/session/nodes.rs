//! The life of nodes: made, settled, dropped.

use super::super::event::Event;
use super::super::value::{Fault, Future, Import, Promise, Stub, Value, Weight};
use super::Session;
use super::exports::Export;
use super::node::{NODE_BYTES, Node, Origin, Rooted, State, Waiter};
use super::tasks::{Then, has_nodes};

impl Session {
    /// A node that waits, with one reference.
    pub(super) fn new_node(&mut self, origin: Origin, needs_peer: bool) -> u64 {
        let key = self.key();
        self.counts.calls += usize::from(origin == Origin::Peers);
        let node = Node {
            state: State::Waiting,
            origin,
            references: 1,
            waiters: Vec::new(),
            entry: None,
            weight: Weight::default(),
            cost: NODE_BYTES,
            needs_peer,
        };
        self.nodes.insert(key, node);
        self.counts.held += NODE_BYTES;
        key
    }

    pub(super) fn result(&self, node: u64) -> Option<&Result<Value, Value>> {
        if let State::Done(result) = &self.nodes.get(&node)?.state { Some(result) } else { None }
    }

    pub(super) fn is_pending(&self, node: u64) -> bool {
        self.nodes.get(&node).is_some_and(|node| !matches!(node.state, State::Done(_)))
    }

    /// Sets what a node weighs, and counts it with so many bytes beside.
    pub(super) fn charge(&mut self, key: u64, weight: Weight, beside: usize) {
        if let Some(node) = self.nodes.get_mut(&key) {
            let cost = weight.bytes() + beside;
            self.counts.held = self.counts.held - node.cost + cost;
            (node.weight, node.cost) = (weight, cost);
        }
    }

    /// Gives a node its result, after the promises in it are resolved if it has any on its top or came from the peer.
    pub(super) fn conclude(&mut self, node: u64, result: Result<Value, Value>) {
        match result {
            Ok(value) if matches!(value, Value::Promise(Promise(Future::Node(_)))) => self.wait_for(node, value),
            result => self.settle(node, result),
        }
    }

    /// Settles a node with a value once all promises in it are resolved.
    pub(super) fn wait_for(&mut self, node: u64, value: Value) {
        if has_nodes(&value) {
            self.start_task(value, Then::Settle(node));
        } else {
            self.settle_within(node, value);
        }
    }

    /// Settles a node with a value, or with an error if there is no room for the value.
    pub(super) fn settle_within(&mut self, node: u64, mut value: Value) {
        let weight = value.settled_weight();
        match self.make_room(weight.bytes()) {
            None => self.settle_as(node, Ok(value), weight),
            Some(fault) => {
                self.unhold(value);
                self.settle(node, Err(fault.into()));
            }
        }
    }

    /// Gives a node its result for good. What the value names is held already.
    pub(super) fn settle(&mut self, key: u64, mut result: Result<Value, Value>) {
        let weight = match &mut result {
            Ok(value) | Err(value) => value.settled_weight(),
        };
        self.settle_as(key, result, weight);
    }

    fn settle_as(&mut self, key: u64, result: Result<Value, Value>, weight: Weight) {
        let Some(node) = self.nodes.get_mut(&key).filter(|node| !matches!(node.state, State::Done(_))) else {
            return self.discard(result);
        };
        self.counts.calls -= usize::from(node.origin == Origin::Peers);
        self.counts.peer_promises -= usize::from(node.origin == Origin::Resolving);
        node.state = State::Done(result);
        node.needs_peer = false;
        let (entry, unused) = (node.entry, node.references == 0);
        self.charge(key, weight, NODE_BYTES);
        if unused {
            self.remove_node(key);
        } else {
            // What was asked for goes out first; until then it is not among the results that may be dropped.
            let is_asked_for =
                |id: &i64| matches!(self.exports.get(id), Some(Export::Result { is_asked_for: true, .. }));
            if let Some(id) = entry.filter(|id| !is_asked_for(id)) {
                self.results.made(id, self.now);
            }
            self.settled.push_back(key);
        }
    }

    /// Has a node do something when it is settled. Waiters that have given up meanwhile go before the list grows, so that it does
    /// not grow by them.
    pub(super) fn await_node(&mut self, key: u64, waiter: Waiter) {
        let Some(node) = self.nodes.get_mut(&key) else { return };
        if node.waiters.len() == node.waiters.capacity() {
            let (tasks, exports) = (&self.tasks, &self.exports);
            node.waiters.retain(|waiter| match waiter {
                Waiter::Task(task) => tasks.contains_key(task),
                Waiter::Peer(export) => exports.contains_key(export),
                Waiter::Rooted(_) | Waiter::Embedder(_) => true,
            });
            // As many again before the list is looked through once more.
            node.waiters.reserve(node.waiters.len().max(1));
        }
        node.waiters.push(waiter);
    }

    /// Counts one reference less, and removes what has none.
    pub(super) fn unreference(&mut self, key: u64) {
        let Some(node) = self.nodes.get_mut(&key) else { return };
        node.references -= 1;
        if node.references > 0 {
            return;
        }
        match (&node.state, node.origin) {
            (State::Done(_), _) => self.remove_node(key),
            (_, Origin::Import(id)) => {
                self.counts.peer_promises -= usize::from(id < 0);
                self.remove_node(key);
                self.forget_import(id);
            }
            (_, Origin::Peers | Origin::Local | Origin::Resolving) => {}
        }
    }

    fn remove_node(&mut self, key: u64) {
        if let Some(node) = self.nodes.remove(&key) {
            self.counts.held -= node.cost;
            if let State::Done(result) = node.state {
                self.discard(result);
            }
        }
    }

    /// Does what waits for a node that is settled.
    pub(super) fn wake(&mut self, key: u64) {
        let Some(node) = self.nodes.get_mut(&key) else { return };
        for waiter in std::mem::take(&mut node.waiters) {
            match waiter {
                Waiter::Rooted(rooted) => {
                    let Rooted { answer, path, args } = *rooted;
                    self.route(answer, key, path, args);
                    self.unreference(key);
                }
                Waiter::Task(task) => self.task_has_one_more(task, key),
                Waiter::Peer(export) => self.answer(export),
                Waiter::Embedder(call) => self.tell_embedder(call, key),
            }
        }
    }

    /// Tells the embedder the result of a call of this side.
    fn tell_embedder(&mut self, call: Import, key: u64) {
        let Some(result) = self.result(key).cloned() else { return };
        if let Ok(value) = &result {
            // Objects of this side are the embedder's own, and need nobody to hold them for it.
            for stub in super::holds::stubs(value) {
                if let Stub::Remote(import) = stub
                    && let Some(imported) = self.imports.get_mut(&import.0)
                {
                    imported.holds += 1;
                    imported.retained += 1;
                }
            }
        }
        self.events.push_back(Event::Settled(call, result));
        self.unreference(key);
    }

    /// The error of a node, for one more that fails by it; or why there is no room for one more.
    pub(super) fn copy_error(&mut self, key: u64) -> Value {
        let weight = self.nodes.get(&key).map_or_else(Weight::default, |node| node.weight);
        let full = self.work.may().err().or_else(|| self.make_room(weight.bytes()));
        if full.is_none() {
            self.work.copied(weight.values);
        }
        match (full, self.result(key)) {
            (None, Some(Err(error))) => error.clone(),
            (Some(fault), _) => fault.into(),
            (None, _) => Fault::released(0).into(),
        }
    }
}
