//! Two sessions joined to each other: ours is a client as well.

use capshare::capnweb::{Event, Fault, Import, Limits, NotSent, Promise, Session, Stub, Target, Text, Value};

use super::app::App;

const CALLBACK: Target = Target(7);

/// A client's session and the application that it calls.
struct Pair {
    client: Session,
    app: App,
}

impl Pair {
    fn new() -> Self {
        Self { client: Session::new(Limits::default(), None), app: App::new(Limits::default()) }
    }

    /// Carries frames until no more come, and gives what happened at the client.
    fn carry(&mut self) -> Vec<Event> {
        let mut events = Vec::new();
        loop {
            let mut moved = false;
            while let Some(frame) = self.client.poll_frame() {
                moved = true;
                assert_eq!(self.app.take(&frame), Ok(()), "{frame}");
            }
            self.app.settle();
            for frame in self.app.sent() {
                moved = true;
                assert_eq!(self.client.receive(Text::from(frame.as_str())), Ok(()), "{frame}");
            }
            events.extend(std::iter::from_fn(|| self.client.poll_event()));
            if !moved {
                return events;
            }
        }
    }

    fn call(&mut self, method: &str, args: &[Value]) -> Import {
        let call = self.client.call(Import::MAIN, &[method.into()], Some(args)).expect(method);
        assert!(self.client.pull(call) && !self.client.pull(call));
        call
    }

    fn ask(&mut self, method: &str, args: &[Value]) -> Result<Value, Value> {
        let call = self.call(method, args);
        let mut events = self.carry();
        let Some(Event::Settled(settled, result)) = events.pop() else {
            panic!("{method} is not answered: {events:?}")
        };
        assert_eq!(settled, call);
        result
    }

    fn is_at_rest(&self) -> bool {
        let at_rest = |session: &Session, exports| {
            let stats = session.stats();
            (stats.exports, stats.imports, stats.calls, stats.nodes, stats.held_bytes) == (exports, 1, 0, 0, 0)
        };
        at_rest(&self.client, 0) && at_rest(&self.app.session, 1)
    }
}

/// Calls, errors and objects go from session to session, and nothing is left.
#[test]
fn a_session_calls_another_and_nothing_is_left() {
    let mut pair = Pair::new();
    assert_eq!(pair.ask("hello", &["x".into()]), Ok("hi x".into()));
    let Err(Value::Error(fault)) = pair.ask("fail", &["f".into()]) else { panic!("an error") };
    assert_eq!(*fault, Fault { name: "RangeError".into(), ..Fault::new("f") }.with("code", "E_FAIL"));
    let Ok(Value::Stub(Stub::Remote(counter))) = pair.ask("make", &[5_i64.into()]) else { panic!("a counter") };
    assert_eq!(pair.ask("increment", &[Stub::Remote(counter).into(), 2_i64.into()]), Ok(7_i64.into()));
    let read = pair.client.call(counter, &["value".into()], None).expect("a read");
    pair.client.pull(read);
    assert_eq!(pair.carry(), [Event::Settled(read, Ok(7_i64.into()))]);
    assert!(!pair.is_at_rest() && pair.client.release(counter) && !pair.client.release(counter));
    pair.carry();
    assert!(pair.is_at_rest() && pair.app.counters.is_empty());
    assert_eq!(pair.client.call(counter, &[], Some(&[])), Err(NotSent::Gone));
}

/// A client's calls on calls that are not answered, and with them as arguments, need no answer in between.
#[test]
fn a_session_calls_what_is_not_there_yet() {
    let mut pair = Pair::new();
    let made = pair.client.call(Import::MAIN, &["make".into()], Some(&[1_i64.into()])).expect("make");
    let incremented = pair.client.call(made, &["increment".into()], Some(&[4_i64.into()])).expect("increment");
    let argument = Value::Promise(Promise::of_call(incremented, Vec::new()));
    let squared = pair.call("square", &[argument]);
    assert_eq!(pair.carry(), [Event::Settled(squared, Ok(25_i64.into()))]);
    assert!(pair.client.release(made) && pair.client.release(incremented));
    assert_eq!(pair.carry(), []);
    assert!(pair.is_at_rest());
}

