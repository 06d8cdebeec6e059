//! One connection's life, from its admission to its end: the one loop in which everything of it happens.
//!
//! Frames go into the session, calls come out of it and are begun in their order, and what they come to goes back. All calls, watches
//! and pushes of a connection are polled by its one task; when that ends, each of them is cancelled.

use std::collections::HashMap;
use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::sync::Arc;

use bytes::Bytes;
use futures::future::{AbortHandle, Abortable, BoxFuture};
use futures::stream::FuturesUnordered;
use futures::{AsyncRead, AsyncWrite, FutureExt as _, StreamExt as _};
use tokio::time::{Instant, sleep_until};

use crate::capnweb::{Call, CallId, End, Event, Fault, PathPart, Session, Target, Text, Value};
use crate::connections::close::CloseReason;
use crate::connections::entry::Entry;
use crate::connections::registry::Connection;
use crate::contract::moving::reason;
use crate::hub::Hub;
use crate::metrics::Metrics;
use crate::web::WebSettings;
use crate::web::caller::{Answer, Caller, Context};
use crate::web::link::Link;
use crate::web::root::Root;
use crate::web::sink;
use crate::web::socket::{Heard, Socket};
use crate::web::stranger::Stranger;
use crate::web::{limits, refused};

/// How a connection ended.
#[derive(Debug)]
pub(super) enum Ended {
    /// The peer left, or was cut off because it did not read.
    Left,
    /// The host closed it.
    Closed(CloseReason),
    /// The peer broke the protocol, or ended the session.
    Broken(End),
    /// The peer sent what no session reads: the error that ends the session.
    Foreign(Fault),
}

/// What came of something that ran.
enum Done {
    /// A call has its answer.
    Call(CallId, Answer<Value>, InFlight),
    /// A watch or a push is over.
    Task,
}

/// One connection's life.
pub(super) struct Life<'a> {
    caller: Arc<Caller>,
    connection: &'a Connection,
    settings: WebSettings,
    /// Bound: the calls that a connection may have in flight, the watches that it may hold, and its pushes.
    running: FuturesUnordered<BoxFuture<'static, Done>>,
    /// Calls that end when their caller has given their answers up.
    stoppable: HashMap<CallId, AbortHandle>,
}

impl<'a> Life<'a> {
    pub(super) fn new(
        hub: Arc<Hub>,
        connection: &'a Connection,
        stranger: Arc<Stranger>,
        settings: WebSettings,
    ) -> Self {
        // The main object is the first that is served.
        let session = Session::new(limits::of_strangers(&hub.settings().limits), Some(Target(0)));
        let caller = Caller::new(hub, Arc::clone(connection.entry()), Link::new(session), stranger);
        if connection.principal.is_some() {
            caller.becomes_known();
        }
        let _main = caller.serve(Arc::new(Root::new(connection.principal.clone())));
        connection.traffic.set_queue(caller.link.queued());
        Self { caller, connection, settings, running: FuturesUnordered::new(), stoppable: HashMap::new() }
    }

