//! A session: what one peer is connected to another by, without the connection.
//!
//! [`Session::receive`] takes a frame, [`Session::poll_event`] gives what the embedder is to do for it, and
//! [`Session::poll_frame`] gives what is to be sent. Nothing happens by itself: there is no clock and no task in it.
//!
//! Inside, everything that is or will be a value for somebody is a *node*: the answer of a call, a promise of either side.
//! The two tables name things to the peer: exports are nodes and objects of this side, imports are objects and promises of
//! the peer. A call whose object or arguments are not there yet waits as a *task* on the nodes that it needs.
//!
//! The accounts are exact: each stub in a value that the session keeps holds its object once, each promise its node; what
//! nothing holds is released to the peer in the same step.

mod evaluate;
mod exports;
mod follow;
mod holds;
mod node;
mod nodes;
mod outgoing;
mod results;
mod tasks;
mod work;

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::hash::Hash;
use std::time::Duration;

use self::exports::Export;
use self::holds::Imported;
use self::node::{Node, Origin, State};
pub use self::outgoing::NotSent;
use self::results::Results;
use self::tasks::Task;
use self::work::Work;
use super::end::End;
use super::event::{CallId, Event};
use super::limits::Limits;
use super::message::{self, Message};
use super::read::Expression;
use super::text::Text;
use super::value::{Fault, Stub, Target, Value};
use super::write;

/// One end of a Cap'n Web session. Both ends are alike: either may export a main object and call the other's.
#[derive(Debug)]
pub struct Session {
    limits: Limits,
    /// What the peer may name: results by the numbers of its pushes, objects and promises of this side below 0, the main at 0.
    exports: BTreeMap<i64, Export>,
    /// The number of the peer's next push.
    next_push: i64,
    /// The number of this side's next export, below 0.
    next_export: i64,
    /// Positive exports whose result is there, and what became of those that are not in the table.
    results: Results,
    /// Time since the session began, as the embedder told it last.
    now: Duration,
    /// What the peer gave, and the calls of this side.
    imports: HashMap<i64, Imported>,
    /// The number of this side's next push.
    next_import: i64,
    nodes: HashMap<u64, Node>,
    tasks: HashMap<u64, Task>,
    /// The number of the next node or task.
    next_key: u64,
    /// Calls that wait for their turn at an object: their tasks by the nodes of their answers, which are in the order of the
    /// pushes. No lane is empty.
    lanes: HashMap<Target, BTreeMap<u64, u64>>,
    /// How often each object of this side is held.
    targets: HashMap<Target, usize>,
    /// Objects that nothing holds any more, of which the embedder is still to be told.
    dropped: BTreeSet<Target>,
    /// Nodes whose waiters are still to be woken.
    settled: VecDeque<u64>,
    /// Values that nothing keeps any more, whose stubs and promises are still to be let go.
    garbage: Vec<Value>,
    counts: Counts,
    work: Work,
    events: VecDeque<Event>,
    frames: VecDeque<String>,
    ended: Option<End>,
}

/// Sums that are kept up to date.
#[derive(Debug, Default, Clone, Copy)]
struct Counts {
    /// Nodes of calls and values of the peer that are not settled.
    calls: usize,
    /// Promises of the peer that are not settled.
    peer_promises: usize,
    /// Promises of this side that are not settled.
    own_promises: usize,
    /// Calls of this side that are not released.
    calls_out: usize,
    /// Exports below 0.
    exported: usize,
    /// Estimated bytes of nodes.
    held: usize,
    /// Bytes of frames that wait to be sent.
    queued: usize,
}

/// Sizes of a session's tables. At rest, with nothing held by either side but the main objects, `exports` and `imports` are 1
/// and all else is 0.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Objects, promises and results that the peer may name, the main object included.
    pub exports: usize,
    /// Objects and promises of the peer, and calls of this side, the peer's main object included.
    pub imports: usize,
    /// Calls and values of the peer that are not settled.
    pub calls: usize,
    /// Values that are kept or awaited: results, promises, arguments.
    pub nodes: usize,
    /// Estimated bytes that calls and results hold.
    pub held_bytes: usize,
    /// Bytes of frames that wait to be sent. An embedder whose socket is full should take no frame of the peer meanwhile.
    pub queued_bytes: usize,
}

