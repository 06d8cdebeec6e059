//! Each bound of a session, met.

use capshare::capnweb::{End, Fault, Import, Limits, NotSent, Session, Stub, Target, Text, Value};

use super::app::App;

fn app(set: impl FnOnce(&mut Limits)) -> App {
    let mut limits = Limits::default();
    set(&mut limits);
    App::new(limits)
}

/// Asserts that the result of this push is the error of this limit.
fn is_limited(app: &mut App, push: i64, limit: &str) {
    let sent = app.frame(&format!(r#"["pull",{push}]"#));
    let (start, member) =
        (format!(r#"["reject",{push},["error","Error","LimitExceeded: "#), format!(r#""limit":"{limit}""#));
    let is = |frame: &String| frame.starts_with(&start) && frame.contains(&member);
    assert!(sent.iter().any(is), "{limit}: {sent:?}");
}

fn works(app: &mut App, push: i64) {
    assert_eq!(app.frame(r#"["push",["pipeline",0,["hello"],["x"]]]"#), [""; 0]);
    assert_eq!(app.frame(&format!(r#"["pull",{push}]"#)), [format!(r#"["resolve",{push},"hi x"]"#)]);
}

/// A call past the calls in progress fails alone, whether those run or wait.
#[test]
fn calls_in_progress_are_bounded() {
    let mut app = app(|limits| limits.calls = 2);
    app.frame(r#"["push",["pipeline",0,["wait"],[]]]"#);
    app.frame(r#"["push",["pipeline",1,["more"],[]]]"#);
    app.frame(r#"["push",["pipeline",0,["hello"],[["export",-1]]]]"#);
    is_limited(&mut app, 3, "calls");
    assert_eq!(app.session.stats().imports, 1);
    app.frame(r#"["push",{"a":["pipeline",1]}]"#);
    is_limited(&mut app, 4, "calls");
    app.go(&Value::Null);
    works(&mut app, 5);
}

/// A peer that makes many calls before it asks for the first result gets every result of a call that ran, and of the others an error
/// that says they did not.
#[test]
fn a_call_runs_only_if_its_result_has_a_place() {
    let mut app = app(|limits| limits.results = 3);
    for number in 0..1_000 {
        assert_eq!(app.frame(&format!(r#"["push",["pipeline",0,["make"],[{number}]]]"#)), [""; 0]);
    }
    assert_eq!((app.session.stats().exports, app.counters.len(), app.log.len()), (4, 3, 3));
    for push in [500, 4, 1_000] {
        assert!(app.frame(&format!(r#"["push",["pipeline",{push},["increment"],[]]]"#)).is_empty());
        let refused = app.frame(&format!(r#"["pull",{push}]"#)).remove(0);
        let parts = ["LimitExceeded", "calls", r#""transient":true"#, "not carried out"];
        assert!(parts.iter().all(|part| refused.contains(part)), "{refused}");
        assert_eq!(app.frame(&format!(r#"["release",{push},1]"#)), [""; 0]);
    }
    for push in [3, 1, 2] {
        let sent = app.frame(&format!(r#"["pull",{push}]"#));
        assert!(sent[0].starts_with(&format!(r#"["resolve",{push},["export","#)), "{sent:?}");
    }
    // What was fetched gives its place to others.
    works(&mut app, 1_004);
    assert_eq!(app.session.ended(), None);
}

/// A peer that never awaits goes on for ever, and loses results that are old; who asks for one is told that its call ran.
#[test]
fn results_that_nobody_fetches_become_old() {
    let mut app = app(|limits| limits.results = 3);
    for number in 0..1_000 {
        app.session.set_now(std::time::Duration::from_secs(4) * number);
        assert_eq!(app.frame(&format!(r#"["push",["pipeline",0,["make"],[{number}]]]"#)), [""; 0]);
    }
    assert_eq!((app.session.stats().exports, app.counters.len(), app.log.len()), (4, 3, 1_000));
    let dropped = app.frame(r#"["pull",997]"#).remove(0);
    assert!(dropped.contains("ResultDropped: call 997 was carried out") && !dropped.contains("argument"), "{dropped}");
    assert_eq!(app.frame(r#"["pull",1000]"#), [r#"["resolve",1000,["export",-1]]"#]);
    // Its release comes late, and is no fault.
    assert_eq!(app.frame(r#"["release",1,1]"#), [""; 0]);
    assert_eq!(app.session.ended(), None);
}

/// Of calls without results so many rows are known; of older ones it is said that they are not there.
#[test]
fn what_became_of_calls_is_remembered_within_a_bound() {
    let mut app = app(|limits| limits.results = 1);
    for _ in 0..300 {
        app.frame(r#"["push",["pipeline",0,["hello"],["x"]]]"#);
        app.frame(r#"["push",["pipeline",0,["hello"],["y"]]]"#);
        app.frame(&format!(r#"["release",{},1]"#, app.log.len() * 2 - 1));
    }
    assert_eq!(app.log.len(), 300);
    assert!(app.frame(r#"["pull",2]"#)[0].contains("Released"));
    assert!(app.frame(r#"["pull",598]"#)[0].contains("calls"));
}

/// A result with more objects than the peer may hold is an error, and its objects are dropped.
#[test]
fn exports_are_bounded() {
    let mut app = app(|limits| limits.exports = 3);
    for push in [1, 2] {
        app.frame(r#"["push",["pipeline",0,["both"],[]]]"#);
        if push == 1 {
            assert!(app.frame(r#"["pull",1]"#)[0].starts_with(r#"["resolve""#));
        } else {
            is_limited(&mut app, 2, "exports");
        }
    }
    app.frame(r#"["release",2,1]"#);
    assert_eq!(app.counters.len(), 2);
    works(&mut app, 3);
}

/// A call that gives more objects than may be held fails alone, and they are released.
#[test]
fn imports_are_bounded() {
    let mut app = app(|limits| limits.imports = 2);
    app.frame(r#"["push",["pipeline",0,["wait"],[["export",-1],["export",-2]]]]"#);
    let sent = app.frame(r#"["push",["pipeline",0,["hello"],[["export",-3],{"a":["export",-4]}]]]"#);
    assert_eq!(sent.len(), 2, "{sent:?}");
    is_limited(&mut app, 2, "imports");
    assert_eq!(app.log, ["wait "], "what is refused is not called");
    assert_eq!(app.session.stats().imports, 3);
    works(&mut app, 3);
}

/// Unresolved promises of the peer are bounded, and what is past it is released at once.
#[test]
fn promises_are_bounded() {
    let mut app = app(|limits| limits.promises = 1);
    app.frame(r#"["push",["pipeline",0,["hello"],[["promise",-1]]]]"#);
    assert_eq!(app.frame(r#"["push",["pipeline",0,["hello"],[["promise",-2]]]]"#), [r#"["release",-2,1]"#]);
    is_limited(&mut app, 2, "promises");
    app.frame(r#"["resolve",-1,"x"]"#);
    app.frame(r#"["push",["pipeline",0,["hello"],[["promise",-3]]]]"#);
    app.frame(r#"["pull",3]"#);
    assert_eq!(app.frame(r#"["resolve",-3,"y"]"#), [r#"["release",-3,1]"#, r#"["resolve",3,"hi y"]"#]);
}

/// Promises of this side, and its calls, are bounded as well.
#[test]
fn what_this_side_asks_of_the_peer_is_bounded() {
    let mut limits = Limits::default();
    (limits.promises, limits.calls_out, limits.exports, limits.frame_bytes) = (1, 1, 1, 100);
    let mut session = Session::new(limits, None);
    let promise = session.promise().expect("the first");
    assert_eq!(session.promise(), Err(NotSent::Limit("promises")));
    assert!(session.resolve(&promise, Ok(Value::Null)) && !session.resolve(&promise, Ok(Value::Null)));
    assert!(session.promise().is_ok());
    let two = [Stub::Local(Target(1)).into(), Stub::Local(Target(2)).into()];
    assert!(matches!(session.call(Import::MAIN, &[], Some(&two)), Err(NotSent::Limit(_))));
    assert!(matches!(session.call(Import::MAIN, &[], Some(&["x".repeat(100).into()])), Err(NotSent::Limit(_))));
    assert_eq!(session.stats().exports, 0);
    let call = session.call(Import::MAIN, &["f".into()], Some(&[])).expect("the first");
    assert_eq!(session.call(Import::MAIN, &[], None), Err(NotSent::Limit("calls_out")));
    assert!(session.release(call) && !session.release(call) && !session.pull(call));
    assert!(session.call(Import::MAIN, &[], None).is_ok());
}

/// A frame that is too long, or nested too deeply, ends the session by its name.
#[test]
fn frames_are_bounded() {
    let mut app = app(|limits| limits.frame_bytes = 100);
    let end = app.take(&format!(r#"["push","{}"]"#, "x".repeat(100)));
    assert_eq!(end, Err(End::FrameTooLarge { got: 111, max: 100 }));
    for depth in [255, 256] {
        let mut app = self::app(|_| {});
        let arrays = format!("{}{}", "[[".repeat(depth), "]]".repeat(depth));
        app.frame(&format!(r#"["push",["pipeline",0,["echo"],[{arrays}]]]"#));
        if depth == 255 {
            assert_eq!(app.frame(r#"["pull",1]"#), [format!(r#"["resolve",1,{arrays}]"#)]);
        } else {
            assert!(app.sent().is_empty() && matches!(app.session.ended(), Some(End::Malformed { .. })), "{depth}");
        }
    }
}

/// An answer that is too long is an error instead.
#[test]
fn answers_are_bounded() {
    let mut app = app(|limits| limits.frame_bytes = 200);
    app.frame(&format!(r#"["push",["pipeline",0,["echo"],[["date",1],"{}"]]]"#, "x".repeat(100)));
    app.frame(&format!(r#"["push",{{"a":"{}","b":"{}"}}]"#, "x".repeat(80), "x".repeat(80)));
    app.frame(r#"["push",{"a":["pipeline",2],"b":["pipeline",2]}]"#);
    is_limited(&mut app, 3, "frameBytes");
    works(&mut app, 4);
}

/// A value that is put together of results cannot grow without end, in width or in depth.
#[test]
fn values_made_of_results_are_bounded() {
    let mut app = app(|_| {});
    app.frame(r#"["push",[["date",1]]]"#);
    for push in 2..200 {
        let of = vec![format!(r#"["pipeline",{}]"#, push - 1); 20].join(",");
        app.frame(&format!(r#"["push",[[{of}]]]"#));
        assert!(app.session.stats().held_bytes <= Limits::default().held_bytes);
    }
    is_limited(&mut app, 199, "values");
    let mut app = self::app(|limits| limits.results = 1_000);
    app.frame(r#"["push",1]"#);
    for push in 2..600 {
        app.frame(&format!(r#"["push",[[["pipeline",{}]]]]"#, push - 1));
    }
    is_limited(&mut app, 599, "depth");
}

/// The tree of a frame is bounded; plain data below counts as one value, and what is passed over is released.
#[test]
fn values_of_a_frame_are_bounded() {
    let mut app = app(|limits| limits.values = 50);
    let many = vec!["1"; 100].join(",");
    app.frame(&format!(r#"["push",["pipeline",0,["hello"],["x",{{"a":{{"b":[[{many}]]}}}}]]]"#));
    assert_eq!(app.frame(r#"["pull",1]"#), [r#"["resolve",1,"hi x"]"#]);
    let sent = app.frame(&format!(r#"["push",["pipeline",0,["hello"],[{many},["export",-1]]]]"#));
    assert_eq!(sent, [r#"["release",-1,1]"#]);
    is_limited(&mut app, 2, "values");
    let path = vec![r#""a""#; 100].join(",");
    app.frame(&format!(r#"["push",["pipeline",0,[{path}],[]]]"#));
    is_limited(&mut app, 3, "values");
    let digits = "1".repeat(16_385);
    app.frame(&format!(r#"["push",["bigint","{digits}"]]"#));
    is_limited(&mut app, 4, "bigintDigits");
    works(&mut app, 5);
}

/// What calls in progress hold is bounded in bytes; results that are kept give way to them.
#[test]
fn bytes_that_are_held_are_bounded() {
    let mut app = app(|limits| limits.held_bytes = 12_000);
    let text = "x".repeat(3_000);
    for number in 0..20 {
        app.session.set_now(Limits::default().kept_for * number);
        app.frame(&format!(r#"["push","{text}"]"#));
        assert!(app.session.stats().held_bytes <= 12_000);
    }
    assert_eq!(app.session.stats().exports, 4);
    // A short frame may have a long result, even if memory is shared in it.
    app.frame(r#"["push",{"a":["pipeline",20],"b":["pipeline",20],"c":["pipeline",20]}]"#);
    assert_eq!(app.session.stats().exports, 4, "the result takes the place of one before");
    app.frame(r#"["push",[[["pipeline",20],["pipeline",20],["pipeline",20],["pipeline",20]]]]"#);
    is_limited(&mut app, 22, "heldBytes");
    for _ in 0..3 {
        app.frame(&format!(r#"["push",["pipeline",0,["wait"],["{text}"]]]"#));
    }
    assert_eq!(app.session.stats().exports, 4, "the results are gone, the calls are not");
    app.frame(&format!(r#"["push",["pipeline",0,["hello"],["{text}"]]]"#));
    is_limited(&mut app, 26, "heldBytes");
    app.go(&Value::Null);
    works(&mut app, 27);
}

/// A frame that names a long result again and again, to read a part of it, is refused, and a short call is not.
#[test]
fn looks_into_long_results_are_bounded() {
    let mut app = app(|limits| limits.work = 4 << 20);
    let filler = "x".repeat(1 << 20);
    app.frame(&format!(r#"["push",{{"a":{{"b":{{"c":{{"text":"{filler}","last":[[7]]}}}}}}}}]"#));
    let part = r#"["pipeline",1,["a","b","c","last",0]]"#;
    app.frame(&format!(r#"["push",[[{part},{part}]]]"#));
    assert_eq!(app.frame(r#"["pull",2]"#), [r#"["resolve",2,[[7,7]]]"#]);
    app.frame(&format!(r#"["push",[[{}]]]"#, vec![part; 5_000].join(",")));
    is_limited(&mut app, 3, "work");
    works(&mut app, 4);
    // One call after the other is refused as well, and made again when others have paid for it.
    let refused = (5..100).find(|push| {
        app.frame(&format!(r#"["push",{part}]"#));
        app.frame(&format!(r#"["pull",{push}]"#))[0].starts_with(r#"["reject""#)
    });
    let refused = refused.expect("the account is empty");
    is_limited_again(&mut app, refused, part);
    for push in refused + 2..refused + 100 {
        works(&mut app, push);
    }
    app.frame(&format!(r#"["push",{part}]"#));
    assert_eq!(app.frame(&format!(r#"["pull",{}]"#, refused + 100)), [format!(r#"["resolve",{},7]"#, refused + 100)]);
}

fn is_limited_again(app: &mut App, last: i64, expression: &str) {
    app.frame(&format!(r#"["push",{expression}]"#));
    is_limited(app, last + 1, "work");
}

/// Copies of a result with many values are bounded: as parts, in calls that waited together, and of errors.
#[test]
fn copies_of_long_results_are_bounded() {
    let many = vec![r#"["date",1]"#; 10_000].join(",");
    let long = format!("[[{many}]]");
    let mut app = app(|limits| limits.work = 4 << 20);
    app.frame(&format!(r#"["push",{{"a":{long}}}]"#));
    app.frame(&format!(r#"["push",[[{}]]]"#, vec![r#"["pipeline",1,["a"]]"#; 100].join(",")));
    is_limited(&mut app, 2, "work");
    for (argument, frame) in
        [(r#"["pipeline",1]"#, "go"), (r#"["promise",-1]"#, "resolve"), (r#"["promise",-1]"#, "reject")]
    {
        let mut app = self::app(|limits| limits.work = 4 << 20);
        app.frame(&format!(r#"["push",{}]"#, if frame == "go" { r#"["pipeline",0,["wait"],[]]"# } else { argument }));
        for _ in 2..100 {
            app.frame(r#"["push",["pipeline",0,["wrap"],[["pipeline",1]]]]"#);
        }
        app.frame(&match frame {
            "go" => format!(r#"["push",["pipeline",0,["go"],[{long}]]]"#),
            verb => format!(r#"["{verb}",-1,{long}]"#),
        });
        assert!(app.session.stats().held_bytes < 16 << 20, "{frame}: {:?}", app.session.stats());
        is_limited(&mut app, 99, "work");
        if frame != "reject" {
            assert!(app.log.len() < 50, "{frame}: calls were made before");
        }
        assert_eq!(app.session.ended(), None);
    }
}

/// Members whose names are compared are work as well.
#[test]
fn looks_at_many_members_are_bounded() {
    let mut app = app(|limits| limits.work = 4 << 20);
    let members = (0..10_000).map(|n| format!(r#""{n}":["date",1]"#)).collect::<Vec<_>>().join(",");
    app.frame(&format!(r#"["push",{{{members}}}]"#));
    app.frame(&format!(r#"["push",[[{}]]]"#, vec![r#"["pipeline",1,["x"]]"#; 1_000].join(",")));
    is_limited(&mut app, 2, "work");
}

/// A result that was asked for is sent, also if others that were made of it take all the room first.
#[test]
fn a_result_that_was_asked_for_is_not_dropped_before_it_is_sent() {
    let mut app = app(|limits| limits.held_bytes = 5_000);
    app.frame(r#"["push",["pipeline",0,["wait"],[]]]"#);
    app.frame(r#"["push",["pipeline",1,["a"]]]"#);
    app.frame(r#"["pull",1]"#);
    app.go(&Value::object([("a", "x".repeat(3_000).into())]));
    let sent = app.sent();
    assert!(sent.iter().any(|frame| frame.starts_with(r#"["resolve",1,{"a":"#)), "{sent:?}");
    assert!(app.session.stats().held_bytes <= 5_000);
}

/// A peer that does not read ends its session.
#[test]
fn frames_that_wait_are_bounded() {
    let mut app = app(|limits| limits.queue_bytes = 1_000);
    app.frame(&format!(r#"["push","{}"]"#, "x".repeat(400)));
    for push in 2..9 {
        let _ = app.take(r#"["push",["pipeline",1]]"#);
        let _ = app.take(&format!(r#"["pull",{push}]"#));
    }
    assert!(matches!(app.session.ended(), Some(End::Overrun { queued: 1_001.. })), "{:?}", app.session.ended());
    let sent = app.sent();
    assert!(sent.len() == 1 && sent[0].starts_with(r#"["abort""#), "{sent:?}");
}

/// An embedder that closes a session tells the peer why, once.
#[test]
fn a_session_that_is_closed_says_so_and_is_over() {
    let mut app = app(|_| {});
    app.frame(r#"["push",["pipeline",0,["make"],[1]]]"#);
    app.session.close(Fault::new("revoked").with("code", "Unauthorized"));
    app.settle();
    assert_eq!(app.sent(), [r#"["abort",["error","Error","revoked",null,{"code":"Unauthorized"}]]"#]);
    assert!(app.counters.is_empty() && app.is_main_dropped);
    app.session.close(Fault::new("again"));
    assert_eq!(app.session.receive(Text::from(r#"["push",1]"#)), Err(End::Closed));
    assert_eq!(app.sent(), [""; 0]);
}

/// A promise that the peer resolves to another promise, again and again, leaves no more than so many promises behind.
#[test]
fn a_chain_of_promises_is_bounded() {
    let mut app = app(|limits| limits.promises = 8);
    app.frame(r#"["push",["pipeline",0,["hello"],[["promise",-1]]]]"#);
    for n in 1..1_000 {
        app.frame(&format!(r#"["resolve",-{n},["promise",-{}]]"#, n + 1));
    }
    assert!(app.session.stats().nodes < 20, "{:?}", app.session.stats());
    is_limited(&mut app, 1, "promises");
    works(&mut app, 2);
}