    /// Serves the connection until it ends.
    pub(super) async fn run<S>(&mut self, socket: &mut Socket<S>) -> Ended
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let (connection, settings, link) = (self.connection, self.settings, Arc::clone(&self.caller.link));
        let connections = Arc::clone(self.caller.hub.connections());
        let mut closing = pin!(connection.closing());
        let mut expired = pin!(connections.close_when_expired(connection));
        let mut unknown = pin!(connections.close_unless_authenticated(connection, settings.authenticate_within));
        let closed = || Ended::Closed(connection.close_reason().cloned().unwrap_or(CloseReason::GOING_AWAY));
        let mut next_ping = Instant::now() + settings.ping_interval;
        let mut alarm = pin!(sleep_until(next_ping));
        // The drain of which the client was told last.
        let mut told = 0;
        loop {
            self.attend();
            let queued = link.note_unsent(socket.unsent());
            let listens = self.caller.stranger.listens(queued, settings.queued_bytes_max);
            let next = socket.stuck_since.map_or(next_ping, |since| next_ping.min(since + settings.write_stall));
            if alarm.deadline() != next {
                alarm.as_mut().reset(next);
            }
            tokio::select! {
                biased;
                // The host's own word first: after it nothing is begun or delivered.
                () = &mut closing => return closed(),
                () = &mut expired => return closed(),
                () = &mut unknown => return closed(),
                moving = connection.moves(told) => {
                    told = moving.drain;
                    sink::tell_of_move(&self.caller, &moving);
                }
                // What is done gives its place back before more is begun.
                Some(done) = self.running.next(), if !self.running.is_empty() => {
                    self.take(done);
                    self.take_all();
                }
                // Something was called back, released or spawned.
                () = link.stirred() => {}
                heard = socket.turn(|| link.step(Session::poll_frame), listens, |bytes| connection.traffic.sent(bytes)) => {
                    if let Some(ended) = self.hear_all(heard, socket).await {
                        return ended;
                    }
                }
                () = &mut alarm => {
                    if let Some(ended) = tend(socket, listens, settings) {
                        return ended;
                    }
                    next_ping = Instant::now() + settings.ping_interval;
                    socket.ping();
                }
            }
        }
    }

    /// Ends everything that runs, and gives the frames that are still to be sent and the Close frame's code and reason.
    pub(super) fn end(mut self, ended: &Ended) -> (Vec<String>, u16, String) {
        self.running.clear();
        self.caller.end();
        let (code, fault, reason) = match ended {
            Ended::Left => (1000, None, String::new()),
            Ended::Closed(close) => (close.code, Some(refused::closed(close)), words(self.connection, close)),
            Ended::Broken(end) => {
                let (code, fault) = refused::broken_off(end);
                let reason = fault.as_ref().map_or("this side has ended the session".into(), message);
                (code, fault, reason)
            }
            Ended::Foreign(fault) => (refused::close_of(fault), Some(fault.clone()), message(fault)),
        };
        let mut frames: Vec<String> =
            self.caller.link.step(|session| std::iter::from_fn(|| session.poll_frame()).collect());
        if matches!(ended, Ended::Broken(_)) && fault.is_some() {
            // The session's own last word, which names neither a code nor how the connection is closed.
            frames.pop();
        }
        frames.extend(fault.map(refused::abort));
        self.caller.link.step(Session::disconnected);
        (frames, code, reason)
    }

    /// Does what the session and its calls have for this task, until there is nothing more.
    fn attend(&mut self) {
        loop {
            for task in self.caller.link.take_spawned() {
                let connection = self.connection.id.clone();
                let guarded = AssertUnwindSafe(task).catch_unwind().map(move |ended| {
                    if ended.is_err() {
                        tracing::error!(%connection, "a watch or a push panicked; its connection goes on");
                    }
                    Done::Task
                });
                self.running.push(guarded.boxed());
            }
            let Some(event) = self.caller.link.step(Session::poll_event) else { return };
            match event {
                Event::Call(call) => self.begin(call),
                Event::Unwanted(call) => {
                    if let Some(handle) = self.stoppable.get(&call) {
                        handle.abort();
                    }
                }
                Event::Settled(import, result) => self.caller.link.settled(import, result),
                Event::Dropped(target) => self.caller.forget(target),
            }
        }
    }

    /// Begins a call: what it does before it waits for something is done when this returns.
    fn begin(&mut self, call: Call) {
        let Call { id, target, path, args } = call;
        if let Some(reason) = self.connection.close_reason() {
            return self.respond(id, Err(refused::closed(reason)));
        }
        let (name, args) = match (path.as_slice(), args) {
            ([PathPart::Name(name)], Some(args)) => (name.clone(), args),
            // There is nothing to be read but methods, and these are called.
            (_, None) => return self.respond(id, Ok(Value::Undefined)),
            (path, Some(_)) => return self.respond(id, Err(refused::not_a_function(&joined(path)))),
        };
        let context = Context { caller: Arc::clone(&self.caller), call: id };
        let found = self.caller.object(target).and_then(|object| object.call(context, &name, args));
        let Some((running, stops)) = found else {
            return self.respond(id, Err(refused::not_a_function(&joined(&path))));
        };
        let (handle, registration) = AbortHandle::new_pair();
        if stops {
            self.stoppable.insert(id, handle);
        }
        let in_flight = InFlight::begin(self.caller.hub.metrics(), self.connection.entry());
        let guarded = AssertUnwindSafe(Abortable::new(running, registration)).catch_unwind();
        let running = guarded.map(move |ended| {
            let answer = match ended {
                Ok(Ok(answer)) => answer,
                Ok(Err(_given_up)) => {
                    Err(Fault::new("Canceled: the caller gave this call up").with("code", "Canceled"))
                }
                Err(_panic) => Err(in_flight.panicked(&name)),
            };
            Done::Call(id, answer, in_flight)
        });
        // Polled at once and whatever the task's budget, so that calls begin in the order in which they were made.
        let mut running = running.boxed();
        match tokio::task::unconstrained(&mut running).now_or_never() {
            Some(done) => self.take(done),
            None => self.running.push(running),
        }
    }

    /// Takes what came of everything that has ended: where many calls are answered by one write, all else is looked at once for all of
    /// them. What has not ended is polled again before this task sleeps.
    fn take_all(&mut self) {
        while let Some(Some(done)) = self.running.next().now_or_never() {
            self.take(done);
        }
    }

    /// Takes what came of something that ran.
    fn take(&mut self, done: Done) {
        if let Done::Call(id, answer, in_flight) = done {
            self.stoppable.remove(&id);
            self.respond(id, answer);
            drop(in_flight);
        }
    }

    fn respond(&self, id: CallId, answer: Answer<Value>) {
        // False if the session has ended meanwhile.
        let _answered = self.caller.link.step(|session| session.respond(id, answer));
    }

    /// Takes what was heard of the peer, and the frames behind it that are here already. Gives how the connection ended, if it has.
    async fn hear_all<S>(&mut self, first: Heard, socket: &mut Socket<S>) -> Option<Ended>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let mut heard = first;
        loop {
            if let Some(ended) = self.hear(heard) {
                return Some(ended);
            }
            self.attend();
            let queued = self.caller.link.note_unsent(socket.unsent());
            if !self.caller.stranger.listens(queued, self.settings.queued_bytes_max) {
                return None;
            }
            heard = socket.heard_already().await?;
            // As in the loop: what is done gives its place back before more is begun.
            self.take_all();
        }
    }

    /// Takes what was heard of the peer; gives how the connection ended, if it has.
    fn hear(&self, heard: Heard) -> Option<Ended> {
        match heard {
            Heard::Text(text) => self.receive(text),
            // The alarm is set anew, and who waits for the line is told.
            Heard::Stuck | Heard::Sent => None,
            Heard::Gone => Some(Ended::Left),
            Heard::Binary => {
                let says = "this door takes text messages of Cap'n Web; Cap'n Proto RPC is at /rpc/share";
                Some(Ended::Foreign(refused::foreign(says, 1003)))
            }
            Heard::TooLong(got) => {
                let max = self.caller.hub.settings().limits.message_bytes_max;
                Some(Ended::Foreign(refused::frame_too_large(got, max)))
            }
            Heard::Garbage => {
                Some(Ended::Foreign(refused::foreign("the bytes are no WebSocket frames of UTF-8 text", 1002)))
            }
        }
    }

    fn receive(&self, text: Bytes) -> Option<Ended> {
        self.connection.traffic.received(text.len());
        let Some(text) = frame(&text) else { return self.hear(Heard::Garbage) };
        let ended = self.caller.link.step(|session| session.receive(text)).err()?;
        tracing::debug!(connection = %self.connection.id, %ended, "the session has ended");
        Some(Ended::Broken(ended))
    }
}

