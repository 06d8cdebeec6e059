//! The host calls its clients back.

use std::time::Duration;

use capshare::__internal::connections::calls::{CallContext, CallFailure};
use capshare::__internal::connections::entry::ConnectionId;
use capshare::__internal::connections::outlet::PushError;
use capshare::__internal::connections::push::{Action, Answer, PushOptions};
use capshare::host::Host;
use capshare::testing::{Scene, run};
use serde_json::{Value, json};

use super::peer::Peer;

/// A client with a sink: its own connection's id, and the registration.
pub(super) async fn sink(host: &Host, export: i64) -> (Peer, ConnectionId, i64) {
    let mut peer = Peer::within(host, None).await;
    let id = peer.begin(0, "offerSink", json!([["export", export]])).await;
    peer.pull(id).await;
    let registration = peer.answer(id).await.unwrap()[1].as_i64().unwrap();
    let name = peer.ask("hello", json!([])).await.unwrap()["connectionId"].clone();
    let entries = host.hub().connections().registry().connections();
    let entry = entries.iter().find(|entry| json!(entry.id.as_str()) == name).unwrap();
    (peer, entry.id.clone(), registration)
}

/// Pushes, and answers the push as the client; gives the action that the client saw and what came of it.
async fn pushed(
    scene: &Scene,
    peer: &mut Peer,
    to: &ConnectionId,
    action: Action,
    answer: Value,
) -> (Value, Result<Answer, PushError>) {
    let pushing = scene.host().push(to, action, PushOptions::default());
    let answering = async {
        let (called, number) = peer.asked().await;
        let kind = if answer[0] == "error" { "reject" } else { "resolve" };
        peer.say(&json!([kind, number, answer])).await;
        called[3][0].clone()
    };
    let (came, seen) = tokio::join!(pushing, answering);
    (seen, came)
}

