//! Tasks: values with promises in them, and what is done once these are resolved.
//!
//! Calls of one object are delivered in the order of their pushes. A call that waits for results of this side keeps its turn,
//! and later calls of its object wait behind it. A call that needs a promise which only the peer can keep, or an answer of which
//! the embedder says so, loses its turn: the peer may need an answer to a later call before it keeps it.
//!
//! Nothing that keeps its turn waits for something later: the answers of calls have rising numbers, a call waits for lower ones
//! only, and stands in its lane by its number, also if it came to know its object late.

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::super::event::{Call, CallId, Event};
use super::super::value::{Fault, Future, PathPart, Promise, Stub, Target, Value, Weight, weigh_apart};
use super::Session;
use super::follow::{Followed, follow, joined};
use super::node::{NODE_BYTES, Origin, Rooted, State, Waiter};

/// A value with promises in it.
#[derive(Debug)]
pub(super) struct Task {
    value: Value,
    /// Promises that are not resolved.
    missing: usize,
    then: Then,
    /// It stands in the lane of its object.
    laned: bool,
}

/// What is done with a value that is whole.
#[derive(Debug)]
pub(super) enum Then {
    /// The value is the arguments of a call.
    Deliver { answer: u64, target: Target, path: Vec<PathPart>, reads: bool },
    /// The value is the result of a node.
    Settle(u64),
}

impl Then {
    /// The node that is settled in the end.
    const fn answer(&self) -> u64 {
        let (Self::Deliver { answer, .. } | Self::Settle(answer)) = self;
        *answer
    }
}

/// Bytes of a task beside its value: in its table, which may be half empty, and on the lists of what it waits for.
const TASK_BYTES: usize = 2 * (size_of::<Task>() + 64);

/// Where a call goes.
#[derive(Debug, Clone, Copy)]
pub(super) enum Root {
    Target(Target),
    Node(u64),
}

/// How far a task has come.
#[derive(Debug, PartialEq, Eq)]
enum Progress {
    Waits,
    Ready,
    Failed,
}

impl Session {
    /// Begins a call, or the reading of a member if there are no arguments, and gives the node of its answer; or says why
    /// there is no place for one more.
    pub(super) fn begin(&mut self, root: Root, path: Vec<PathPart>, args: Option<Value>) -> Result<u64, Fault> {
        if let Some(fault) = self.no_place_for_a_call().or_else(|| self.make_room(NODE_BYTES)) {
            self.garbage.extend(args);
            return Err(fault);
        }
        let answer = self.new_node(Origin::Peers, false);
        match root {
            Root::Target(target) => self.enter(answer, target, path, args),
            Root::Node(node) => self.route(answer, node, path, args),
        }
        Ok(answer)
    }

    /// Brings a call to where the value of a node says, or has it wait for the node.
    pub(super) fn route(&mut self, answer: u64, mut root: u64, mut path: Vec<PathPart>, args: Option<Value>) {
        let failed = loop {
            let Some(node) = self.nodes.get(&root) else { break Fault::released(0).into() };
            let value = match &node.state {
                State::Done(Ok(value)) => value,
                State::Done(Err(_)) => break self.copy_error(root),
                State::Waiting | State::Running(_) => return self.wait_at(root, answer, path, args),
            };
            match follow(Cow::Borrowed(value), &path, &mut self.work) {
                Followed::Target(target, rest) => return self.enter(answer, target, rest, args),
                Followed::Node(node, rest) => (root, path) = (node, rest),
                Followed::Remote => {
                    break Fault::unsupported("a call of your own object, or a read of it,", "call it at your side")
                        .into();
                }
                Followed::Fault(fault) => break fault.into(),
                Followed::Value(_) if args.is_some() => {
                    break Fault::type_error(format!("'{}' is not a function.", joined(&path))).into();
                }
                Followed::Value(value) => {
                    let value = match self.work.copy(&value) {
                        Ok(value) => value,
                        Err(fault) => break fault.into(),
                    };
                    self.hold(&value);
                    return self.settle_within(answer, value);
                }
            }
        };
        self.garbage.extend(args);
        self.settle(answer, Err(failed));
    }

