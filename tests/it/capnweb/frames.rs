//! Tables of frames: what the peer sends, and what it is sent.

use capshare::capnweb::{End, Limits};

use super::app::App;

/// Plays frames, each with what must be sent for it, and gives the application back.
fn play(table: &[(&str, &[&str])]) -> App {
    let mut app = App::new(Limits::default());
    for (frame, answers) in table {
        assert_eq!(app.frame(frame), *answers, "{frame}");
        assert_eq!(app.session.ended(), None, "{frame}");
    }
    app
}

/// Plays frames of which the last must end the session, and gives why and what was said.
fn ends(frames: &[&str]) -> (End, String) {
    let mut app = App::new(Limits::default());
    let (last, before) = frames.split_last().expect("frames");
    for frame in before {
        app.frame(frame);
        assert_eq!(app.session.ended(), None, "{frame}");
    }
    let end = app.take(last).expect_err(last);
    let said = app.sent().pop().unwrap_or_default();
    let stats = app.session.stats();
    assert_eq!((stats.exports, stats.imports, stats.nodes, stats.held_bytes), (0, 0, 0, 0));
    assert!(app.counters.is_empty() && app.is_main_dropped, "{last}");
    assert_eq!(app.take(r#"["push",1]"#).as_ref(), Err(&end));
    assert_eq!(app.sent(), [""; 0]);
    (end, said)
}

/// A chain, a read on the way and a result as an argument are answered without another round trip.
#[test]
fn calls_on_promises_are_made_when_these_are_there() {
    play(&[
        (r#"["push",["pipeline",0,["wait"],[]]]"#, &[]),
        (r#"["push",["pipeline",1,["value","n"]]]"#, &[]),
        (r#"["push",["pipeline",0,["square"],[["pipeline",1,["value","n"]]]]]"#, &[]),
        (r#"["push",["pipeline",0,["hello"],[["pipeline",0,["echo"],["in"]]]]]"#, &[]),
        (r#"["pull",2]"#, &[]),
        (r#"["pull",3]"#, &[]),
        (r#"["pull",4]"#, &[r#"["resolve",4,"hi in"]"#]),
        (r#"["pull",2]"#, &[]),
        (r#"["push",["pipeline",0,["go"],[{"value":{"n":3}}]]]"#, &[r#"["resolve",2,3]"#, r#"["resolve",3,9]"#]),
    ]);
}

/// A call that waits for an answer which needs the peer holds up no other, not even if it stood in line before that
/// was known.
#[test]
fn a_call_that_waits_for_a_callback_does_not_hold_up_what_the_callback_does() {
    let app = play(&[
        (r#"["push",["pipeline",0,["make"],[0]]]"#, &[]),
        (
            r#"["push",["pipeline",1,["increment"],[["pipeline",0,["square"],[["pipeline",0,["call"],[["export",-1]]]]]]]]"#,
            &[r#"["push",["pipeline",-1,[],[]]]"#, r#"["pull",1]"#],
        ),
        (r#"["push",["pipeline",1,["increment"],[1]]]"#, &[]),
        (r#"["pull",3]"#, &[r#"["resolve",3,1]"#]),
        (r#"["resolve",1,3]"#, &[r#"["release",1,1]"#, r#"["release",-1,1]"#]),
        (r#"["pull",2]"#, &[r#"["resolve",2,10]"#]),
    ]);
    assert_eq!(app.log, ["make ", "call ", "increment ", "square ", "increment "]);
}

/// A call keeps its turn while it waits for a result of this side.
#[test]
fn calls_of_one_object_are_delivered_in_the_order_of_their_pushes() {
    let mut app = play(&[
        (r#"["push",["pipeline",0,["make"],[0]]]"#, &[]),
        (r#"["push",["pipeline",0,["later"],[]]]"#, &[]),
        (r#"["push",["pipeline",1,["increment"],[["pipeline",2]]]]"#, &[]),
        (r#"["push",["pipeline",1,["increment"],[1]]]"#, &[]),
        (r#"["push",["pipeline",1,["value"]]]"#, &[]),
        (r#"["pull",4]"#, &[]),
        (r#"["pull",5]"#, &[]),
        (r#"["push",["pipeline",0,["go"],[10]]]"#, &[r#"["resolve",4,11]"#, r#"["resolve",5,11]"#]),
    ]);
    assert_eq!(app.log, ["make ", "later ", "go ", "increment ", "increment ", "read value"]);
    assert_eq!(app.frame(r#"["pull",3]"#), [r#"["resolve",3,10]"#]);
}

/// A call that comes to know its object late does not wait for one that waits for it.
#[test]
fn calls_of_one_object_by_two_ways_do_not_wait_for_each_other() {
    play(&[
        (r#"["push",["pipeline",0,["make"],[0]]]"#, &[]),
        (r#"["pull",1]"#, &[r#"["resolve",1,["export",-1]]"#]),
        (r#"["push",["pipeline",0,["later"],[]]]"#, &[]),
        (r#"["push",["pipeline",2,["value","increment"],[5]]]"#, &[]),
        (r#"["push",["pipeline",-1,["increment"],[["pipeline",3]]]]"#, &[]),
        (r#"["pull",4]"#, &[]),
        (r#"["push",["pipeline",0,["go"],[{"value":["import",-1]}]]]"#, &[r#"["resolve",4,10]"#]),
    ]);
}

/// A promise that only the peer can keep does not hold up what the peer sends behind it.
#[test]
fn a_call_that_needs_a_promise_of_the_peer_is_overtaken() {
    let app = play(&[
        (r#"["push",["pipeline",0,["hello"],[["promise",-1]]]]"#, &[]),
        (r#"["push",["pipeline",0,["echo"],[["pipeline",1]]]]"#, &[]),
        (r#"["pull",2]"#, &[]),
        (r#"["push",["pipeline",0,["hello"],["second"]]]"#, &[]),
        (r#"["pull",3]"#, &[r#"["resolve",3,"hi second"]"#]),
        (r#"["resolve",-1,"first"]"#, &[r#"["release",-1,1]"#, r#"["resolve",2,"hi first"]"#]),
    ]);
    assert_eq!(app.log, ["hello second", "hello first", "echo hi first"]);
}

/// Promises in promises are waited for, and one that is rejected rejects the call.
#[test]
fn promises_of_the_peer_are_resolved_before_a_call_is_delivered() {
    play(&[
        (r#"["push",["pipeline",0,["echo"],[{"a":["promise",-1],"b":[[["promise",-2]]]}]]]"#, &[]),
        (r#"["pull",1]"#, &[]),
        (r#"["resolve",-2,{"c":["promise",-3]}]"#, &[r#"["release",-2,1]"#]),
        (r#"["resolve",-1,1]"#, &[r#"["release",-1,1]"#]),
        (r#"["resolve",-3,3]"#, &[r#"["release",-3,1]"#, r#"["resolve",1,{"a":1,"b":[[{"c":3}]]}]"#]),
        (r#"["push",["pipeline",0,["echo"],[{"a":["promise",-4],"b":["promise",-5]}]]]"#, &[]),
        (r#"["pull",2]"#, &[]),
        (
            r#"["reject",-4,["error","Error","no"]]"#,
            &[r#"["release",-4,1]"#, r#"["release",-5,1]"#, r#"["reject",2,["error","Error","no"]]"#],
        ),
        (r#"["resolve",-5,["export",-6]]"#, &[r#"["release",-6,1]"#]),
    ]);
}

/// A promise that was awaited before, or a part of it, fails the call that it is an argument of, and no other.
#[test]
fn a_released_id_fails_its_call_alone() {
    let mut app = play(&[
        (r#"["push",["pipeline",0,["wrap"],[1]]]"#, &[]),
        (r#"["pull",1]"#, &[r#"["resolve",1,{"value":1}]"#]),
        (r#"["release",1,1]"#, &[]),
        (r#"["push",["pipeline",0,["call"],[["pipeline",1,["value"]],["export",-1]]]]"#, &[r#"["release",-1,1]"#]),
        (r#"["push",["pipeline",1,["more"],[]]]"#, &[]),
        (r#"["push",["pipeline",0,["hello"],["x"]]]"#, &[]),
        (r#"["pull",4]"#, &[r#"["resolve",4,"hi x"]"#]),
    ]);
    for frame in [r#"["pull",2]"#, r#"["pull",3]"#, r#"["pull",1]"#] {
        let sent = app.frame(frame);
        assert!(sent.len() == 1 && sent[0].contains("Released: there is no result or object 1 any more"), "{sent:?}");
    }
    assert_eq!(app.log, ["wrap ", "hello x"]);
}

/// What the caller's program did wrong fails its call, and what it gave is released.
#[test]
fn a_wrong_call_fails_alone() {
    for (call, error) in [
        (r#"["pipeline",0,["nope"],[["export",-1]]]"#, "'nope' is not a function."),
        (r#"["pipeline",0,[],[["export",-1]]]"#, "'' is not a function."),
        (r#"["pipeline",0,["echo"],[["export",-1],["url","x"]]]"#, "Unsupported: a URL"),
        (r#"["pipeline",0,["echo"],[["writable",-1]]]"#, "Unsupported: a WritableStream"),
        (r#"["remap",0,[],[["export",-1]],[["pipeline",0]]]"#, "map()"),
        (r#"["pipeline",0,["echo"],[["export",-1]]]"#, "by itself"),
        (r#"["pipeline",0,["hello","x"],[["export",-1]]]"#, "is not a function"),
    ] {
        let mut app = App::new(Limits::default());
        assert_eq!(app.frame(&format!(r#"["push",{call}]"#)), [r#"["release",-1,1]"#], "{call}");
        let sent = app.frame(r#"["pull",1]"#);
        assert!(
            sent.len() == 1 && sent[0].starts_with(r#"["reject",1,["error","#) && sent[0].contains(error),
            "{sent:?}"
        );
        assert_eq!(app.frame(r#"["release",1,1]"#), [""; 0]);
        assert_eq!((app.session.stats().imports, app.session.stats().exports, app.session.stats().nodes), (1, 1, 0));
    }
}

/// A stream that was refused costs its writes, not the session.
#[test]
fn streams_are_refused_by_name() {
    let mut app = play(&[(r#"["pipe"]"#, &[]), (r#"["push",["pipeline",0,["echo"],[["readable",1]]]]"#, &[])]);
    for (frame, start) in [
        (r#"["pull",2]"#, r#"["reject",2,["error","TypeError","Unsupported: a ReadableStream"#),
        (r#"["stream",["pipeline",1,["write"],["p0"]]]"#, r#"["reject",3,["error","TypeError","Unsupported: a stream"#),
        (r#"["pull",1]"#, r#"["reject",1,["error","TypeError","Unsupported: a stream"#),
    ] {
        let sent = app.frame(frame);
        assert!(sent.len() == 1 && sent[0].starts_with(start), "{sent:?}");
    }
    assert_eq!(app.frame(r#"["stream",["pipeline",0,["hello"],["x"]]]"#), [r#"["resolve",4,"hi x"]"#]);
    assert_eq!(app.frame(r#"["release",1,1]"#), [""; 0]);
    assert_eq!(app.session.stats().exports, 2, "the main object and the push");
}

/// White space, further elements, answers for what is not there, and half surrogates are taken.
#[test]
fn what_official_peers_tolerate_is_taken() {
    play(&[
        (" [ \"push\" , [ \"pipeline\" , 0 , [ \"hello\" ] , [ \"x\" ] ] , 7 , {\"a\":[1]} ] ", &[]),
        (r#"["pull",1.0,null]"#, &[r#"["resolve",1,"hi x"]"#]),
        (r#"["resolve",5,["export",-9]]"#, &[r#"["release",-9,1]"#]),
        (r#"["reject",-5,["error","Error","x"]]"#, &[]),
        (r#"["push",["pipeline",0,["echo"],["\ud83d"]]]"#, &[]),
        (r#"["pull",2]"#, &["[\"resolve\",2,\"\u{fffd}\"]"]),
        (r#"["push",["pipeline",0,["echo"],[{"a":{"b":{"c":"\ud83d"}}}]]]"#, &[]),
        (r#"["pull",3]"#, &[r#"["resolve",3,{"a":{"b":{"c":"\ud83d"}}}]"#]),
        (r#"["release",3,0]"#, &[]),
        (r#"["push",5]"#, &[]),
        (r#"["pull",4]"#, &[r#"["resolve",4,5]"#]),
    ]);
}

/// What a call was given is released once it is answered, each as often as it was given.
#[test]
fn objects_of_the_peer_are_released_as_often_as_they_were_given() {
    let app = play(&[
        (
            r#"["push",["pipeline",0,["hello"],[["export",-1],["export",-1],{"a":["export",-2]}]]]"#,
            &[r#"["release",-1,2]"#, r#"["release",-2,1]"#],
        ),
        (r#"["push",["pipeline",0,["wait"],[["export",-3]]]]"#, &[]),
        (r#"["release",2,1]"#, &[]),
        (r#"["push",["pipeline",0,["go"],[]]]"#, &[r#"["release",-3,1]"#]),
        (r#"["push",[[["export",-4]]]]"#, &[]),
        (r#"["release",4,1]"#, &[r#"["release",-4,1]"#]),
    ]);
    assert_eq!(app.session.stats().imports, 1);
}

/// An object that was handed out is dropped when the peer has released every id and every result that names it.
#[test]
fn an_object_is_dropped_when_nothing_of_the_peer_names_it() {
    let mut app = play(&[
        (r#"["push",["pipeline",0,["make"],[5]]]"#, &[]),
        (r#"["pull",1]"#, &[r#"["resolve",1,["export",-1]]"#]),
        (r#"["push",["pipeline",0,["wrap"],[["import",-1]]]]"#, &[]),
        (r#"["pull",2]"#, &[r#"["resolve",2,{"value":["export",-2]}]"#]),
        (r#"["release",1,1]"#, &[]),
        (r#"["release",-1,1]"#, &[]),
        (r#"["release",-2,1]"#, &[]),
    ]);
    assert_eq!(app.counters.len(), 1, "the result of the second call still names it");
    app.frame(r#"["release",2,1]"#);
    assert_eq!(app.counters.len(), 0);
    assert_eq!((app.session.stats().exports, app.session.stats().nodes, app.session.stats().held_bytes), (1, 0, 0));
}

/// A call that is given up is told to the embedder, whether or not its answer was asked for.
#[test]
fn who_gives_up_an_answer_is_told_of() {
    let mut app = play(&[(r#"["push",["pipeline",0,["wait"],[]]]"#, &[]), (r#"["release",1,1]"#, &[])]);
    assert_eq!(app.unwanted, 1);
    for frame in [r#"["push",["pipeline",0,["wait"],[]]]"#, r#"["pull",2]"#, r#"["release",2,1]"#] {
        app.frame(frame);
    }
    assert_eq!(app.unwanted, 2);
    app.frame(r#"["push",["pipeline",0,["go"],[1]]]"#);
    app.frame(r#"["release",3,1]"#);
    assert_eq!((app.session.stats().nodes, app.session.stats().calls), (0, 0));
}

/// A frame that breaks the protocol ends the session, and the abort says why.
#[test]
fn a_wrong_frame_ends_the_session_with_its_reason() {
    for (frame, reason) in [
        ("{}", "a frame is not an array"),
        (r#"["ping"]"#, "a frame is of an unknown type"),
        (r#"["push",[1]]"#, "an array is neither wrapped in another one nor a special value"),
        (r#"["push",["export",5]]"#, "an export's id is not negative"),
    ] {
        let (end, said) = ends(&[frame]);
        assert!(matches!(end, End::Malformed { .. }), "{end:?}");
        assert!(said.starts_with(r#"["abort",["error","Error","#) && said.contains(reason), "{said}");
    }
    for (frame, id) in [
        (r#"["pull",7]"#, 7),
        (r#"["pull",-1]"#, -1),
        (r#"["release",7,1]"#, 7),
        (r#"["push",["pipeline",7,["a"],[]]]"#, 7),
        (r#"["push",["pipeline",0,["echo"],[["url","x"],["import",-3]]]]"#, -3),
    ] {
        let (end, said) = ends(&[frame]);
        assert_eq!(end, End::UnknownId { id }, "{frame}");
        assert!(said.contains(&format!("the id {id}")), "{said}");
    }
    for frame in [r#"["release",1,2]"#, r#"["release",1,-1]"#] {
        assert!(matches!(ends(&[r#"["push",1]"#, frame]).0, End::BadRelease { id: 1, .. }), "{frame}");
    }
    let twice = ends(&[r#"["push",1]"#, r#"["release",1,1]"#, r#"["release",1,1]"#]);
    assert_eq!(twice.0, End::BadRelease { id: 1, count: 1 });
}

/// A peer that ends the session is not answered.
#[test]
fn an_abort_of_the_peer_ends_the_session_silently() {
    let (end, said) =
        ends(&[r#"["push",["pipeline",0,["make"],[1]]]"#, r#"["pull",1]"#, r#"["abort",["error","Error","bye"]]"#]);
    assert!(matches!(end, End::Aborted(_)), "{end:?}");
    assert_eq!(said, "");
    assert!(!end.to_string().contains("bye"), "what the peer sent reaches no log");
}

/// A peer that releases the main object has nothing to call any more.
#[test]
fn the_main_object_can_be_released() {
    let mut app = play(&[(r#"["release",0,1]"#, &[]), (r#"["push",["pipeline",0,["hello"],["x"]]]"#, &[])]);
    assert!(app.is_main_dropped);
    assert!(app.frame(r#"["pull",1]"#)[0].contains("Released"));
}