impl Session {
    /// A session at its start. `main` is the object that the peer's first calls go to, if there is one.
    #[must_use]
    pub fn new(limits: Limits, main: Option<Target>) -> Self {
        let mut session = Self {
            work: Work::new(limits.work),
            limits,
            exports: BTreeMap::new(),
            next_push: 1,
            next_export: -1,
            results: Results::default(),
            now: Duration::ZERO,
            imports: HashMap::from([(0, Imported::main())]),
            next_import: 1,
            nodes: HashMap::new(),
            tasks: HashMap::new(),
            next_key: 0,
            lanes: HashMap::new(),
            targets: HashMap::new(),
            dropped: BTreeSet::new(),
            settled: VecDeque::new(),
            garbage: Vec::new(),
            counts: Counts::default(),
            events: VecDeque::new(),
            frames: VecDeque::new(),
            ended: None,
        };
        if let Some(main) = main {
            session.exports.insert(0, Export::Target(main));
            session.hold_stub(Stub::Local(main));
        }
        session
    }

    /// Takes one frame of the peer: the text of one WebSocket message. Take the events and the frames afterwards.
    ///
    /// What is kept of a frame is counted by the bytes that the text was made of. So a text that is a slice of a larger buffer,
    /// such as a socket's, is to be copied first.
    ///
    /// # Errors
    /// Why the session has ended, by this frame or before. Then send the frames that are left, of which the last says why to
    /// the peer, and close the connection.
    pub fn receive(&mut self, frame: Text) -> Result<(), End> {
        if let Some(end) = &self.ended {
            return Err(end.clone());
        }
        let taken = self.take(&frame);
        match taken {
            Ok(()) => self.finish_step(),
            Err(end) => self.end(end),
        }
        self.ended.clone().map_or(Ok(()), Err)
    }

    fn take(&mut self, frame: &Text) -> Result<(), End> {
        let (got, max) = (frame.bytes().len(), self.limits.frame_bytes);
        if got > max {
            return Err(End::FrameTooLarge { got, max });
        }
        self.work.earn(got);
        let message = message::read(frame, &self.limits);
        match message.map_err(|malformed| End::Malformed { at: malformed.at, what: malformed.what })? {
            Message::Push(expression) => self.push(expression, false),
            Message::Stream(expression) => self.push(expression, true),
            Message::Pipe => {
                let fault = Fault::unsupported("a stream", "send its chunks as bytes");
                let node = self.settled_node(Err(fault.into()));
                self.add_entry(node, false);
                Ok(())
            }
            Message::Pull(id) => self.pulled(id),
            Message::Resolve(id, expression) => self.resolved(id, expression, false),
            Message::Reject(id, expression) => self.resolved(id, expression, true),
            Message::Release(id, count) => self.released(id, count),
            Message::Abort(Expression { value, .. }) => Err(End::Aborted(Box::new(value))),
        }
    }

    /// The next thing for the embedder to do, if there is one.
    pub fn poll_event(&mut self) -> Option<Event> {
        let event = self.events.pop_front();
        if event.is_none() {
            self.events.shrink_to(TABLE_SPARE);
        }
        event.or_else(|| self.dropped.pop_first().map(Event::Dropped))
    }

    /// The next frame to send, if there is one: the text of one WebSocket message.
    pub fn poll_frame(&mut self) -> Option<String> {
        let frame = self.frames.pop_front()?;
        self.counts.queued -= frame.capacity();
        if self.frames.is_empty() {
            self.frames.shrink_to(TABLE_SPARE);
        }
        Some(frame)
    }

    /// Answers a call, with a value or with an error. Gives false, and does nothing, if the call was answered before or the
    /// session has ended.
    ///
    /// A result may hold objects of this side, promises of this side, and the peer's own objects, but may not *be* one of the
    /// peer's own objects: official clients fail on that, so it becomes an error. An answer that is above a bound becomes an
    /// error as well. Stubs of the peer in the arguments are released, unless they were retained or are in the result.
    pub fn respond(&mut self, call: CallId, result: Result<Value, Fault>) -> bool {
        let running = self.nodes.get_mut(&call.0).and_then(|node| {
            let State::Running(held) = &mut node.state else { return None };
            let held = std::mem::take(held);
            node.state = State::Waiting;
            Some(held)
        });
        let result = self.admit(result);
        let Some(held) = running else {
            self.discard(result);
            self.finish_step();
            return false;
        };
        for stub in held {
            self.let_go(stub);
        }
        self.conclude(call.0, result);
        self.finish_step();
        true
    }