    /// Has a call wait for the node of what it calls.
    fn wait_at(&mut self, root: u64, answer: u64, mut path: Vec<PathPart>, mut args: Option<Value>) {
        let weight = weigh_apart(args.as_mut().unwrap_or(&mut Value::Undefined), &mut path);
        if let Some(fault) = self.load(answer, weight) {
            self.garbage.extend(args);
            return self.settle(answer, Err(fault.into()));
        }
        let Some(node) = self.nodes.get_mut(&root) else { return };
        node.references += 1;
        let needs_peer = node.needs_peer;
        node.waiters.push(Waiter::Rooted(Box::new(Rooted { answer, path, args })));
        if let Some(answer) = self.nodes.get_mut(&answer) {
            answer.needs_peer |= needs_peer;
        }
    }

    /// Counts what a node holds that waits, or says why there is no room for it.
    fn load(&mut self, key: u64, weight: Weight) -> Option<Fault> {
        let before = self.nodes.get(&key).map_or(0, |node| node.cost);
        let beside = NODE_BYTES + TASK_BYTES;
        let full = self.make_room((weight.bytes() + beside).saturating_sub(before));
        if full.is_none() {
            self.charge(key, weight, beside);
        }
        full
    }

    /// Brings a call to an object of this side.
    fn enter(&mut self, answer: u64, target: Target, path: Vec<PathPart>, args: Option<Value>) {
        self.hold_stub(Stub::Local(target));
        let reads = args.is_none();
        if reads && path.is_empty() {
            // The object itself was meant; the hold is the value's.
            return self.settle(answer, Ok(Value::Stub(Stub::Local(target))));
        }
        let value = args.unwrap_or(Value::Undefined);
        self.start_task(value, Then::Deliver { answer, target, path, reads });
    }

    pub(super) fn start_task(&mut self, mut value: Value, mut then: Then) {
        let path: &mut [PathPart] = if let Then::Deliver { path, .. } = &mut then { path } else { &mut [] };
        let weight = weigh_apart(&mut value, path);
        let full = self.load(then.answer(), weight);
        let key = self.key();
        let called = if let Then::Deliver { target, answer, .. } = &then { Some((*target, *answer)) } else { None };
        self.tasks.insert(key, Task { value, missing: 0, then, laned: false });
        if let Some(fault) = full {
            return self.fail(key, fault.into());
        }
        let progress = self.advance(key);
        let Some((target, answer)) = called else {
            if progress == Progress::Ready {
                self.complete(key);
            }
            return;
        };
        let keeps_turn = match progress {
            Progress::Ready => self.lanes.contains_key(&target),
            Progress::Waits => !self.nodes.get(&answer).is_some_and(|node| node.needs_peer),
            Progress::Failed => false,
        };
        if let Some(task) = self.tasks.get_mut(&key).filter(|_| keeps_turn) {
            task.laned = true;
            self.lanes.entry(target).or_default().insert(answer, key);
            self.serve_lane(target);
        } else if progress == Progress::Ready {
            self.complete(key);
        }
    }

    /// Puts in the promises that are resolved, until all are in or some must be waited for.
    fn advance(&mut self, key: u64) -> Progress {
        loop {
            let Some(task) = self.tasks.get(&key) else { return Progress::Failed };
            let needed = nodes_in(&task.value);
            if needed.is_empty() {
                return Progress::Ready;
            }
            if let Some(failed) = needed.keys().copied().find(|node| matches!(self.result(*node), Some(Err(_)))) {
                let error = self.copy_error(failed);
                self.fail(key, error);
                return Progress::Failed;
            }
            let pending: Vec<u64> = needed.keys().copied().filter(|node| self.is_pending(*node)).collect();
            if !pending.is_empty() {
                self.wait(key, &pending);
                return Progress::Waits;
            }
            if let Some(fault) = self.too_much(key, &needed) {
                self.fail(key, fault.into());
                return Progress::Failed;
            }
            self.put_in(key);
        }
    }

