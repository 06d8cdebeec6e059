//! What a session of Cap'n Web says that it holds, against what was asked of the allocator for it and not given back.
//!
//! What a session counts is true within a factor of two either way, where no two results share their memory: those count it
//! each.

use allocation_counter::{AllocationInfo, measure};
use capshare::capnweb::{CallId, Event, Limits, Session, Target, Text, Value};

/// By how much the count may be wrong.
const FACTOR: usize = 2;
/// Bytes of a session's tables when there is next to nothing in them.
const TABLES_BYTES: usize = 8_192;
const FRAME_BYTES: usize = 2 << 20;

/// A session whose calls never end, unless a scene answers them.
struct Peer {
    session: Session,
    calls: Vec<CallId>,
    pushes: usize,
}

impl Peer {
    fn new() -> Self {
        Self { session: Session::new(Limits::default(), Some(Target(0))), calls: Vec::with_capacity(1_024), pushes: 0 }
    }

    fn say(&mut self, frame: String) {
        self.session.receive(Text::from(frame)).unwrap();
        while let Some(event) = self.session.poll_event() {
            // The arguments are the embedder's, which this one lets go.
            if let Event::Call(call) = event {
                self.calls.push(call.id);
            }
        }
        while self.session.poll_frame().is_some() {}
    }

