//! One push: to an answer, an error of its own, or its deadline.

use std::time::Duration;

use capshare::__internal::connections::outlet::PushError;
use capshare::__internal::connections::push::{Action, Answer, PushOptions};
use capshare::share::error::Refusal;
use capshare::share::limits::PUSHES_IN_FLIGHT_MAX;
use capshare::testing::{Scene, run};
use futures::future::join_all;
use tokio::time::Instant;

use crate::support::door::Served;
use crate::support::raw::Raw;
use crate::support::sink::{Does, Peer, Script, connection_id, named, offer};

const NOW: PushOptions = PushOptions::within(Duration::from_secs(10));

fn notice() -> Action {
    Action::Notice("hello".into())
}

/// S29: a push resolves with the client's answer. S27: its sink works after the call that offered it returned.
#[test]
fn each_kind_of_action_comes_back_with_its_answer() {
    run(async {
        let scene = Scene::new();
        let peer = Peer::connect(&scene, None, Does::Answers).await;
        let custom = Action::custom("sum", serde_json::json!({"of": [1, 2]}));
        for (action, answer) in
            [(Action::Ping(7), Answer::Pong(7)), (notice(), Answer::Done), (custom, Answer::custom(r#"{"of":[1,2]}"#))]
        {
            assert_eq!(scene.host().push(&peer.id, action.clone(), PushOptions::default()).await, Ok(answer));
            assert_eq!(peer.script.seen.borrow().last(), Some(&action));
        }
    });
}

/// S29: the client's own error comes unchanged, of whatever kind.
#[test]
fn a_sink_that_throws_gives_its_own_words_and_goes_on() {
    run(async {
        let scene = Scene::new();
        let peer = Peer::connect(&scene, None, Does::Answers).await;
        let words = "remote exception: not *today*";
        for error in [
            capnp::Error::failed(words.into()),
            capnp::Error::overloaded(words.into()),
            capnp::Error::unimplemented(words.into()),
            capnp::Error::disconnected(words.into()),
        ] {
            *peer.script.does.borrow_mut() = Does::Throws(error);
            let thrown = scene.host().push(&peer.id, notice(), NOW).await;
            assert_eq!(thrown, Err(PushError::ClientError(words.into())));
        }
        *peer.script.does.borrow_mut() = Does::Answers;
        assert_eq!(scene.host().push(&peer.id, notice(), NOW).await, Ok(Answer::Done));
    });
}

/// S35: a wrong nonce and a wrong shape are distinct errors.
#[test]
fn a_wrong_nonce_is_not_a_wrong_shape() {
    run(async {
        let scene = Scene::new();
        let peer = Peer::connect(&scene, None, Does::Answers).await;
        let push = async |says: Answer, action: Action| {
            *peer.script.does.borrow_mut() = Does::Says(says);
            scene.host().push(&peer.id, action, NOW).await
        };
        assert_eq!(push(Answer::Pong(8), Action::Ping(7)).await, Err(PushError::WrongNonce { sent: 7, got: 8 }));
        let custom = || Action::custom("a", 1);
        for (says, action) in [
            (Answer::Done, Action::Ping(0)),
            (Answer::custom("7"), Action::Ping(7)),
            (Answer::Pong(0), notice()),
            (Answer::custom("null"), notice()),
            (Answer::Done, custom()),
            (Answer::Pong(1), custom()),
            (Answer::custom("{"), custom()),
            (Answer::custom(format!("\"{}\"", "x".repeat(70_000))), custom()),
        ] {
            let answered = push(says.clone(), action).await;
            assert!(matches!(answered, Err(PushError::InvalidAnswer { .. })), "{says:?} {answered:?}");
        }
    });
}

/// S29, S30: a push to a client that hangs ends at its deadline, the default or its own; a late answer changes nothing.
#[test]
fn a_push_ends_at_its_deadline_and_what_comes_later_changes_nothing() {
    run(async {
        let scene = Scene::new();
        let peer = Peer::connect(&scene, None, Does::Waits).await;
        for (options, seconds) in [
            (PushOptions::default(), 10),
            (PushOptions::within(Duration::from_secs(3)), 3),
            (PushOptions::within(Duration::from_secs(60)), 60),
        ] {
            let began = Instant::now();
            let after = Duration::from_secs(seconds);
            assert_eq!(scene.host().push(&peer.id, Action::Ping(1), options).await, Err(PushError::Timeout { after }));
            assert_eq!(began.elapsed(), after);
        }
        peer.script.until_seen(3).await;
        peer.script.release();
        // Three late pongs of 1 are on their way before the pong of 2.
        assert_eq!(scene.host().push(&peer.id, Action::Ping(2), NOW).await, Ok(Answer::Pong(2)));
        assert_eq!(peer.script.open.get(), 0);
    });
}

/// S32: past the in-flight limit of a connection the next push fails at once; other connections keep their own budget. A
/// sink that hangs is called no more often than that, however often the host has given up waiting.
#[test]
fn past_the_limit_in_flight_the_next_push_fails_at_once_and_only_there() {
    run(async {
        let scene = Scene::new();
        let hung = Peer::connect(&scene, None, Does::Waits).await;
        let other = Peer::connect(&scene, None, Does::Answers).await;
        let full = Err(PushError::TooManyInFlight { max: PUSHES_IN_FLIGHT_MAX });
        let fill = (0..PUSHES_IN_FLIGHT_MAX).map(|_| scene.host().push(&hung.id, notice(), NOW));
        let filling = join_all(fill);
        let beside = async {
            hung.script.until_seen(PUSHES_IN_FLIGHT_MAX).await;
            let began = Instant::now();
            assert_eq!(scene.host().push(&hung.id, notice(), NOW).await, full);
            assert_eq!(began.elapsed(), Duration::ZERO);
            assert_eq!(scene.host().push(&other.id, notice(), NOW).await, Ok(Answer::Done));
        };
        let (timed_out, ()) = tokio::join!(filling, beside);
        assert!(timed_out.iter().all(|push| matches!(push, Err(PushError::Timeout { .. }))), "{timed_out:?}");
        // They were given up, and are open all the same.
        assert_eq!(scene.host().push(&hung.id, notice(), NOW).await, full);
        // Another sink on the same connection has the same places.
        let fresh = Script::new(Does::Answers);
        let _kept = offer(&hung.raw, &fresh).await;
        assert_eq!(scene.host().push(&hung.id, notice(), NOW).await, full);
        assert_eq!((hung.script.open_most.get(), fresh.seen.borrow().len()), (PUSHES_IN_FLIGHT_MAX, 0));
        hung.script.release();
        while scene.host().push(&hung.id, notice(), NOW).await == full {
            tokio::task::yield_now().await;
        }
        assert!(!fresh.seen.borrow().is_empty());
    });
}

/// S33: an answer on connection B never settles a push to A.
#[test]
fn answers_of_other_connections_settle_nothing() {
    run(async {
        let scene = Scene::new();
        let a = Peer::connect(&scene, None, Does::Waits).await;
        let b = Peer::connect(&scene, None, Does::Says(Answer::Pong(1))).await;
        let to_a = scene.host().push(&a.id, Action::Ping(1), NOW);
        let beside = async {
            a.script.until_seen(1).await;
            for _ in 0..100 {
                assert_eq!(scene.host().push(&b.id, Action::Ping(1), NOW).await, Ok(Answer::Pong(1)));
            }
        };
        let (to_a, ()) = tokio::join!(to_a, beside);
        assert_eq!(to_a, Err(PushError::Timeout { after: Duration::from_secs(10) }));
    });
}

/// S34: a push to a client without a return path is a named error; so is one to a connection that is not there, or gone.
#[test]
fn without_a_sink_there_is_no_return_path_and_without_a_connection_nobody() {
    run(async {
        let scene = Scene::new();
        let raw = Raw::connect(scene.host(), None).await;
        let id = connection_id(&scene, &raw).await;
        let none = Err(PushError::NoReturnPath);
        assert_eq!(scene.host().push(&id, notice(), NOW).await, none);

        // A second sink takes the place of the first, and the first's registration then withdraws nothing.
        let (first, second) = (Script::new(Does::Answers), Script::new(Does::Answers));
        let first_kept = offer(&raw, &first).await;
        assert_eq!(scene.host().push(&id, notice(), NOW).await, Ok(Answer::Done));
        let second_kept = offer(&raw, &second).await;
        drop(first_kept);
        raw.root.probe_value_request().send().promise.await.unwrap();
        assert_eq!(scene.host().push(&id, notice(), NOW).await, Ok(Answer::Done));
        assert_eq!((first.seen.borrow().len(), second.seen.borrow().len()), (1, 1));
        drop(second_kept);
        raw.root.probe_value_request().send().promise.await.unwrap();
        assert_eq!(scene.host().push(&id, notice(), NOW).await, none);
        assert_eq!(scene.host().hub().connections().broadcast(&notice(), &[], |_| true), 0, "nor is it counted");
        // The host has let go of both.
        assert_eq!((std::rc::Rc::strong_count(&first), std::rc::Rc::strong_count(&second)), (1, 1));

        raw.cut();
        while scene.host().hub().connections().registry().count() > 0 {
            tokio::task::yield_now().await;
        }
        assert_eq!(scene.host().push(&id, notice(), NOW).await, Err(PushError::ConnectionGone));
    });
}

/// S34: a viewer has no return path.
#[tokio::test]
async fn a_viewer_has_no_return_path() {
    let served = Served::open().await;
    let client = served.client(None);
    let share = client.create(&"ses_1".parse().unwrap(), None).await.unwrap();
    let _viewer = served.knock(&format!("/ws/{}", share.id()), &[]).await.unwrap();
    let entries = served.host.hub().connections().registry().connections();
    let viewer = entries.iter().find(|entry| entry.door.as_str() == "viewer").expect("a viewer").id.clone();
    assert_eq!(served.host.push(&viewer, notice(), NOW).await, Err(PushError::NoReturnPath));
    let hello = client.hello().await.unwrap();
    let id = named(&served.host, &hello.connection_id);
    assert_eq!(served.host.push(&id, notice(), NOW).await, Err(PushError::NoReturnPath));
}

#[test]
fn what_cannot_be_sent_is_not() {
    run(async {
        let scene = Scene::new();
        let peer = Peer::connect(&scene, None, Does::Answers).await;
        for action in [
            Action::custom("a", "{"),
            Action::custom("", "1"),
            Action::custom("x".repeat(257), "1"),
            Action::custom("a", format!("{}{}", "[".repeat(101), "]".repeat(101))),
            Action::Notice("x".repeat(64 * 1024 + 1)),
        ] {
            let pushed = scene.host().push(&peer.id, action, NOW).await;
            let refused = matches!(
                pushed,
                Err(PushError::InvalidAction(Refusal::InvalidInput { .. } | Refusal::LimitExceeded { .. }))
            );
            assert!(refused, "{pushed:?}");
        }
        assert!(peer.script.seen.borrow().is_empty());
        let largest = Action::Notice("x".repeat(64 * 1024));
        assert_eq!(scene.host().push(&peer.id, largest, NOW).await, Ok(Answer::Done));
    });
}