    fn wait(&mut self, key: u64, pending: &[u64]) {
        let mut needs_peer = false;
        for node in pending {
            needs_peer |= self.nodes.get(node).is_some_and(|node| node.needs_peer);
            self.await_node(*node, Waiter::Task(key));
        }
        let Some(task) = self.tasks.get_mut(&key) else { return };
        task.missing = pending.len();
        let answer = task.then.answer();
        if let Some(answer) = self.nodes.get_mut(&answer) {
            answer.needs_peer |= needs_peer;
        }
    }

    /// Why the value would be too much with the promises put in, if it would be.
    fn too_much(&mut self, key: u64, needed: &BTreeMap<u64, usize>) -> Option<Fault> {
        let answer = self.tasks.get(&key)?.then.answer();
        let before = self.nodes.get(&answer)?.weight;
        let (mut whole, mut deepest) = (before, 0);
        for (node, times) in needed {
            let Some(weight) = self.nodes.get(node).map(|node| node.weight) else { continue };
            whole.values = whole.values.saturating_add(weight.values.saturating_mul(*times));
            whole.tree = whole.tree.saturating_add(weight.tree.saturating_mul(*times));
            whole.texts = whole.texts.saturating_add(weight.texts.saturating_mul(*times));
            whole.kept += weight.kept;
            deepest = deepest.max(weight.depth);
        }
        let advice = "use fewer results in one call";
        if whole.values > self.limits.values {
            Some(Fault::limit("values", self.limits.values, advice))
        } else if whole.tree.saturating_add(whole.texts.max(whole.kept)) > self.limits.held_bytes {
            Some(Fault::passing("heldBytes", self.limits.held_bytes, advice))
        } else if whole.depth + deepest > self.limits.depth {
            Some(Fault::limit("depth", self.limits.depth, "nest less"))
        } else if let Err(fault) = self.work.may() {
            Some(fault)
        } else {
            self.work.copied(whole.values);
            self.make_room(whole.bytes() - before.bytes())
        }
    }

    /// Puts the value of each promise in its place.
    fn put_in(&mut self, key: u64) {
        let Some(task) = self.tasks.get_mut(&key) else { return };
        let mut value = std::mem::replace(&mut task.value, Value::Undefined);
        value.walk_references(&mut |place| {
            let Value::Promise(Promise(Future::Node(node))) = place else { return };
            let Some(State::Done(Ok(whole))) = self.nodes.get(node).map(|node| &node.state) else { return };
            let whole = whole.clone();
            self.hold(&whole);
            let promise = std::mem::replace(place, whole);
            self.garbage.push(promise);
        });
        let Some(task) = self.tasks.get_mut(&key) else { return };
        let path: &mut [PathPart] = if let Then::Deliver { path, .. } = &mut task.then { path } else { &mut [] };
        let weight = weigh_apart(&mut value, path);
        task.value = value;
        let answer = task.then.answer();
        self.charge(answer, weight, NODE_BYTES + TASK_BYTES);
    }

    /// One of the promises that a task waits for is settled.
    pub(super) fn task_has_one_more(&mut self, key: u64, node: u64) {
        let Some(task) = self.tasks.get_mut(&key) else { return };
        task.missing -= 1;
        let (missing, laned) = (task.missing, task.laned);
        if let Some(Err(_)) = self.result(node) {
            let error = self.copy_error(node);
            self.fail(key, error);
        } else if missing == 0 && self.advance(key) == Progress::Ready {
            if laned { self.serve_lane_of(key) } else { self.complete(key) }
        }
    }