    fn push(&mut self, expression: &str) {
        self.pushes += 1;
        self.say(format!(r#"["push",{expression}]"#));
    }
}

/// Plays a scene, and gives what it left in memory and what the session counts of it.
fn held(scene: impl FnOnce(&mut Peer)) -> (usize, usize) {
    let mut peer = Peer::new();
    let AllocationInfo { bytes_current, .. } = measure(|| scene(&mut peer));
    (usize::try_from(bytes_current).unwrap(), peer.session.stats().held_bytes)
}

fn is_true(what: &str, scene: impl FnOnce(&mut Peer)) {
    let (real, counted) = held(scene);
    let words = format!("{what}: {real} bytes are held, and {counted} are counted");
    assert!(real <= FACTOR * counted + TABLES_BYTES, "{words}");
    assert!(counted <= FACTOR * real, "{words}");
}

/// A value that is a small part of its frame: the rest is white space.
fn small_in_a_frame(value: &str) -> String {
    format!("{value}{}", " ".repeat(FRAME_BYTES))
}

fn many(of: &str, count: usize) -> String {
    format!("[[{}]]", vec![of; count].join(","))
}

#[test]
fn what_results_hold_is_counted_as_it_is() {
    is_true("a long text", |peer| peer.push(&format!(r#""{}""#, "x".repeat(FRAME_BYTES))));
    is_true("plain data", |peer| peer.push(&format!(r#"[[[[{}]]]]"#, many(r#"{"a":[[1,"two"]]}"#, 50_000))));
    is_true("half of a frame", |peer| {
        peer.push(&format!(r#""{}"{}"#, "x".repeat(FRAME_BYTES / 2), " ".repeat(FRAME_BYTES / 2)))
    });
    for value in
        [r#""text""#, "12", r#"{"key":"v"}"#, r#"[[[[[["x"]]]]]]"#, r#"["error","E","m","s",{"k":"v"}]"#, "null"]
    {
        is_true(value, |peer| peer.push(&small_in_a_frame(value)));
        is_true(&format!("some of {value}"), |peer| (0..256).for_each(|_| peer.push(value)));
        is_true(&format!("many {value}"), |peer| peer.push(&many(value, 20_000)));
        is_true(&format!("many of one {value}"), |peer| peer.push(&many(&format!("[[{value}]]"), 20_000)));
        is_true(&format!("many members {value}"), |peer| peer.push(&many(&format!(r#"{{"member":{value}}}"#), 20_000)));
    }
    is_true("escapes", |peer| peer.push(&many(&format!(r#""{}""#, r"\u0061".repeat(200)), 1_000)));
    is_true("short escapes", |peer| peer.push(&many(r#""\n""#, 20_000)));
    is_true("bytes", |peer| peer.push(&many(&format!(r#"["bytes","{}"]"#, "AAAA".repeat(200)), 1_000)));
    is_true("short bytes", |peer| peer.push(&many(r#"["bytes","AA"]"#, 20_000)));
}

#[test]
fn what_parts_of_results_hold_is_counted_as_it_is() {
    is_true("a part of a result that is gone", |peer| {
        let filler = "x".repeat(FRAME_BYTES);
        peer.push(&format!(r#"{{"a":"small","b":{{"c":{{"d":{{"e":"deep"}}}}}},"z":"{filler}"}}"#));
        peer.push(r#"["pipeline",1,["a"]]"#);
        peer.push(r#"["pipeline",1,["b","c","d","e"]]"#);
        peer.push(r#"{"of":["pipeline",1,["b","c","d","e"]]}"#);
        peer.say(r#"["release",1,1]"#.to_owned());
    });
    is_true("a part of an argument, as a result", |peer| {
        peer.say(r#"["push",["pipeline",0,["f"],[]]]"#.to_owned());
        let frame = Text::from(format!(r#"["push",["pipeline",0,["f"],["small","{}"]]]"#, "x".repeat(FRAME_BYTES)));
        peer.session.receive(frame).unwrap();
        let Some(Event::Call(call)) = peer.session.poll_event() else { panic!("a call") };
        let small = call.args.unwrap().swap_remove(0);
        assert!(peer.session.respond(call.id, Ok(Value::object([("of", small)]))));
    });
}

#[test]
fn what_calls_hold_is_counted_as_it_is() {
    let long = "x".repeat(4_000);
    is_true("calls that wait for an object", |peer| {
        peer.push(r#"["pipeline",0,["slow"],[]]"#);
        (0..256).for_each(|_| peer.push(&format!(r#"["pipeline",1,["method"],["{long}"]]"#)));
    });
    is_true("calls with long paths that wait for an object", |peer| {
        peer.push(r#"["pipeline",0,["slow"],[]]"#);
        let path = vec![r#""step""#; 200].join(",");
        (0..256).for_each(|_| peer.push(&format!(r#"["pipeline",1,[{path}]]"#)));
    });
    is_true("small calls in a long frame that wait for an object", |peer| {
        peer.push(r#"["pipeline",0,["slow"],[]]"#);
        let filler = " ".repeat(8_000);
        peer.push(&many(&format!(r#"["pipeline",1,["method"],["a",{filler}12]]"#), 256));
    });
    is_true("calls that wait for an argument", |peer| {
        peer.push(r#"["pipeline",0,["slow"],[]]"#);
        (0..256).for_each(|_| peer.push(&format!(r#"["pipeline",0,["method"],["{long}",["pipeline",1]]]"#)));
    });
    is_true("small calls in long frames that wait for an argument", |peer| {
        peer.push(r#"["pipeline",0,["slow"],[]]"#);
        let filler = " ".repeat(100_000);
        (0..64).for_each(|_| peer.push(&format!(r#"["pipeline",0,["method"],["a",{filler}["pipeline",1]]]"#)));
    });
    is_true("values that wait for a promise of the peer", |peer| {
        let filler = " ".repeat(100_000);
        for n in 0..64 {
            peer.push(&format!(r#"{{"a":["promise",-{}],"b":"b",{filler}"c":"c"}}"#, 2 * n + 1));
            peer.say(format!(r#"["resolve",-{},{{"d":"d",{filler}"p":["promise",-{}]}}]"#, 2 * n + 1, 2 * n + 2));
        }
    });
    is_true("errors that many calls failed with", |peer| {
        peer.push(r#"["promise",-1]"#);
        (0..256).for_each(|_| peer.push(r#"["pipeline",1,["f"],[]]"#));
        peer.say(format!(r#"["reject",-1,["error","Error","no",null,{{"list":{}}}]]"#, many("1", 200)));
    });
}

/// A frame that makes as many results as it can leaves no table behind that is larger than those of a session at rest.
#[test]
fn what_a_frame_needs_for_a_moment_is_given_back() {
    let (real, counted) = held(|peer| {
        peer.push(r#"{"a":1}"#);
        peer.push(&many(r#"["pipeline",1,["a"]]"#, 30_000));
        peer.push(&many(r#"["pipeline",1]"#, 30_000));
        peer.push(&many(r#"["export",-1]"#, 30_000));
        let exports = (2..30_000).map(|n| format!(r#"["export",-{n}]"#));
        peer.push(&format!("[[{}]]", exports.collect::<Vec<_>>().join(",")));
        (1..=peer.pushes).for_each(|push| peer.say(format!(r#"["release",{push},1]"#)));
    });
    assert!(real <= 2 * TABLES_BYTES && counted == 0, "{real} bytes are held, and {counted} are counted");
}

/// What is too long to be sent is not made to its end, and no more is made than may wait to be sent.
#[test]
fn what_is_not_sent_takes_no_memory() {
    let text = "x".repeat(FRAME_BYTES);
    let mut peer = Peer::new();
    peer.push(&format!(r#""{text}""#));
    peer.push(&many(r#"["pipeline",1]"#, 12));
    let AllocationInfo { bytes_max, .. } = measure(|| peer.say(r#"["pull",2]"#.to_owned()));
    assert!(bytes_max < 9 << 20, "{bytes_max} bytes for a frame of at most 4 MiB");
    assert!(peer.session.stats().held_bytes > 0 && peer.session.ended().is_none());

    let mut peer = Peer::new();
    peer.push(r#"["pipeline",0,["slow"],[]]"#);
    for push in 2..200 {
        peer.push(r#"["pipeline",1]"#);
        peer.say(format!(r#"["pull",{push}]"#));
    }
    let call = peer.calls[0];
    let AllocationInfo { bytes_max, .. } = measure(|| {
        peer.session.respond(call, Ok(text.as_str().into()));
    });
    assert!(peer.session.ended().is_some());
    assert!(bytes_max < 48 << 20, "{bytes_max} bytes for a queue of at most 32 MiB");
}