/// S29, S35: each kind of push comes to its answer, and each wrong answer to its own error.
#[test]
fn a_push_comes_to_its_answer_or_a_named_error() {
    run(async {
        let scene = Scene::new();
        let (mut peer, id, registration) = sink(scene.host(), -1).await;
        let (seen, came) = pushed(&scene, &mut peer, &id, Action::Ping(u64::MAX), json!(u64::MAX.to_string())).await;
        assert_eq!(seen, json!({"type": "ping", "nonce": u64::MAX.to_string()}));
        assert_eq!(came, Ok(Answer::Pong(u64::MAX)));
        let (_, came) = pushed(&scene, &mut peer, &id, Action::Ping(7), json!("8")).await;
        assert_eq!(came, Err(PushError::WrongNonce { sent: 7, got: 8 }));
        let (_, came) = pushed(&scene, &mut peer, &id, Action::Ping(7), json!(7)).await;
        assert!(matches!(came, Err(PushError::InvalidAnswer { .. })), "{came:?}");
        let (seen, came) = pushed(&scene, &mut peer, &id, Action::Notice("é".into()), json!(["undefined"])).await;
        assert_eq!((seen, came), (json!({"type": "notice", "text": "é"}), Ok(Answer::Done)));
        let action = Action::custom("a", json!({"list": [1, [2]]}));
        let (seen, came) = pushed(&scene, &mut peer, &id, action.clone(), json!({"l": [[1]]})).await;
        assert_eq!(seen, json!({"type": "custom", "name": "a", "data": {"list": [[1, [[2]]]]}}));
        assert_eq!(came, Ok(Answer::custom(r#"{"l":[1]}"#)));
        let (_, came) = pushed(&scene, &mut peer, &id, action.clone(), json!(["undefined"])).await;
        assert!(matches!(came, Err(PushError::InvalidAnswer { .. })), "{came:?}");
        let (_, came) = pushed(&scene, &mut peer, &id, action.clone(), json!("x".repeat(65 << 10))).await;
        assert!(matches!(came, Err(PushError::InvalidAnswer { .. })), "{came:?}");
        let (_, came) = pushed(&scene, &mut peer, &id, action.clone(), json!(["error", "Error", "busy"])).await;
        assert_eq!(came, Err(PushError::ClientError("busy".into())));
        let late = scene.host().push(&id, action.clone(), PushOptions::within(Duration::from_secs(1)));
        assert_eq!(late.await, Err(PushError::Timeout { after: Duration::from_secs(1) }));
        peer.say(&json!(["release", registration, 1])).await;
        peer.goes_on().await;
        let came = scene.host().push(&id, action.clone(), PushOptions::default()).await;
        assert_eq!(came, Err(PushError::NoReturnPath));
        let (pushing, _) = tokio::join!(scene.host().push(&id, action, PushOptions::default()), async { drop(peer) });
        assert!(matches!(pushing, Err(PushError::NoReturnPath | PushError::ConnectionGone)), "{pushing:?}");
    });
}

/// S31, S32: pushes past the bound are refused, and those that wait end with the connection.
#[test]
fn pushes_end_with_their_connection() {
    run(async {
        let scene = Scene::builder().settings(|settings| settings.hub.limits.pushes_in_flight_max = 2).build();
        let (mut peer, id, _) = sink(scene.host(), -1).await;
        let push = || scene.host().push(&id, Action::Notice("n".into()), PushOptions::default());
        let (one, two, three, ()) = tokio::join!(
            push(),
            push(),
            async {
                tokio::task::yield_now().await;
                push().await
            },
            async {
                peer.called().await;
                peer.called().await;
                drop(peer);
            }
        );
        assert_eq!((one, two), (Err(PushError::ConnectionGone), Err(PushError::ConnectionGone)));
        assert_eq!(three, Err(PushError::TooManyInFlight { max: 2 }));
    });
}

/// S39, S40: a broadcast is a notification, whose answer is not asked for; a second sink takes the place of the first.
#[test]
fn a_broadcast_asks_for_no_answer() {
    run(async {
        let scene = Scene::new();
        let (mut peer, id, first) = sink(scene.host(), -1).await;
        let second = peer.begin(0, "offerSink", json!([["export", -2]])).await;
        peer.pull(second).await;
        peer.answer(second).await.unwrap();
        peer.wait(|frame| *frame == json!(["release", -1, 1])).await;
        peer.say(&json!(["release", first, 1])).await;
        let connections = scene.host().hub().connections();
        assert_eq!(connections.broadcast(&Action::Notice("a".into()), &[], |entry| entry.door.as_str() == "web"), 1);
        assert_eq!(connections.broadcast(&Action::Notice("b".into()), &[id], |_| true), 0);
        let called = peer.called().await;
        assert_eq!((&called[1], &called[3][0]["text"]), (&json!(-2), &json!("a")));
        peer.goes_on().await;
        assert!(peer.unheard().iter().all(|frame| frame.starts_with(r#"["release""#)), "{:?}", peer.unheard());
    });
}

/// S28: a handler pushes to its caller while the caller's own call is open; its failure, and a name that nobody serves, are errors of the
/// call.
#[test]
fn a_handler_pushes_back_to_its_caller() {
    run(async {
        let scene = Scene::new();
        scene.host().on_call("add", |context: CallContext, data: Value| async move {
            let pushed = context.push_back(Action::custom("more", &data)).await;
            let more = pushed.map_err(|error| CallFailure::new("no-answer", error.to_string()))?;
            let more: u64 = serde_json::from_str(more.json().unwrap()).unwrap();
            Ok(json!({"sum": [data[0].as_u64().unwrap() + more]}))
        });
        scene.host().on_call("break", |_: CallContext, _: Value| async { panic!("broken") });
        let (mut peer, ..) = sink(scene.host(), -1).await;
        let call = peer.begin(0, "call", json!(["add", [[4]]])).await;
        peer.pull(call).await;
        let (called, number) = peer.asked().await;
        assert_eq!(called[3][0]["data"], json!([[4]]));
        peer.say(&json!(["resolve", number, 3])).await;
        assert_eq!(peer.answer(call).await, Ok(json!({"sum": [[7]]})));
        let call = peer.begin(0, "call", json!(["add", [[4]], 50])).await;
        peer.pull(call).await;
        let failed = peer.answer(call).await.unwrap_err();
        assert_eq!((&failed["code"], &failed["failure"]), (&json!("CallFailed"), &json!("no-answer")));
        assert_eq!(peer.ask("call", json!(["break"])).await.unwrap_err()["code"], "Internal");
        assert_eq!(peer.ask("call", json!(["nothing"])).await.unwrap_err()["code"], "UnknownProcedure");
        peer.goes_on().await;
    });
}