    /// Says that the answer of a running call may need further frames of the peer: it waits for a callback, or for another
    /// call. Calls that wait for this answer lose their turn, so that they do not hold up what they wait for themselves.
    pub fn awaits_peer(&mut self, call: CallId) {
        let mut nodes = vec![call.0];
        while let Some(node) = nodes.pop().and_then(|key| self.nodes.get_mut(&key)) {
            if node.needs_peer || matches!(node.state, State::Done(_)) {
                continue;
            }
            node.needs_peer = true;
            let mut unlaned = Vec::new();
            for waiter in &node.waiters {
                match waiter {
                    Waiter::Rooted(rooted) => nodes.push(rooted.answer),
                    Waiter::Task(task) => unlaned.push(*task),
                    Waiter::Peer(_) | Waiter::Embedder(_) => {}
                }
            }
            for key in unlaned {
                let Some(task) = self.tasks.get_mut(&key) else { continue };
                let answer = task.then.answer();
                nodes.push(answer);
                let was_laned = std::mem::take(&mut task.laned);
                if let Then::Deliver { target, .. } = task.then
                    && was_laned
                {
                    self.leave_lane(answer, target);
                }
            }
        }
        self.finish_step();
    }

    fn leave_lane(&mut self, answer: u64, target: Target) {
        if let Some(lane) = self.lanes.get_mut(&target) {
            lane.remove(&answer);
            self.serve_lane(target);
        }
    }

    fn serve_lane_of(&mut self, key: u64) {
        if let Some(Then::Deliver { target, .. }) = self.tasks.get(&key).map(|task| &task.then) {
            self.serve_lane(*target);
        }
    }

    /// Delivers the calls at the front of a lane that are ready.
    fn serve_lane(&mut self, target: Target) {
        while let Some(lane) = self.lanes.get_mut(&target) {
            let Some(front) = lane.first_entry() else {
                self.lanes.remove(&target);
                return;
            };
            if self.tasks.get(front.get()).is_some_and(|task| task.missing > 0) {
                return;
            }
            let key = front.remove();
            self.complete(key);
        }
    }

    /// Ends a task whose value cannot be made.
    fn fail(&mut self, key: u64, error: Value) {
        let Some(Task { value, then, laned, .. }) = self.tasks.remove(&key) else { return };
        self.unhold(value);
        match then {
            Then::Settle(node) => self.settle(node, Err(error)),
            Then::Deliver { answer, target, .. } => {
                self.settle(answer, Err(error));
                self.unhold(Value::Stub(Stub::Local(target)));
                if laned {
                    self.leave_lane(answer, target);
                }
            }
        }
    }

    /// Does what a task is for.
    fn complete(&mut self, key: u64) {
        let Some(Task { value, then, .. }) = self.tasks.remove(&key) else { return };
        let (answer, target, path, reads) = match then {
            Then::Settle(node) => return self.settle(node, Ok(value)),
            Then::Deliver { answer, target, path, reads } => (answer, target, path, reads),
        };
        let mut held: Vec<Stub> = super::holds::stubs(&value).collect();
        held.push(Stub::Local(target));
        let Some(node) = self.nodes.get_mut(&answer) else { return };
        node.state = State::Running(held);
        node.needs_peer = false;
        let is_unwanted = node.references == 0;
        let args = if let Value::Array(args) = value { Some(args).filter(|_| !reads) } else { None };
        self.events.push_back(Event::Call(Call { id: CallId(answer), target, path, args }));
        if is_unwanted {
            // Its release came while it waited for its arguments or its turn.
            self.events.push_back(Event::Unwanted(CallId(answer)));
        }
    }
}

/// The nodes that a value has as promises, with how often.
fn nodes_in(value: &Value) -> BTreeMap<u64, usize> {
    let mut nodes = BTreeMap::new();
    value.walk(0, &mut |value, _| {
        if let Value::Promise(Promise(Future::Node(node))) = value {
            *nodes.entry(*node).or_insert(0) += 1;
        }
    });
    nodes
}

pub(super) fn has_nodes(value: &Value) -> bool {
    !nodes_in(value).is_empty()
}