/// A frame as a text in memory of its own; `None` if it is not UTF-8. What the socket gives is a part of its buffer, which may be as long
/// as the longest frame before it. A short text that is kept would keep all of that, and be counted as short.
fn frame(bytes: &Bytes) -> Option<Text> {
    Text::from_utf8(Bytes::copy_from_slice(bytes)).ok()
}

/// Looks whether the peer is there: it ends one that is silent or does not read.
fn tend<S>(socket: &Socket<S>, listens: bool, settings: WebSettings) -> Option<Ended> {
    let now = Instant::now();
    if socket.stuck_since.is_some_and(|since| now >= since + settings.write_stall) {
        return Some(Ended::Left);
    }
    // While its frames lie unread on this side, silence is not held against it.
    let is_silent = listens && now >= socket.heard_at + 2 * settings.ping_interval;
    is_silent.then(|| Ended::Closed(CloseReason::SILENT))
}

/// The sentence of an error.
fn message(fault: &Fault) -> String {
    fault.message.to_string()
}

/// A path, for people.
fn joined(path: &[PathPart]) -> String {
    let part = |part: &PathPart| match part {
        PathPart::Name(name) => name.chars().take(64).collect(),
        PathPart::Index(index) => index.to_string(),
    };
    path.iter().take(8).map(part).collect::<Vec<String>>().join(".")
}

/// A call that is counted as in flight until this is dropped.
struct InFlight {
    metrics: Arc<Metrics>,
    entry: Arc<Entry>,
}

impl InFlight {
    fn begin(metrics: &Arc<Metrics>, entry: &Arc<Entry>) -> Self {
        metrics.calls.inc();
        metrics.calls_in_flight.inc();
        entry.traffic.call_began();
        Self { metrics: Arc::clone(metrics), entry: Arc::clone(entry) }
    }

    /// Notes a panic, and gives the error for the caller, which tells nothing of it.
    fn panicked(&self, method: &str) -> Fault {
        self.metrics.calls_panicked.inc();
        tracing::error!(connection = %self.entry.id, method, "a method panicked; its connection goes on");
        refused::broken()
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.metrics.calls_in_flight.dec();
        self.entry.traffic.call_ended();
    }
}

/// The reason for a close, in the words that the client is told: where to go on, if it was to move.
fn words(connection: &Entry, close: &CloseReason) -> String {
    let moving = connection.moving().filter(|_| *close == CloseReason::GOING_AWAY);
    reason(close.reason, moving.as_ref().map(|moving| &moving.urls[..])).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_keeps_nothing_of_the_buffer_that_it_came_in() {
        let buffer = Bytes::from(vec![b'x'; 1 << 20]);
        let text = frame(&buffer.slice(..5)).unwrap();
        assert_eq!((text.as_str(), buffer.is_unique()), ("xxxxx", true));
    }
}