    /// Ends the session by this side's own will, with an error that the peer is told.
    pub fn close(&mut self, fault: Fault) {
        if self.ended.is_none() {
            self.abort(End::Closed, Some(fault.into()));
        }
    }

    /// Ends the session because the connection is gone: nothing is sent any more.
    pub fn disconnected(&mut self) {
        if self.ended.is_none() {
            self.abort(End::Closed, None);
        }
        self.frames.clear();
        self.counts.queued = 0;
    }

    /// Why the session has ended, if it has.
    #[must_use]
    pub const fn ended(&self) -> Option<&End> {
        self.ended.as_ref()
    }

    /// The sizes of the tables.
    #[must_use]
    pub fn stats(&self) -> Stats {
        Stats {
            exports: self.exports.len(),
            imports: self.imports.len(),
            calls: self.counts.calls,
            nodes: self.nodes.len(),
            held_bytes: self.counts.held,
            queued_bytes: self.counts.queued,
        }
    }

    fn send(&mut self, frame: String) {
        if self.ended.is_none() && !self.is_overrun() {
            self.counts.queued += frame.capacity();
            self.frames.push_back(frame);
        }
    }

    /// Whether more waits to be sent than may: then the session ends with this step, and nothing more is made to be sent.
    const fn is_overrun(&self) -> bool {
        self.counts.queued > self.limits.queue_bytes
    }

    /// Does what is due at the end of each step: waiters are woken, what nothing keeps is let go, room is made.
    fn finish_step(&mut self) {
        loop {
            self.sweep();
            if let Some(node) = self.settled.pop_front() {
                self.wake(node);
            } else if !self.drop_a_result() {
                break;
            }
        }
        self.trim();
        let queued = self.counts.queued;
        if self.ended.is_none() && self.is_overrun() {
            self.frames.clear();
            self.counts.queued = 0;
            self.end(End::Overrun { queued });
        }
    }

    /// Gives back what tables take that one frame has filled for a moment.
    fn trim(&mut self) {
        trim(&mut self.nodes);
        trim(&mut self.tasks);
        trim(&mut self.imports);
        trim(&mut self.targets);
        self.settled.shrink_to(TABLE_SPARE);
        self.garbage.shrink_to(TABLE_SPARE);
    }

    /// Ends the session for a reason that lies with the peer.
    fn end(&mut self, end: End) {
        let told = if let End::Aborted(_) = &end { None } else { Some(Fault::new(end.to_string()).into()) };
        self.abort(end, told);
    }

    fn abort(&mut self, end: End, told: Option<Value>) {
        if let Some(value) = told {
            let mut frame = String::from(r#"["abort","#);
            write::value(&mut frame, &value, self.limits.frame_bytes, &mut |_| None);
            frame.push(']');
            self.send(frame);
        }
        let error = Fault::new(format!("the session has ended: {end}"));
        self.ended = Some(end);
        self.events.retain(|event| matches!(event, Event::Settled(..)));
        let awaited = self.awaited();
        self.events.extend(awaited.into_iter().map(|call| Event::Settled(call, Err(error.clone().into()))));
        self.dropped.extend(self.targets.drain().map(|(target, _)| target));
        self.exports.clear();
        self.results = Results::default();
        self.imports.clear();
        self.nodes.clear();
        self.tasks.clear();
        self.lanes.clear();
        self.settled.clear();
        self.garbage.clear();
        self.counts = Counts { queued: self.counts.queued, ..Counts::default() };
    }

    fn key(&mut self) -> u64 {
        self.next_key += 1;
        self.next_key
    }

    /// A node that is settled from the start.
    fn settled_node(&mut self, result: Result<Value, Value>) -> u64 {
        let node = self.new_node(Origin::Local, false);
        self.settle(node, result);
        node
    }
}

/// Places that a table may keep free.
const TABLE_SPARE: usize = 64;

/// Makes a table smaller that has four times as many places as are taken, and some.
fn trim<K: Eq + Hash, V>(table: &mut HashMap<K, V>) {
    if table.capacity() > TABLE_SPARE + 4 * table.len() {
        table.shrink_to(2 * table.len());
    }
}