/// A client's object is called back, kept, and dropped when it is let go.
#[test]
fn a_session_is_called_back() {
    let mut pair = Pair::new();
    let called = pair.call("call", &[Stub::Local(CALLBACK).into(), "text".into()]);
    let events = pair.carry();
    let [Event::Call(call)] = events.as_slice() else { panic!("a call: {events:?}") };
    assert_eq!((call.target, &call.args), (CALLBACK, &Some(vec!["text".into()])));
    assert!(pair.client.respond(call.id, Ok("answered".into())) && !pair.client.respond(call.id, Ok(Value::Null)));
    assert_eq!(pair.carry(), [Event::Settled(called, Ok("answered".into())), Event::Dropped(CALLBACK)]);
    assert_eq!(pair.ask("keep", &[Stub::Local(CALLBACK).into()]), Ok(Value::Undefined));
    let rung = pair.call("ring", &["r".into()]);
    let events = pair.carry();
    let [Event::Call(call)] = events.as_slice() else { panic!("a call: {events:?}") };
    pair.client.respond(call.id, Err(Fault::new("busy")));
    assert_eq!(pair.carry(), [Event::Settled(rung, Err(Fault::new("busy").into()))]);
    let dropped = pair.call("drop", &[]);
    assert_eq!(pair.carry(), [Event::Settled(dropped, Ok(Value::Undefined)), Event::Dropped(CALLBACK)]);
    assert!(pair.is_at_rest());
}

/// Promises of the client in arguments, and of the server in results, are resolved before they are told.
#[test]
fn promises_go_both_ways() {
    let mut pair = Pair::new();
    let promise = pair.client.promise().expect("a promise");
    let hello = pair.call("hello", &[promise.clone().into()]);
    assert_eq!(pair.carry(), []);
    assert!(pair.client.resolve(&promise, Ok("late".into())));
    assert_eq!(pair.carry(), [Event::Settled(hello, Ok("hi late".into()))]);
    let promise = pair.app.session.promise().expect("a promise");
    let echoed = pair.call("wait", &[]);
    assert_eq!(pair.carry(), []);
    pair.app.go(&Value::object([("later", promise.clone().into())]));
    assert_eq!(pair.carry(), []);
    pair.app.session.resolve(&promise, Ok(Value::Array(vec![1_i64.into()])));
    let whole = Value::object([("later", Value::Array(vec![1_i64.into()]))]);
    assert_eq!(pair.carry(), [Event::Settled(echoed, Ok(whole))]);
    let promise = pair.app.session.promise().expect("a promise");
    let waited = pair.call("wait", &[]);
    pair.carry();
    pair.app.go(&promise.clone().into());
    pair.app.session.resolve(&promise, Err(Fault::new("broken")));
    assert_eq!(pair.carry(), [Event::Settled(waited, Err(Fault::new("broken").into()))]);
    assert!(pair.is_at_rest());
}

/// What the peer ends or the connection loses is told to who waits, and nothing is left at either end.
#[test]
fn who_waits_when_the_session_ends_is_told() {
    let mut pair = Pair::new();
    let waited = pair.call("wait", &[Stub::Local(CALLBACK).into()]);
    pair.carry();
    pair.app.session.close(Fault::new("revoked"));
    let frame = pair.app.sent().pop().expect("an abort");
    assert!(pair.client.receive(Text::from(frame.as_str())).is_err());
    let events: Vec<_> = std::iter::from_fn(|| pair.client.poll_event()).collect();
    assert!(
        matches!(events.as_slice(), [Event::Settled(call, Err(_)), Event::Dropped(CALLBACK)] if *call == waited),
        "{events:?}"
    );
    assert_eq!(pair.client.call(Import::MAIN, &[], None), Err(NotSent::Ended));
    assert_eq!(pair.client.poll_frame(), None);

    let mut pair = Pair::new();
    let waited = pair.call("wait", &[]);
    pair.client.disconnected();
    assert!(matches!(pair.client.poll_event(), Some(Event::Settled(call, Err(_))) if call == waited));
    assert_eq!((pair.client.poll_event(), pair.client.poll_frame()), (None, None));
}

/// An object that was given as an argument and came back in the result is dropped when the peer lets it go.
#[test]
fn an_object_that_comes_back_is_dropped() {
    let mut pair = Pair::new();
    let wrapped = pair.call("wrap", &[Stub::Local(CALLBACK).into()]);
    let whole = Value::object([("value", Stub::Local(CALLBACK).into())]);
    assert_eq!(pair.carry(), [Event::Settled(wrapped, Ok(whole)), Event::Dropped(CALLBACK)]);
    assert!(pair.is_at_rest());
}

/// Ten thousand sessions that create, call back and vanish leave no entry and no object.
#[test]
fn many_sessions_leave_nothing() {
    for _ in 0..10_000 {
        let mut pair = Pair::new();
        pair.call("make", &[1_i64.into()]);
        pair.call("call", &[Stub::Local(CALLBACK).into()]);
        pair.carry();
        pair.app.session.disconnected();
        pair.app.settle();
        let stats = pair.app.session.stats();
        assert_eq!((stats.exports, stats.imports, stats.nodes, stats.held_bytes, stats.queued_bytes), (0, 0, 0, 0, 0));
        assert!(pair.app.counters.is_empty() && pair.app.is_main_dropped);
    }
}
